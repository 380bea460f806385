"""Landmarks from two point lists of the scene."""

from __future__ import annotations

import numpy as np
import slicer

from NePhiCore.errors import InvalidLandmarksError


def landmark_pair(fixed_node, moving_node) -> tuple[np.ndarray | None, np.ndarray | None]:
    """World positions (N, 3) RAS mm of both lists, in their order; None and None where no list is given.

    Raises:
        InvalidLandmarksError: only one list, lists of different lengths, no points, points that were never placed.
    """
    if fixed_node is None and moving_node is None:
        return None, None
    if fixed_node is None or moving_node is None:
        given, missing = ("moving", "fixed") if fixed_node is None else ("fixed", "moving")
        raise InvalidLandmarksError(f"Only {given} landmarks are chosen. Choose the {missing} landmarks too, or none.")
    fixed, moving = _positions(fixed_node), _positions(moving_node)
    if len(fixed) != len(moving):
        raise InvalidLandmarksError(
            f"{fixed_node.GetName()} has {len(fixed)} points and {moving_node.GetName()} {len(moving)}. "
            "Place the same landmarks in the same order in both lists."
        )
    return fixed, moving


def _positions(node) -> np.ndarray:
    count = node.GetNumberOfControlPoints()
    if count == 0:
        raise InvalidLandmarksError(f"{node.GetName()} has no points. Place landmarks in it, or choose no landmarks.")
    placed = slicer.vtkMRMLMarkupsNode.PositionDefined
    missing = [n for n in range(count) if node.GetNthControlPointPositionStatus(n) != placed]
    if missing:
        label = node.GetNthControlPointLabel(missing[0])
        raise InvalidLandmarksError(f"The point {label} of {node.GetName()} was never placed. Place it or delete it.")
    return np.array([node.GetNthControlPointPositionWorld(n) for n in range(count)])
