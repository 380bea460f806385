"""The figures of a registration that there is nothing to say against, as `register_and_measure` returns them."""

GOOD = {
    "similarity": {
        "before": {"ncc": 0.2, "local_ncc": 0.1, "mean_absolute_difference_hu": 160.0},
        "after": {"ncc": 0.9, "local_ncc": 0.8, "mean_absolute_difference_hu": 60.0},
    },
    "jacobian": {
        "voxels": 1000,
        "folds_central": 0,
        "folds_any_one_sided": 0,
        "fold_fraction_any_one_sided": 0.0,
        "p1": 0.5,
        "p99": 1.75,
    },
    "jacobian_inverse": {"folds_any_one_sided": 0, "fold_fraction_any_one_sided": 0.0},
    "inverse_consistency_mm": {"mean": 0.25, "p95": 0.5, "max": 1.0},
    "lung_volume_litres": {"fixed": 3.0, "moving": 5.0},
    "lung_overlap_dice": {"before": 0.7, "after": 0.97},
    "motion_mm": {"offset": 20.0, "mean": 15.0, "p95": 30.0, "max": 45.0},
    "lungs_cut_cm2": {"fixed": 0.0, "moving": 0.0},
    "light_share": {"fixed": 0.95, "moving": 0.98},
    "interpolation_mm": {"mean": 0.03, "p95": 0.11, "max": 0.5},
    "inhale": None,
    "place_doubts": {"fixed": "", "moving": ""},
}


def changed(key: str, **values: object) -> dict:
    """The same with some values of one group changed."""
    return {**GOOD, key: {**GOOD[key], **values}}
