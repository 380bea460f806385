"""What the columns of results.csv are called in the report, how their figures read, and which way they are worse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

HIGH, LOW, BOTH = "high", "low", "both"


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        name: in results.csv.
        title, unit: its heading.
        digits: after the point; None: two significant ones.
        note: what it is, in a sentence.
        worse: "high", "low", "both", or "" where a figure says nothing about the registration.
        least: the smallest spread of a cohort, in the column's unit (on the logarithmic scale: of log2), so that a
            difference that nobody would call one is no outlier in a cohort of equals.
        is_logarithmic: ratios, which are compared by their logarithm.
        before: the column that holds the same before registration.
        is_key: shown first in the table, and plotted.
    """

    name: str
    title: str
    unit: str = ""
    digits: int | None = 2
    note: str = ""
    worse: str = ""
    least: float = 1e-9
    is_logarithmic: bool = False
    before: str = ""
    is_key: bool = False


_KEY_COLUMNS = (
    Column(
        "tre_mean_mm", "TRE", "mm", 2, "mean landmark error after registration", HIGH, 0.2, before="tre_before_mean_mm"
    ),
    Column(
        "local_ncc",
        "Similarity",
        "",
        3,
        "local correlation of the images in the fixed lungs after registration; 1 is alike",
        LOW,
        0.01,
        before="local_ncc_before",
    ),
    Column(
        "folds_one_sided_percent",
        "Folds",
        "%",
        None,
        "voxels of the fixed lungs where any of eight one-sided determinants is 0 or less",
        HIGH,
        0.002,
    ),
    Column("det_p1", "det J low", "", 2, "1st percentile of det J in the fixed lungs", LOW, 0.1, True),
    Column("det_p99", "det J high", "", 2, "99th percentile of det J in the fixed lungs", HIGH, 0.1, True),
    Column(
        "inverse_consistency_mean_mm",
        "Inverse",
        "mm",
        3,
        "mean distance of points of the fixed lungs from where both maps, one after the other, bring them",
        HIGH,
        0.05,
    ),
    Column("lung_volume_fixed_litres", "Fixed lungs", "l", 2, "volume of the fixed lungs", BOTH, 0.2),
    Column("lung_volume_moving_litres", "Moving lungs", "l", 2, "volume of the moving lungs", BOTH, 0.2),
    Column("seconds", "Time", "s", 0, "of the registration"),
    Column(
        "lung_overlap_dice",
        "Overlap",
        "",
        3,
        "Dice overlap of fixed and registered lungs",
        LOW,
        0.005,
        before="lung_overlap_dice_before",
    ),
    Column("prm_emphysema_percent", "Emphysema", "%", 1, "of the classified lung: low at inspiration and expiration"),
    Column(
        "prm_small_airways_disease_percent",
        "Small airways",
        "%",
        1,
        "of the classified lung: functional small airways disease, low at expiration only",
    ),
    Column("ventilation_jacobian_mean", "Ventilation", "", 2, "mean change of volume in the lungs, det J - 1"),
)
_OTHER_COLUMNS = (
    Column("landmarks", "Landmarks", "", 0, "pairs of landmarks given"),
    Column("tre_before_mean_mm", "TRE before", "mm"),
    Column("tre_median_mm", "TRE median", "mm"),
    Column("tre_std_mm", "TRE deviation", "mm"),
    Column("tre_p95_mm", "TRE 95 %", "mm"),
    Column("tre_max_mm", "TRE largest", "mm"),
    Column("local_ncc_before", "Similarity before", "", 3),
    Column("mean_difference_before_hu", "Difference before", "HU", 0, "mean absolute difference in the fixed lungs"),
    Column("mean_difference_hu", "Difference", "HU", 0, "mean absolute difference in the fixed lungs"),
    Column("lung_voxels", "Lung voxels", "", 0, "of the fixed image"),
    Column("folds_central", "Folded voxels, central", "", 0, "by central differences"),
    Column("folds_one_sided", "Folded voxels", "", 0, "by any of eight one-sided determinants"),
    Column("folds_central_percent", "Folds, central", "%", None),
    Column("det_min", "det J smallest"),
    Column("det_max", "det J largest"),
    Column("sd_log_j", "SD log J", "", 3, "standard deviation of log det J", HIGH, 0.05),
    Column("inverse_consistency_p95_mm", "Inverse 95 %", "mm"),
    Column("lung_overlap_dice_before", "Overlap before", "", 3),
    Column("prm_classified_percent", "Classified lung", "%", 1, "share of the lung that the map classifies", LOW, 2.0),
    Column("peak_memory_mib", "Memory", "MiB", 0, "largest use of memory"),
    Column("warnings", "Warnings", "", 0),
    Column("attempts", "Attempts", "", 0),
)
_KNOWN = {
    column.name: column for column in (*(replace(column, is_key=True) for column in _KEY_COLUMNS), *_OTHER_COLUMNS)
}
_SIDES = ("left", "right")
_SHORT_WORDS = {"prm": "PRM", "sd": "SD"}
_UNITS = {"mm": "mm", "hu": "HU", "percent": "%", "ml": "ml", "litres": "l", "mib": "MiB", "seconds": "s"}


def columns_of(figures: dict[str, Iterable[float]]) -> list[Column]:
    """The columns of a table, the key ones first, as they are known; others by their name.

    Args:
        figures: the figures of each column, those that are there, by its name.
    """
    known = [column for name, column in _KNOWN.items() if name in figures]
    return known + [_by_name(name, figures[name]) for name in figures if name not in _KNOWN]


def _by_name(name: str, figures: Iterable[float]) -> Column:
    """A column that is not known: title and unit from its name, three or four digits in all."""
    words = [_SHORT_WORDS.get(word, word) for word in name.split("_")]
    side = f", {words.pop()}" if len(words) > 1 and words[-1] in _SIDES else ""
    unit = _UNITS.get(words[-1], "") if len(words) > 1 else ""
    title = " ".join(words[:-1] if unit else words) + side
    largest = max(map(abs, figures), default=0.0)
    digits = 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3
    return Column(name, title[:1].upper() + title[1:], unit, digits)
