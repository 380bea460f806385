"""Bad input gets one clear line, its exit code, no traceback, and no output file is touched."""

import os
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from command_cases import (
    SHAPE_KJI,
    SPACING_MM,
    Finished,
    files_in,
    grid,
    hu,
    quick_registration,
    register_arguments,
    run,
    write_pair,
)
from file_size_limit import files_of_at_most

import NePhiCore
from NePhiCore import pair_run
from NePhiCore.image_io import write_volume

OLD_FILES = {"transform.h5": b"an old transform", "report.json": b"an old report", "warped.nii.gz": b"old voxels"}


@pytest.fixture(scope="module", autouse=True)
def quick():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def outputs(tmp_path) -> Path:
    """A folder with the outputs of an earlier run."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    for name, content in OLD_FILES.items():
        (folder / name).write_bytes(content)
    return folder


def check_refused(finished: Finished, outputs: Path, cause: str, code: int = 2) -> None:
    assert finished.code == code, finished
    assert "Traceback" not in finished.err and finished.out == ""
    # Lines of progress may come before it; the complaint itself is one line.
    assert finished.complaint.startswith("nephi: error: ")
    assert finished.err.count("error: ") == 1
    for part in cause.split("|"):
        assert part in finished.complaint, f"{part!r} is not in {finished.complaint!r}"
    assert files_in(outputs) == OLD_FILES


def spoil(pair: Path, folder: Path, kind: str) -> Path:
    """An image file with one thing wrong with it."""
    path = folder / f"{kind.replace(' ', '_')}.nrrd"
    voxels = hu().astype(np.float32)
    if kind == "NaN voxels":
        voxels[3, 4, 5] = np.nan
    elif kind == "infinite voxels":
        voxels[3, 4, 5] = np.inf
    elif kind == "constant":
        voxels[:] = -1000
    elif kind == "2D":
        voxels = voxels[0]
    image = sitk.GetImageFromArray(voxels)
    if kind == "4D":
        image = sitk.JoinSeries([image, image])
        path = path.with_suffix(".nii.gz")
    elif kind == "colour":
        image = sitk.Compose([sitk.Cast(image, sitk.sitkUInt8)] * 3)
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("which", ["fixed", "moving"])
@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("2D", "three-dimensional"),
        ("4D", "three-dimensional"),
        ("colour", "3 numbers in a voxel"),
        ("NaN voxels", "NaN or infinite"),
        ("infinite voxels", "NaN or infinite"),
        ("constant", "constant image"),
    ],
)
def test_an_image_that_is_no_ct(pair, tmp_path, outputs, which, kind, cause):
    image = spoil(pair, tmp_path, kind)
    check_refused(run(register_arguments(pair, outputs, **{which: image})), outputs, f"{which}: |{cause}")


@pytest.mark.parametrize("option", ["fixed", "moving", "fixed_mask", "moving_mask", "model", "initial_transform"])
def test_a_missing_file(pair, outputs, option):
    finished = run(register_arguments(pair, outputs, **{option: pair / "nowhere.nii.gz"}))
    check_refused(finished, outputs, "nowhere.nii.gz does not exist")


def test_a_file_that_cannot_be_reached(pair, outputs):
    finished = run(register_arguments(pair, outputs, moving=pair / "fixed.nii.gz" / "ct.nrrd"))
    check_refused(finished, outputs, "ct.nrrd cannot be reached")


@pytest.mark.parametrize("which", ["fixed", "moving", "fixed_mask", "moving_mask"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_truncated_file(pair, tmp_path, outputs, which, suffix):
    whole = tmp_path / f"cut{suffix}"
    write_volume(whole, hu(), grid())
    whole.write_bytes(whole.read_bytes()[:-2000])
    finished = run(register_arguments(pair, outputs, **{which: whole}))
    check_refused(finished, outputs, f"{which.replace('_', ' ')}: |cut{suffix}|truncated")


@pytest.mark.parametrize("content", [b"", b"These are my notes about the patient.\n", bytes(range(256)) * 20])
@pytest.mark.parametrize("name", ["notes.txt", "notes.nii.gz", "notes.nrrd"])
def test_a_file_that_is_no_image(pair, tmp_path, outputs, name, content):
    (tmp_path / name).write_bytes(content)
    check_refused(run(register_arguments(pair, outputs, moving=tmp_path / name)), outputs, f"moving: |{name}")


def test_a_folder_without_dicom_slices(pair, tmp_path, outputs):
    (tmp_path / "scans").mkdir()
    check_refused(run(register_arguments(pair, outputs, fixed=tmp_path / "scans")), outputs, "fixed: |scans")


@pytest.mark.parametrize("spacing", ["0 4 4", "4 -4 4", "4 4 nan"])
def test_a_spacing_that_is_none(pair, tmp_path, outputs, spacing):
    path = tmp_path / "ct.mha"
    image = sitk.GetImageFromArray(hu())
    image.SetSpacing([SPACING_MM] * 3)
    sitk.WriteImage(image, str(path))
    content = path.read_bytes()
    assert b"ElementSpacing = 4 4 4\n" in content
    path.write_bytes(content.replace(b"ElementSpacing = 4 4 4\n", f"ElementSpacing = {spacing}\n".encode()))
    check_refused(run(register_arguments(pair, outputs, moving=path)), outputs, "moving: |spacing")


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_no_lungs_offers_a_mask(pair, tmp_path, outputs, which):
    water = np.random.default_rng(0).normal(0, 200, SHAPE_KJI).astype(np.int16)
    write_volume(tmp_path / "water.nii.gz", water, grid())
    without = {which: tmp_path / "water.nii.gz", f"{which}_mask": None}
    finished = run(register_arguments(pair, outputs, **without))
    check_refused(finished, outputs, f"no lungs found in {which}|give a mask with --{which}-mask")


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_an_empty_mask(pair, tmp_path, outputs, which):
    own = np.array(sitk.ReadImage(str(pair / f"{which}.nii.gz")).GetOrigin()) * (-1, -1, 1)
    write_volume(tmp_path / "mask.nii.gz", np.zeros(SHAPE_KJI, bool), grid(own))
    finished = run(register_arguments(pair, outputs, **{f"{which}_mask": tmp_path / "mask.nii.gz"}))
    check_refused(finished, outputs, f"{which} mask: |empty")


def test_a_mask_on_another_grid(pair, outputs):
    finished = run(register_arguments(pair, outputs, fixed_mask=pair / "moving_mask.nii.gz"))
    check_refused(finished, outputs, "fixed mask: |another grid|nearest-neighbour")


def test_images_that_do_not_overlap(pair, tmp_path, outputs):
    far = grid((900.0, 0.0, 0.0))
    write_volume(tmp_path / "ct.nii.gz", hu(), far)
    write_volume(tmp_path / "mask.nii.gz", hu() > -800, far)
    images = {"moving": tmp_path / "ct.nii.gz", "moving_mask": tmp_path / "mask.nii.gz"}
    finished = run(register_arguments(pair, outputs, **images))
    check_refused(finished, outputs, "do not overlap|--initial-transform")


class _Evil:
    def __reduce__(self):
        return (print, ("code from the model file was run",))


def spoilt_model(good: Path, kind: str) -> bytes | dict:
    """What a model file holds that is not one of ours."""
    content = torch.load(good, weights_only=True)
    weights = content["weights"]
    if kind == "no model":
        return b"These are my notes about the patient.\n"
    if kind == "truncated":
        return good.read_bytes()[:-5000]
    if kind == "a bare pickle":
        return pickle.dumps(_Evil())
    if kind == "another program's weights":
        return {"state_dict": weights}
    if kind == "other keys":
        return {**content, "weights": {f"net.{name}": value for name, value in weights.items()}}
    if kind == "other shapes":
        return {**content, "weights": {name: value[:1] for name, value in weights.items()}}
    if kind == "newer version":
        return {**content, "format_version": content["format_version"] + 1}
    if kind == "a hidden pickle":
        return {**content, "origin": _Evil()}
    return {**content, "weights": {name: value * float("nan") for name, value in weights.items()}}


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("no model", "not a NePhi model"),
        ("truncated", "not a NePhi model"),
        ("a bare pickle", "not a NePhi model"),
        ("another program's weights", "no NePhi model"),
        ("other keys", "do not fit"),
        ("other shapes", "do not fit"),
        ("newer version", "format 2|Update NePhi"),
        ("a hidden pickle", "not a NePhi model|never done"),
        ("NaN", "NaN or infinite"),
    ],
)
def test_a_model_file_that_is_none_of_ours(pair, tmp_path, outputs, kind, cause):
    content, path = spoilt_model(pair / "small.pt", kind), tmp_path / "other.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    finished = run(register_arguments(pair, outputs, model=path))
    check_refused(finished, outputs, f"other.pt|{cause}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="NOT TESTED HERE: this machine has the device")
def test_a_device_that_is_not_there(pair, outputs):
    finished = run(register_arguments(pair, outputs, device="cuda"))
    check_refused(finished, outputs, "'cuda' is not available|--device auto")


def raises(error):
    def fail(*arguments, **more):
        raise error

    return fail


@pytest.mark.parametrize("step", ["place_pair", "find_lungs", "evaluate_map"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["Python", "CUDA", "torch on a CPU"],
)
def test_out_of_memory_names_what_to_lower(pair, outputs, monkeypatch, step, error):
    monkeypatch.setattr(f"NePhiCore.registration.{step}", raises(error))
    without_mask = {"fixed_mask": None} if step == "find_lungs" else {}
    finished = run(register_arguments(pair, outputs, **without_mask))
    check_refused(finished, outputs, "Out of memory|--similarity-sampling-ratio|--grid-spacing", code=3)


@pytest.mark.parametrize("step", ["check_run_possible", "quality_report", "write_displacement"])
def test_out_of_memory_before_and_after_the_registration(pair, outputs, monkeypatch, step):
    monkeypatch.setattr(pair_run, step, raises(MemoryError()))
    finished = run(register_arguments(pair, outputs))
    check_refused(finished, outputs, "Out of memory|--similarity-sampling-ratio", code=3)


@pytest.mark.parametrize("option", ["transform", "inverse_transform", "warped", "jacobian", "report", "overview"])
def test_an_output_folder_that_is_missing(pair, outputs, option):
    finished = run(register_arguments(pair, outputs, **{option: outputs / "nowhere" / "file"}))
    check_refused(finished, outputs, "folder|nowhere does not exist")


@pytest.fixture
def a_folder_for_everybody():
    """Not below the folder of the tests, which no other user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_a_read_only_output_folder(a_folder_for_everybody, request):
    inputs = write_pair(a_folder_for_everybody)
    outputs = inputs / "outputs"
    outputs.mkdir()
    for name, content in OLD_FILES.items():
        (outputs / name).write_bytes(content)
    outputs.chmod(0o555)
    request.getfixturevalue("as_an_ordinary_user")
    finished = run(register_arguments(inputs, outputs, transform=outputs / "new.h5", report=None))
    check_refused(finished, outputs, "new.h5 cannot be written|Choose another")


