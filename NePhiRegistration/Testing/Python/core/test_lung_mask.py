import numpy as np
import pytest
import SimpleITK as sitk
from thorax_cases import DIRECTIONS_RAS, Thorax, dice, grid, thorax

from NePhiCore.errors import InvalidVolumeError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.lung_mask import find_lungs
from NePhiCore.volume import Volume

REAL_LUNGS = {
    "breathing_pairs/d1/inhale": "breathing_pairs/d1/inhale_lungs",
    "breathing_pairs/d1/exhale": "breathing_pairs/d1/exhale_lungs",
    "breathing_pairs/d2/exhale": "breathing_pairs/d2/exhale_lungs",
    "breathing_pairs/d3/exhale": "breathing_pairs/d3/exhale_lungs",
    "lung_pair/baseline": "lung_pair/baseline_mask",
    "lung_pair/followup": "lung_pair/followup_mask",
}


@pytest.fixture(scope="module")
def a_thorax() -> Thorax:
    return thorax(grid())


@pytest.fixture(scope="module")
def its_lungs(a_thorax) -> np.ndarray:
    return find_lungs(a_thorax.volume)


def crop(volume: Volume, kji: tuple[slice, slice, slice]) -> Volume:
    first_ijk = np.array([s.indices(n)[0] for s, n in zip(kji, volume.hu.shape)])[::-1]
    matrix = volume.geometry.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ first_ijk
    hu = volume.hu[kji]
    return Volume(hu, ImageGeometry(hu.shape, matrix), volume.name)


def pad(volume: Volume, width: int, hu: int) -> Volume:
    matrix = volume.geometry.ijk_to_ras.copy()
    matrix[:3, 3] -= matrix[:3, :3] @ np.full(3, width)
    padded = np.pad(volume.hu, width, constant_values=hu)
    return Volume(padded, ImageGeometry(padded.shape, matrix), volume.name)


@pytest.mark.parametrize("direction", DIRECTIONS_RAS)
def test_both_lungs_in_every_orientation(direction):
    case = thorax(grid(direction))
    lungs = find_lungs(case.volume)
    assert lungs.dtype == bool and lungs.shape == case.volume.hu.shape
    assert lungs[case.airways].mean() < 0.1
    for side in (-1, 1):
        half = side * case.volume.geometry.points_ras_mm()[..., 0] > 0
        assert dice(lungs & half, case.lungs & half) > 0.97


def test_flipped_axes_give_the_flipped_mask(a_thorax, its_lungs):
    flipped = a_thorax.volume.hu[::-1, :, ::-1]
    matrix = a_thorax.volume.geometry.ijk_to_ras @ np.diag([-1.0, 1.0, -1.0, 1.0])
    last_ijk = np.array(flipped.shape[::-1]) - 1
    matrix[:3, 3] = a_thorax.volume.geometry.ijk_to_ras[:3] @ [last_ijk[0], 0, last_ijk[2], 1]
    lungs = find_lungs(Volume(flipped, ImageGeometry(flipped.shape, matrix)))
    np.testing.assert_array_equal(lungs, its_lungs[::-1, :, ::-1])


def test_vessels_are_in_and_airways_gas_and_outside_air_are_out(a_thorax, its_lungs):
    assert its_lungs[a_thorax.vessels].mean() > 0.95
    assert its_lungs[a_thorax.airways].mean() < 0.1
    assert not its_lungs[a_thorax.gas].any()
    assert not its_lungs[a_thorax.outside].any()


@pytest.mark.parametrize(
    "spacing_mm, extent_mm",
    [((1.0, 1.0, 1.0), (130, 160, 110)), ((0.8, 0.8, 5.0), (130, 220, 240)), ((4.0, 4.0, 4.0), (320, 240, 270))],
)
def test_fine_and_thick_voxels(spacing_mm, extent_mm):
    centre_ras_mm = (75, 0, 10) if extent_mm[0] < 200 else (0, 0, 0)
    case = thorax(grid("LPS", spacing_mm, centre_ras_mm, extent_mm))
    assert dice(find_lungs(case.volume), case.lungs) > 0.96


def test_a_lung_that_has_breathed_out_is_found_to_its_dense_back():
    case = thorax(grid("LPS"), lung_hu=-650.0, dense_back_hu=300.0)
    lungs = find_lungs(case.volume)
    back = case.volume.geometry.points_ras_mm()[..., 1] < -40
    assert dice(lungs, case.lungs) > 0.95
    assert lungs[case.lungs & back].mean() > 0.9
    assert not lungs[case.gas].any()


