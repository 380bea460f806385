"""What the user should know before a registration begins, found on few voxels so that choosing stays quick."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from NePhiCore.errors import NePhiError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.volume import Volume

from .panel_words import in_panel_words
from .registration_nodes import Remark
from .registration_request import RegistrationRequest
from .run_estimate import estimate_in_words
from .volume_nodes import volume_from_node

_THIN_VOXELS = 150_000
_LEAST_COVERED = 0.6
_MOST_TURNED_DEGREES = 15.0
# A share of the lung volume that says nothing about the breathing state.
_SAME_VOLUME = 0.05
_AIR_HU = -400
_LEAST_LITRES = 0.3
_LEAST_WIDE_LITRES = 0.05
_OUTSIDE_HU = -960
# Where the lowest values of a CT lie: air, or the padding around the circle of the scan.
_LOWEST_HU = (-4096, -500)


def remarks_on(fixedVolume, movingVolume, **inputs) -> list[Remark]:
    """Remarks on a pair and its settings; arguments as in `NePhiRegistrationLogic.register`.

    Returns:
        One error where the registration cannot begin, else warnings and what can be expected.
    """
    try:
        RegistrationRequest(fixedVolume, movingVolume, **inputs)
        volumes = {"fixed": volume_from_node(fixedVolume, "fixed"), "moving": volume_from_node(movingVolume, "moving")}
    except NePhiError as error:
        return [Remark("error", in_panel_words(str(error)))]
    return [
        *_on_space(volumes["fixed"].geometry, volumes["moving"].geometry, inputs.get("initialTransform") is not None),
        *_on_lungs({name: _thinned(volume) for name, volume in volumes.items()}),
        *_on_effort(volumes, inputs),
    ]


def _on_effort(volumes: dict[str, Volume], inputs: dict) -> Iterator[Remark]:
    """Time and memory; a warning where memory is short."""
    estimate, fits = estimate_in_words(volumes["fixed"], volumes["moving"], inputs)
    yield Remark("info" if fits else "warning", estimate)


def _on_space(fixed: ImageGeometry, moving: ImageGeometry, has_initial: bool) -> Iterator[Remark]:
    turned = _degrees_between(fixed, moving)
    if turned > _MOST_TURNED_DEGREES and not has_initial:
        yield Remark(
            "warning",
            f"The volumes lie turned by {turned:.0f} degrees to each other. If the patient did not, choose an initial "
            "transform that turns them back.",
        )
    covered = _share_covered(fixed, moving)
    if covered < _LEAST_COVERED and not has_initial:
        yield Remark(
            "warning",
            f"Only {100 * covered:.0f} % of the fixed volume lies inside the moving one. Lungs that one of them does "
            "not show cannot be registered there.",
        )


def _degrees_between(fixed: ImageGeometry, moving: ImageGeometry) -> float:
    """The smallest angle by which the grid of one is turned to that of the other, whatever the order of the axes."""
    axes = [geometry.ijk_to_ras[:3, :3] / np.asarray(geometry.spacing_mm) for geometry in (fixed, moving)]
    nearest = np.abs(axes[0].T @ axes[1]).max(axis=1)
    return float(np.degrees(np.arccos(np.clip(nearest, 0, 1))).max())


def _share_covered(fixed: ImageGeometry, moving: ImageGeometry) -> float:
    """Share of the fixed field of view that the moving one covers."""
    last_ijk = np.array(fixed.shape_kji[::-1]) - 1
    places = np.stack(np.meshgrid(*(np.linspace(0, last, 12) for last in last_ijk), indexing="ij"), -1).reshape(-1, 3)
    in_moving = transform_points(moving.ras_to_ijk, transform_points(fixed.ijk_to_ras, places))
    size_ijk = np.array(moving.shape_kji[::-1])
    return float(((in_moving > -0.5) & (in_moving < size_ijk - 0.5)).all(1).mean())


def _on_lungs(thin: dict[str, Volume]) -> Iterator[Remark]:
    """Whether both look like CT in HU that show lungs, and which of them holds more air."""
    litres = {}
    for side, volume in thin.items():
        lowest = np.percentile(volume.hu, 1)
        litres[side] = air_litres(volume)
        if not _LOWEST_HU[0] <= lowest <= _LOWEST_HU[1]:
            yield Remark(
                "warning",
                f"{volume.name} does not look like CT in HU: its lowest values are about {lowest:.0f}, air should be "
                "about -1000.",
            )
        elif litres[side] < _LEAST_LITRES:
            yield Remark("warning", f"{volume.name} shows hardly any air inside the body. Is it a chest CT?")
    if min(litres.values()) < _LEAST_LITRES:
        return
    yield Remark(
        "info", f"Air in the chest: fixed about {litres['fixed']:.1f} l, moving about {litres['moving']:.1f} l."
    )
    if litres["fixed"] > (1 + _SAME_VOLUME) * litres["moving"]:
        yield Remark(
            "warning",
            "Inhale and exhale may be swapped: the fixed lungs are the larger ones. By convention the exhale scan is "
            "the fixed volume; the other way round works too.",
        )


def air_litres(volume: Volume) -> float:
    """Air in the chest, whatever it is in: all air but what reaches the sides of the image.

    Args:
        volume: chest CT, HU; coarse voxels are enough.
    """
    import SimpleITK as sitk

    air = sitk.GetImageFromArray((volume.hu < _AIR_HU).astype(np.uint8))
    # On coarse voxels a thin chest wall leaks: spaces are told apart where they are wide.
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.BinaryErode(air, [1, 1, 1])))
    is_lung = _are_lungs(labels, volume)
    wide = sitk.GetImageFromArray(is_lung[labels].astype(np.uint8))
    inside = sitk.GetArrayFromImage(sitk.BinaryDilate(wide, [2, 2, 2]) & air)
    return float(inside.sum() * volume.geometry.voxel_volume_mm3 * 1e-6)


def _are_lungs(labels: np.ndarray, volume: Volume) -> np.ndarray:
    """(N,) bool for each label of an air space, 0 is none of them: whether it is counted as lung."""
    # Lungs may be cut at the top and at the bottom of the image, seldom at its sides.
    upwards_ijk = int(np.abs(volume.geometry.direction[2]).argmax())
    sides = [axis for axis in range(3) if axis != 2 - upwards_ijk]
    sizes = np.bincount(labels.ravel())
    is_outside = np.zeros(len(sizes), bool)
    is_outside[np.concatenate([labels.take(end, axis).ravel() for axis in sides for end in (0, 1, -2, -1)])] = True
    is_outside[0] = True
    if sizes[~is_outside].sum() * volume.geometry.voxel_volume_mm3 * 1e-6 > _LEAST_WIDE_LITRES:
        return ~is_outside
    # An image of one lung alone: it reaches the sides, and holds more tissue than the air around a patient.
    mean_hu = np.bincount(labels.ravel(), volume.hu.ravel()) / np.maximum(sizes, 1)
    return (mean_hu > _OUTSIDE_HU) & (np.arange(len(sizes)) > 0)


def _thinned(volume: Volume) -> Volume:
    """Every n-th voxel along each axis, so that not many are left."""
    spacing = np.asarray(volume.geometry.spacing_mm)
    edge_mm = (volume.hu.size * np.prod(spacing) / _THIN_VOXELS) ** (1 / 3)
    steps_ijk = np.maximum(1, np.rint(edge_mm / spacing)).astype(int)
    hu = volume.hu[tuple(slice(None, None, int(step)) for step in steps_ijk[::-1])]
    matrix = volume.geometry.ijk_to_ras @ np.diag([*steps_ijk, 1.0])
    return Volume(hu, ImageGeometry(hu.shape, matrix), volume.name)