@pytest.mark.parametrize("option", ["transform", "inverse_transform", "warped", "overview"])
def test_a_full_disk(pair, outputs, option):
    target = {"warped": "w.nii.gz", "overview": "o.png"}.get(option, "t.h5")
    arguments = register_arguments(pair, outputs, **{"transform": outputs / "transform.h5", option: outputs / target})
    with files_of_at_most(4096):
        finished = run(arguments)
    check_refused(finished, outputs, "disk")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("iterations", "-1"),
        ("iterations", "1.5"),
        ("iterations", "100001"),
        ("similarity_sampling_ratio", "0"),
        ("similarity_sampling_ratio", "1.01"),
        ("similarity_sampling_ratio", "nan"),
        ("regularity_sampling_ratio", "0"),
        ("regularity_sampling_ratio", "-0.1"),
        ("regularity_sampling_ratio", "half"),
        ("grid_spacing", "0"),
        ("grid_spacing", "-3"),
        ("grid_spacing", "51"),
        ("grid_spacing", "inf"),
        ("seed", "-1"),
        ("preset", "best"),
        ("optimise", "everything"),
        ("device", "abacus"),
        ("precision", "high"),
    ],
)
def test_a_setting_out_of_range(pair, outputs, option, value):
    finished = run(register_arguments(pair, outputs, **{option: value}))
    name = option if "ratio" not in option else option.removesuffix("_sampling_ratio")
    check_refused(finished, outputs, name.split("_")[0])


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"iterations": 5}, "--preset fast is the encoder alone"),
        ({"optimise": "latent"}, "--preset fast is the encoder alone"),
        ({"fixed_landmarks": __file__}, "--moving-landmarks"),
        ({"transform": "{outputs}/t.tfm"}, "Write .h5"),
        ({"transform": "{outputs}/t.png"}, "must end in one of .h5"),
        ({"warped": "{outputs}/w.jpg"}, "must end in one of .nrrd"),
        ({"jacobian": "{outputs}/j"}, "must end in one of .nrrd"),
        ({"report": "{outputs}/r.txt"}, "must end in .json"),
        ({"overview": "{outputs}/o.jpg"}, "must end in .png"),
        ({"warped": "{outputs}/transform.h5"}, "same file"),
        ({"warped": "{pair}/moving.nii.gz"}, "is an input too"),
        ({"transform": None}, "required: --transform"),
    ],
)
def test_options_that_contradict_each_other(pair, outputs, options, cause):
    places = {"outputs": outputs, "pair": pair}
    options = {name: value.format(**places) if isinstance(value, str) else value for name, value in options.items()}
    check_refused(run(register_arguments(pair, outputs, **options)), outputs, cause)


