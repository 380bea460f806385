import json
from pathlib import Path

import numpy as np
import pytest

from NePhiCore.errors import InvalidLandmarksError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.landmarks import check_landmark_pair, check_landmarks_inside, read_landmarks

# The same two points in both frames.
LPS = [(-10.0, -20.0, 30.0), (1.5, -2.25, 3.0)]
RAS = [(10.0, 20.0, 30.0), (-1.5, 2.25, 3.0)]


def table(points, header: str = "", delimiter: str = ",") -> str:
    return header + "".join(delimiter.join(map(str, point)) + "\n" for point in points)


def read(tmp_path: Path, text: str, name: str = "points.csv") -> np.ndarray:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_landmarks(tmp_path / name, "fixed landmarks")


def refusal(tmp_path: Path, text: str, name: str = "points.csv") -> str:
    with pytest.raises(InvalidLandmarksError) as error:
        read(tmp_path, text, name)
    assert str(error.value).startswith("fixed landmarks: ")
    return str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        table(LPS, "x,y,z\n"),
        table(LPS, "x_mm,y_mm,z_mm\n"),
        table(LPS, " X, Y, Z\n"),
        table(LPS, "l,p,s\n"),
        table(RAS, "r,a,s\n"),
        table(LPS),
        table(LPS, "\ufeffx,y,z\n"),
        table(LPS, "# by hand\n\nx,y,z\n") + "\n",
        table(LPS, "x;y;z\n", ";"),
        table(LPS, "x\ty\tz\n", "\t"),
        table(LPS, "x,y,z\n").replace("\n", "\r\n"),
        'label,z,note,x,y\nF-1,30,"upper, left",-10,-20\nF-2,3,,1.5,-2.25\n',
        "label,r,a,s,defined,selected\nF-1,10,20,30,1,1\nF-2,-1.5,2.25,3,1,1\n",
    ],
)
def test_reads_tables(tmp_path, text):
    points = read(tmp_path, text)
    assert points.dtype == np.float64
    np.testing.assert_array_equal(points, RAS)


@pytest.mark.parametrize("said, stored", [("RAS", RAS), ("0", RAS), ("LPS", LPS), ("1", LPS), (None, RAS)])
def test_reads_fcsv_of_3d_slicer(tmp_path, said, stored):
    frame = f"# CoordinateSystem = {said}\n" if said else ""
    text = (
        f"# Markups fiducial file version = 5.6\n{frame}"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        + "".join(f"{n},{x},{y},{z},0,0,0,1,1,1,0,F-{n},,,2,0\n" for n, (x, y, z) in enumerate(stored, start=1))
    )
    np.testing.assert_array_equal(read(tmp_path, text, "F.fcsv"), RAS)


def markups(points, **changes) -> dict:
    controls = [
        {"id": str(n), "label": f"F-{n}", "position": list(point), "positionStatus": "defined"}
        for n, point in enumerate(points, start=1)
    ]
    return {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": controls,
        **changes,
    }


@pytest.mark.parametrize("said, stored", [("RAS", RAS), ("LPS", LPS)])
def test_reads_markups_of_3d_slicer(tmp_path, said, stored):
    text = json.dumps({"@schema": "any", "markups": [markups(stored, coordinateSystem=said)]})
    np.testing.assert_array_equal(read(tmp_path, text, "F.mrk.json"), RAS)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "holds no landmarks"),
        ("\n\n", "holds no landmarks"),
        ("x,y,z\n", "holds no landmarks"),
        ("x,y,z\n1,2,3\n4,five,6\n", "line 3: expected numbers in columns [1, 2, 3], got '4, five, 6'"),
        ("x,y,z\n1,2,3\n4,5\n", "line 3: expected numbers"),
        ("x,y,z\n1,,3\n", "line 2: expected numbers"),
        ("x,y,z\n1,2,3\n\nnan,5,6\n", "line 4: coordinates are NaN or infinite"),
        ("x,y,z\n1,inf,6\n", "line 2: coordinates are NaN or infinite"),
        ("1,2,3\n4,5,6,7\n", "no columns x, y, z"),
        ("1,2,3,4\n", "no columns x, y, z"),
        ("1,2,x\n", "line 1: expected numbers"),
        ("i,j,k\n1,2,3\n", "no columns x, y, z"),
        ("exhale_x,exhale_y,exhale_z,inhale_x\n1,2,3,4\n", "which reads 'exhale_x, exhale_y"),
        ("a sentence that is no table\n", "no columns x, y, z"),
        ("\0\0\0\n", "fixed landmarks"),
    ],
)
def test_refuses_tables_and_says_where(tmp_path, text, complaint):
    assert complaint in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("# CoordinateSystem = IJK\n1,1,2,3\n", "'IJK', expected LPS or RAS"),
        ("# CoordinateSystem = 2\n1,1,2,3\n", "'2', expected LPS or RAS"),
        ("1,1,2,3\n2,4,5\n", "line 2: expected numbers"),
        ("1,1,2,3,0,0,0,1,1,1,0,F-1,,,2,0\n2,4,5,6,0,0,0,1,1,1,0,F-2,,,0,0\n", "line 2: this point was never placed"),
        ("# Markups fiducial file version = 5.6\n", "holds no landmarks"),
    ],
)
def test_refuses_fcsv(tmp_path, text, complaint):
    assert complaint in refusal(tmp_path, text, "F.fcsv")


