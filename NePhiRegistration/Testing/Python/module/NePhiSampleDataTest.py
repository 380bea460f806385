"""What the Sample Data module lists. Runs in Slicer and on the stand-in; nothing is downloaded."""

import unittest
from urllib.parse import urlparse

import numpy as np
import panel_cases
import SampleData
import slicer
from scene_cases import MODULE_FOLDER

from NePhiRegistrationLib import sample_data
from NePhiRegistrationLib.landmark_nodes import landmark_pair
from NePhiRegistrationLib.volume_nodes import volume_from_node


class NePhiSampleDataTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear()
        if SampleData.SampleDataLogic().sourceForSampleName(sample_data.PHANTOM) is None:
            sample_data.register_sample_data()

    def source(self, name: str):
        return SampleData.SampleDataLogic().sourceForSampleName(name)

    def test_the_phantom_is_made_here_and_shown(self):
        panel_cases.add_views()
        nodes = self.source(sample_data.PHANTOM).customDownloader(None, shape_kji=(26, 24, 30), spacing_mm=12.0)
        exhale, inhale, exhale_points, inhale_points = nodes
        volumes = [volume_from_node(node, "fixed") for node in (exhale, inhale)]
        self.assertEqual([volume.hu.shape for volume in volumes], [(26, 24, 30)] * 2)
        self.assertGreater(np.abs(volumes[0].hu.astype(float) - volumes[1].hu).max(), 100)
        fixed, moving = landmark_pair(exhale_points, inhale_points)
        self.assertGreater(np.linalg.norm(fixed - moving, axis=1).mean(), 1)
        self.assertTrue((MODULE_FOLDER / "NePhiCore" / "phantom.py").is_file())
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        self.assertEqual({composite.GetBackgroundVolumeID() for composite in composites}, {exhale.GetID()})

    def test_files_have_an_address_and_a_checksum_each(self):
        for name in (sample_data.LUNG_PAIR, sample_data.LUNG_MASKS):
            source = self.source(name)
            self.assertEqual(len(source.uris), 2)
            for uri, file_name, checksum in zip(source.uris, source.fileNames, source.checksums):
                self.assertEqual(urlparse(uri).scheme, "https")
                self.assertTrue(uri.endswith("/" + file_name))
                algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
                self.assertIn(algorithm, ("SHA256", "SHA512"))
                int(digest, 16)
