"""A short stretch of a long session: nothing stays behind. The long one is `python -m benchmarks.soak.window`."""

import gc
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

import long_session
import scene_cases
import slicer


class NePhiLongSessionTest(unittest.TestCase):
    def test_rounds_of_every_kind_leave_nothing_behind(self):
        folder = tempfile.mkdtemp(dir=slicer.app.temporaryPath)
        with mock.patch.object(slicer.app, "temporaryPath", folder), scene_cases.without_search():
            session = long_session.LongSession(folder)
            held = []
            for number in (0, 1, 3, 2):
                session.round(number)
                held.append(long_session.held())
        self.assertEqual(held[0], held[-1])
        self.assertEqual(held[-1]["job folders"], 0)
        self.assertGreater(held[-1]["observers of the scene"], 5)
        for message, expected in zip(session.ended, ("Finished", "Cancelled.", "was closed", "kept the best")):
            self.assertIn(expected, message)

    def test_closed_scenes_let_go_of_their_parameter_nodes(self):
        representation = slicer.modules.nephiregistration.widgetRepresentation()
        representation.enter()
        counts = []
        for _ in range(4):
            scene_cases.add_pair()
            slicer.app.processEvents()
            slicer.mrmlScene.Clear(0)
            gc.collect()
            counts.append(sum(type(one).__name__ == "NePhiParameterNode" for one in gc.get_objects()))
        representation.exit()
        self.assertEqual(counts[0], counts[-1], counts)
