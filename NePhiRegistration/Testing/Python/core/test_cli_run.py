import time
from types import SimpleNamespace

import pytest

from NePhiCore.cli_run import Run
from NePhiCore.errors import RegistrationCancelled
from NePhiCore.progress import STEPS, Progress


@pytest.fixture
def interruption():
    return SimpleNamespace(happened=False)


def test_steps_are_announced_timed_and_summed(interruption):
    told = []
    run = Run(told.append, interruption)
    for name in ("starting", "reading", "reading"):
        with run.step(name):
            time.sleep(0.02)
    assert [message.step for message in told] == ["starting", "reading", "reading"]
    assert list(run.seconds_by_step) == ["starting", "reading"]
    assert 0.02 <= run.seconds_by_step["starting"] < run.seconds_by_step["reading"] < run.seconds < 5


def test_progress_never_goes_back(interruption):
    told = []
    run = Run(told.append, interruption)
    for name in ("starting", "reading"):
        with run.step(name):
            pass
    for n, step in enumerate(STEPS):
        run.tell(Progress(step, n / (len(STEPS) - 1), 3, 0.5))
    for name in ("quality", "writing"):
        with run.step(name):
            pass
    shares = [message.share for message in told]
    assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] < 1
    assert "done" not in [message.step for message in told]
    assert (told[2].iteration, told[2].loss) == (3, 0.5)


@pytest.mark.parametrize("keep_partial", [False, True])
def test_an_interrupt_stops_all_but_who_keeps_the_partial_result(interruption, keep_partial):
    run = Run(lambda message: None, interruption, keep_partial)
    run.stop_if_interrupted()
    assert not run.was_interrupted
    interruption.happened = True
    if keep_partial:
        run.tell(Progress("evaluation", 0.9))
        with run.step("quality"):
            pass
    else:
        with pytest.raises(RegistrationCancelled):
            run.tell(Progress("evaluation", 0.9))
        with pytest.raises(RegistrationCancelled), run.step("quality"):
            raise AssertionError("the step must not begin")
    assert run.was_interrupted


def test_a_part_has_its_own_clock_and_its_share_of_the_progress(interruption):
    told = []
    run = Run(told.append, interruption)
    for number, name in enumerate(("copd1", "copd2")):
        part = run.part(name, number, 2)
        with part.step("reading"):
            time.sleep(0.02)
        part.tell(Progress("optimisation", 0.5, 7, 0.25))
        assert 0.02 <= part.seconds < run.seconds + 1e-9
        assert list(part.seconds_by_step) == ["reading"]
    assert run.seconds_by_step == {} and run.failed == []
    assert [message.step for message in told] == [
        *("copd1, reading", "copd1, optimisation"),
        *("copd2, reading", "copd2, optimisation"),
    ]
    shares = [message.share for message in told]
    assert shares == sorted(shares)
    assert shares[1] < 0.5 <= shares[2] and shares[3] == pytest.approx(shares[1] + 0.5)
    assert (told[1].iteration, told[1].loss) == (7, 0.25)


def test_an_interrupt_of_the_run_stops_its_parts(interruption):
    part = Run(lambda message: None, interruption, keep_partial=True).part("copd1", 0, 1)
    interruption.happened = True
    with pytest.raises(RegistrationCancelled), part.step("reading"):
        raise AssertionError("the step must not begin")
