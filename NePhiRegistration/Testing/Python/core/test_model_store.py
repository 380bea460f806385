"""The weights are found where pip and where Slicer put them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from NePhiCore import model_store
from NePhiCore.errors import ModelFileError
from NePhiCore.model_store import available_models, default_model_path


def test_models_are_listed_by_name_and_the_first_is_the_default(tmp_path):
    for name in ("b.pt", "a.pt", "README.md"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in available_models((tmp_path,))] == ["a.pt", "b.pt"]
    assert default_model_path((tmp_path,)) == tmp_path / "a.pt"


def test_no_model_is_an_error_that_says_where_it_looked_and_what_to_do(tmp_path):
    empty, missing = tmp_path, tmp_path / "nowhere"
    with pytest.raises(ModelFileError, match="--model") as caught:
        default_model_path((empty, missing))
    assert str(empty) in str(caught.value) and str(missing) in str(caught.value)


@pytest.mark.parametrize("folder_of_weights", ["NePhiCore/weights", "Resources/Models"], ids=["wheel", "extension"])
def test_both_layouts_are_found_without_torch(tmp_path, folder_of_weights):
    core = Path(model_store.__file__).parent
    (tmp_path / "NePhiCore").mkdir()
    for name in ("__init__.py", "errors.py", "model_store.py"):
        shutil.copy(core / name, tmp_path / "NePhiCore")
    weights = tmp_path / folder_of_weights / "lung.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"x")
    script = (
        "import sys; from NePhiCore.model_store import default_model_path; "
        "print(default_model_path()); assert 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == weights.resolve()
