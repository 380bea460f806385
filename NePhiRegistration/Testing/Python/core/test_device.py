"""Choosing a device, and memory that runs out told in words."""

import os
import weakref

import pytest
import torch

from NePhiCore.device import (
    CPU,
    choose_device,
    forget_peak_memory,
    in_parts_that_fit,
    memory_errors_in_words,
    peak_memory_bytes,
    working_device,
)
from NePhiCore.errors import DeviceError, DeviceMemoryError, InvalidVolumeError

CUDA, MPS = torch.device("cuda"), torch.device("mps")


@pytest.fixture
def machine(monkeypatch):
    """Says which devices there are."""

    def has(*names: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    return has


@pytest.mark.parametrize(
    ("there", "chosen"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("cuda", "mps"), "cuda")]
)
def test_auto_takes_the_fastest_that_is_there(machine, there, chosen):
    machine(*there)
    assert choose_device("auto").type == chosen


def test_a_device_that_is_there_is_taken_by_name(machine):
    machine("cuda", "mps")
    assert [choose_device(name).type for name in ("cpu", "cuda", "mps")] == ["cpu", "cuda", "mps"]


@pytest.mark.parametrize(
    ("name", "there", "available"),
    [("cuda", (), "cpu"), ("mps", ("cuda",), "cuda, cpu"), ("cuda", ("mps",), "mps, cpu"), ("tpu", (), "cpu")],
)
def test_a_device_that_is_not_there_is_told_with_those_that_are(machine, name, there, available):
    machine(*there)
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert str(caught.value) == f"The device '{name}' is not available here; available: {available}. Use --device auto."
    assert caught.value.exit_code == 2


@pytest.fixture
def anew():
    working_device.cache_clear()
    yield
    working_device.cache_clear()


TOO_OLD = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture
def cuda_that_is_too_old(machine, monkeypatch, anew):
    machine("cuda")
    made = torch.ones

    def ones(*sizes, device=CPU):
        if device.type == "cuda":
            raise RuntimeError(f"{TOO_OLD}\nCUDA kernel errors might be asynchronously reported.")
        return made(*sizes, device=device)

    monkeypatch.setattr(torch, "ones", ones)


def test_a_device_that_computes_works(anew):
    assert working_device("cpu") == CPU


def test_auto_leaves_a_device_that_cannot_compute_and_says_so_once(cuda_that_is_too_old):
    with pytest.warns(UserWarning, match="no kernel image.*computing on the CPU") as said:
        assert [working_device("auto") for _ in range(3)] == [CPU] * 3
    assert len(said) == 1


def test_a_device_asked_for_by_name_that_cannot_compute_is_an_error(cuda_that_is_too_old):
    with pytest.raises(DeviceError, match=f"'cuda' is there but cannot compute: {TOO_OLD}. Use --device cpu"):
        working_device("cuda")


@pytest.fixture
def apples_gpu(machine, monkeypatch, anew):
    """One whose tensors lie on the CPU."""
    machine("mps")
    for name in ("ones", "zeros"):
        made = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *sizes, made=made, device=None, **more: made(*sizes, **more))


def test_a_device_that_has_every_operation_is_taken(apples_gpu):
    assert working_device("auto") == MPS


@pytest.mark.parametrize("missing", ["grid_sample", "max_pool3d", "embedding_bag"])
def test_auto_leaves_a_device_that_lacks_an_operation(apples_gpu, monkeypatch, missing):
    def refuse(*given, **more):
        raise NotImplementedError(f"The operator 'aten::{missing}' is not currently implemented for the MPS device.")

    monkeypatch.setattr(torch.nn.functional, missing, refuse)
    with pytest.warns(UserWarning, match=f"'mps' cannot compute .*{missing}.*computing on the CPU"):
        assert working_device("auto") == CPU
    working_device.cache_clear()
    with pytest.raises(DeviceError, match="'mps' is there but cannot compute"):
        working_device("mps")


OUT_OF_MEMORY = {
    "Python": MemoryError(),
    "NumPy": MemoryError("Unable to allocate 29.1 TiB for an array with shape (4000000000000,)"),
    "CUDA": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "CUDA driver": RuntimeError("CUDA error: out of memory"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "MPS": RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)"),
    "MPS, one buffer": RuntimeError("Invalid buffer size: 28.00 GB"),
    "CPU, Linux": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you"),
    "CPU, Windows": RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory: you"),
}


