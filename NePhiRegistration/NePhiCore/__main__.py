"""`python -m NePhiCore` is the command `nephi`."""

from .program import run

if __name__ == "__main__":
    run()
