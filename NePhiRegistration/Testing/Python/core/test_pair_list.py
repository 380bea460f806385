import pytest

from NePhiCore.errors import NePhiError
from NePhiCore.pair_list import FILE_COLUMNS, read_pair_list


@pytest.fixture
def table(tmp_path):
    """A function that writes a table of pairs and says where it is."""

    def write(content: str | bytes):
        path = tmp_path / "pairs.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_names_the_files_of_each_pair(table, tmp_path):
    first, second = read_pair_list(
        table(
            "name,fixed,moving,fixed_mask,moving_mask,fixed_landmarks,moving_landmarks\n"
            "p1,a/e.nii.gz,a/i.nii.gz,a/em.nii.gz,,e.csv,i.csv\n"
            "p2,/data/e.nrrd,../i.nrrd,,,,\n"
        )
    )
    assert (first.number, first.name, second.number, second.name) == (1, "p1", 2, "p2")
    assert tuple(first.files) == FILE_COLUMNS
    assert first.files["fixed"] == tmp_path / "a/e.nii.gz"
    assert first.files["fixed_mask"] == tmp_path / "a/em.nii.gz"
    assert first.files["moving_mask"] is None
    assert str(second.files["fixed"]) == "/data/e.nrrd"
    assert second.files["moving"] == tmp_path / "../i.nrrd"
    assert second.files["fixed_landmarks"] is None


@pytest.mark.parametrize(
    "content",
    [
        "fixed,moving\ne.mha,i.mha\n",
        "fixed;moving\ne.mha;i.mha\n",
        "fixed\tmoving\r\ne.mha\ti.mha\r\n",
        "\ufeffMoving, Fixed ,site\n i.mha , e.mha ,Kiel\n\n,,\n",
        'fixed,moving\n"e.mha","i.mha"',
        "fixed,moving,name\ne.mha,i.mha,\n",
        "fixed,moving,fixed_mask\ne.mha,i.mha\n",
    ],
)
def test_tables_as_programs_write_them(table, tmp_path, content):
    (pair,) = read_pair_list(table(content))
    assert (pair.files["fixed"], pair.files["moving"]) == (tmp_path / "e.mha", tmp_path / "i.mha")
    assert pair.name == "pair1"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "no column fixed and moving"),
        ("image1,image2\na,b\n", "no column fixed and moving"),
        ("fixed,name\na,b\n", "no column moving"),
        ("fixed,moving\n", "lists no pairs"),
        ("fixed,moving\na,b\nc,\n", "pair 2 names no moving image"),
        ("fixed,moving,fixed_landmarks\na,b,l.csv\n", "pair 1 has landmarks of one image only"),
        ("name,fixed,moving\nx,a,b\nx,c,d\n", "two pairs are named x"),
        ("name,fixed,moving\na/b,a,b\n", "the name 'a/b' must consist of letters"),
        ("name,fixed,moving\n..,a,b\n", "the name '..' must consist of letters"),
        ('fixed,moving\n"a,b\n', "is no table"),
        (b"\xff\xfe\x00\x01", "is no text file"),
    ],
)
def test_what_is_no_table_of_pairs_is_refused(table, content, cause):
    with pytest.raises(NePhiError, match=cause) as caught:
        read_pair_list(table(content))
    assert "pairs.csv" in str(caught.value)


def test_a_missing_table_is_said(tmp_path):
    with pytest.raises(NePhiError, match=r"pairs: .*none\.csv"):
        read_pair_list(tmp_path / "none.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(NePhiError, match="pairs"):
        read_pair_list(tmp_path)


def test_a_table_is_no_image_of_a_gigabyte(tmp_path):
    with (tmp_path / "pairs.csv").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(NePhiError, match="too large for a table of pairs"):
        read_pair_list(tmp_path / "pairs.csv")
