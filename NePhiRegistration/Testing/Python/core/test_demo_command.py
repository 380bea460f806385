import json

import numpy as np
import pytest
from command_cases import files_in, quick_registration, run, write_pair

from NePhiCore import demo_command
from NePhiCore.image_io import read_volume
from NePhiCore.phantom import breathing_phantom


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def small_phantom(monkeypatch):
    """The phantom of a demo that takes seconds: coarse, and registered without optimisation."""
    phantom = breathing_phantom((54, 48, 64), 6.0, seed=1)
    monkeypatch.setattr("NePhiCore.phantom.breathing_phantom", lambda seed: {1: phantom}[seed])
    monkeypatch.setattr(demo_command, "PRESET", "fast")
    return phantom


def test_the_demo_registers_the_phantom_and_compares_with_the_truth(pair, tmp_path, small_phantom):
    phantom = small_phantom
    folder = tmp_path / "new" / "demo"
    finished = run(["demo", "--output", str(folder), "--seed", "1", "--model", str(pair / "small.pt")])
    assert finished.code == 0, finished.err
    assert set(files_in(folder)) == {
        "fixed.nii.gz",
        "moving.nii.gz",
        "transform.h5",
        "inverse.h5",
        "warped.nii.gz",
        "jacobian.nii.gz",
        "report.json",
        "overview.png",
    }
    np.testing.assert_array_equal(read_volume(folder / "fixed.nii.gz").hu, phantom.exhale.hu)
    np.testing.assert_array_equal(read_volume(folder / "moving.nii.gz").hu, phantom.inhale.hu)
    report = json.loads((folder / "report.json").read_text())
    truth_mm = np.linalg.norm(phantom.landmarks_exhale_ras_mm - phantom.landmarks_inhale_ras_mm, axis=1).mean()
    assert report["tre_mm"]["before"]["mean"] == pytest.approx(truth_mm, abs=1e-3)
    assert report["truth_mm"]["after"]["mean"] < report["truth_mm"]["before"]["mean"]
    assert "error everywhere in the lungs" in finished.out


def test_a_demo_that_fails_leaves_no_empty_folder(pair, tmp_path):
    finished = run(["demo", "--output", str(tmp_path / "demo"), "--model", str(pair / "fixed.csv")])
    assert finished.code == 2
    assert not (tmp_path / "demo").exists()


def test_a_demo_cannot_be_written_into_a_file(pair):
    finished = run(["demo", "--output", str(pair / "fixed.csv")])
    assert finished.code == 2
    assert "cannot be made" in finished.complaint
