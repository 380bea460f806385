"""Values as colours: HU as grey, det J as blue to red on a logarithmic scale, masks as their outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from NePhiCore.lung_function_names import PRM_CLASSES

from .picture_scales import DETERMINANT_COLOURS, HU_WINDOW, LOG2_LIMIT, LOG2_STEP, OUTSIDE_GREY


def grey_of(hu: np.ndarray) -> np.ndarray:
    """uint8 grey values in the lung window; NaN, outside the image, is a grey of its own."""
    low, high = HU_WINDOW
    grey = np.clip((hu - low) * (255 / (high - low)), 0, 255)
    return np.where(np.isnan(hu), OUTSIDE_GREY, np.rint(grey)).astype(np.uint8)


def determinant_rgba(determinant: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """(..., 4) uint8: det J in the lungs, transparent elsewhere.

    Args:
        determinant: det J, NaN outside the image.
        lungs: bool.
    """
    shown = lungs & np.isfinite(determinant)
    steps = round(2 * LOG2_LIMIT / LOG2_STEP)
    log2 = np.log2(np.clip(np.where(shown, determinant, 1), 2**-LOG2_LIMIT, 2**LOG2_LIMIT))
    table = np.array([(*colour, 255) for colour in _between(DETERMINANT_COLOURS, steps + 1)], np.uint8)
    layer = table[np.rint((log2 + LOG2_LIMIT) / LOG2_STEP).astype(int)]
    layer[~shown] = 0
    return layer


def outline_rgba(mask: np.ndarray, colour: str) -> np.ndarray:
    """(rows, columns, 4) uint8: the pixels of a mask beside a pixel that is not in it, else transparent."""
    inside = np.pad(mask, 1)
    inner = inside[1:-1, :-2] & inside[1:-1, 2:] & inside[:-2, 1:-1] & inside[2:, 1:-1]
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask & ~inner] = (*rgb(colour), 255)
    return layer


def classes_rgba(labels: np.ndarray) -> np.ndarray:
    """(..., 4) uint8: the classes of a parametric response map in their colours, transparent where there is none."""
    table = np.zeros((256, 4), np.uint8)
    for each in PRM_CLASSES:
        table[each.label] = (*each.colour, 255)
    return table[labels]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb"."""
    return tuple(bytes.fromhex(colour[1:]))


def _between(colours: Sequence[str], count: int) -> np.ndarray:
    """(count, 3) colours at equal distances between the given ones."""
    stops = np.array([rgb(colour) for colour in colours], float)
    places, wanted = np.linspace(0, 1, len(stops)), np.linspace(0, 1, count)
    return np.rint(np.stack([np.interp(wanted, places, channel) for channel in stops.T], -1))
