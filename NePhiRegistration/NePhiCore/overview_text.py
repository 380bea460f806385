"""The figures above the overview: what each column of the header says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Card:
    """One figure of the header: a name, a value, what else to know, and whether it is fine (None: no judgement)."""

    name: str
    value: str
    note: str = ""
    is_fine: bool | None = None


def header_cards(report: dict[str, Any]) -> list[Card]:
    """Six cards from a quality report."""
    return [
        _landmark_card(report.get("tre_mm")),
        _similarity_card(report["similarity"]),
        _overlap_card(report["lung_overlap_dice"], report["lung_volume_litres"]),
        _inverse_card(report["inverse_consistency_mm"]),
        _fold_card(report["jacobian"]),
        _determinant_card(report["jacobian"]),
    ]


def _landmark_card(tre: dict[str, Any] | None) -> Card:
    name = "Target registration error"
    if tre is None:
        return Card(name, "–", "no landmarks given")
    before, after = tre["before"], tre["after"]
    note = f"{tre['landmarks']} landmarks · median {after['median']:.2f} · max {after['max']:.1f}"
    return Card(name, f"{before['mean']:.2f} → {after['mean']:.2f} mm", note)


def _similarity_card(similarity: dict[str, Any]) -> Card:
    before, after = similarity["before"], similarity["after"]
    note = (
        f"mean |difference| {before['mean_absolute_difference_hu']:.0f} → {after['mean_absolute_difference_hu']:.0f} HU"
    )
    return Card("Local correlation in the lungs", f"{before['local_ncc']:.2f} → {after['local_ncc']:.2f}", note)


def _overlap_card(dice: dict[str, Any], litres: dict[str, Any]) -> Card:
    note = f"fixed {litres['fixed']:.2f} l · moving {litres['moving']:.2f} l"
    return Card("Lung overlap (Dice)", f"{dice['before']:.2f} → {dice['after']:.2f}", note)


def _inverse_card(error_mm: dict[str, Any]) -> Card:
    note = f"95 % below {error_mm['p95']:.2f} · max {error_mm['max']:.2f}"
    return Card("Inverse consistency", f"{error_mm['mean']:.2f} mm", note)


def _fold_card(jacobian: dict[str, Any]) -> Card:
    folded = jacobian["folds_any_one_sided"]
    share = 100 * jacobian["fold_fraction_any_one_sided"]
    value = "none" if folded == 0 else f"{_grouped(folded)} ({share:.2g} %)"
    note = f"of {_grouped(jacobian['voxels'])} voxels; any of eight det J ≤ 0"
    return Card("Folds in the lungs", value, note, is_fine=folded == 0)


def _grouped(count: int) -> str:
    """12 345, with a narrow space."""
    return f"{count:,}".replace(",", "\u202f")


def _determinant_card(jacobian: dict[str, Any]) -> Card:
    note = f"1st to 99th percentile · SD log J {jacobian['sd_log_j']:.2f}"
    value = f"{jacobian['p1']:.2f} to {jacobian['p99']:.2f}".replace("-", "−")
    return Card("det J in the lungs", value, note)
