"""`python -m NePhiCore` is the command `nephi`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
