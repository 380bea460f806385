"""What the lung function maps are called and drawn in: figures, volumes, classes. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

MAPS = ("ventilation_jacobian", "ventilation_density", "parametric_response")
REGIONS = {"both": "", "left": "_left", "right": "_right"}

# What the ventilation volumes hold where there is no value: all of the volume lost, which no lung does.
OUTSIDE = -1.0

# Colours of both ventilation maps, 0 to 255, between which they are linear: blue where lung loses volume, pale where
# nothing comes in, darker the more does.
VENTILATION_COLOURS = {
    -0.5: (33, 102, 172),
    -0.05: (191, 219, 237),
    0.0: (250, 245, 209),
    0.5: (253, 191, 89),
    1.0: (235, 102, 64),
    1.5: (163, 26, 84),
    2.0: (61, 8, 77),
}


@dataclass(frozen=True)
class PrmClass:
    """One class of the parametric response map.

    Attributes:
        label: in the volume; 0 is no class.
        name: in the names of figures.
        title: for people.
        colour: red, green, blue from 0 to 255.
    """

    label: int
    name: str
    title: str
    colour: tuple[int, int, int]


PRM_CLASSES = (
    PrmClass(1, "normal", "normal", (106, 190, 112)),
    PrmClass(2, "small_airways_disease", "small airways disease", (250, 214, 62)),
    PrmClass(3, "emphysema", "emphysema", (190, 22, 34)),
    PrmClass(4, "unclassified", "unclassified", (128, 110, 190)),
)

_VOLUMES = tuple(f"lung_volume_{which}_ml" for which in ("inhale", "exhale", "change"))
_VENTILATION = tuple(f"{each}_{what}" for each in MAPS[:2] for what in ("mean", "median", "sd"))
_SHARES = (*(f"prm_{each.name}_percent" for each in PRM_CLASSES), "prm_classified_percent")

REGION_FIGURES = (*_VOLUMES, *_VENTILATION, *_SHARES)
LUNG_FUNCTION_FIGURES = (
    "inhale_image",
    *(figure + suffix for suffix in REGIONS.values() for figure in REGION_FIGURES),
)
