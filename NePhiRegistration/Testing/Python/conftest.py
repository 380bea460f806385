"""What all tests share: where the real data lie, which tests need a GPU, repeatable random examples."""

from __future__ import annotations

import os
from pathlib import Path

# OpenMP's threads spin while they wait for each other; where other work shares the cores, they wait for whole
# time slices and a test takes minutes instead of a second. Torch reads this once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread():
    """Tests are small: a second thread gains nothing and collapses on shared cores. One also sums in one order."""
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked gpu, and say so, on a machine without one."""
    gpu_tests = [item for item in items if item.get_closest_marker("gpu")]
    if gpu_tests and not _has_cuda():
        for item in gpu_tests:
            item.add_marker(pytest.mark.skip(reason="NOT TESTED HERE: needs a CUDA device and torch finds none"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real lung CT, which is no part of the repository: ../shared/data beside it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("NOT TESTED HERE: needs the real lung CT in ../shared/data beside the repository")
    return SHARED_DATA


@pytest.fixture
def as_an_ordinary_user():
    """Permissions do not stop root, who runs the tests in many containers."""
    if not hasattr(os, "geteuid") or (os.geteuid() == 0 and not hasattr(os, "setresuid")):
        pytest.skip("NOT TESTED HERE: this system cannot lend the tests another user id")
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    yield
    if is_root:
        os.setresuid(0, 0, 0)
