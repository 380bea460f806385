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
