"""The names of figures, maps and classes, which other programs rely on."""

import subprocess
import sys

from command_cases import own_environment

from NePhiCore.lung_function_names import LUNG_FUNCTION_FIGURES, MAPS, PRM_CLASSES


def test_figures_have_one_name_each_with_the_unit_in_it():
    assert len(set(LUNG_FUNCTION_FIGURES)) == len(LUNG_FUNCTION_FIGURES)
    for name in ("prm_emphysema_percent_left", "ventilation_jacobian_mean", "lung_volume_inhale_ml_right"):
        assert name in LUNG_FUNCTION_FIGURES
    for name in LUNG_FUNCTION_FIGURES:
        assert name == "inhale_image" or "_ml" in name or "_percent" in name or name.startswith("ventilation_")


def test_classes_have_labels_and_colours_of_their_own():
    assert [each.label for each in PRM_CLASSES] == [1, 2, 3, 4]
    assert len({each.colour for each in PRM_CLASSES}) == len({each.name for each in PRM_CLASSES}) == 4
    assert len(MAPS) == 3


def test_the_names_cost_neither_torch_nor_numpy():
    program = (
        "import sys, NePhiCore.lung_function_names as n; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], env=own_environment()).returncode == 0
