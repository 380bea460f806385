"""register() end to end on a breathing phantom of coarse voxels, with a tiny model of random weights.

The outputs of a fresh model are zero: its maps lay lung box on lung box. What is better than that was optimised.
"""

import functools
import hashlib

import numpy as np
import pytest
import scipy.ndimage
import torch
from coarse_world import COARSE, a_model, coarse_world

import NePhiCore
import NePhiCore.phantom as phantom_module
import NePhiCore.registration as registration_module
import NePhiCore.scales as scales_module
from NePhiCore.checkpoint import save_checkpoint
from NePhiCore.displacement_field import DisplacementField, inverse_consistency_mm, map_points
from NePhiCore.errors import InvalidVolumeError, RegistrationCancelled
from NePhiCore.folds import fold_statistics
from NePhiCore.geometry import ImageGeometry, transform_points
from NePhiCore.model import NePhiModel
from NePhiCore.optimisation import LossTrace
from NePhiCore.placement import place_pair
from NePhiCore.preprocessing import place_cube
from NePhiCore.progress import STEPS
from NePhiCore.registration import register
from NePhiCore.settings import RegistrationSettings, settings_for
from NePhiCore.transform_io import InitialTransform
from NePhiCore.volume import Volume

OBLIQUE = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]) @ np.diag([1.0, 1.0, -1.0])
FAST = settings_for("fast", device="cpu", grid_spacing_mm=12.0)
QUICK = {"device": "cpu", "grid_spacing_mm": 12.0, "network_learning_rate": 0.01, "latent_learning_rate": 0.01}


def accurate(iterations=40, **changes) -> RegistrationSettings:
    return settings_for("accurate", iterations=iterations, **QUICK, **changes)


@pytest.fixture(scope="module", autouse=True)
def a_coarse_world():
    with coarse_world():
        yield


@pytest.fixture(scope="module")
def phantom(a_coarse_world):
    return phantom_module.breathing_phantom(**COARSE)


def run(phantom, settings=FAST, model=None, **changes):
    """Exhale onto inhale with the true lungs, but for what is changed; arguments as in `register`."""
    images = {"fixed": phantom.exhale, "moving": phantom.inhale}
    lungs = {"fixed_lungs": phantom.exhale_lungs, "moving_lungs": phantom.inhale_lungs}
    return register(settings=settings, model=model or a_model(), **{**images, **lungs, **changes})


@pytest.fixture(scope="module")
def told() -> list:
    return []


@pytest.fixture(scope="module")
def registered(phantom, told):
    """The phantom registered once, and what was told on the way."""
    return run(phantom, accurate(), progress=told.append)


def landmark_error_mm(phantom, field: DisplacementField) -> float:
    mapped = map_points(field, phantom.landmarks_exhale_ras_mm)
    return float(np.linalg.norm(mapped - phantom.landmarks_inhale_ras_mm, axis=1).mean())


def lung_box_on_lung_box(phantom, points_ras_mm) -> np.ndarray:
    """Where the placement alone takes points, from the extents of the lungs."""
    exhale = place_cube(phantom.exhale_lungs, phantom.exhale.geometry)
    inhale = place_cube(phantom.inhale_lungs, phantom.inhale.geometry)
    return transform_points(inhale @ np.linalg.inv(exhale), points_ras_mm)


def linear(matrix) -> InitialTransform:
    return InitialTransform((functools.partial(transform_points, matrix),), matrix)


def shift_by(shift_mm) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = shift_mm
    return matrix


def carried(volume: Volume, matrix) -> Volume:
    """The same voxels somewhere else."""
    return Volume(volume.hu, ImageGeometry(volume.geometry.shape_kji, matrix @ volume.geometry.ijk_to_ras), volume.name)


def stored_as_lps(volume: Volume, mask: np.ndarray) -> tuple[Volume, np.ndarray]:
    """The same image with its first and second axis running the other way."""
    last_ijk = np.array(volume.geometry.shape_kji[::-1]) - 1
    backwards = np.diag([-1.0, -1.0, 1.0, 1.0])
    backwards[:2, 3] = last_ijk[:2]
    geometry = ImageGeometry(volume.geometry.shape_kji, volume.geometry.ijk_to_ras @ backwards)
    return Volume(volume.hu[:, ::-1, ::-1], geometry, volume.name), mask[:, ::-1, ::-1]


