"""A registration in a child process: the window stays alive, and whatever happens to the child is a sentence.

Runs in Slicer and on the stand-in.
"""

import os
import signal
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import numpy as np
import slicer
from scene_cases import QUICK, LogicCase, Observer, add_pair, own_clock, process_events_until, worker

from NePhiRegistrationLib import registration_run
from NePhiRegistrationLib.child_process import ChildProcess
from NePhiRegistrationLib.registration_nodes import OutputNodes

LONG = {**QUICK, "preset": "balanced", "iterations": 100_000}
MODULE_FOLDER = Path(registration_run.__file__).resolve().parents[1]
LONGEST_BLOCK_S, LONGEST_ENDING_S = 0.2, 2.0
IS_LAUNCHED = Path(sys.executable).stem == "PythonSlicer"  # which starts Python as a process of its own

# Children that do not do what they should, without the seconds that torch takes to load.
_CHILD = """
import os, sys, time
from pathlib import Path
import numpy as np
from NePhiCore.job_files import write_preview
from NePhiCore.worker import Messages, Parent
folder, messages = Path(sys.argv[1]), Messages()
parent = Parent(folder)
messages.send({"step": "starting", "share": 0.0, "iteration": None, "loss": None})
"""
CRASHES = _CHILD + "os.abort()"
EXITS = _CHILD + "sys.exit(7)"
SAYS_NOTHING_MORE = _CHILD + "time.sleep(600)"
HAS_CHILDREN = _CHILD + (
    "import subprocess; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "(folder / 'child.pid').write_text(str(child.pid)); time.sleep(600)"
)
SHOWS_A_PREVIEW = _CHILD + (
    "write_preview(folder / 'preview.npy', np.full((3, 4, 5, 3), (0, 0, 7), np.float32)); "
    "messages.send({'preview': 'preview.npy', 'ijk_to_ras': np.diag([50, 50, 50, 1.0]).tolist()}); time.sleep(600)"
)
LARGE = (250, 300, 300)
GIVES_A_LARGE_RESULT = (
    _CHILD
    + """
from NePhiCore.geometry import ImageGeometry
from NePhiCore.job_files import read_job, write_result
from NePhiCore.pair_data import GridData, PairOutputs
moving = read_job(folder)[0].moving.hu
map_ = GridData(np.ones((100, 120, 120, 3), np.float32), ImageGeometry((100, 120, 120), np.eye(4)))
marked = np.zeros(moving.shape, np.uint8)
marked[20:-20, 20:-20, 20:-20] = 1
write_result(folder, PairOutputs(map_, map_, moving, moving.astype(np.float32), marked, marked, FIGURES))
messages.send({"finished": True})
"""
)
RUNS_OUT_OF_MEMORY = """
import sys
from pathlib import Path
from NePhiCore import registration, worker
def lungs_of(*_):
    raise MemoryError
registration._lungs_of = lungs_of
sys.exit(worker.main(Path(sys.argv[1])))
"""


