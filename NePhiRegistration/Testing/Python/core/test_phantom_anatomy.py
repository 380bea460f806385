import numpy as np
import pytest

from NePhiCore.phantom_anatomy import FINE_MM, LOBES, build_anatomy, lobe_labels
from NePhiCore.phantom_surfaces import (
    COARSE_MM,
    TISSUE_HIGH_RAS_MM,
    TISSUE_LOW_RAS_MM,
    random_proportions,
    thorax_distances,
)


@pytest.fixture(scope="module")
def anatomy():
    return build_anatomy(5)


def coarse_of(fine):
    return fine[::2, ::2, ::2]


def test_grids_fill_the_same_box(anatomy):
    size_mm = (TISSUE_HIGH_RAS_MM - TISSUE_LOW_RAS_MM)[::-1]
    np.testing.assert_allclose((np.array(anatomy.density.shape[2:]) - 1) * FINE_MM, size_mm)
    np.testing.assert_allclose((np.array(anatomy.distances.shape[2:]) - 1) * COARSE_MM, size_mm)


def test_densities_are_those_of_tissue(anatomy):
    parenchyma, rest = anatomy.density[0].numpy()
    lungs = anatomy.distances[0, 0].numpy()
    assert parenchyma.min() >= 0 and rest.min() >= 0 and rest.max() < 2
    assert not coarse_of(parenchyma)[lungs > 3].any()
    deep = lungs < -6
    assert 0.08 < np.median(coarse_of(parenchyma)[deep]) < 0.16
    vessel_share = (coarse_of(rest)[deep] > 0.5).mean()
    assert 0.01 < vessel_share < 0.08


def test_the_trachea_holds_air_inside_a_wall(anatomy):
    rest = anatomy.density[0, 1].numpy()

    def at(x, y, z):
        return rest[tuple(np.rint((np.array([x, y, z]) - TISSUE_LOW_RAS_MM) / FINE_MM).astype(int)[::-1])]

    assert at(2, -12, 90) < 0.02
    assert at(2 + 9.5, -12, 90) > 0.9


def test_no_airway_strays_into_the_heart(anatomy):
    heart = thorax_distances(random_proportions(np.random.default_rng([5, 0])))["heart"]
    assert coarse_of(anatomy.density[0, 1].numpy())[heart < -2].min() > 0.95


def test_parenchyma_is_denser_at_the_back(anatomy):
    parenchyma = coarse_of(anatomy.density[0, 0].numpy())
    deep = anatomy.distances[0, 0].numpy() < -6
    rows = np.arange(deep.shape[1])[:, None]
    back, front = (np.median(parenchyma[deep & side]) for side in (rows < 40, rows > 55))
    assert back > 1.1 * front


def test_vessels_branch_inside_the_lungs_thousands_of_times(anatomy):
    low, high = anatomy.lungs_box_ras_mm
    points = anatomy.branch_points_ras_mm
    assert len(points) > 1000
    assert ((points > low - 15) & (points < high + 15)).all(1).mean() > 0.99
    assert 220 < high[2] - low[2] < 270 and 230 < high[0] - low[0] < 280


def test_lobe_labels_by_hand():
    x = np.array([50, 50, 50, -50, -50, 50])
    lungs = np.array([-1, -1, -1, -1, -1, 1])
    oblique = np.array([5, 5, -5, 5, -5, 5])
    horizontal = np.array([5, -5, 5, -5, 5, 5])
    labels = lobe_labels(x, lungs, oblique, horizontal)
    assert labels.dtype == np.uint8
    assert [LOBES.get(n, "outside") for n in labels.tolist()] == [
        "right upper",
        "right middle",
        "right lower",
        "left upper",
        "left lower",
        "outside",
    ]
