"""Patients: reading their scan anywhere, thinning it, finding CT in a folder."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training_cases import a_subject

from NePhiCore.errors import SettingsError
from NePhiCore.geometry import ImageGeometry
from NePhiCore.volume import Volume
from training import subjects
from training.subjects import Subject, apply_matrix, phantom_subject, scans_in, subjects_in


def test_a_scan_is_read_in_patient_coordinates():
    subject = a_subject()
    points = torch.tensor([[120.0, 0.0, 40.0], [120.0, 0.0, -40.0], [60.0, 0.0, 10.0]])
    density, lungs = subject.read(points, np.eye(4))
    assert torch.allclose(density[:2], torch.tensor([1.04, 0.96]), atol=2e-3)  # 1 + z / 1000
    assert lungs.tolist() == [0, 0, 1]


def test_a_matrix_brings_points_to_the_patient():
    subject, matrix = a_subject(), np.eye(4)
    matrix[:3, 3] = (120, 0, 40)
    density, _ = subject.read(torch.zeros(1, 3), matrix)
    assert abs(float(density) - 1.04) < 2e-3


def test_beyond_the_scan_the_edge_goes_on_without_lung():
    geometry = ImageGeometry.from_spacing((4, 4, 4), (10.0,) * 3, (0, 0, 0), np.eye(3))
    subject = Subject.of(Volume(np.full((4, 4, 4), -700, np.int16), geometry), np.ones((4, 4, 4), bool))
    density, lungs = subject.read(torch.tensor([[15.0, 15, 15], [15, 15, 35]]), np.eye(4))
    assert torch.allclose(density, torch.tensor([0.3, 0.3])) and lungs.tolist() == [1, 0]


def test_fine_scans_are_averaged_where_they_lie():
    """Voxels of 0.8 mm by twos; a ramp keeps its value at every place."""
    geometry = ImageGeometry.from_spacing((6, 8, 10), (0.8, 0.8, 2.5), (5.0, 6.0, 7.0), np.eye(3))
    hu = (geometry.points_ras_mm() @ [10.0, 0.0, 0.0]).astype(np.int16)
    subject = Subject.of(Volume(hu, geometry), np.ones(hu.shape, bool))
    assert subject.scan.shape == (1, 2, 6, 4, 5)
    density, _ = subject.read(torch.tensor([[8.2, 8.0, 9.0]]), np.eye(4))
    assert abs(float(density) - 1.082) < 1e-3


def test_the_box_holds_the_lungs():
    assert np.abs(a_subject().box_ras_mm - [[-105, -70, -90], [105, 70, 110]]).max() <= 5


def test_apply_matrix_keeps_the_precision():
    for precision in (torch.float32, torch.float64):
        assert apply_matrix(np.eye(4), torch.ones(2, 3, dtype=precision)).dtype == precision


def test_a_folder_without_ct_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="holds no chest CT"):
        list(subjects_in(tmp_path))


def test_real_ct_has_lungs(shared_data, tmp_path):
    scans = scans_in(shared_data / "chest_ct")
    assert len(scans) >= 5
    (apices,) = (path for path in scans if "apices" in path.name)
    shutil.copy(apices, tmp_path / "apices.nii.gz")
    (subject,) = subjects_in(tmp_path)
    litres = len(subject.lung_points_ras_mm) * 8e-6  # voxels of 2 mm
    assert 0.2 < litres < 4 and subject.scan.shape[1] == 2


def test_a_phantom_serves_at_inhale(monkeypatch):
    """What the phantom itself is like is tested with it; making one takes ten seconds."""
    geometry = ImageGeometry.from_spacing((4, 4, 4), (10.0,) * 3, (0, 0, 0), np.eye(3))
    asked = {}

    def phantom(shape, spacing_mm, seed, landmark_count):
        asked.update(shape=shape, spacing_mm=spacing_mm, seed=seed)
        volume = Volume(np.full((4, 4, 4), -900, np.int16), geometry)
        return SimpleNamespace(inhale=volume, inhale_lungs=np.ones((4, 4, 4), bool))

    monkeypatch.setattr(subjects, "breathing_phantom", phantom)
    subject = phantom_subject(11)
    assert asked["seed"] == 11 and np.prod(asked["shape"]) * asked["spacing_mm"] ** 3 > 20e6  # mm3: a whole thorax
    assert torch.allclose(subject.scan[0, 0], torch.tensor(0.1)) and subject.scan[0, 1].min() == 1
