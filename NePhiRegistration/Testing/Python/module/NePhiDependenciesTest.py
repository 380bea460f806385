"""PyTorch missing, too old, broken, refused: each in words. Runs in Slicer and on the stand-in; installs nothing."""

import importlib.metadata
import subprocess
import sys
import unittest
from unittest import mock

from scene_cases import MODULE_FOLDER

from NePhiCore.errors import DependencyError
from NePhiRegistrationLib import dependencies


def with_version(version: str | None):
    """PyTorch as if it were installed in a version, or not at all."""
    return mock.patch.object(dependencies, "_installed_version", lambda: version)


class Installer:
    """In place of the PyTorch extension's module."""

    def __init__(self, result=None, error: Exception | None = None) -> None:
        self.result, self.error, self.asked = result, error, []

    def PyTorchUtilsLogic(self):
        return self

    def installTorch(self, **how):
        self.asked.append(how)
        if self.error:
            raise self.error
        return self.result


class NePhiDependenciesTest(unittest.TestCase):
    def test_what_is_installed_here_will_do(self):
        self.assertIsNone(dependencies.torch_problem())
        dependencies.ensure_torch()

    def test_versions_are_compared_as_numbers(self):
        for version, is_good in (
            ("2.6.0", True),
            ("2.13.0+cpu", True),
            ("10.0", True),
            ("2.5.1", False),
            ("1.13", False),
        ):
            with with_version(version):
                self.assertEqual(dependencies.torch_problem() is None, is_good, version)

    def test_too_old_is_said_and_nothing_installed(self):
        installer = Installer()
        with with_version("2.1.0"), mock.patch.dict(sys.modules, PyTorchUtils=installer):
            self.assert_refused("PyTorch 2.1.0 is too old")
        self.assertEqual(installer.asked, [])

    def test_a_missing_extension_is_said(self):
        with with_version(None), mock.patch.dict(sys.modules, PyTorchUtils=None):
            self.assert_refused("Install the PyTorch extension in the Extensions Manager")

    def test_a_user_who_says_no_is_told_what_that_means(self):
        installer = Installer(result=None)
        with with_version(None), mock.patch.dict(sys.modules, PyTorchUtils=installer):
            self.assert_refused("PyTorch was not installed")
        self.assertEqual(installer.asked, [{"askConfirmation": True, "torchVersionRequirement": ">=2.6"}])

    def test_an_installation_that_fails_is_said(self):
        with with_version(None), mock.patch.dict(sys.modules, PyTorchUtils=Installer(error=OSError("no network"))):
            self.assert_refused("could not be installed .*no network")

    def test_one_that_leaves_nothing_behind_is_said(self):
        with with_version(None), mock.patch.dict(sys.modules, PyTorchUtils=Installer(result=object())):
            self.assert_refused("PyTorch is not installed")

    def test_torch_is_found_without_importing_it(self):
        program = (
            "import sys; from NePhiRegistrationLib import dependencies; "
            "assert dependencies.torch_problem() is None; assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], check=True, cwd=MODULE_FOLDER)

    def test_the_installed_version_is_read_from_its_metadata(self):
        self.assertEqual(dependencies._installed_version(), importlib.metadata.version("torch"))

    def assert_refused(self, words: str):
        with self.assertRaisesRegex(DependencyError, words):
            dependencies.ensure_torch()