@pytest.mark.parametrize(
    "content, complaint",
    [
        ("{", "not a markups file"),
        ([], "not a markups file"),
        ({"markups": 3}, "not a markups file"),
        ({"markups": [{}]}, "not a markups file"),
        ({"markups": []}, "expected one point list in mm, got 0"),
        ({"markups": [markups(LPS)] * 2}, "expected one point list in mm, got 2"),
        ({"markups": [markups(LPS, coordinateUnits="um")]}, "in ['um']"),
        ({"markups": [markups(LPS, coordinateSystem="IJK")]}, "'IJK', expected LPS or RAS"),
        ({"markups": [markups([])]}, "holds no landmarks"),
        ({"markups": [markups([(1, 2, 3), ()])]}, "point 2 has position [], expected three numbers"),
        ({"markups": [markups(["", (1, 2, 3)])]}, "point 1 has position []"),
        ({"markups": [markups([(1, 2, "3")])]}, "point 1 has position"),
        ({"markups": [markups([(1, 2, float("nan"))])]}, "point 1 is NaN"),
        ({"markups": [markups([(1, 2, 10**400)])]}, "absurdly far away"),
    ],
)
def test_refuses_markups(tmp_path, content, complaint):
    text = content if isinstance(content, str) else json.dumps(content)
    assert complaint in refusal(tmp_path, text, "F.mrk.json")


def test_a_point_that_was_never_placed_has_an_empty_position(tmp_path):
    unplaced = markups(LPS)
    unplaced["controlPoints"][1]["position"] = ""
    assert "point 2 has position ''" in refusal(tmp_path, json.dumps({"markups": [unplaced]}), "F.mrk.json")


def test_refuses_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(InvalidLandmarksError, match="landmarks: .* does not exist"):
        read_landmarks(tmp_path / "missing.csv")
    (tmp_path / "ct.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InvalidLandmarksError, match="not a text file"):
        read_landmarks(tmp_path / "ct.csv")


def test_refuses_a_huge_file_without_reading_it(tmp_path):
    with open(tmp_path / "points.csv", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(InvalidLandmarksError, match="1048576 MiB, at most 16"):
        read_landmarks(tmp_path / "points.csv")


def test_pairs_must_be_equally_many():
    check_landmark_pair(np.zeros((3, 3)), np.ones((3, 3)))
    with pytest.raises(InvalidLandmarksError, match="3 fixed and 2 moving"):
        check_landmark_pair(np.zeros((3, 3)), np.ones((2, 3)))


def test_landmarks_outside_their_image_are_refused_where_most_are():
    geometry = ImageGeometry.from_spacing((100, 120, 140), 2.0, (-140.0, -120.0, -300.0))
    inside = np.random.default_rng(0).uniform((-130, -110, -290), (130, 110, -110), (20, 3))
    check_landmarks_inside(inside, geometry, "fixed landmarks")
    check_landmarks_inside(np.concatenate([inside, inside[:5] + 500]), geometry, "fixed landmarks")
    voxels = (inside - geometry.origin_ras_mm) / 2
    with pytest.raises(InvalidLandmarksError, match="fixed landmarks: 20 of 20 lie outside .* not numbers of voxels"):
        check_landmarks_inside(voxels, geometry, "fixed landmarks")
