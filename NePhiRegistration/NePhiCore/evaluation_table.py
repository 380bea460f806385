"""The rows of an evaluation: as CSV, as a table for the terminal, and their mean. Standard library only."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

# One case: its name under "case", figures under the names below; "error" instead of them where it failed.
Row = dict[str, Any]

COLUMNS = (
    "case",
    "landmarks",
    *(f"tre_before_{figure}_mm" for figure in ("mean", "median", "std", "p95", "max")),
    *(f"tre_{figure}_mm" for figure in ("mean", "median", "std", "p95", "max")),
    *(f"tre_snapped_{figure}_mm" for figure in ("mean", "median", "std", "p95", "max")),
    "folds_central",
    "folds_one_sided",
    "folds_central_percent",
    "folds_one_sided_percent",
    "det_min",
    "sd_log_j",
    "inverse_consistency_mean_mm",
    "inverse_consistency_p95_mm",
    "local_ncc_before",
    "local_ncc",
    "seconds",
    "peak_memory_mib",
    "error",
)

# Column of the terminal's table -> heading and digits after the point.
_SHOWN = {
    "tre_before_mean_mm": ("before", 2),
    "tre_mean_mm": ("TRE", 2),
    "tre_median_mm": ("median", 2),
    "tre_p95_mm": ("95 %", 2),
    "tre_snapped_mean_mm": ("snapped", 2),
    "folds_central_percent": ("folds %", 4),
    "folds_one_sided_percent": ("one-sided %", 4),
    "sd_log_j": ("SD log J", 3),
    "inverse_consistency_mean_mm": ("inverse", 3),
    "seconds": ("seconds", 1),
    "peak_memory_mib": ("MiB", 0),
}
_LEGEND = (
    "before, TRE (mean, median, 95th percentile), snapped (mean after snapping to moving voxels), inverse: mm;",
    "folds: lung voxels with det J <= 0, by central and by any one-sided differences; seconds: of the registration.",
)


def mean_row(rows: Sequence[Row]) -> Row:
    """The mean of each figure over the cases that have it; not weighted by their landmarks."""
    mean: Row = {"case": "mean"}
    for column in COLUMNS[1:-1]:
        values = [row[column] for row in rows if column in row]
        if values:
            mean[column] = sum(values) / len(values)
    return mean


def rows_as_csv(rows: Sequence[Row]) -> str:
    """A line for each case and one for the mean."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in (*rows, mean_row(rows)):
        writer.writerow([_cell(row.get(column, "")) for column in COLUMNS])
    return text.getvalue()


def rows_as_table(rows: Sequence[Row]) -> str:
    """Columns that line up, a legend below, and what went wrong."""
    headings = ["case", *(heading for heading, _ in _SHOWN.values())]
    lines = [headings, *(_shown(row) for row in (*rows, mean_row(rows)))]
    widths = [max(map(len, column)) for column in zip(*lines)]
    table = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
    failed = [f"{row['case']} failed: {row['error']}" for row in rows if "error" in row]
    return "\n".join([*table, *_LEGEND, *failed])


def _shown(row: Row) -> list[str]:
    figures = (f"{row[column]:.{digits}f}" if column in row else "-" for column, (_, digits) in _SHOWN.items())
    return [str(row["case"]), *figures]


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
