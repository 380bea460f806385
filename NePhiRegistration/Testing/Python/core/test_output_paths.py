import pytest

from NePhiCore.errors import OutputError
from NePhiCore.output_paths import OutputPaths, lung_function_paths, made_folder, paths_in


def test_knows_what_is_asked_for(tmp_path):
    paths = OutputPaths(tmp_path / "t.h5", warped=tmp_path / "w.nrrd", report=tmp_path / "R.JSON")
    assert paths.asked() == {
        "transform": tmp_path / "t.h5",
        "warped": tmp_path / "w.nrrd",
        "report": tmp_path / "R.JSON",
    }
    paths.check([tmp_path / "ct.nii.gz"])
    assert list(tmp_path.iterdir()) == []


def test_lung_function_maps_have_their_names_in_a_folder(tmp_path):
    maps = lung_function_paths(tmp_path)
    assert maps == {
        "ventilation_jacobian": tmp_path / "ventilation_jacobian.nii.gz",
        "ventilation_density": tmp_path / "ventilation_density.nii.gz",
        "parametric_response": tmp_path / "parametric_response.nii.gz",
    }
    assert OutputPaths(tmp_path / "t.h5", **maps).maps() == maps
    assert OutputPaths(tmp_path / "t.h5", warped=tmp_path / "w.nrrd").maps() == {}


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ({"report": "r.txt"}, "report must end in .json"),
        ({"overview": "o.jpg"}, "overview must end in .png"),
        ({"warped": "ct.nii.gz"}, "is an input too"),
        ({"warped": "sub/../ct.nii.gz"}, "is an input too"),
        ({"warped": "link.nii.gz"}, "is an input too"),
        ({"warped": "w.nii.gz", "jacobian": "w.nii.gz"}, "are the same file"),
        ({"report": "nowhere/r.json"}, "does not exist"),
    ],
)
def test_refuses_what_cannot_be(tmp_path, outputs, complaint):
    (tmp_path / "ct.nii.gz").write_text("voxels")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "ct.nii.gz")
    paths = OutputPaths(tmp_path / "t.h5", **{what: tmp_path / name for what, name in outputs.items()})
    with pytest.raises(OutputError, match=complaint):
        paths.check([tmp_path / "ct.nii.gz"])
    assert (tmp_path / "ct.nii.gz").read_text() == "voxels"


def test_a_folder_is_made_for_results_and_goes_again_without_them(tmp_path):
    with made_folder(tmp_path / "a" / "b") as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), made_folder(tmp_path / "c") as folder:
        (folder / "result").touch()
        raise ZeroDivisionError
    assert (tmp_path / "c" / "result").exists()


def test_a_folder_that_was_there_stays(tmp_path):
    with made_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_a_folder_cannot_be_made_in_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="The folder .* cannot be made"), made_folder(tmp_path / "file" / "folder"):
        pass


def test_a_folder_of_its_own_holds_what_the_documents_name(tmp_path):
    paths = paths_in(tmp_path, overview=tmp_path / "o.png")
    assert paths.overview == tmp_path / "o.png" and paths.fixed is None
    assert {path.name for path in paths.asked().values()} == {
        *("transform.h5", "inverse.h5", "warped.nii.gz", "jacobian.nii.gz", "report.json", "o.png"),
    }
