import pytest

from NePhiCore.errors import NePhiError
from NePhiCore.pair_list import FILE_COLUMNS, read_pair_list, read_rows


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
            "name,fixed,moving,fixed_mask,moving_mask,fixed_landmarks,moving_landmarks,initial_transform,inhale\n"
            "p1,a/e.nii.gz,a/i.nii.gz,a/em.nii.gz,,e.csv,i.csv,t.h5,moving\n"
            "\n"
            "p2,/data/e.nrrd,../i.nrrd,,,,,,\n"
        )
    )
    assert (first.number, first.line, first.name, second.number, second.line, second.name) == (1, 2, "p1", 2, 4, "p2")
    assert (first.inhale, second.inhale) == ("moving", None)
    assert first.files["initial_transform"] == tmp_path / "t.h5"
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
        ("fixed,moving,fixed\na,b,c\n", "two columns fixed"),
        ("fixed,moving\na,b\nc,\n", "Line 3: names no moving image"),
        ("fixed,moving,fixed_landmarks\na,b,l.csv\n", "Line 2: has landmarks of one image only"),
        ("name,fixed,moving\nx,a,b\nX,c,d\n", "Line 3: has the name X, which line 2 has already"),
        ("name,fixed,moving\na/b,a,b\n", "Line 2: has the name 'a/b', which is no name of a file"),
        ("name,fixed,moving\n..,a,b\n", "Line 2: has the name '..', which is no name of a file"),
        ('fixed,moving\n"a,b\n', "Line 2: is no row of a table"),
        ('"fixed,moving\na,b\n', "is no table: line 1"),
        ("fixed,moving,inhale\na,b,both\n", "Line 2: says that inhale is 'both'"),
        (b"\xff\xfe\x00\x01", "is no text file"),
    ],
)
def test_what_is_no_table_of_pairs_is_refused(table, content, cause):
    with pytest.raises(NePhiError, match=cause) as caught:
        read_pair_list(table(content))
    assert "pairs.csv" in str(caught.value)


def test_every_bad_row_is_told_at_once_beside_the_good_ones(table):
    content = (
        b"case,fixed,moving,site\r\ngood,a,b,\r\n,a,b,\r\nhalf,a,,\r\n\r\n\xe9,a,b,\r\nmore,a,b,,c\r\n"
        b'quote,"a,b,\r\nCON.1,a,b,\r\nlast,a,b,\r\n'
    )
    found = read_rows(table(content), needs_names=True)
    assert [(pair.line, pair.name) for pair in found.pairs] == [(2, "good"), (10, "last")]
    assert [(row.line, row.name) for row in found.bad_rows] == [
        (3, None),
        (4, "half"),
        (6, None),
        (7, None),
        (8, None),
        (9, None),
    ]
    reasons = ["no case name", "no moving image", "not UTF-8", "5 cells for 4 columns", "no row of a table", "'CON.1'"]
    for row, reason in zip(found.bad_rows, reasons):
        assert reason in row.problem
    assert found.ignored == ["site"]


def test_a_table_of_cases_must_name_them(table):
    with pytest.raises(NePhiError, match="no column case"):
        read_rows(table("fixed,moving\na,b\n"), needs_names=True)


def test_a_missing_table_is_said(tmp_path):
    with pytest.raises(NePhiError, match=r"pairs: .*none\.csv"):
        read_pair_list(tmp_path / "none.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(NePhiError, match="pairs"):
        read_pair_list(tmp_path)


def test_a_table_is_no_image_of_a_gigabyte(tmp_path):
    with (tmp_path / "pairs.csv").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(NePhiError, match="has 1024 MiB, at most 16 are read"):
        read_pair_list(tmp_path / "pairs.csv")