def test_no_overview_without_matplotlib_is_said_before_the_run(pair, outputs, monkeypatch):
    for name in ["matplotlib", *(name for name in sys.modules if name.startswith("matplotlib."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "NePhiCore.overview_figure", raising=False)
    monkeypatch.delattr(NePhiCore, "overview_figure", raising=False)
    finished = run(register_arguments(pair, outputs, overview=outputs / "o.png"))
    check_refused(finished, outputs, "matplotlib|pip install")
    assert "reading" not in finished.err


@pytest.mark.parametrize(
    ("fixed", "moving", "cause"),
    [
        ("x,y,z\n1,2,3\n", "x,y,z\n1,2,3\n4,5,6\n", "1 fixed and 2 moving landmarks"),
        ("x,y,z\n1,2,nan\n", "x,y,z\n1,2,3\n", "fixed landmarks: |NaN"),
        ("x,y,z\n1,2,3\n", "", "moving landmarks: |no landmarks"),
    ],
)
def test_landmarks_that_do_not_belong_together(pair, tmp_path, outputs, fixed, moving, cause):
    for name, text in (("f.csv", fixed), ("m.csv", moving)):
        (tmp_path / name).write_text(text)
    files = {"fixed_landmarks": tmp_path / "f.csv", "moving_landmarks": tmp_path / "m.csv"}
    check_refused(run(register_arguments(pair, outputs, **files)), outputs, cause)


def test_an_initial_transform_that_is_none(pair, tmp_path, outputs):
    (tmp_path / "t.h5").write_text("notes")
    finished = run(register_arguments(pair, outputs, initial_transform=tmp_path / "t.h5"))
    check_refused(finished, outputs, "initial transform: |not a transform")