class NePhiRegistrationRunTest(LogicCase):
    def start(self, outputs=None, **inputs):
        """A run of the tiny pair; returns it with its observer."""
        observer = Observer()
        self.pair = add_pair()
        inputs = {**QUICK, "modelFile": self.model_file, **self.pair, **inputs}
        self.count = self.node_count()
        return self.logic.startRegistration(observer=observer, outputs=outputs, **inputs), observer

    def wait(self, run) -> float:
        """Until the run has ended; returns the longest time that the event loop was held up."""
        return process_events_until(lambda: not run.isRunning)

    def wait_for_optimisation(self, run, observer):
        process_events_until(lambda: observer.previews > 0 or not run.isRunning)
        self.assertTrue(run.isRunning, observer.ends)

    def test_a_run_ends_with_its_nodes_and_never_blocks_the_event_loop(self):
        run, observer = self.start()
        longest = self.wait(run)
        ((end, nodes),) = observer.ends
        self.assertEqual(end, "finished")
        self.assertEqual(slicer.util.arrayFromVolume(nodes.warped).shape, (24, 26, 28))
        self.assertEqual(observer.progress[-1].step, "done")
        self.assertFalse(run._folder.exists())
        self.assertLess(longest, LONGEST_BLOCK_S)

    def test_large_volumes_do_not_block_the_event_loop_either(self):
        figures = self.register(**add_pair()).figures
        noise = np.random.default_rng(0).integers(-900, -700, LARGE).astype(np.int16)
        pair = add_pair()
        for name in ("fixedVolume", "movingVolume"):
            slicer.util.updateVolumeFromArray(pair[name], noise)
        observer = Observer()
        with worker(GIVES_A_LARGE_RESULT.replace("FIGURES", repr(figures))):
            run = self.logic.startRegistration(observer=observer, **{**QUICK, **pair, "modelFile": self.model_file})
            longest = self.wait(run)
        ((end, nodes),) = observer.ends
        self.assertEqual(end, "finished", nodes)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes.warped), noise)
        self.assertEqual(nodes.folds.GetSegmentation().GetNumberOfSegments(), 2)
        self.assertLess(longest, LONGEST_BLOCK_S)

    def test_discarding_ends_the_child_within_two_seconds_and_leaves_the_scene_as_it_was(self):
        run, observer = self.start(**LONG)
        self.wait_for_optimisation(run, observer)
        self.assertGreater(self.node_count(), self.count)  # the preview's node
        pid, start = run._child.pid, own_clock()
        run.cancel(keepBest=False)
        self.wait(run)
        self.assertEqual(observer.ends, [("cancelled",)])
        process_events_until(lambda: not is_alive(pid))
        self.assertLess(own_clock() - start, LONGEST_ENDING_S)
        self.assertEqual(self.node_count(), self.count)
        # The system no longer lists it either: somebody has asked how it ended.
        process_events_until(lambda: not Path(f"/proc/{pid}").exists())

    def test_keeping_the_best_ends_with_nodes(self):
        run, observer = self.start(**LONG)
        self.wait_for_optimisation(run, observer)
        run.cancel(keepBest=True)
        self.wait(run)
        ((end, nodes),) = observer.ends
        self.assertEqual(end, "finished")
        self.assertTrue(nodes.figures["cancelled"])
        self.assertIs(run.transform, nodes.transform)

    def test_the_live_preview_moves_the_transform_and_discarding_gives_it_back(self):
        mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "mine")
        kept = np.diag([1.0, 2, 3, 1])
        mine.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(kept))
        with worker(SHOWS_A_PREVIEW):
            run, observer = self.start(outputs=OutputNodes(transform=mine))
            self.wait_for_optimisation(run, observer)
        grid = mine.GetTransformFromParentAs("vtkOrientedGridTransform")
        self.assertEqual(grid.GetInterpolationModeAsString(), "Linear")  # the views have to keep up
        np.testing.assert_allclose(grid.TransformPoint((60, 60, 60)), (60, 60, 67), atol=1e-4)
        run.cancel()
        self.wait(run)
        np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(mine), kept)

    def test_the_whole_process_tree_ends(self):
        with worker(HAS_CHILDREN):
            run, observer = self.start()
            pid_file = run._folder / "child.pid"
            process_events_until(lambda: pid_file.is_file() and pid_file.read_text() != "")
        grandchild = int(pid_file.read_text())
        self.assertTrue(is_alive(grandchild))
        start = own_clock()
        run.cancel()
        self.wait(run)
        process_events_until(lambda: not is_alive(grandchild))
        self.assertLess(own_clock() - start, LONGEST_ENDING_S)

    def test_whatever_ends_the_child_is_said_in_one_sentence(self):
        cases = {
            CRASHES: "crashed",
            EXITS: r"ended without a result \(exit code 7\)",
            RUNS_OUT_OF_MEMORY: "Out of memory",
            "raise SystemError('odd')": "ended without a result",
        }
        for program, words in cases.items():
            with self.subTest(words), worker(program):
                run, observer = self.start()
                self.wait(run)
                self.assert_failed(observer, words)
                self.assertEqual(self.node_count(), self.count)
                self.assertFalse(run._folder.exists())

    @unittest.skipIf(os.name == "nt", "signals are POSIX's")
    def test_modules_in_the_folder_that_slicer_was_started_from_are_not_run(self):
        here = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "numpy.py").write_text("open('mark', 'w').close()", encoding="utf-8")
            os.chdir(folder)
            try:
                child = ChildProcess([*registration_run.WORKER, folder], str(MODULE_FOLDER))
                process_events_until(lambda: child.exit_code() is not None, 120.0)
            finally:
                os.chdir(here)
            child.close()
            self.assertNotEqual(child.exit_code(), 0, "there is no job in this folder")
            self.assertEqual(os.listdir(folder), ["numpy.py"])

    def test_a_child_killed_from_outside_is_said(self):
        with worker(SAYS_NOTHING_MORE):
            run, observer = self.start()
            process_events_until(lambda: run._child is not None)
        os.kill(run._child.pid, signal.SIGKILL)
        self.wait(run)
        self.assert_failed(observer, "killed from outside")

    def test_an_input_removed_during_the_run_stops_it(self):
        with worker(SAYS_NOTHING_MORE):
            run, observer = self.start()
            process_events_until(lambda: run._child is not None)
        pid = run._child.pid
        slicer.mrmlScene.RemoveNode(self.pair["movingVolume"])
        self.wait(run)
        self.assert_failed(observer, "moving was removed while the registration ran")
        process_events_until(lambda: not is_alive(pid))

    def test_an_output_removed_during_the_run_stops_it(self):
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "figures")
        with worker(SAYS_NOTHING_MORE):
            run, observer = self.start(outputs=OutputNodes(quality=table))
            process_events_until(lambda: run._child is not None)
        slicer.mrmlScene.RemoveNode(table)
        self.wait(run)
        self.assert_failed(observer, "figures was removed")

    def test_closing_the_scene_stops_the_run_and_the_next_one_works(self):
        with worker(SAYS_NOTHING_MORE):
            run, observer = self.start()
            process_events_until(lambda: run._child is not None)
        slicer.mrmlScene.Clear()
        self.wait(run)
        self.assert_failed(observer, "The scene was closed")
        run, observer = self.start()
        self.wait(run)
        self.assertEqual(observer.ends[0][0], "finished")

    def test_a_full_disk_before_the_child_starts_is_said(self):
        def write_job(*_):
            raise OSError(28, "No space left on device")
            yield

        with unittest.mock.patch.object(registration_run, "write_job", write_job):
            run, observer = self.start()
            self.wait(run)
        self.assert_failed(observer, "No space left on device.*disk full")

    @unittest.skipUnless(sys.platform.startswith("linux"), "a process's limits are set from outside on Linux only")
    def test_a_disk_that_is_really_full_while_the_child_writes(self):
        import resource

        run, observer = self.start(**LONG)
        self.wait_for_optimisation(run, observer)
        resource.prlimit(computing(run._child.pid), resource.RLIMIT_FSIZE, (2000, 2000))
        run.cancel(keepBest=True)
        self.wait(run)
        self.assert_failed(observer, "Is the disk full")
        self.assertEqual(self.node_count(), self.count)

    @unittest.skipIf(os.name == "nt", "signals are POSIX's")
    def test_the_child_ends_when_its_program_does(self):
        with worker(SHOWS_A_PREVIEW):
            run, observer = self.start()
            self.wait_for_optimisation(run, observer)
        pid, folder = run._child.pid, run._folder
        run._timer.stop()
        run._child._process.stdin.close()  # as the system does when Slicer ends, however it ends
        process_events_until(lambda: run._child.exit_code() is not None)
        self.assertFalse(is_alive(pid))
        self.assertFalse(Path(folder).exists())
        run._end(lambda: None)

    def assert_failed(self, observer, words: str):
        ((end, message),) = observer.ends
        self.assertEqual(end, "failed")
        self.assertRegex(message, words)
        self.assertNotIn("\n", message)


def computing(pid: int) -> int:
    """The process itself, or that which Slicer's launcher has started."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(started[0]) if IS_LAUNCHED and started else pid


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.is_dir() and status.parent.parent.joinpath("self").exists():
        return status.is_file() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
