"""The module of the PyTorch extension. Follows PyTorchUtils/PyTorchUtils.py of the repository fepegar/SlicerPyTorch."""

from __future__ import annotations

import importlib.metadata


class PyTorchUtilsLogic:
    """Finds torch, and would install it; nothing is ever installed here."""

    @staticmethod
    def torchInstalled() -> bool:
        """Imports torch, which takes seconds and can raise where the installation is broken."""
        try:
            importlib.metadata.version("torch")
            import torch  # noqa: F401 (is it there?)
        except (importlib.metadata.PackageNotFoundError, ModuleNotFoundError):
            return False
        return True

    def installTorch(
        self,
        askConfirmation=False,
        forceComputationBackend=None,
        torchVersionRequirement=None,
        torchvisionVersionRequirement=None,
    ):
        """The torch module, or None where the user says no, as nobody does here."""
        return
