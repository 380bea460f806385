"""Two calls on streams of a device: neither waits for the other, and nothing overtakes what it needs.

The streams of most tests are pretended: each knows what was asked of it and of the streams that it has waited for.
"""

import contextlib

import pytest
import torch

from NePhiCore.device_streams import two_at_once

CUDA = torch.device("cuda", 0)


class Streams:
    """What torch.cuda says of streams, for streams that only keep books."""

    def __init__(self):
        self.made, self.current = [], None
        self.current = self.Stream()

    def Stream(self, device=CUDA):
        stream = _Stream(device)
        self.made.append(stream)
        return stream

    def current_stream(self, device=None):
        return self.current

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def empty_cache(self):
        pass

    def ask(self, work):
        """Ask the current stream for some work; returns what is done for sure before it begins."""
        before = set(self.current.known)
        self.current.known.add(work)
        return before


class _Stream:
    def __init__(self, device):
        self.device, self.known = device, set()

    def wait_stream(self, other):
        self.known |= other.known


@pytest.fixture
def cuda(monkeypatch):
    streams = Streams()
    for name in ("Stream", "current_stream", "stream", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, getattr(streams, name))
    monkeypatch.setattr("NePhiCore.device_streams._of_this_thread", type("Local", (), {})())
    return streams


def test_calls_follow_what_came_before_and_precede_what_comes_after(cuda):
    outside = cuda.current
    cuda.ask("images")
    with two_at_once(CUDA) as make_both:
        cuda.ask("code")
        first, second = make_both(lambda: cuda.ask("there"), lambda: cuda.ask("back"))
        after = cuda.ask("move")
        again = make_both(lambda: cuda.ask("there again"), lambda: cuda.ask("back again"))
    assert first == second == {"images", "code"}  # neither waits for the other
    assert after == {"images", "code", "there", "back"}
    assert all(before == after | {"move"} for before in again)
    assert cuda.current is outside
    assert outside.known == after | {"move", "there again", "back again"}


def test_what_follows_a_failure_waits_for_both(cuda):
    def fail():
        cuda.ask("half of it")
        raise RuntimeError("out of memory")

    with two_at_once(CUDA) as make_both:
        with pytest.raises(RuntimeError, match="out of memory"):
            make_both(lambda: cuda.ask("there"), fail)
        assert cuda.ask("restore") == {"there", "half of it"}


def test_the_first_error_is_told_where_the_streams_cannot_be_joined(cuda):
    def fail_again(other):
        raise RuntimeError("previous error during capture")

    with two_at_once(CUDA) as make_both:
        here = cuda.current

        def fail():
            here.wait_stream = fail_again
            raise RuntimeError("operation not permitted when stream is capturing")

        with pytest.raises(RuntimeError, match="not permitted"):
            make_both(lambda: None, fail)


def test_a_thread_keeps_its_streams(cuda):
    for _ in range(3):
        with two_at_once(CUDA) as make_both:
            make_both(lambda: cuda.ask("there"), lambda: cuda.ask("back"))
    assert len(cuda.made) == 3  # two, and the one outside


def test_on_the_cpu_the_calls_are_made_as_ever():
    with two_at_once(torch.device("cpu")) as make_both:
        assert make_both(lambda: 1, lambda: 2) == [1, 2]


@pytest.mark.gpu
def test_on_a_gpu_both_calls_are_branches_of_a_recording():
    square = torch.rand(500, 500, device="cuda")
    expected = (square @ square).sin() + (square @ square).cos()
    with two_at_once(square.device) as make_both:

        def step():
            product = square @ square
            return torch.stack(make_both(product.sin, product.cos)).sum(0)

        step()  # libraries make their plans
        graph = torch.cuda.CUDAGraph()
        torch.cuda.current_stream().synchronize()
        graph.capture_begin()
        found = step()
        graph.capture_end()
        found.zero_()
        for _ in range(100):
            graph.replay()
        torch.testing.assert_close(found, expected)