def test_noise():
    case = thorax(grid(), noise_hu=60.0)
    assert dice(find_lungs(case.volume), case.lungs) > 0.96


@pytest.mark.parametrize(
    "kji",
    [
        (slice(30, None), slice(None), slice(None)),
        (slice(0, 60), slice(None), slice(None)),
        (slice(None), slice(None), slice(0, 50)),
        (slice(None), slice(None), slice(30, None)),
        (slice(None), slice(0, 40), slice(None)),
        (slice(25, 65), slice(14, 66), slice(10, 97)),
    ],
    ids=["base cut", "apex cut", "one lung", "half a lung cut", "front cut", "no outside air"],
)
def test_a_field_of_view_that_cuts_the_lungs(a_thorax, kji):
    lungs = find_lungs(crop(a_thorax.volume, kji))
    assert dice(lungs, a_thorax.lungs[kji]) > 0.96


@pytest.mark.parametrize("padding_hu", [-1024, -2000, -3024])
def test_padding_beside_a_cut_lung_is_no_lung(a_thorax, padding_hu):
    kji = (slice(20, 70), slice(None), slice(30, 100))
    lungs = find_lungs(pad(crop(a_thorax.volume, kji), 8, padding_hu))
    assert dice(lungs[8:-8, 8:-8, 8:-8], a_thorax.lungs[kji]) > 0.96
    lungs[8:-8, 8:-8, 8:-8] = False
    assert not lungs.any()


@pytest.mark.parametrize("as_stored", [np.float64, np.float32, np.int32])
def test_any_real_dtype(a_thorax, its_lungs, as_stored):
    volume = Volume(a_thorax.volume.hu.astype(as_stored), a_thorax.volume.geometry)
    np.testing.assert_array_equal(find_lungs(volume), its_lungs)


def changed(case: Thorax, change, name="fixed") -> Volume:
    return Volume(change(case.volume.hu.astype(np.float32)), case.volume.geometry, name)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda hu: np.maximum(hu, -150.0), "no lungs found in fixed: .* -150 .*; give a mask with --fixed-mask"),
        (lambda hu: np.where(hu < -500, -990.0, -1010.0), "no lungs found in fixed: there is no body"),
        (lambda hu: (hu + 1024) / 2500, "no lungs found in fixed: .*not Hounsfield units.*use the original CT"),
        (lambda hu: hu + 1024, "no lungs found in fixed: .*not Hounsfield units.*subtract 1024"),
    ],
    ids=["soft tissue", "air", "0 to 1", "offset 1024"],
)
def test_voxels_that_cannot_be_lung_are_refused(a_thorax, change, message):
    with pytest.raises(InvalidVolumeError, match=message):
        find_lungs(changed(a_thorax, change))


def test_gas_in_a_body_without_lungs_is_refused(a_thorax):
    def fill_lungs(hu):
        return np.where(a_thorax.lungs, 40.0, hu)

    with pytest.raises(InvalidVolumeError, match="no lungs found in moving: .*; give a mask with --moving-mask"):
        find_lungs(changed(a_thorax, fill_lungs, name="moving"))


def test_an_abdomen_is_refused(a_thorax):
    with pytest.raises(InvalidVolumeError, match="no lungs found"):
        find_lungs(crop(a_thorax.volume, (slice(0, 14), slice(None), slice(None))))


def test_a_name_that_is_no_option_gets_both_options(a_thorax):
    with pytest.raises(InvalidVolumeError, match="no lungs found in case7: .*--fixed-mask or --moving-mask"):
        find_lungs(changed(a_thorax, lambda hu: np.maximum(hu, -150.0), name="case7"))


def test_nan_is_refused(a_thorax):
    with pytest.raises(InvalidVolumeError, match="NaN"):
        find_lungs(changed(a_thorax, lambda hu: np.where(hu == hu.max(), np.nan, hu)))


@pytest.mark.parametrize("image", REAL_LUNGS)
def test_real_lungs_against_the_given_masks(shared_data, image):
    ct = sitk.ReadImage(str(shared_data / f"{image}.nii.gz"))
    given = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / f"{REAL_LUNGS[image]}.nii.gz"))) > 0
    lps_direction = np.array(ct.GetDirection()).reshape(3, 3)
    lps_to_ras = np.diag([-1.0, -1.0, 1.0])
    geometry = ImageGeometry.from_spacing(
        given.shape, ct.GetSpacing(), lps_to_ras @ ct.GetOrigin(), lps_to_ras @ lps_direction
    )
    assert dice(find_lungs(Volume(sitk.GetArrayFromImage(ct), geometry, image)), given) > 0.95
