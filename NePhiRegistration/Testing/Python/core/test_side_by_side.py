"""Two calls at once: in order, with the caller's state of torch, which is left as it was."""

import contextlib
import gc
import threading
import weakref

import pytest
import torch

from NePhiCore.side_by_side import side_by_side


@pytest.fixture(params=[1, 2, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_the_threads_are_the_callers_again(threads):
    assert side_by_side(lambda a, b: a - b, (5, 3), (1, 7)) == [2, -6]
    assert torch.get_num_threads() == threads
    assert torch.ones(200_000).sum() == 200_000


def test_what_was_made_is_let_go_at_once_where_another_call_fails(threads):
    made = []

    def make(fails):
        if fails:
            raise ValueError("no")
        tensor = torch.ones(3)
        made.append(weakref.ref(tensor))
        return tensor

    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            side_by_side(make, (False,), (True,))
        assert [reference() for reference in made] == [None]
    finally:
        gc.enable()


def test_they_run_at_once_each_with_its_share(threads):
    together = threading.Barrier(2, timeout=20)

    def meet(_):
        if threads > 1:
            together.wait()
        return torch.get_num_threads()

    assert side_by_side(meet, (0,), (1,)) == [max(1, threads // 2)] * 2


@pytest.mark.parametrize("with_gradients", [True, False])
def test_gradients_are_kept_or_not_as_the_caller_does(threads, with_gradients):
    with torch.set_grad_enabled(with_gradients):
        found = side_by_side(lambda x: (2 * x).requires_grad, *((torch.ones(1, requires_grad=True),) for _ in range(2)))
    assert found == [with_gradients] * 2


def test_the_first_error_is_raised_and_the_threads_are_the_callers_again(threads):
    def fail(message):
        raise ValueError(message)

    with pytest.raises(ValueError, match="fixed"):
        side_by_side(fail, ("fixed",), ("moving",))
    assert torch.get_num_threads() == threads


def test_where_no_thread_can_be_had_the_callers_does_it_all(threads, monkeypatch):
    def cannot_start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", cannot_start)
    assert side_by_side(lambda a: a * a, (2,), (3,), (4,)) == [4, 9, 16]
    assert torch.get_num_threads() == threads
