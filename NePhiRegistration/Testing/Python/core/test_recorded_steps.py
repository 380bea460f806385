"""Steps that are recorded and repeated lead where the steps themselves lead; a recording that does not is not used.

The recordings here are made on the CPU: results that stay in the same memory, as a CUDA graph's do.
"""

import warnings
import weakref

import pytest
import torch

from NePhiCore.recorded_steps import CHECKED, WARM_UP, CudaRecorder, RecordedSteps


class Walk:
    """A tensor that moves by random numbers and by its arguments."""

    def __init__(self):
        self.place = torch.zeros(5)
        self.generator = torch.Generator().manual_seed(3)
        self.calls = 0

    def step(self, pull, offset):
        self.calls += 1
        self.place.add_(pull * torch.rand(5, generator=self.generator) + offset)
        return [self.place.sum(), self.place.square().mean()]

    def steps(self, record) -> RecordedSteps:
        return RecordedSteps(self.step, [self.place], [self.generator], record)


class Recorder:
    """Makes recordings that call the step again, and counts."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, work, generators):
        self.recorded += 1
        memory = []

        def replay():
            self.replayed += 1
            for kept, new in zip(memory, self.repeated(work, generators)):
                kept.copy_(new)

        memory.extend(torch.full((), torch.nan) for _ in range(2))
        return replay, memory

    def repeated(self, work, generators):
        return work()


class SamePointsAgain(Recorder):
    """As where the generator was not handed to the recording: each repetition draws what was drawn at first."""

    state = None

    def repeated(self, work, generators):
        after = generators[0].get_state()
        self.state = self.state if self.state is not None else after
        generators[0].set_state(self.state)
        return work()


class SlightlyAside(Recorder):
    def repeated(self, work, generators):
        return [part * 1.01 for part in work()]


class Refusing(Recorder):
    def __call__(self, work, generators):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


class FailingLater(Recorder):
    """As where memory runs out when the recording is first repeated."""

    def repeated(self, work, generators):
        work()
        raise RuntimeError("CUDA out of memory.")


def walked(steps, arguments) -> list[list[float]]:
    return [[float(part) for part in steps(*each)] for each in arguments]


ONE, TWO = (torch.tensor(1.0), torch.tensor(0.5)), (torch.tensor(2.0), torch.tensor(-0.5))


def test_recorded_steps_lead_where_the_steps_lead():
    plain, recorded, recorder = Walk(), Walk(), Recorder()
    arguments = [ONE] * 7 + [TWO] * 6
    expected = [[float(part) for part in plain.step(*each)] for each in arguments]
    assert walked(recorded.steps(recorder), arguments) == expected
    assert torch.equal(plain.place, recorded.place)
    assert recorder.recorded == 2  # once for each kind of arguments
    assert recorder.replayed == (7 - WARM_UP) + (6 - WARM_UP) + 2 * CHECKED


def test_few_steps_are_not_recorded():
    recorder = Recorder()
    walked(Walk().steps(recorder), [ONE] * WARM_UP + [TWO] * WARM_UP)
    assert recorder.recorded == 0


@pytest.mark.parametrize(
    ("recorder", "reason"),
    [
        (SamePointsAgain(), "led elsewhere"),
        (SlightlyAside(), "led elsewhere"),
        (Refusing(), r"could not be recorded \(operation not permitted when stream is capturing\)"),
        (FailingLater(), r"could not be recorded \(CUDA out of memory.\)"),
    ],
)
def test_a_recording_that_cannot_be_trusted_is_said_and_not_used(recorder, reason):
    plain, recorded = Walk(), Walk()
    arguments = [ONE] * 6 + [TWO] * 6
    expected = [[float(part) for part in plain.step(*each)] for each in arguments]
    with pytest.warns(UserWarning, match=reason) as said:
        assert walked(recorded.steps(recorder), arguments) == expected
    assert len(said) == 1
    assert torch.equal(plain.place, recorded.place)


def test_one_that_is_not_used_gives_its_memory_back():
    recorder = FailingLater()
    recorded, kept = Walk(), weakref.ref(recorder)
    steps = recorded.steps(recorder)
    del recorder
    with pytest.warns(UserWarning, match="could not be recorded"):
        walked(steps, [ONE] * 4)
    assert kept() is None


def test_what_only_rounds_differently_is_trusted():
    class Rounding(Recorder):
        def repeated(self, work, generators):
            return [part * (1 + 1e-6) for part in work()]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        walked(Walk().steps(Rounding()), [ONE] * 6)


def walk_on_a_gpu(record, waits=False) -> tuple[list[list[float]], torch.Tensor]:
    """Steps with two kinds of arguments, one of which changes on the way; as they are where nothing records."""
    generator = torch.Generator("cuda").manual_seed(3)

    def step(pull):
        place.add_(pull * torch.rand(5, generator=generator, device="cuda"))
        if waits:
            float(place.sum())
        return [place.sum(), place.square().mean()]

    with torch.cuda.stream(torch.cuda.Stream()):
        place = torch.zeros(5, device="cuda")
        steps = RecordedSteps(step, [place], [generator], record()) if record else step
        first, second = (torch.tensor(pull, device="cuda") for pull in (1.0, 2.0))
        told = walked(steps, [(first,)] * 5)
        first.fill_(3.0)
        told += walked(steps, [(first,)] * 3 + [(second,)] * 5)
        torch.cuda.synchronize()
        return told, place


@pytest.mark.gpu
def test_on_a_gpu_recorded_steps_lead_where_the_steps_lead():
    plain, expected = walk_on_a_gpu(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorded, place = walk_on_a_gpu(CudaRecorder)
    assert recorded == plain
    assert torch.equal(place, expected)


@pytest.mark.gpu
def test_on_a_gpu_a_step_that_waits_goes_on_as_it_is():
    plain, expected = walk_on_a_gpu(None, waits=True)
    with pytest.warns(UserWarning, match="could not be recorded"):
        recorded, place = walk_on_a_gpu(CudaRecorder, waits=True)
    assert recorded == plain
    assert torch.equal(place, expected)


@pytest.mark.gpu
def test_on_a_gpu_a_second_recording_writes_to_no_memory_but_its_own():
    """Long products have a work space, which a recording that is destroyed frees for the others of its stream too."""
    long = torch.rand(64, 200_000, device="cuda")

    def step(pull):
        place.add_(pull * (long @ long.t()) / long.shape[1])
        return [place.sum(), place.square().mean()]

    with torch.cuda.stream(torch.cuda.Stream()):
        place = torch.zeros(64, 64, device="cuda")
        steps = RecordedSteps(step, [place], [], CudaRecorder())
        for pull in (1.0, 0.5):
            walked(steps, [(torch.tensor(pull, device="cuda"),)] * 5)
        others = [torch.full((2**20,), float(n), device="cuda") for n in range(40)]
        walked(steps, [steps._arguments] * 5)
        torch.cuda.synchronize()
    assert all(bool((other == n).all()) for n, other in enumerate(others))