def test_without_a_trained_model_fast_lays_lung_box_on_lung_box(phantom):
    result = run(phantom)
    forth, back = result.fixed_to_moving, result.moving_to_fixed
    points = np.concatenate([forth.geometry.points_ras_mm().reshape(-1, 3), phantom.landmarks_exhale_ras_mm])
    np.testing.assert_allclose(map_points(forth, points), lung_box_on_lung_box(phantom, points), atol=1e-3)
    assert inverse_consistency_mm(forth, back, phantom.landmarks_exhale_ras_mm).max() < 2e-3
    assert result.trace == LossTrace() and not result.cancelled


def test_optimisation_brings_the_landmarks_together(phantom, registered):
    """From the lung boxes' 13 mm to less than a third of it, and back again."""
    start = np.linalg.norm(
        lung_box_on_lung_box(phantom, phantom.landmarks_exhale_ras_mm) - phantom.landmarks_inhale_ras_mm, axis=1
    ).mean()
    assert start > 10
    assert landmark_error_mm(phantom, registered.fixed_to_moving) < start / 3
    back = map_points(registered.moving_to_fixed, phantom.landmarks_inhale_ras_mm)
    assert np.linalg.norm(back - phantom.landmarks_exhale_ras_mm, axis=1).mean() < start / 3


def test_the_maps_do_not_fold_in_the_lungs_and_nearly_undo_each_other(phantom, registered):
    for field, lungs, scan in (
        (registered.fixed_to_moving, phantom.exhale_lungs, phantom.exhale),
        (registered.moving_to_fixed, phantom.inhale_lungs, phantom.inhale),
    ):
        assert fold_statistics(field, lungs, scan.geometry).folds_any_one_sided == 0
    errors = inverse_consistency_mm(
        registered.fixed_to_moving, registered.moving_to_fixed, phantom.landmarks_exhale_ras_mm
    )
    assert errors.mean() < 3, "half a voxel"


def test_the_loss_falls_and_its_trace_ends_with_the_last_iteration(registered):
    trace = registered.trace
    assert trace.iteration[0] == 0 and trace.iteration[-1] == 39
    assert trace.similarity[-1] < 0.8 * trace.similarity[0]
    assert not registered.cancelled


def test_fields_lie_over_the_field_of_view_of_the_image_they_start_from(phantom, registered):
    for field, scan in ((registered.fixed_to_moving, phantom.exhale), (registered.moving_to_fixed, phantom.inhale)):
        np.testing.assert_allclose(field.geometry.corners_ras_mm(), scan.geometry.corners_ras_mm(), atol=1e-9)
        assert field.geometry.spacing_mm.max() <= 12


def test_the_lungs_of_the_result_are_those_given(phantom, registered):
    np.testing.assert_array_equal(registered.fixed_lungs, phantom.exhale_lungs)
    np.testing.assert_array_equal(registered.moving_lungs, phantom.inhale_lungs)
    as_numbers = run(phantom, fixed_lungs=phantom.exhale_lungs.astype(np.uint8) * 7)
    assert as_numbers.fixed_lungs.dtype == bool
    np.testing.assert_array_equal(as_numbers.fixed_lungs, phantom.exhale_lungs)


def test_lungs_that_are_not_given_are_found(phantom):
    result = run(phantom, fixed_lungs=None, moving_lungs=None)
    for found, true in ((result.fixed_lungs, phantom.exhale_lungs), (result.moving_lungs, phantom.inhale_lungs)):
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9


def test_progress_rises_from_nothing_to_one_through_every_step(told, registered):
    shares = [message.share for message in told]
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)
    assert list(dict.fromkeys(message.step for message in told)) == list(STEPS)
    optimising = [message for message in told if message.iteration is not None]
    assert [message.iteration for message in optimising] == registered.trace.iteration
    assert [message.loss for message in optimising] == registered.trace.total
    assert {message.step for message in optimising} == {"optimisation"}


def test_progress_rises_to_one_without_optimisation_too(phantom):
    told = []
    run(phantom, progress=told.append)
    shares = [message.share for message in told]
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)


def test_the_result_says_how_it_was_made(registered):
    made = registered.provenance
    assert made["version"] == NePhiCore.__version__ and made["torch"] == torch.__version__
    assert (made["model"], made["model_sha256"]) == ("random.pt", "0" * 64)
    assert made["settings"] == accurate().as_dict() and made["seed"] == accurate().seed
    assert made["device"] == "cpu" and made["threads"] == torch.get_num_threads()
    assert made["created"].endswith("Z")
    assert set(registered.seconds_by_step) == set(STEPS) - {"done"}
    assert min(registered.seconds_by_step.values()) >= 0 and registered.seconds_by_step["optimisation"] > 0


