"""Medians and growth of runs that were made up."""

import math

import pytest

from benchmarks.measurements import Run, growth, summarised


def runs(*seconds, failed=None) -> list[Run]:
    return [Run(s, 2 * s, int(1e6 * s), {"encoding": s / 2}, failed) for s in seconds]


def test_a_measurement_is_the_median_of_its_runs_and_their_largest_memory():
    m = summarised("tool", "pair", runs(3.0, 1.0, 8.0), {"threads": 2})
    assert (m.seconds, m.cpu_seconds, m.steps["encoding"], m.runs) == (3.0, 6.0, 1.5, 3)
    assert m.peak_bytes == 8_000_000
    assert m.spread == pytest.approx(7 / 3)


def test_runs_that_failed_do_not_count():
    m = summarised("tool", "pair", [*runs(2.0, 4.0), *runs(100.0, failed="exit 1")])
    assert (m.seconds, m.runs, m.failed) == (3.0, 2, None)


def test_of_failures_alone_the_reason_is_kept():
    m = summarised("tool", "pair", runs(1.0, failed="exit 3: no lungs"))
    assert m.failed == "exit 3: no lungs" and m.runs == 0 and math.isnan(m.seconds)


@pytest.mark.parametrize("power", [0.0, 1.0, 3.0])
def test_growth_is_the_power_of_the_law(power):
    values = [64, 128, 512]
    assert growth(values, [5 * v**power for v in values]) == pytest.approx(power, abs=1e-9)


def test_growth_of_a_single_value_is_refused():
    with pytest.raises(ValueError, match="two different"):
        growth([3, 3], [1.0, 2.0])
