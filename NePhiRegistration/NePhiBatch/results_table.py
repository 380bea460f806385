"""results.csv: a row for each case that has ended, replaced whole each time. Standard library only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES
from NePhiCore.output_files import StagedOutputs
from NePhiCore.warning_codes import codes_of

from .case_record import DONE, CaseRecord
from .folder_names import without_folders
from .manifest import Problem

# Column -> where its figure is in report.json.
_FIGURES: dict[str, tuple[str, ...]] = {
    "landmarks": ("tre_mm", "landmarks"),
    "tre_before_mean_mm": ("tre_mm", "before", "mean"),
    **{f"tre_{name}_mm": ("tre_mm", "after", name) for name in ("mean", "median", "std", "p95", "max")},
    "local_ncc_before": ("similarity", "before", "local_ncc"),
    "local_ncc": ("similarity", "after", "local_ncc"),
    "mean_difference_before_hu": ("similarity", "before", "mean_absolute_difference_hu"),
    "mean_difference_hu": ("similarity", "after", "mean_absolute_difference_hu"),
    "lung_voxels": ("jacobian", "voxels"),
    "folds_central": ("jacobian", "folds_central"),
    "folds_one_sided": ("jacobian", "folds_any_one_sided"),
    "folds_central_percent": ("jacobian", "fold_fraction_central"),
    "folds_one_sided_percent": ("jacobian", "fold_fraction_any_one_sided"),
    **{f"det_{name}": ("jacobian", name) for name in ("min", "p1", "p99", "max")},
    "sd_log_j": ("jacobian", "sd_log_j"),
    "inverse_consistency_mean_mm": ("inverse_consistency_mm", "mean"),
    "inverse_consistency_p95_mm": ("inverse_consistency_mm", "p95"),
    "lung_volume_fixed_litres": ("lung_volume_litres", "fixed"),
    "lung_volume_moving_litres": ("lung_volume_litres", "moving"),
    "lung_overlap_dice_before": ("lung_overlap_dice", "before"),
    "lung_overlap_dice": ("lung_overlap_dice", "after"),
    "seconds": ("seconds",),
    "peak_memory_mib": ("peak_memory_bytes",),
    "device": ("device",),
}
# What a column's figure is multiplied by.
_UNITS = {"folds_central_percent": 100, "folds_one_sided_percent": 100, "peak_memory_mib": 2**-20}
COLUMNS = (
    *("case", "status", "reason"),
    *_FIGURES,
    *("warnings", "warning_codes", "attempts", "finished"),
    *LUNG_FUNCTION_FIGURES,
)

# The status of a case that was not tried, beside those of a record.
REFUSED = "refused"

Row = dict[str, object]


def row_of(record: CaseRecord, folder: Path) -> Row:
    """The row of a case that has ended, with the figures of the report in its folder."""
    row = {
        "case": record.case,
        "status": record.status,
        "reason": record.reason,
        "attempts": record.attempts,
        "finished": record.finished,
    }
    return row | _figures(folder / "report.json") if record.status == DONE else {**row, "seconds": record.seconds}


def refused_row(problem: Problem) -> Row:
    """The row of a case that was not tried."""
    text = without_folders(problem.text)
    reason = f"line {problem.line}: {text}" if problem.line else text
    return {"case": problem.case, "status": REFUSED, "reason": reason}


def write_results(path: Path, rows: Iterable[Row]) -> None:
    """Replace the table; a reader sees the old one or the new one.

    Raises:
        OutputError: it cannot be written; the old one is still there.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in COLUMNS])
    with StagedOutputs() as outputs:
        outputs.stage(path).write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace")


def _figures(report_path: Path) -> Row:
    report = json.loads(report_path.read_text(encoding="utf-8"))
    figures = {column: _at(report, keys) for column, keys in _FIGURES.items()}
    for column, unit in _UNITS.items():
        if figures[column] is not None:
            figures[column] *= unit
    function = report.get("lung_function", {})
    return {
        **figures,
        "warnings": len(report["warnings"]),
        "warning_codes": " ".join(codes_of(report["warnings"])),
        **{name: function.get(name) for name in LUNG_FUNCTION_FIGURES},
    }


def _at(report: Mapping[str, object], keys: tuple[str, ...]) -> object:
    value: object = report
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