def test_without_a_model_the_shipped_one_is_loaded_and_named(phantom, tmp_path, monkeypatch):
    path = tmp_path / "shipped.pt"
    save_checkpoint(path, a_model().model, {"seed": 0})
    monkeypatch.setattr(registration_module, "default_model_path", lambda: path)
    result = register(
        phantom.exhale, phantom.inhale, FAST, fixed_lungs=phantom.exhale_lungs, moving_lungs=phantom.inhale_lungs
    )
    assert result.provenance["model"] == "shipped.pt"
    assert result.provenance["model_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("mode", ["latent", "all"])
def test_images_and_model_are_left_as_they_are(phantom, mode):
    model = a_model(output=0.02)
    weights = {name: value.clone() for name, value in model.model.state_dict().items()}
    before = [phantom.exhale.hu.copy(), phantom.inhale.hu.copy(), phantom.exhale_lungs.copy()]
    run(phantom, accurate(3, optimise=mode), model)
    assert all(torch.equal(weights[name], value) for name, value in model.model.state_dict().items())
    for old, new in zip(before, (phantom.exhale.hu, phantom.inhale.hu, phantom.exhale_lungs)):
        np.testing.assert_array_equal(old, new)


def test_a_seed_gives_the_same_fields_bit_for_bit_and_another_gives_others(phantom):
    first, again, other = (run(phantom, accurate(3, seed=seed)) for seed in (5, 5, 6))
    for name in ("fixed_to_moving", "moving_to_fixed"):
        field = getattr(first, name).displacement_ras_mm
        np.testing.assert_array_equal(field, getattr(again, name).displacement_ras_mm)
        assert np.abs(field - getattr(other, name).displacement_ras_mm).max() > 1e-3


def test_an_affine_initial_transform_is_where_it_starts(phantom):
    """A model that adds nothing leaves exactly that transform, everywhere; the inverse is its inverse."""
    matrix = np.array([[1.05, 0.1, 0, 6.0], [-0.1, 1, 0.05, -8.0], [0, 0.02, 1.2, 15.0], [0, 0, 0, 1]])
    result = run(phantom, initial_transform=linear(matrix))
    points = result.fixed_to_moving.geometry.points_ras_mm().reshape(-1, 3)
    np.testing.assert_allclose(map_points(result.fixed_to_moving, points), transform_points(matrix, points), atol=1e-3)
    back = result.moving_to_fixed.geometry.points_ras_mm().reshape(-1, 3)
    expected = transform_points(np.linalg.inv(matrix), back)
    np.testing.assert_allclose(map_points(result.moving_to_fixed, back), expected, atol=1e-3)


def test_a_displacement_as_initial_transform_gives_its_fit_and_starts_the_search(phantom, monkeypatch):
    """The truth as a field: cubes lie as its best affine fit says, and the encoder is told the rest."""
    encoded, encode = [], NePhiModel.encode

    def noting(self, fixed, moving, known=None):
        encoded.append(known)
        return encode(self, fixed, moving, known)

    monkeypatch.setattr(NePhiModel, "encode", noting)
    grid = ImageGeometry.from_spacing((27, 27, 33), 12.0, (-192.0, -156.0, -156.0))
    truth = DisplacementField(phantom.truth_displacement(grid, "exhale_to_inhale"), grid)
    initial = InitialTransform((functools.partial(map_points, truth),), None)
    points = phantom.exhale.geometry.points_ras_mm()[phantom.exhale_lungs]
    start = map_points(run(phantom, initial_transform=initial).fixed_to_moving, points)
    fit = np.linalg.lstsq(np.c_[points, np.ones(len(points))], initial.map_points_ras_mm(points), rcond=None)[0].T
    matrix = np.vstack([fit, [0, 0, 0, 1]])
    np.testing.assert_allclose(start, transform_points(matrix, points), atol=0.5)
    expected = place_pair(phantom.exhale, phantom.inhale, phantom.exhale_lungs, phantom.inhale_lungs, initial).known
    assert len(encoded) == 1 and torch.equal(encoded[0], expected) and expected.abs().max() > 0.01


def test_what_the_encoder_found_guides_the_optimisation(phantom, monkeypatch):
    """With matches a tenth of the cube further up in both directions the fields come out different."""
    plain, encode = run(phantom, accurate(4)), NePhiModel.encode

    def shifted(self, fixed, moving, known=None):
        code, matched = encode(self, fixed, moving, known)
        return code, tuple(m + 0.1 * torch.eye(3)[0].reshape(1, 3, 1, 1, 1) for m in matched)

    monkeypatch.setattr(NePhiModel, "encode", shifted)
    guided = run(phantom, accurate(4))
    for name in ("fixed_to_moving", "moving_to_fixed"):
        difference = getattr(guided, name).displacement_ras_mm - getattr(plain, name).displacement_ras_mm
        assert np.abs(difference).max() > 0.1


def test_the_sharper_image_is_smoothed_by_what_makes_both_alike(phantom, monkeypatch):
    """Voxels in what is found, millimetres in what is asked for; exhale is fixed."""
    smoothed_mm = []

    def recorded(cubes_at, similarity, tissue_at, smoothing_mm):
        smoothed_mm.append(smoothing_mm)
        return scales_module.scaled_pairs(cubes_at, similarity, tissue_at, smoothing_mm)

    monkeypatch.setattr(registration_module, "scaled_pairs", recorded)
    blurred = Volume(scipy.ndimage.gaussian_filter(phantom.exhale.hu, 2.0), phantom.exhale.geometry, "fixed")
    run(phantom, accurate(1), fixed=blurred)
    run(
        phantom,
        accurate(1),
        fixed=phantom.inhale,
        fixed_lungs=phantom.inhale_lungs,
        moving=blurred,
        moving_lungs=phantom.exhale_lungs,
    )
    (of_exhale, of_inhale), turned = smoothed_mm
    assert of_exhale == 0
    assert of_inhale > 1
    assert turned == (pytest.approx(of_inhale, rel=0.3), 0)


def test_a_quarter_of_the_variance_that_was_found_is_smoothed_away(phantom, monkeypatch):
    """Half the width: one voxel of 2 mm becomes 1 mm."""
    smoothed_mm = []

    def recorded(cubes_at, similarity, tissue_at, smoothing_mm):
        smoothed_mm.append(smoothing_mm)
        return scales_module.scaled_pairs(cubes_at, similarity, tissue_at, smoothing_mm)

    monkeypatch.setattr(registration_module, "smoothing_to_match", lambda *given: (0.0, 1.0))
    monkeypatch.setattr(registration_module, "scaled_pairs", recorded)
    run(phantom, accurate(1))
    assert smoothed_mm == [(0.0, pytest.approx(1.0))]


def test_with_an_initial_transform_images_may_lie_apart(phantom):
    """The moving image a metre further right: the same landmarks are found as where it was, but for that metre."""
    far = shift_by((1000.0, 0, 0))
    boxes = place_cube(phantom.inhale_lungs, phantom.inhale.geometry) @ np.linalg.inv(
        place_cube(phantom.exhale_lungs, phantom.exhale.geometry)
    )
    settings, points = accurate(6), phantom.landmarks_exhale_ras_mm
    near = run(phantom, settings, initial_transform=linear(boxes)).fixed_to_moving
    carried_off = {"moving": carried(phantom.inhale, far), "initial_transform": linear(far @ boxes)}
    apart = run(phantom, settings, **carried_off).fixed_to_moving
    np.testing.assert_allclose(map_points(apart, points) - (1000.0, 0, 0), map_points(near, points), atol=0.05)


@pytest.mark.parametrize(("settings", "tolerance_mm"), [(FAST, 0.05), (accurate(4), 0.5)], ids=["fast", "accurate"])
def test_the_same_voxels_stored_as_lps_give_the_same_maps(phantom, settings, tolerance_mm):
    """Only the order of the arrays differs. What the rounding of sums leaves, Adam's first steps make larger:

    they are as long for a gradient of next to nothing as for any other.
    """
    model, points = a_model(output=0.02), phantom.landmarks_exhale_ras_mm
    fixed, fixed_lungs = stored_as_lps(phantom.exhale, phantom.exhale_lungs)
    moving, moving_lungs = stored_as_lps(phantom.inhale, phantom.inhale_lungs)
    as_ras = run(phantom, settings, model)
    stored = {"fixed": fixed, "moving": moving, "fixed_lungs": fixed_lungs, "moving_lungs": moving_lungs}
    as_lps = run(phantom, settings, model, **stored)
    for name in ("fixed_to_moving", "moving_to_fixed"):
        first, second = (map_points(getattr(result, name), points) for result in (as_ras, as_lps))
        np.testing.assert_allclose(first, second, atol=tolerance_mm)


def test_the_same_patient_scanned_oblique_left_handed_is_registered_as_well(phantom, registered):
    """Other voxels, other spacing, a larger field of view: the maps agree to 2.5 mm on average, voxels are 6 mm."""
    scan = phantom_module.breathing_phantom(
        **{**COARSE, "shape_kji": (66, 64, 78), "spacing_mm": (5.0, 6.0, 6.5)}, direction=OBLIQUE
    )
    assert scan.exhale.geometry.is_left_handed
    result = run(scan, accurate())
    points = phantom.landmarks_exhale_ras_mm
    first, second = (map_points(r.fixed_to_moving, points) for r in (registered, result))
    assert np.linalg.norm(first - second, axis=1).mean() < 2.5
    assert landmark_error_mm(phantom, result.fixed_to_moving) < 5


@pytest.mark.parametrize("which", ["fixed_lungs", "moving_lungs"])
def test_a_mask_that_does_not_fit_its_image_is_refused_by_name(phantom, which):
    name = {"fixed_lungs": "exhale", "moving_lungs": "inhale"}[which]
    with pytest.raises(InvalidVolumeError, match=rf"mask of {name} has shape \(51, 48, 60\).*\(52, 48, 60\)"):
        run(phantom, **{which: phantom.exhale_lungs[1:]})
    with pytest.raises(InvalidVolumeError, match=f"mask of {name} is empty"):
        run(phantom, **{which: np.zeros_like(phantom.exhale_lungs)})
    speck = np.arange(phantom.exhale_lungs.size).reshape(phantom.exhale_lungs.shape) == 70_000
    with pytest.raises(InvalidVolumeError, match=f"mask of {name} marks 0.22 ml, .* at least 10 ml"):
        run(phantom, **{which: speck})


def test_images_that_do_not_overlap_are_refused(phantom):
    with pytest.raises(InvalidVolumeError, match="do not overlap.*--initial-transform"):
        run(phantom, moving=carried(phantom.inhale, shift_by((1000.0, 0, 0))))


def with_a_nan(hu):
    hu = hu.astype(np.float32)
    hu[20, 20, 20] = np.nan
    return hu


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_a_nan, "inhale: 1 voxels are NaN"),
        (np.zeros_like, "inhale: every voxel is 0"),
        (lambda hu: hu[:5], "inhale: got .* at least 8"),
    ],
    ids=["NaN", "constant", "five slices"],
)
def test_an_image_that_cannot_be_a_lung_ct_is_refused_by_name(phantom, change, message):
    hu = change(phantom.inhale.hu)
    moving = Volume(hu, ImageGeometry(hu.shape, phantom.inhale.geometry.ijk_to_ras), "inhale")
    with pytest.raises(InvalidVolumeError, match=message):
        run(phantom, moving=moving, moving_lungs=None)


