import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import numpy as np
import pytest
import SimpleITK as sitk
from command_cases import (
    MILLIMETRES_OFF,
    QUICK_PROGRAM,
    SHAPE_KJI,
    SHIFT_LPS_MM,
    SHIFT_RAS_MM,
    files_in,
    grid,
    hu,
    own_environment,
    quick_registration,
    register_arguments,
    run,
    write_pair,
)

import NePhiCore
from NePhiCore import pair_run
from NePhiCore.cli import main
from NePhiCore.image_io import read_volume, write_volume
from NePhiCore.settings import settings_for

STEPS = ["starting", "reading", "lungs", "preparation", "encoding", "optimisation", "evaluation", "quality", "writing"]


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def everything(pair, tmp_path_factory):
    """A run with every output, its folder and what it printed."""
    folder = tmp_path_factory.mktemp("everything")
    outputs = {
        "inverse_transform": folder / "inverse.h5",
        "warped": folder / "warped.nii.gz",
        "jacobian": folder / "jacobian.nii.gz",
        "overview": folder / "overview.png",
    }
    landmarks = {f"{who}_landmarks": pair / f"{who}.csv" for who in ("fixed", "moving")}
    optimised = {"preset": "balanced", "iterations": 12, "seed": 5}
    finished = run(register_arguments(pair, folder, **outputs, **landmarks, **optimised))
    assert finished.code == 0, finished.err
    return folder, finished


@pytest.fixture(scope="module")
def report(everything):
    return json.loads((everything[0] / "report.json").read_text())


def test_leaves_the_files_asked_for_and_nothing_else(everything):
    assert set(files_in(everything[0])) == {
        "transform.h5",
        "inverse.h5",
        "warped.nii.gz",
        "jacobian.nii.gz",
        "report.json",
        "overview.png",
    }


@pytest.mark.parametrize(("name", "sign"), [("transform.h5", 1), ("inverse.h5", -1)])
def test_itk_reads_the_maps_as_fixed_to_moving_and_back_in_lps(everything, name, sign):
    transform = sitk.ReadTransform(str(everything[0] / name))
    point_lps_mm = np.array([7.0, 5.0, 12.0])
    mapped = transform.TransformPoint(point_lps_mm.tolist())
    np.testing.assert_allclose(mapped, point_lps_mm + sign * SHIFT_LPS_MM, atol=1e-3)


def test_the_warped_image_is_the_moving_one_on_the_fixed_grid(everything):
    warped = read_volume(everything[0] / "warped.nii.gz")
    assert warped.hu.dtype == np.int16
    assert warped.geometry.is_same_grid(grid())
    np.testing.assert_array_equal(warped.hu, hu())


def test_the_warped_image_keeps_the_type_of_the_moving_one(pair, tmp_path):
    write_volume(tmp_path / "float.nrrd", hu().astype(np.float32), grid(grid().origin_ras_mm + SHIFT_RAS_MM))
    warped = tmp_path / "warped.nrrd"
    assert run(register_arguments(pair, tmp_path, moving=tmp_path / "float.nrrd", warped=warped)).code == 0
    assert read_volume(warped).hu.dtype == np.float32


def test_the_jacobian_lies_on_the_fixed_grid(everything):
    image = sitk.ReadImage(str(everything[0] / "jacobian.nii.gz"))
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSize() == SHAPE_KJI[::-1]
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), 1, atol=1e-3)