@pytest.mark.parametrize("device", [CPU, CUDA, MPS], ids=str)
@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=list(OUT_OF_MEMORY))
def test_memory_that_runs_out_ends_with_3_and_names_what_to_lower(error, device):
    with pytest.raises(
        DeviceMemoryError, match="^Out of memory.*--similarity-sampling-ratio.*--grid-spacing"
    ) as caught:
        with memory_errors_in_words(device):
            raise error
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is error


def test_an_array_that_fits_into_no_memory_is_recognised():
    with pytest.raises(DeviceMemoryError):
        with memory_errors_in_words():
            torch.empty(2**55, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("device", "error", "is_cpu_offered"),
    [
        (CUDA, "CUDA", True),
        (CUDA, "cuBLAS", True),
        (MPS, "MPS", True),
        (CUDA, "NumPy", False),
        (CUDA, "CPU, Linux", False),
        (CPU, "Python", False),
        (CPU, "CPU, Linux", False),
        (CPU, "CPU, Windows", False),
    ],
)
def test_the_cpu_is_offered_only_where_its_memory_is_not_what_ran_out(device, error, is_cpu_offered):
    with pytest.raises(DeviceMemoryError) as caught:
        with memory_errors_in_words(device):
            raise OUT_OF_MEMORY[error]
    assert ("--device cpu" in str(caught.value)) is is_cpu_offered


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape '[2]' is invalid for input of size 3"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("unsupported operation: some elements of the input tensor refer to a single memory location."),
        InvalidVolumeError("fixed: every voxel is 0"),
        ValueError("out of memory"),
        DeviceMemoryError("Out of memory while an image was read."),
        KeyboardInterrupt(),
    ],
    ids=lambda error: f"{type(error).__name__} {str(error)[:30]}",
)
def test_other_errors_pass_through_unchanged(error):
    with pytest.raises(type(error)) as caught:
        with memory_errors_in_words(CUDA):
            raise error
    assert caught.value is error and error.__cause__ is None


@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=list(OUT_OF_MEMORY))
def test_parts_are_halved_until_they_fit(error):
    tried = []

    def work(at_once: int) -> str:
        tried.append(at_once)
        if at_once > 30:
            raise error
        return "done"

    assert in_parts_that_fit(work, 200, CPU) == "done"
    assert tried == [200, 100, 50, 25]


@pytest.mark.parametrize(("first", "last"), [(1 << 20, 1 << 12), (5, 1)])
def test_parts_are_not_halved_for_ever(first, last):
    tried = []

    def work(at_once: int) -> None:
        tried.append(at_once)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        in_parts_that_fit(work, first, CPU)
    assert tried[0] == first and tried[-1] == last


def test_what_did_not_fit_is_let_go_before_the_next_try():
    """The error's traceback holds everything that the work had made."""
    held = []

    def work(at_once: int) -> int:
        made = torch.ones(at_once)
        alive = sum(reference() is not None for reference in held)
        held.append(weakref.ref(made))
        if at_once > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return alive

    assert in_parts_that_fit(work, 4, CPU) == 0
    assert len(held) == 3


def test_another_error_is_not_tried_again():
    tried = []

    def work(at_once: int) -> None:
        tried.append(at_once)
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        in_parts_that_fit(work, 8, CPU)
    assert tried == [8]


def test_nothing_is_changed_where_nothing_fails():
    with memory_errors_in_words():
        result = 1 + 1
    assert result == 2


def test_peak_memory_of_the_process_is_no_less_than_what_it_once_held():
    pytest.importorskip("resource", reason="NOT TESTED HERE: Windows does not count it")
    held = torch.ones(20_000_000, dtype=torch.uint8)
    assert peak_memory_bytes(CPU) > held.numel()
    assert peak_memory_bytes(CPU) < 2**45  # bytes, not a wrong unit


def test_peak_memory_of_cuda_is_that_of_its_tensors(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12345)
    assert peak_memory_bytes(CUDA) == 12345


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="NOT TESTED HERE: only Linux forgets the peak of a process"
)
def test_the_peak_of_the_process_is_forgotten():
    size = 2**29
    torch.ones(size, dtype=torch.uint8)
    before = peak_memory_bytes(CPU)
    forget_peak_memory(CPU)
    assert peak_memory_bytes(CPU) < before - size // 2


def test_the_peak_of_cuda_is_forgotten(monkeypatch):
    forgotten = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forgotten.append)
    forget_peak_memory(CUDA)
    assert forgotten == [CUDA]
