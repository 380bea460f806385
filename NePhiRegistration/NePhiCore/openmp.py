"""How the threads that torch computes with wait for each other. OpenMP reads it once, when torch is loaded."""

from __future__ import annotations

from collections.abc import MutableMapping

# By default they spin for milliseconds: where other work shares the cores they wait for threads that have no core to
# run on, and a run takes several times as long. Not spinning at all costs a third to a half on an idle machine,
# whose cores fall asleep meanwhile. GNU's OpenMP, which torch brings on Linux, takes a count; others the policy.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Make threads spin for some microseconds and then sleep, unless the user has told OpenMP something else.

    Args:
        environment: of the process that will load torch; changed in place.
    """
    if not any(name in environment for name in _WAITING):
        environment.update(_WAITING)
