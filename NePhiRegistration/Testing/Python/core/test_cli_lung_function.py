"""`nephi register --lung-function` on the tiny pair."""

import json

import numpy as np
import pytest
from command_cases import files_in, quick_registration, register_arguments, run, write_pair

from NePhiCore.image_io import read_volume
from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES, MAPS


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


def test_maps_and_figures_are_written(pair, tmp_path):
    finished = run(register_arguments(pair, tmp_path, lung_function=tmp_path / "maps", inhale="fixed"))
    assert finished.code == 0, finished.err
    assert set(files_in(tmp_path / "maps")) == {f"{name}.nii.gz" for name in MAPS}
    fixed = read_volume(pair / "fixed.nii.gz")
    volumes = {name: read_volume(tmp_path / "maps" / f"{name}.nii.gz") for name in MAPS}
    for volume in volumes.values():
        assert volume.geometry.is_same_grid(fixed.geometry)
    assert volumes["parametric_response"].hu.dtype == np.uint8
    assert volumes["ventilation_jacobian"].hu.dtype == np.float32
    report = json.loads((tmp_path / "report.json").read_text())
    assert tuple(report["lung_function"]) == LUNG_FUNCTION_FIGURES
    assert report["lung_function"]["inhale_image"] == "fixed"
    assert report["outputs"]["parametric_response"] == "parametric_response.nii.gz"
    labels, counts = np.unique(volumes["parametric_response"].hu, return_counts=True)
    normal = 100 * counts[labels == 1].sum() / counts[labels > 0].sum()
    assert report["lung_function"]["prm_normal_percent"] == pytest.approx(normal, abs=0.5)
    assert "parametric response" in finished.out and "0 % in volume only" in finished.out


def test_without_the_option_nothing_of_it_is_there(pair, tmp_path):
    assert run(register_arguments(pair, tmp_path)).code == 0
    assert "lung_function" not in json.loads((tmp_path / "report.json").read_text())


def test_inhale_alone_is_refused(pair, tmp_path):
    finished = run(register_arguments(pair, tmp_path, inhale="moving"))
    assert finished.code == 2
    assert "give --lung-function too" in finished.complaint
    assert not files_in(tmp_path)


def test_a_run_that_fails_leaves_no_folder(pair, tmp_path):
    arguments = register_arguments(pair, tmp_path, lung_function=tmp_path / "maps", fixed_mask=tmp_path / "no.nii.gz")
    assert run(arguments).code == 2
    assert not files_in(tmp_path)


def test_a_map_never_takes_the_place_of_an_input(pair, tmp_path):
    (tmp_path / "parametric_response.nii.gz").write_bytes((pair / "fixed_mask.nii.gz").read_bytes())
    mask = tmp_path / "parametric_response.nii.gz"
    finished = run(register_arguments(pair, tmp_path, lung_function=tmp_path, fixed_mask=mask))
    assert finished.code == 2
    assert "is an input too" in finished.complaint
