"""Slicer's side of NePhi Registration: may import slicer, vtk and qt, never torch."""
