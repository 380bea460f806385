import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import SimpleITK as sitk
from geometry_cases import every_direction, itk_points_ras_mm, place, random_hu

from NePhiCore.errors import DeviceMemoryError
from NePhiCore.itk_bridge import flip_lps_ras, geometry_of, itk_image, quiet_itk


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flips_left_and_posterior_only(dtype):
    flipped = flip_lps_ras(np.array([[1, 2, 3], [-4, 5, -6]], dtype))
    assert flipped.dtype == dtype
    np.testing.assert_array_equal(flipped, [[-1, -2, 3], [4, -5, -6]])


@every_direction
def test_geometry_of_an_itk_image_and_back(direction_lps):
    image = place(sitk.GetImageFromArray(random_hu()), direction_lps)
    geometry = geometry_of(image)
    np.testing.assert_allclose(geometry.points_ras_mm(), itk_points_ras_mm(image), atol=1e-9)
    assert geometry.is_left_handed == (np.linalg.det(direction_lps) < 0)
    back = itk_image(random_hu(), geometry)
    np.testing.assert_allclose(back.GetDirection(), image.GetDirection(), atol=1e-12)
    np.testing.assert_allclose(back.GetSpacing(), image.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(back.GetOrigin(), image.GetOrigin(), rtol=1e-12)


def test_keeps_stderr_quiet_and_gives_it_back(capfd):
    with quiet_itk(), quiet_itk():
        os.write(2, b"noise")
    os.write(2, b"message")
    assert capfd.readouterr().err == "message"


def test_gives_stderr_back_after_an_error(capfd):
    with pytest.raises(ValueError), quiet_itk():
        raise ValueError
    os.write(2, b"message")
    assert capfd.readouterr().err == "message"


def test_gives_stderr_back_from_many_threads(capfd):
    def be_quiet():
        for _ in range(50):
            with quiet_itk():
                os.write(2, b"noise")

    threads = [threading.Thread(target=be_quiet) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"message")
    assert capfd.readouterr().err == "message"


@pytest.mark.parametrize(
    "message",
    [
        "Exception thrown in SimpleITK ReadTransform: std::bad_alloc",
        "Exception thrown in SimpleITK ReadTransform: bad allocation",
        "itkImportImageContainer.hxx:179:\nFailed to allocate memory for image.",
        "ITK ERROR: NiftiImageIO(0x558e872aab20): nifti_image_load failed for file: /scans/Exhale 1.NII.gz\n",
    ],
)
def test_memory_that_runs_out_is_called_that(message):
    with pytest.raises(DeviceMemoryError, match="Out of memory .*--grid-spacing"), quiet_itk():
        raise RuntimeError(message)


@pytest.mark.parametrize(
    "message", ["Unable to open ImageIO", "nifti_image_load failed for file: /scans/without_its_voxels.hdr"]
)
def test_other_errors_are_left_to_the_caller(message):
    with pytest.raises(RuntimeError, match=message), quiet_itk():
        raise RuntimeError(message)


def test_works_without_a_stderr(tmp_path):
    code = "import os; os.close(2)\nfrom NePhiCore.itk_bridge import quiet_itk\nwith quiet_itk(): print('fine')"
    folder = os.path.dirname(os.path.dirname(sys.modules["NePhiCore.itk_bridge"].__file__))
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout == "fine\n"
