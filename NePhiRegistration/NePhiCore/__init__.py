"""NePhi lung CT registration: the core. Knows torch, numpy and SimpleITK, never Slicer."""

__version__ = "0.1.0"