def test_the_overview_is_a_png(everything):
    assert (everything[0] / "overview.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_report_times_the_whole_run_and_its_steps(report):
    assert list(report["seconds_by_step"]) == STEPS
    parts = sum(report["seconds_by_step"].values())
    assert parts <= report["seconds"] <= parts + 1
    assert report["peak_memory_bytes"] > 50e6


def test_the_report_says_what_made_it(report, pair):
    assert report["version"] == NePhiCore.__version__
    assert report["model"] == "small.pt"
    assert report["model_sha256"] == hashlib.sha256((pair / "small.pt").read_bytes()).hexdigest()
    assert report["device"] == "cpu"
    assert report["seed"] == report["settings"]["seed"] == 5
    assert report["settings"]["iterations"] == 12
    assert report["settings"]["optimise"] == "latent"
    assert report["cancelled"] is False


def test_the_report_measures_the_result(report):
    assert report["tre_mm"]["landmarks"] == 3
    before_mm = np.linalg.norm(SHIFT_LPS_MM + (0, 0, MILLIMETRES_OFF))
    assert report["tre_mm"]["before"]["mean"] == pytest.approx(before_mm, abs=1e-3)
    assert report["tre_mm"]["after"]["mean"] == pytest.approx(MILLIMETRES_OFF, abs=1e-3)
    assert report["similarity"]["after"]["ncc"] == pytest.approx(1, abs=1e-3)
    assert report["jacobian"]["folds_any_one_sided"] == report["jacobian"]["folds_central"] == 0
    assert report["inverse_consistency_mm"]["mean"] == pytest.approx(0, abs=1e-3)
    assert report["loss"]["iteration"] == [0, 10, 11]
    assert len(report["loss"]["total"]) == 3


def test_the_report_names_files_without_their_folders(everything, report):
    assert report["outputs"] == {
        "transform": "transform.h5",
        "inverse_transform": "inverse.h5",
        "warped": "warped.nii.gz",
        "jacobian": "jacobian.nii.gz",
        "report": "report.json",
        "overview": "overview.png",
    }
    assert report["inputs"]["moving_landmarks"] == "moving.csv"
    assert str(everything[0].parent) not in (everything[0] / "report.json").read_text()


def test_the_summary_is_all_that_stdout_gets(everything):
    lines = everything[1].out.splitlines()
    assert lines[0].startswith("Registered moving.nii.gz to fixed.nii.gz in ")
    assert any(f"-> {MILLIMETRES_OFF:.2f} mm mean" in line and "3 landmarks" in line for line in lines)
    written, *warned = lines[-2:] if lines[-1].startswith("Warning: ") else lines[-1:]
    assert written.startswith("Written: transform.h5, inverse.h5, ") and len(warned) <= 1


def test_a_log_gets_plain_lines_in_order(everything):
    lines = everything[1].err.splitlines()
    assert all(line.startswith("nephi: ") and "\r" not in line for line in lines)
    shares = [int(line.split()[1].rstrip("%")) for line in lines]
    assert shares == sorted(shares) and shares[0] == 0
    assert "\nnephi:  70% after " in everything[1].err and "optimisation, iteration 11, loss" in everything[1].err


def test_quiet_shows_no_progress(pair, tmp_path):
    finished = run(register_arguments(pair, tmp_path, "--quiet"))
    assert finished.err == ""
    assert finished.out.startswith("Registered")


def test_the_same_input_and_seed_give_the_same_map(pair, tmp_path):
    maps = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        arguments = register_arguments(pair, tmp_path / name, preset="accurate", iterations=3, seed=9)
        assert run(arguments).code == 0
        maps.append(sitk.ReadTransform(str(tmp_path / name / "transform.h5")).GetParameters())
    assert maps[0] == maps[1]


def test_only_the_transform_must_be_asked_for(pair, tmp_path):
    assert run(register_arguments(pair, tmp_path, report=None)).code == 0
    assert set(files_in(tmp_path)) == {"transform.h5"}


def test_files_that_were_there_are_replaced(pair, tmp_path):
    (tmp_path / "report.json").write_text("old")
    assert run(register_arguments(pair, tmp_path)).code == 0
    assert json.loads((tmp_path / "report.json").read_text())["seconds"] > 0


def test_an_initial_transform_and_a_folder_with_a_strange_name_are_taken(pair, tmp_path):
    folder = tmp_path / "Über  raum\n"
    folder.mkdir()
    start = sitk.TranslationTransform(3, (SHIFT_LPS_MM + (2, 0, 0)).tolist())
    sitk.WriteTransform(start, str(tmp_path / "start.tfm"))
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with redirect_stdout(output):
        transform = folder / "Ü.h5"
        code = main(register_arguments(pair, folder, initial_transform=tmp_path / "start.tfm", transform=transform))
    assert code == 0
    mapped = sitk.ReadTransform(str(transform)).TransformPoint((0.0, 0.0, 0.0))
    np.testing.assert_allclose(mapped, SHIFT_LPS_MM + (2, 0, 0), atol=1e-3)
    assert b"\\xdc.h5" in output.buffer.getvalue()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"preset": None}, settings_for("balanced")),
        ({"preset": "fast"}, settings_for("fast")),
        ({"preset": "accurate"}, settings_for("accurate")),
        ({"preset": "accurate", "iterations": 0}, settings_for("accurate", iterations=0)),
        ({"preset": "accurate", "optimise": "latent"}, settings_for("accurate", optimise="latent")),
        (
            {"preset": "fast", "optimise": "all", "iterations": 4},
            settings_for("fast", optimise="all", iterations=4),
        ),
        (
            {"similarity_sampling_ratio": 1, "regularity_sampling_ratio": 0.5, "preset": "balanced"},
            settings_for("balanced", similarity_sampling_ratio=1.0, regularity_sampling_ratio=0.5),
        ),
        (
            {"grid_spacing": 2.5, "device": "cpu", "seed": 7},
            settings_for("fast", grid_spacing_mm=2.5, device="cpu", seed=7),
        ),
    ],
)
def test_options_become_settings(pair, tmp_path, monkeypatch, options, expected):
    seen = []

    def note(fixed, moving, settings, **more):
        seen.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(pair_run, "register", note)
    run(register_arguments(pair, tmp_path, **{"grid_spacing": None, **options}))
    assert seen == [expected]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["register", "--help"], ["demo", "--help"], ["evaluate", "--help"], ["--version"]]
)
def test_help_and_version_end_well(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "nephi" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["register", "--help"],
        ["register", "a", "b"],
        ["register", "a", "b", "--transform", "/no/such/folder/t.h5"],
        ["evaluate", "--help"],
        ["evaluate", "/no/such/folder", "--output", "/no/such/folder"],
    ],
)
def test_what_needs_no_torch_does_not_wait_for_it(arguments):
    program = (
        "import sys\nfrom NePhiCore.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'SimpleITK'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, *arguments]
    finished = subprocess.run(command, env=own_environment(), capture_output=True, text=True)
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr


@pytest.mark.parametrize(
    "start", ["import NePhiCore.cli as c; c.main()", "runpy.run_module('NePhiCore', run_name='__main__')"]
)
@pytest.mark.parametrize(("own", "expected"), [({}, "PASSIVE 1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None")])
def test_threads_wait_briefly(pair, tmp_path, start, own, expected):
    """What OpenMP is told when torch is loaded, unless the user has told it something else."""
    program = (
        "import os, runpy, sys\n"
        "class Watch:\n"
        "    def find_spec(name, *more):\n"
        "        if name != 'torch': return\n"
        "        print('OpenMP:', os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'), file=sys.stderr)\n"
        "        os._exit(0)\n"
        "sys.meta_path.insert(0, Watch)\n"
    )
    told = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in own_environment().items() if name not in told} | own
    command = [sys.executable, "-c", program + start, *register_arguments(pair, tmp_path)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert finished.stderr.splitlines()[-1] == f"OpenMP: {expected}"


def test_a_fault_of_the_program_is_short_but_can_be_reported(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_run, "quality_report", lambda *a: {}["a key that nobody\nforesaw"])
    finished = run(register_arguments(pair, tmp_path))
    assert finished.code == 1
    assert finished.complaint.startswith("nephi: unexpected error: KeyError: ")
    assert "pair_run.py, line" in finished.complaint
    assert "Traceback" not in finished.err
    assert files_in(tmp_path) == {}

    monkeypatch.setenv("NEPHI_DEBUG", "1")
    assert "Traceback" in run(register_arguments(pair, tmp_path)).err


def test_a_missing_package_is_named(pair, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "NePhiCore.pair_run", None)
    finished = run(register_arguments(pair, tmp_path))
    assert finished.code == 2
    assert "pip install" in finished.complaint


def test_the_module_is_the_command(tmp_path):
    command = [sys.executable, "-m", "NePhiCore", "register", "a", "b", "--transform", str(tmp_path / "t.h5")]
    finished = subprocess.run(command, env=own_environment(), capture_output=True, text=True)
    assert finished.returncode == 2
    assert finished.stderr == "nephi: error: The input a does not exist. Check the path.\n"
    assert finished.stdout == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="NOT TESTED HERE: needs a device that is always full")
def test_a_log_on_a_full_disk_costs_the_summary_but_not_the_result(pair, tmp_path):
    command = [sys.executable, "-c", QUICK_PROGRAM, *register_arguments(pair, tmp_path)]
    with open("/dev/full", "w") as full:
        finished = subprocess.run(command, env=own_environment(), stdout=full, stderr=full)
    assert finished.returncode == 0
    assert set(files_in(tmp_path)) == {"transform.h5", "report.json"}


@pytest.mark.skipif(os.name == "nt", reason="NOT TESTED HERE: a closed pipe is another error on Windows")
def test_a_closed_pipe_costs_the_summary_but_not_the_result(pair, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-c", QUICK_PROGRAM, *register_arguments(pair, tmp_path)]
    finished = subprocess.run(command, env=own_environment(), stdout=write_end, stderr=write_end)
    os.close(write_end)
    assert finished.returncode == 0
    assert set(files_in(tmp_path)) == {"transform.h5", "report.json"}
