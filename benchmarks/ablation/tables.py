"""The rows of an ablation as Markdown: a table a study, and what there is of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.report import table

from .results import Row
from .studies import Study

# Column of a table -> figure and its format. A column that no row has a figure for is left out.
_COLUMNS = {
    "TRE mean mm": ("tre_mean_mm", ".2f"),
    "median": ("tre_median_mm", ".2f"),
    "95 %": ("tre_p95_mm", ".2f"),
    "way back, mean": ("tre_back_mean_mm", ".2f"),
    "folds % central": ("folds_central_percent", ".4f"),
    "one-sided": ("folds_one_sided_percent", ".4f"),
    "smallest det": ("det_min", ".3f"),
    "SD log J": ("sd_log_j", ".3f"),
    "round trip mm": ("inverse_consistency_mean_mm", ".3f"),
    "CPU s": ("cpu_seconds", ".0f"),
    "memory GB": ("peak_memory_mib", ".2f"),
}
_KINDS = {True: "semi-synthetic", False: "real"}
_GB_OF_MIB = 2**20 / 1e9


def latest(rows: Sequence[Row], study: Study) -> dict[tuple[str, str], Row]:
    """The last row of each variant and pair of a study, of the weights that the last of all rows has."""
    same_weights = [row for row in rows if row["model_sha256"] == rows[-1]["model_sha256"]]
    return {(str(r["variant"]), str(r["pair"])): r for r in same_weights if r["study"] == study.name}


def figures(row: Row) -> Mapping[str, float]:
    return row["figures"]


def study_table(rows: Mapping[tuple[str, str], Row], study: Study) -> str:
    """One line for each variant and kind of pair, means over the pairs that are named."""
    lines = []
    for variant in study.variants:
        found = [row for (name, _), row in rows.items() if name == variant.name and "failed" not in figures(row)]
        for is_semi_synthetic, kind in _KINDS.items():
            of_kind = [row for row in found if row["semi_synthetic"] == is_semi_synthetic]
            if of_kind:
                pairs = ", ".join(str(row["pair"]) for row in of_kind)
                lines.append([variant.name, f"{pairs} ({kind})", *_means(of_kind)])
    keep = [column for column in range(2, 2 + len(_COLUMNS)) if any(line[column] for line in lines)]
    header = ["variant", "pairs", *_COLUMNS]
    shown = [0, 1, *keep]
    return table([header[i] for i in shown], [[line[i] for i in shown] for line in lines])


def spread_table(rows: Mapping[tuple[str, str], Row]) -> str:
    """How far a figure moves on each pair: mean, standard deviation and range over the variants."""
    lines = []
    for pair in dict.fromkeys(pair for _, pair in rows):
        errors = [figures(row)["tre_mean_mm"] for (_, of), row in rows.items() if of == pair and _has_error(row)]
        if len(errors) > 1:
            spread = statistics.stdev(errors), max(errors) - min(errors)
            lines.append([pair, len(errors), *(f"{figure:.3f}" for figure in (statistics.fmean(errors), *spread))])
    return table(("pair", "seeds", "TRE mean mm", "standard deviation", "range"), lines) if lines else ""


def failures(rows: Mapping[tuple[str, str], Row]) -> list[str]:
    failed = [(name, figures(row).get("failed")) for name, row in rows.items()]
    return [f"{variant}, {pair}: {reason}" for (variant, pair), reason in failed if reason]


def missing(rows: Mapping[tuple[str, str], Row], study: Study, pairs: Sequence[str]) -> list[str]:
    """Variants, with the pairs, that have no row yet; long ones are asked of the first pair only."""
    lacking = []
    for variant in study.variants:
        without = [pair for pair in (pairs[:1] if variant.is_long else pairs) if (variant.name, pair) not in rows]
        if without:
            lacking.append(f"{variant.name} ({', '.join(without)})")
    return lacking


def without_worst(row: Row) -> float:
    """Mean landmark error in mm but for the landmark that is worst."""
    count, mean, largest = (figures(row)[name] for name in ("landmarks", "tre_mean_mm", "tre_max_mm"))
    return (count * mean - largest) / (count - 1)


def made_with(rows: Sequence[Row]) -> str:
    """Weights, code and threads of the rows, in a sentence."""
    last = rows[-1]
    same = [row for row in rows if row["model_sha256"] == last["model_sha256"]]
    commits = ", ".join(dict.fromkeys(str(row["commit"]) for row in same))
    return (
        f"Weights `{last['model']}` (sha256 `{last['model_sha256']}`), version {last['version']}, commit {commits}, "
        f"torch {last['torch']}, {last['threads']} thread{'s' if last['threads'] != 1 else ''}; {len(same)} rows."
    )


def _means(rows: Sequence[Row]) -> list[str]:
    cells = []
    for name, form in _COLUMNS.values():
        values = [figures(row)[name] for row in rows if name in figures(row)]
        scale = _GB_OF_MIB if name == "peak_memory_mib" else 1.0
        cells.append(f"{scale * statistics.fmean(values):{form}}" if values else "")
    return cells


def _has_error(row: Row) -> bool:
    return "tre_mean_mm" in figures(row)
