"""The drawing itself: nothing cut off, nothing overlapping, true proportions."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from test_overview_text import DISTANCES, REPORT

from NePhiCore.geometry import ImageGeometry
from NePhiCore.overview_figure import draw_overview
from NePhiCore.viewing_planes import RowOfPictures, planes_through

# The widest figures that a bad registration can give.
WIDE = {
    **REPORT,
    "similarity": {
        when: {"ncc": -1, "local_ncc": -0.99, "mean_absolute_difference_hu": 1999} for when in ("before", "after")
    },
    "jacobian": {
        "voxels": 99_999_999,
        "folds_any_one_sided": 12_345_678,
        "fold_fraction_any_one_sided": 0.12,
        "p1": -99.99,
        "p99": 999.99,
        "sd_log_j": 19.99,
    },
    "inverse_consistency_mm": {"mean": 199.99, "p95": 299.99, "max": 399.99},
    "lung_volume_litres": {"fixed": 12.34, "moving": 12.34},
    "tre_mm": {"landmarks": 1000, "before": DISTANCES | {"mean": 199.9}, "after": DISTANCES | {"mean": 199.9}},
}


def rows_of(shape_kji) -> list[RowOfPictures]:
    geometry = ImageGeometry.from_spacing(shape_kji, (4, 4, 4))
    lungs = np.ones(shape_kji, bool)
    rows = []
    for plane in planes_through(lungs, geometry):
        picture = np.random.default_rng(0).normal(-700, 200, plane.points_ras_mm.shape[:2]).astype(np.float32)
        picture[:3, :3] = np.nan
        disc = (np.indices(picture.shape).sum(0) % 90 < 60).astype(np.float32)
        rows.append(RowOfPictures(plane, picture, picture, picture, np.exp(picture / 500 + 1.4), disc))
    return rows


@pytest.mark.parametrize("report", [REPORT, WIDE], ids=["usual", "wide"])
@pytest.mark.parametrize(
    "shape_kji", [(75, 64, 80), (12, 90, 90), (90, 70, 40)], ids=["chest", "few slices", "one lung"]
)
def test_no_words_overlap_or_leave_the_page(report, shape_kji):
    figure = draw_overview(rows_of(shape_kji), np.zeros((5, 3)), report, 60 * "long title ")
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    words = [t for t in figure.texts if t.get_text()]
    words += [t for axes in figure.axes for t in (*axes.get_xticklabels(), axes.xaxis.label) if t.get_text()]
    boxes = {f"{word.get_text()} {number}": word.get_window_extent(renderer) for number, word in enumerate(words)}
    page = figure.bbox
    for text, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, text
    overlapping = [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    assert overlapping == []


def test_every_panel_has_the_same_millimetres_an_inch():
    figure = draw_overview(rows_of((75, 64, 40)), np.zeros((0, 3)), REPORT, "title")
    figure.canvas.draw()
    scales = []
    for axes in figure.axes[:18]:
        rows, columns = axes.images[0].get_array().shape
        box = axes.get_window_extent()
        scales += [box.width / columns, box.height / rows]
    np.testing.assert_allclose(scales, scales[0], rtol=0.01)


def test_folds_before_and_behind_the_plane_are_marked_too():
    rows = rows_of((40, 40, 40))
    here = np.array([[80.0, 80.0, rows[0].plane.position_mm]])
    figure = draw_overview(rows, np.concatenate([here, here + [0, 0, 40]]), REPORT, "title")
    markers = [c for c in figure.axes[5].collections if isinstance(c, PathCollection)]
    assert [len(marker.get_offsets()) for marker in markers] == [1, 1]
    assert to_hex(markers[0].get_facecolor()[0]) == "#ffe600"
    assert to_hex(markers[1].get_facecolor()[0]) == "#ff00d4"
