"""What each part of the method is worth: the same pairs registered with one thing changed at a time."""
