"""Pairs to try the module on, in Slicer's Sample Data module: a made-up patient, and a real one.

The phantom is computed here and needs no network. The real pair is the elastix project's: one patient's right lung,
two breath-hold scans, Apache-2.0, from the repository InsightSoftwareConsortium/ITKElastix, whose test data publish
the checksums of both images. Nothing is fetched before the user clicks.
"""

from __future__ import annotations

import numpy as np
import slicer

from . import slice_layers
from .dependencies import ensure_torch
from .steps import run_through
from .volume_nodes import image_from_array, show_range

CATEGORY = "NePhi Registration"
PHANTOM, LUNG_PAIR, LUNG_MASKS = "Breathing phantom", "Lung CT pair (elastix)", "Lung masks of the pair (elastix)"
_ADDRESS = (
    "https://raw.githubusercontent.com/InsightSoftwareConsortium/ITKElastix/"
    "a55098204de32d0ee50b4e19bb9912f0bd972690/examples/data/"
)
_LUNG_WINDOW_HU = (-1350.0, 150.0)
# File, node, checksum.
_IMAGES = (
    (
        "CT_3D_lung_fixed.mha",
        "lung baseline",
        "SHA512:75f630aafc86005f9837fd41843cd304c1b415131eb9915873a31d0c654feb30"
        "8a654176a7b39e0cdb50707502c22a4a94c220c7f0c1faec69c2734b897a1d4f",
    ),
    (
        "CT_3D_lung_moving.mha",
        "lung followup",
        "SHA512:680a3057f9db8eedcfc1598b8b7597fe14ae21d4a95314ccc1844928e761496e"
        "e47e7f90a07307b681b65a2ecf0d63d027e038831ebc034bcfaec59d14c6e0fd",
    ),
)
_MASKS = (
    (
        "CT_3D_lung_fixed_mask.mha",
        "lung baseline mask",
        "SHA256:2ab6b21dbf45904933e26c5f19af73f4e97af2df40fb09497a52f9b9659d692d",
    ),
    (
        "CT_3D_lung_moving_mask.mha",
        "lung followup mask",
        "SHA256:3fd8dd56427add13f603dfa510df0fd00774636449e2967ccc805afcf8f6ba3c",
    ),
)


def register_sample_data() -> None:
    """List the pairs in the Sample Data module; called once, after Slicer has started."""
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category=CATEGORY,
        sampleName=PHANTOM,
        uris=[None],
        fileNames=[None],
        nodeNames=[None],
        customDownloader=make_phantom,
    )
    properties = {LUNG_PAIR: {}, LUNG_MASKS: {"labelmap": True}}
    for name, files in ((LUNG_PAIR, _IMAGES), (LUNG_MASKS, _MASKS)):
        file_names, node_names, checksums = map(list, zip(*files))
        register(
            category=CATEGORY,
            sampleName=name,
            uris=[_ADDRESS + file_name for file_name in file_names],
            fileNames=file_names,
            nodeNames=node_names,
            checksums=checksums,
            loadFileProperties=properties[name],
        )


def make_phantom(source=None, **changes) -> list:
    """A made-up thorax at exhale and at inhale with landmarks that belong together, as nodes.

    Args:
        source: the Sample Data entry.
        **changes: of `NePhiCore.phantom.breathing_phantom`.

    Returns:
        Exhale and inhale volume, exhale and inhale point list.

    Raises:
        DependencyError: PyTorch is not there.
    """
    ensure_torch()
    from NePhiCore.phantom import breathing_phantom

    with slicer.util.WaitCursor():
        phantom = breathing_phantom(**{"seed": 0, **changes})
        nodes = [
            _volume("phantom exhale", phantom.exhale),
            _volume("phantom inhale", phantom.inhale),
            _points("phantom exhale landmarks", phantom.landmarks_exhale_ras_mm),
            _points("phantom inhale landmarks", phantom.landmarks_inhale_ras_mm),
        ]
    slice_layers.show_background(nodes[0])
    slice_layers.fit()
    return nodes


def _volume(name: str, volume):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.array(volume.geometry.ijk_to_ras)))
    show_range(node, *_LUNG_WINDOW_HU)
    node.SetAndObserveImageData(run_through(image_from_array(volume.hu)))
    return node


def _points(name: str, points_ras_mm: np.ndarray):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", slicer.mrmlScene.GenerateUniqueName(name))
    slicer.util.updateMarkupsControlPointsFromArray(node, points_ras_mm)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetPointLabelsVisibility(False)
    return node
