"""`python -m benchmarks.equivariance`: does the map move with the images, and up to where?

A pair is registered as it is, then with both images moved together ([U,U]: the map must move with them) and with the
moving image alone moved ([W,U]: the map must undo it). Only headers are moved, no voxel is resampled, and everything,
the search for the lungs too, is done anew. What is measured, in mm of the patient as he was, over the fixed lungs: how
far the map departs from the moved map of the pair as it is, and, for the phantom, how far from the truth.

A line a registration goes into a file, and a command that is run again goes on from there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from NePhiCore.checkpoint import LoadedModel, load_checkpoint
from NePhiCore.displacement_field import map_points
from NePhiCore.errors import NePhiError
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.image_io import read_volume
from NePhiCore.lung_mask import find_lungs
from NePhiCore.model_store import default_model_path
from NePhiCore.phantom import breathing_phantom
from NePhiCore.registration import register
from NePhiCore.settings import PRESETS, settings_for
from NePhiCore.volume import Volume
from NePhiCore.voxel_views import mask_points_ras_mm

from .equivariance_report import write_report

ROOT = Path(__file__).resolve().parents[1]
MODES = ("UU", "WU")
MOTIONS = {
    "turn R-L": (10, 20, 30, 45),
    "turn A-P": (10, 20, 30, 45),
    "turn S-I": (10, 20, 30, 45),
    "shift": (100, 200),
    "size": (0.7, 0.85, 1.4),
    "height": (0.7, 1.4),
}
_AXES = {"turn R-L": 0, "turn A-P": 1, "turn S-I": 2}
_POINTS = 5000
_GRID_MM = 4.0


@dataclass(frozen=True, eq=False)
class Subject:
    """A pair that is moved.

    Attributes:
        truth: (N, 3) fixed to moving points, RAS mm, where it is known.
    """

    name: str
    fixed: Volume
    moving: Volume
    truth: Callable[[np.ndarray], np.ndarray] | None


def motion_matrix(kind: str, amount: float, centre_ras_mm: np.ndarray) -> np.ndarray:
    """(4, 4) RAS mm to RAS mm about a centre: degrees, mm along the space diagonal, or a factor."""
    matrix = np.eye(4)
    if kind == "shift":
        matrix[:3, 3] = amount / np.sqrt(3)
        return matrix
    if kind in _AXES:
        first, second = (axis for axis in range(3) if axis != _AXES[kind])
        cosine, sine = np.cos(np.radians(amount)), np.sin(np.radians(amount))
        matrix[[first, second], [first, second]] = cosine
        matrix[first, second], matrix[second, first] = -sine, sine
    else:
        matrix[:3, :3] = np.diag((amount, amount, amount) if kind == "size" else (1.0, 1.0, amount))
    matrix[:3, 3] = centre_ras_mm - matrix[:3, :3] @ centre_ras_mm
    return matrix


def moved(volume: Volume, matrix: np.ndarray) -> Volume:
    """The same voxels with another header."""
    return Volume(volume.hu, ImageGeometry(volume.hu.shape, matrix @ volume.geometry.ijk_to_ras), volume.name)


def phantom_subject(seed: int) -> Subject:
    phantom = breathing_phantom(seed=seed)
    return Subject(f"phantom {seed}", phantom.exhale, phantom.inhale, phantom.exhale_to_inhale)


def file_subject(fixed: Path, moving: Path) -> Subject:
    return Subject(fixed.parent.name, read_volume(fixed, "fixed"), read_volume(moving, "moving"), None)


class Trial:
    """One pair and one preset; what the map of the pair as it is says of points all over its fixed lungs."""

    def __init__(self, subject: Subject, preset: str, model: LoadedModel) -> None:
        self._subject, self._settings, self._model = (
            subject,
            settings_for(preset, device="cpu", grid_spacing_mm=_GRID_MM),
            model,
        )
        lungs = find_lungs(subject.fixed)
        self._points = mask_points_ras_mm(lungs, subject.fixed.geometry, _POINTS)
        self._centre_ras_mm = self._points.mean(0)
        self._mapped = self._map(np.eye(4), np.eye(4))

    def as_it_is(self) -> dict[str, float]:
        return self._figures(self._mapped)

    def figures(self, mode: str, kind: str, amount: float) -> dict[str, float | str]:
        """Departure and error, mm of the patient as he was; or why there is no map."""
        matrix = motion_matrix(kind, amount, self._centre_ras_mm)
        try:
            return self._figures(self._map(matrix if mode == "UU" else np.eye(4), matrix))
        except NePhiError as error:
            return {"refused": str(error)}

    def _map(self, fixed_matrix: np.ndarray, moving_matrix: np.ndarray) -> np.ndarray:
        """(N, 3) where the points lie in the moving image, both as they were."""
        pair = moved(self._subject.fixed, fixed_matrix), moved(self._subject.moving, moving_matrix)
        result = register(*pair, self._settings, model=self._model)
        mapped = map_points(result.fixed_to_moving, transform_points(fixed_matrix, self._points))
        return transform_points(np.linalg.inv(moving_matrix), mapped)

    def _figures(self, mapped: np.ndarray) -> dict[str, float]:
        figures = _spread("departure", mapped - self._mapped)
        if self._subject.truth is not None:
            figures |= _spread("error", mapped - self._subject.truth(self._points))
        return figures


def _spread(name: str, difference: np.ndarray) -> dict[str, float]:
    distance = np.linalg.norm(difference, axis=1)
    return {f"{name}_mean_mm": float(distance.mean()), f"{name}_p95_mm": float(np.percentile(distance, 95))}


def trials(kinds: Sequence[str], amounts: Sequence[float] | None) -> Iterator[tuple[str, str, float]]:
    """Mode, kind and amount of every registration but the first."""
    for kind in kinds:
        for amount in MOTIONS[kind] if amounts is None else amounts:
            for mode in MODES:
                yield mode, kind, amount


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    done = []
    if options.results.exists():
        done = [json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines()]
    subject = file_subject(*options.pair) if options.pair else phantom_subject(options.seed)
    keys = [("as it is", "", 0.0), *trials(options.kinds, options.amounts)]
    rows = [
        dict(zip(("subject", "preset", "mode", "kind", "amount"), (subject.name, options.preset, *k))) for k in keys
    ]
    left = [row for row in rows if not any(row.items() <= old.items() for old in done)]
    trial = Trial(subject, options.preset, load_checkpoint(default_model_path())) if left else None
    for row in left:
        as_it_is = row["mode"] == "as it is"
        done.append(row | (trial.as_it_is() if as_it_is else trial.figures(row["mode"], row["kind"], row["amount"])))
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(done[-1], flush=True)
    write_report(done, options.output, options.picture)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equivariance", description=__doc__)
    parser.add_argument("--pair", type=Path, nargs=2, metavar=("FIXED", "MOVING"), help="images instead of the phantom")
    parser.add_argument("--seed", type=int, default=0, help="of the phantom")
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--kinds", nargs="+", choices=MOTIONS, default=list(MOTIONS))
    parser.add_argument("--amounts", nargs="+", type=float, help="degrees, mm or factors in place of the usual ones")
    parser.add_argument("--results", type=Path, default=Path("equivariance.jsonl"), help="a line a registration")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "reliability.md")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "images" / "equivariance.png")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
