"""How long a registration takes, how much memory, and how well others do at the same time on the same machine."""