def test_an_image_without_lungs_asks_for_a_mask(phantom):
    body = np.where(phantom.inhale.hu < -300, 40, phantom.inhale.hu)
    with pytest.raises(InvalidVolumeError, match="mask"):
        run(phantom, moving=Volume(body, phantom.inhale.geometry, "inhale"), moving_lungs=None)


def cancelled_in(step):
    """A progress callback and the question whether to cancel: yes from the first message of that step on."""
    reached = []

    def progress(message):
        if message.step == step:
            reached.append(message)

    return {"progress": progress, "is_cancelled": lambda: bool(reached)}


@pytest.mark.parametrize("step", ["lungs", "preparation", "encoding"])
def test_cancelled_before_there_is_a_result_it_says_so(phantom, step):
    with pytest.raises(RegistrationCancelled, match="before there was a result") as error:
        run(phantom, accurate(), **cancelled_in(step))
    assert error.value.partial is None and error.value.exit_code == 130


def test_cancelled_while_it_optimises_the_best_so_far_comes_back(phantom, registered):
    result = run(phantom, accurate(), **cancelled_in("optimisation"))
    assert result.cancelled and result.trace.iteration[-1] < 39
    assert result.fixed_to_moving.displacement_ras_mm.shape == registered.fixed_to_moving.displacement_ras_mm.shape
    assert np.isfinite(result.moving_to_fixed.displacement_ras_mm).all()


def test_cancelled_in_the_last_step_the_whole_result_comes_back(phantom):
    result = run(phantom, accurate(2), **cancelled_in("evaluation"))
    assert not result.cancelled and result.trace.iteration[-1] == 1


def test_lungs_larger_than_anybodys_are_refused(phantom):
    """An image whose header says centimetres for millimetres; of smaller voxels, that are no reason by themselves."""
    geometry = phantom.exhale.geometry
    threefold = ImageGeometry(geometry.shape_kji, geometry.ijk_to_ras @ np.diag([3.0, 3.0, 3.0, 1.0]))
    with pytest.raises(InvalidVolumeError, match="The lungs of exhale are .* litres, which nobody has"):
        run(phantom, fixed=Volume(phantom.exhale.hu, threefold, "exhale"))
