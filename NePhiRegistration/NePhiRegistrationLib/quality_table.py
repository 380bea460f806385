"""The figures of a registration as a table of the scene."""

from __future__ import annotations

import json
from collections.abc import Iterator

import vtk

from NePhiCore.errors import NePhiError
from NePhiCore.lung_function_names import PRM_CLASSES, REGIONS

# Where the table keeps every figure, and the losses, for who shows them again after the scene was loaded.
FIGURES, TRACE = "NePhi.Figures", "NePhi.Trace"
_COLUMNS = ("Measure", "Before", "After", "Unit")
_DISTANCES = ("mean", "median", "p95", "max")


def fill_table(node, figures: dict[str, object]) -> None:
    """Write figures into a table node, in place of what it holds: a row a figure, for people; all of them as JSON.

    Args:
        node: vtkMRMLTableNode.
        figures: of ``PairOutputs``.
    """
    table = vtk.vtkTable()
    rows = [tuple(_text(cell) for cell in row) for row in _rows(figures)]
    for name, cells in zip(_COLUMNS, zip(*rows)):
        column = vtk.vtkStringArray()
        column.SetName(name)
        for cell in cells:
            column.InsertNextValue(cell)
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.SetAttribute(FIGURES, json.dumps({name: value for name, value in figures.items() if name != "loss"}))
    node.SetAttribute(TRACE, json.dumps(figures.get("loss", {})))


def read_table(node) -> tuple[dict[str, object], dict[str, list]]:
    """Figures and losses that a table node keeps.

    Raises:
        NePhiError: the table is of another kind.
    """
    texts = [node.GetAttribute(name) for name in (FIGURES, TRACE)]
    if None in texts:
        raise NePhiError(f"The table {node.GetName()} holds no registration's figures. Choose one that NePhi made.")
    figures, trace = map(json.loads, texts)
    return figures, trace


def _rows(figures: dict) -> Iterator[tuple]:
    before, after = figures["similarity"]["before"], figures["similarity"]["after"]
    yield "Similarity in the lungs (local NCC)", before["local_ncc"], after["local_ncc"], ""
    yield "Similarity in the lungs (NCC)", before["ncc"], after["ncc"], ""
    hu = "mean_absolute_difference_hu"
    yield "Mean absolute difference in the lungs", before[hu], after[hu], "HU"
    overlap = figures["lung_overlap_dice"]
    yield "Overlap of the lungs (Dice)", overlap["before"], overlap["after"], ""
    if "tre_mm" in figures:
        tre = figures["tre_mm"]
        for name in _DISTANCES:
            what = f"Landmark error (TRE), {name}, {tre['landmarks']} landmarks"
            yield what, tre["before"][name], tre["after"][name], "mm"
    jacobian = figures["jacobian"]
    yield "Folded voxels in the lungs (central)", "", jacobian["folds_central"], "voxels"
    yield "Folded voxels in the lungs (any one-sided)", "", jacobian["folds_any_one_sided"], "voxels"
    yield "Folded share of the lungs (any one-sided)", "", 100 * jacobian["fold_fraction_any_one_sided"], "%"
    for name in ("min", "p1", "p50", "p99", "max"):
        yield f"det J in the lungs, {name}", "", jacobian[name], ""
    for name, value in figures["inverse_consistency_mm"].items():
        yield f"Inverse consistency, {name}", "", value, "mm"
    for name in ("mean", "p95"):
        yield f"Grid transform read linearly, off the map, {name}", "", figures["interpolation_mm"][name], "mm"
    for side, litres in figures["lung_volume_litres"].items():
        yield f"Volume of the {side} lungs", "", litres, "l"
    if "lung_function" in figures:
        yield from _lung_function_rows(figures["lung_function"])
    yield "Time", "", figures["seconds"], "s"
    yield "Peak memory", "", figures["peak_memory_bytes"] / 2**30, "GiB"


def _lung_function_rows(figures: dict) -> Iterator[tuple]:
    for region, suffix in REGIONS.items():
        where = "both lungs" if region == "both" else f"{region} lung"
        exhale, inhale = (figures[f"lung_volume_{state}_ml{suffix}"] for state in ("exhale", "inhale"))
        yield f"Volume at exhale and inhale, {where}", exhale, inhale, "ml"
        for how, name in (("jacobian", "volume change"), ("density", "air change, by density")):
            for what in ("mean", "median", "sd"):
                yield f"Specific {name}, {where}, {what}", "", figures[f"ventilation_{how}_{what}{suffix}"], ""
        for each in PRM_CLASSES:
            yield f"Parametric response, {where}, {each.title}", "", figures[f"prm_{each.name}_percent{suffix}"], "%"
        share = figures[f"prm_classified_percent{suffix}"]
        yield f"Parametric response, {where}, classified share of the lung", "", share, "%"


def _text(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
