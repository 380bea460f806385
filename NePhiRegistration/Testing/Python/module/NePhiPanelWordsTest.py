"""Texts and drawings of the panel: times, card, remarks, curve, memory."""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))

import panel_cases
import qt

from NePhiCore.warning_codes import CODES
from NePhiRegistrationLib import gpu_query, loss_plot, rich_text, run_clock
from NePhiRegistrationLib.fold_list import Fold, find_folds
from NePhiRegistrationLib.registration_nodes import Remark


def progress(step: str, share: float, iteration=None):
    return SimpleNamespace(step=step, share=share, iteration=iteration, loss=None)


class NePhiRunClockTest(unittest.TestCase):
    def test_times_are_minutes_and_seconds(self):
        self.assertEqual([run_clock.minutes(s) for s in (0.4, 75, 3675)], ["0:00", "1:15", "1:01:15"])

    def test_the_rest_follows_from_the_share_that_is_done(self):
        clock = run_clock.RunClock(150)
        clock._start -= 30  # as if it had begun half a minute ago
        clock.update(progress("optimisation", 0.25, 33))
        self.assertEqual(clock.text(), "Optimizing: step 34 of 150\n0:30 elapsed · about 1:30 left")

    def test_many_iterations_take_their_own_time(self):
        clock = run_clock.RunClock(5000)
        clock._start -= 20
        clock.update(progress("encoding", 0.15))
        self.assertEqual(clock.text(), "Matching and encoding\n0:20 elapsed")
        clock.update(progress("optimisation", 0.2, 0))
        clock._start -= 10
        clock.update(progress("optimisation", 0.2 + 0.65 * 50 / 4999, 50))
        # 4949 of 0.2 s, and 0.15 of what 20 s were 0.2 of.
        self.assertIn("0:30 elapsed · about 16:45 left", clock.text())
        clock.update(progress("evaluation", 0.85))
        self.assertIn("about 0:15 left", clock.text())

    def test_one_that_is_to_stop_says_so_whatever_it_does_meanwhile(self):
        clock = run_clock.RunClock(5000)
        clock.stop_early("Keeping the best so far")
        clock.update(progress("evaluation", 0.9))
        self.assertEqual(clock.text(), "Keeping the best so far\n0:00 elapsed")

    def test_nothing_is_promised_at_the_start(self):
        clock = run_clock.RunClock(150)
        clock.update(progress("starting", 0.0))
        self.assertEqual(clock.text(), "Starting\n0:00 elapsed")


class NePhiRichTextTest(unittest.TestCase):
    def test_errors_come_first_and_names_are_no_markup(self):
        text = rich_text.remarks_text([Remark("info", "a <b> c"), Remark("error", "wrong")])
        self.assertLess(text.index("wrong"), text.index("a &lt;b&gt; c"))
        self.assertIn(rich_text.BAD, text)

    def test_the_card_names_every_figure_and_marks_folds(self):
        text = rich_text.quality_text(panel_cases.FIGURES)
        for words in ("0.10 → 0.80", "0.12 mm", "25 (0.22 %)", "0.95 to 2.85", "0.70 → 0.97", "no landmarks given"):
            self.assertIn(words, text)
        self.assertIn(rich_text.BAD, text)

    def test_a_map_without_folds_is_marked_as_good(self):
        jacobian = {**panel_cases.FIGURES["jacobian"], "folds_any_one_sided": 0, "fold_fraction_any_one_sided": 0.0}
        text = rich_text.quality_text({**panel_cases.FIGURES, "jacobian": jacobian, "warnings": []})
        self.assertNotIn(rich_text.BAD, text)
        self.assertNotIn(rich_text.WARNING, text)

    def test_the_card_shows_each_warning_in_words(self):
        warnings = [{"code": code, "message": f"look at <{code}>"} for code in CODES]
        text = rich_text.quality_text({**panel_cases.FIGURES, "warnings": warnings})
        for code in CODES:
            self.assertIn(f"look at &lt;{code}&gt;", text)
        self.assertEqual(text.count(rich_text.WARNING), len(CODES))


class NePhiLossPlotTest(unittest.TestCase):
    def setUp(self):
        self.label = qt.QLabel()
        self.label.resize(400, 160)
        self.plot = loss_plot.LossPlot(self.label)

    def colours(self) -> set:
        image = self.label.pixmap.toImage()
        return {image.pixelColor(x, y).name() for x in range(60, 390) for y in range(24, 134)}

    def test_a_curve_is_drawn_once_there_are_points(self):
        self.plot.clear(iterations=10)
        self.assertNotIn(loss_plot._CURVE, self.colours())
        for iteration in range(10):
            self.plot.add(iteration, 1 / (1 + iteration))
        self.plot.draw()
        self.assertIn(loss_plot._CURVE, self.colours())

    def test_it_follows_the_size_of_the_panel(self):
        self.plot.set_trace([0, 1, 2], [1.0, 0.5, 0.4])
        self.label.resize(600, 160)
        self.plot.follow_size()
        self.assertEqual(self.label.pixmap.width(), round(600 * self.label.devicePixelRatioF()))

    def test_points_that_are_no_numbers_are_left_out(self):
        self.plot.clear(iterations=3)
        for iteration, loss in enumerate((1.0, float("nan"), 0.5)):
            self.plot.add(iteration, loss)
        self.plot.draw()
        self.assertEqual(self.plot.count, 2)

    def test_thousands_of_points_and_a_flat_curve_are_drawn_too(self):
        self.plot.set_trace(list(range(5000)), [0.25] * 5000)
        self.assertIn(loss_plot._CURVE, self.colours())


class NePhiGpuQueryTest(unittest.TestCase):
    def test_the_answer_of_the_driver_in_words(self):
        words = gpu_query.gpu_in_words("NVIDIA H100, 40960, 81920\nNVIDIA H100, 1, 81920\n")
        self.assertEqual(words, "NVIDIA H100: 40.0 GB of 80.0 GB free")
        self.assertEqual(gpu_query.gpu_in_words(""), "")
        self.assertEqual(gpu_query.gpu_in_words("NVIDIA-SMI has failed"), "")


class NePhiFoldListTest(unittest.TestCase):
    def test_groups_touch_over_corners_and_the_largest_comes_first(self):
        import numpy as np

        determinant = np.ones((4, 5, 6), np.float32)
        for kji, value in (((0, 0, 0), -0.1), ((1, 1, 1), -0.9), ((3, 4, 5), -2.0)):
            determinant[kji] = value
        found = find_folds(determinant <= 0, determinant)
        self.assertEqual(found, [Fold(2, (1, 1, 1)), Fold(1, (5, 4, 3))])

    def test_no_folds(self):
        import numpy as np

        self.assertEqual(find_folds(np.zeros((2, 3, 4), bool), np.ones((2, 3, 4))), [])
