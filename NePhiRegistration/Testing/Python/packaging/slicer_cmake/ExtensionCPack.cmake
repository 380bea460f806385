# Slicer packages what was installed; here the tests look at that themselves.
