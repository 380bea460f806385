"""What values look like in the pictures of a case: for who draws them and who explains them. Nothing but constants."""

from __future__ import annotations

HU_WINDOW = (-1350.0, 150.0)
OUTSIDE_GREY = 30
# det J from a quarter to four times the volume, in steps of an eighth of log2; colours at equal distances.
LOG2_LIMIT, LOG2_STEP = 2.0, 0.125
DETERMINANT_COLOURS = ("#2166ac", "#67a9cf", "#e6e8ea", "#ef8a62", "#b2182b")
FOLD_COLOUR, FOLD_ELSEWHERE_COLOUR, LUNG_COLOUR = "#ff00d4", "#ffe600", "#4dd0e1"
