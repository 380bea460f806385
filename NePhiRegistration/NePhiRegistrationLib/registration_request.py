"""What a registration was asked to do: checked at once, its voxels collected in small steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from NePhiCore.errors import InvalidVolumeError, ModelFileError, SettingsError
from NePhiCore.pair_data import PairInputs
from NePhiCore.settings import settings_for

from .landmark_nodes import landmark_pair
from .mask_nodes import mask_parts
from .output_nodes import check_outputs
from .registration_nodes import OutputNodes
from .steps import Steps
from .transform_nodes import initial_transform
from .volume_nodes import volume_from_node


class RegistrationRequest:
    """Arguments as in `NePhiRegistrationLogic.register`.

    Attributes:
        fixed, moving: the volume nodes.
        outputs: nodes to fill.
        settings: RegistrationSettings.
        model_file: a weights file, or None for the shipped one.

    Raises:
        NePhiError: an input, setting or output that cannot be used; the message says what to do.
    """

    def __init__(  # noqa: PLR0913 (the arguments of the logic, given by name)
        self,
        fixedVolume,
        movingVolume,
        *,
        preset="balanced",
        fixedMask=None,
        movingMask=None,
        initialTransform=None,
        fixedLandmarks=None,
        movingLandmarks=None,
        modelFile=None,
        lungFunction=False,
        inhale=None,
        outputs: OutputNodes | None = None,
        **settings,
    ) -> None:
        self.fixed, self.moving = fixedVolume, movingVolume
        self.outputs = outputs or OutputNodes()
        self.settings = settings_for(preset, **settings)
        self.model_file = _model_file(modelFile)
        self._initial = initialTransform
        self._others = [fixedMask, movingMask, initialTransform, fixedLandmarks, movingLandmarks]
        self._volumes = volume_from_node(fixedVolume, "fixed"), volume_from_node(movingVolume, "moving")
        if fixedVolume is movingVolume:
            raise InvalidVolumeError(
                f"{fixedVolume.GetName()} is chosen as fixed and as moving volume. Choose two different volumes."
            )
        if initialTransform is None:
            _check_overlap(*self._volumes)
        self._masks = mask_parts(fixedMask), mask_parts(movingMask)
        self._landmarks = landmark_pair(fixedLandmarks, movingLandmarks)
        self._lung_function = bool(lungFunction), _inhale(inhale)
        check_outputs(self.outputs, tuple(self.input_nodes()))

    def input_nodes(self) -> list:
        """Every node that is read."""
        return [self.fixed, self.moving, *(node for node in self._others if node is not None)]

    def inputs(self) -> Steps[PairInputs]:
        """Collect what the core needs; arrays are those of the nodes."""
        initial = yield from initial_transform(self._initial, self.moving, self._volumes[0].geometry)
        return PairInputs(*self._volumes, *self._masks, initial, *self._landmarks, *self._lung_function)


def _inhale(inhale: str | None) -> str | None:
    if inhale not in ("fixed", "moving", None):
        raise SettingsError(f'inhale must be "fixed", "moving" or None, got {inhale!r}.')
    return inhale


def _model_file(path: Path | str | None) -> str | None:
    if not path:
        return None
    if not Path(path).is_file():
        raise ModelFileError(f"The weights file {path} does not exist. Choose another, or none for those shipped.")
    return str(path)


def _check_overlap(fixed, moving) -> None:
    boxes = [volume.geometry.corners_ras_mm() for volume in (fixed, moving)]
    low, high = (np.max([box.min(0) for box in boxes], 0), np.min([box.max(0) for box in boxes], 0))
    if not (high > low).all():
        raise InvalidVolumeError(
            f"{fixed.name} and {moving.name} do not overlap in space. Choose an initial transform that brings them "
            "together, or check their origins."
        )
