"""A pair registered and measured without files; what is written is tested in test_cli.py."""

import weakref

import numpy as np
import pytest
from command_cases import MILLIMETRES_OFF, SHIFT_RAS_MM, quick_registration, write_pair

from NePhiCore import pair_run
from NePhiCore.block_volume import BlockVolume
from NePhiCore.checkpoint import load_checkpoint
from NePhiCore.cli_run import Run
from NePhiCore.errors import OutputError, RegistrationCancelled
from NePhiCore.interruption import Interruption
from NePhiCore.output_paths import OutputPaths, lung_function_paths
from NePhiCore.pair_run import check_run_possible, file_name, register_and_measure, register_and_write
from NePhiCore.register_command import read_pair
from NePhiCore.settings import settings_for

SETTINGS = settings_for("fast", grid_spacing_mm=8.0)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The pair with everything known about it, and an untrained model."""
    folder = write_pair(tmp_path_factory.mktemp("pair"))
    files = {name: folder / f"{name}.nii.gz" for name in ("fixed", "moving", "fixed_mask", "moving_mask")}
    files |= {f"{name}_landmarks": folder / f"{name}.csv" for name in ("fixed", "moving")}
    return read_pair(files), load_checkpoint(folder / "small.pt")


def test_the_result_comes_with_its_quality_and_its_times(inputs):
    pair, model = inputs
    run = Run(lambda message: None, Interruption())
    result, quality = register_and_measure(pair, SETTINGS, model, run)
    displacement = result.fixed_to_moving.displacement_ras_mm
    np.testing.assert_allclose(displacement, np.broadcast_to(SHIFT_RAS_MM, displacement.shape), atol=1e-3)
    assert quality["tre_mm"]["after"]["mean"] == pytest.approx(MILLIMETRES_OFF, abs=1e-3)
    assert set(result.seconds_by_step) | {"quality"} == set(run.seconds_by_step)


def test_an_interrupt_ends_it(inputs):
    pair, model = inputs
    interruption = Interruption()

    def interrupt(message):
        interruption.happened = True

    with pytest.raises(RegistrationCancelled):
        register_and_measure(pair, SETTINGS, model, Run(interrupt, interruption))


def test_memory_is_given_back_first_and_one_map_at_a_time_is_whole(inputs, tmp_path, monkeypatch):
    """Each is as large as two images as they are stored."""
    made, whole = [], BlockVolume.whole

    def watched(volume):
        assert made[0] == "given back" and not any(map_() is not None for map_ in made[1:])
        array = whole(volume)
        made.append(weakref.ref(array))
        return array

    monkeypatch.setattr(pair_run, "give_back_memory", lambda: made.append("given back"))
    monkeypatch.setattr(BlockVolume, "whole", watched)
    paths = OutputPaths(tmp_path / "t.h5", **lung_function_paths(tmp_path))
    pair, model = inputs
    register_and_write(pair, SETTINGS, model, paths, Run(lambda message: None, Interruption()))
    assert len(made) == 4
    assert all(path.exists() for path in paths.maps().values())


@pytest.mark.parametrize("output", [{"transform": "t.png"}, {"warped": "w.txt"}, {"inverse_transform": "i.json"}])
def test_a_format_that_is_not_written_is_found_out_before_the_run(tmp_path, output):
    paths = OutputPaths(**{name: tmp_path / file for name, file in {"transform": "t.h5", **output}.items()})
    with pytest.raises(OutputError):
        check_run_possible(paths, SETTINGS)


def test_a_file_has_a_name_however_its_path_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_name(tmp_path / "scans") == "scans"
    assert file_name(tmp_path / "a" / ".." / "scans") == "scans"
    assert file_name(type(tmp_path)(".")) == tmp_path.name
