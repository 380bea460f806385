"""Attacks on the product: spoilt and hostile files, faults while it works. `python -m benchmarks.soak`."""
