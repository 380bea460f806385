"""What the header of the overview says."""

import copy

from NePhiCore.overview_text import header_cards

JACOBIAN = {"voxels": 395016, "folds_any_one_sided": 0, "fold_fraction_any_one_sided": 0.0}
JACOBIAN |= {"p1": 0.42, "p99": 2.07, "sd_log_j": 0.31}
DISTANCES = {"mean": 1.234, "median": 0.9, "std": 0.5, "p95": 2.0, "max": 9.87}
REPORT = {
    "similarity": {
        "before": {"ncc": 0.2, "local_ncc": 0.114, "mean_absolute_difference_hu": 206.6},
        "after": {"ncc": 0.9, "local_ncc": 0.75, "mean_absolute_difference_hu": 100.0},
    },
    "jacobian": JACOBIAN,
    "inverse_consistency_mm": {"mean": 0.061, "p95": 0.23, "max": 2.99},
    "lung_volume_litres": {"fixed": 3.16, "moving": 3.88},
    "lung_overlap_dice": {"before": 0.8, "after": 0.99},
    "tre_mm": {"landmarks": 300, "before": {**DISTANCES, "mean": 17.75}, "after": DISTANCES},
}


def card_named(report: dict, name: str):
    return next(card for card in header_cards(report) if card.name == name)


def test_every_figure_is_there():
    words = [(card.value, card.note) for card in header_cards(REPORT)]
    assert words == [
        ("17.75 → 1.23 mm", "300 landmarks · median 0.90 · max 9.9"),
        ("0.11 → 0.75", "mean |difference| 207 → 100 HU"),
        ("0.80 → 0.99", "fixed 3.16 l · moving 3.88 l"),
        ("0.06 mm", "95 % below 0.23 · max 2.99"),
        ("none", "of 395\u202f016 voxels; any of eight det J ≤ 0"),
        ("0.42 to 2.07", "1st to 99th percentile · SD log J 0.31"),
    ]


def test_folds_are_counted_and_flagged():
    folded = copy.deepcopy(REPORT)
    folded["jacobian"] |= {"folds_any_one_sided": 2940, "fold_fraction_any_one_sided": 2940 / 395016}
    card = card_named(folded, "Folds in the lungs")
    assert (card.value, card.is_fine) == ("2\u202f940 (0.74 %)", False)
    assert card_named(REPORT, "Folds in the lungs").is_fine is True


def test_without_landmarks_it_says_so():
    report = {name: value for name, value in REPORT.items() if name != "tre_mm"}
    card = card_named(report, "Target registration error")
    assert (card.value, card.note) == ("–", "no landmarks given")
