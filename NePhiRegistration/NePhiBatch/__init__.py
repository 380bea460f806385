"""Registers whole cohorts with NePhiCore: the same cases never twice, on one process or on many machines."""
