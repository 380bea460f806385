"""Slicer's own runner starts these tests inside the application; here the stand-in takes its place."""

from pathlib import Path

import slicer_standin

slicer_standin.install()

from slicer_standin.modules import load_module  # noqa: E402 (the stand-in is installed first)

load_module(Path(__file__).resolve().parents[3] / "NePhiRegistration.py")
