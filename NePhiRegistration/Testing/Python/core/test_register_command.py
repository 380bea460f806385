"""Reading a pair and choosing settings; the command as a whole is tested in test_cli.py and test_bad_input.py."""

import numpy as np
import pytest
from command_cases import LANDMARKS_LPS_MM, LUNGS, SHIFT_RAS_MM, grid, hu, write_pair

from NePhiCore.cli_arguments import parse_arguments
from NePhiCore.errors import InvalidLandmarksError, InvalidVolumeError, SettingsError
from NePhiCore.register_command import chosen_settings, read_pair
from NePhiCore.settings import settings_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def images(folder) -> dict:
    return {name: folder / f"{name}.nii.gz" for name in ("fixed", "moving")}


def test_a_pair_needs_two_images_only(images):
    pair = read_pair({**images, "fixed_mask": None, "initial_transform": None})
    np.testing.assert_array_equal(pair.fixed.hu, hu())
    np.testing.assert_allclose(pair.fixed.geometry.ijk_to_ras, grid().ijk_to_ras)
    np.testing.assert_allclose(pair.moving.geometry.origin_ras_mm - pair.fixed.geometry.origin_ras_mm, SHIFT_RAS_MM)
    assert pair.file_names == {"fixed": "fixed.nii.gz", "moving": "moving.nii.gz"}
    assert pair.fixed_lungs is pair.moving_lungs is pair.initial_transform is pair.fixed_landmarks_ras_mm is None


def test_what_else_is_known_comes_with_it(images, folder):
    landmarks = {"fixed_landmarks": folder / "fixed.csv", "moving_landmarks": folder / "moving.csv"}
    pair = read_pair({**images, **landmarks, "moving_mask": folder / "moving_mask.nii.gz"})
    np.testing.assert_allclose(pair.fixed_landmarks_ras_mm, LANDMARKS_LPS_MM * (-1, -1, 1))
    assert pair.fixed_lungs is None
    assert pair.moving_lungs.dtype == bool and pair.moving_lungs[LUNGS].all()
    assert pair.file_names["moving_mask"] == "moving_mask.nii.gz" and "fixed_mask" not in pair.file_names


def test_each_mask_belongs_to_its_own_image(images, folder):
    with pytest.raises(InvalidVolumeError, match="fixed mask: .* is on another grid"):
        read_pair({**images, "fixed_mask": folder / "moving_mask.nii.gz"})


def test_landmarks_come_in_pairs(images, folder, tmp_path):
    (tmp_path / "two.csv").write_text("x,y,z\n1,2,3\n4,5,6\n")
    with pytest.raises(InvalidLandmarksError, match="same order"):
        read_pair({**images, "fixed_landmarks": folder / "fixed.csv", "moving_landmarks": tmp_path / "two.csv"})


def settings(*options: str):
    return chosen_settings(parse_arguments(["evaluate", "s", "--output", "o", *options]))


def test_options_override_the_preset():
    assert settings() == settings_for("balanced")
    assert settings("--preset", "accurate", "--seed", "4") == settings_for("accurate", seed=4)


@pytest.mark.parametrize(
    "options", [("--preset", "fast", "--iterations", "5"), ("--preset", "fast", "--optimise", "all")]
)
def test_half_of_what_an_optimisation_needs_is_refused(options):
    with pytest.raises(SettingsError):
        settings(*options)
