"""The clock of a run: shares that only grow, seconds that add up."""

import pytest

from NePhiCore import progress
from NePhiCore.progress import STEPS, Progress, StepClock

WORK = STEPS[:-1]  # "done" is a message, not a step that takes time


@pytest.fixture
def watch(monkeypatch):
    """A stop watch that is put on by hand: watch[0] is the time in seconds."""
    time_s = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: time_s[0])
    return time_s


@pytest.mark.parametrize("optimises", [True, False])
def test_the_share_grows_from_0_to_1_and_every_step_ends_where_the_next_begins(optimises):
    told = []
    clock = StepClock(told.append, optimises)
    for name in WORK:
        with clock.step(name):
            clock.within(name, 0.5)
            clock.within(name, 1.0)
    clock.done()
    shares = [message.share for message in told]
    assert shares[0] == 0 and shares[-1] == 1
    assert shares == sorted(shares)
    begins, middles, ends = shares[:-1:3], shares[1:-1:3], shares[2:-1:3]
    assert ends == pytest.approx([*begins[1:], 1.0])
    assert middles == pytest.approx([(begin + end) / 2 for begin, end in zip(begins, ends)])
    assert [message.step for message in told[::3]] == list(STEPS)


def test_the_optimisation_has_most_of_the_bar_only_where_there_is_one():
    def share_of_optimisation(optimises: bool) -> float:
        told = []
        clock = StepClock(told.append, optimises)
        clock.within("optimisation", 0.0)
        clock.within("optimisation", 1.0)
        return told[1].share - told[0].share

    assert share_of_optimisation(True) > 0.5 > 0.1 > share_of_optimisation(False)


def test_iteration_and_loss_are_passed_on():
    told = []
    StepClock(told.append, True).within("optimisation", 0.25, 12, 0.5)
    assert (told[0].iteration, told[0].loss) == (12, 0.5)
    assert Progress("lungs", 0.1).iteration is None and Progress("lungs", 0.1).loss is None


def test_the_seconds_of_a_step_that_comes_twice_add_up(watch):
    clock = StepClock(lambda message: None, True)
    for seconds in (2.0, 3.5):
        with clock.step("encoding"):
            watch[0] += seconds
        watch[0] += 50
    with clock.step("evaluation"):
        watch[0] += 1.0
    assert clock.seconds == {"encoding": 5.5, "evaluation": 1.0}


def test_a_step_that_fails_is_timed_and_its_error_goes_on(watch):
    clock = StepClock(lambda message: None, True)
    with pytest.raises(KeyError, match="lungs"):
        with clock.step("lungs"):
            watch[0] += 4
            raise KeyError("lungs")
    assert clock.seconds == {"lungs": 4.0}


def test_a_callback_that_stops_the_run_is_heard_before_the_work_begins():
    def stop(message: Progress) -> None:
        raise InterruptedError(message.step)

    clock, worked = StepClock(stop, True), []
    with pytest.raises(InterruptedError, match="preparation"):
        with clock.step("preparation"):
            worked.append(True)
    assert not worked and not clock.seconds
