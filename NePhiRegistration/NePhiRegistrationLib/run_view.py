"""The part of the panel about a run: bar, times, loss curve, log, live preview and the question how to cancel."""

from __future__ import annotations

import qt

from .live_preview import LivePreview
from .loss_plot import LossPlot
from .run_clock import RunClock, minutes

_REFRESH_MS = 250
_BAR_STEPS = 1000


class RunView:
    """Follows one run at a time. An observer of `NePhiRegistrationLogic.startRegistration`.

    Args:
        ui: widgets by their name in the .ui file.
        on_end: called once a run has ended, with its nodes or None, and a message for the user.
    """

    def __init__(self, ui, on_end) -> None:
        self._ui, self._on_end = ui, on_end
        self._run, self._clock = None, None
        self._pair = None
        self._log_length = 0
        self.preview = LivePreview()
        self.plot = LossPlot(ui.lossLabel)
        self._timer = qt.QTimer()
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        ui.keepButton.clicked.connect(self._keep)
        ui.discardButton.clicked.connect(self._discard)
        ui.continueButton.clicked.connect(self._continue)
        ui.progressButton.contentsCollapsed.connect(self._draw)
        ui.runFrame.setVisible(False)

    @property
    def is_running(self) -> bool:
        return self._clock is not None

    def start(self, start_run, pair, iterations: int, with_preview: bool) -> None:
        """Begin to watch.

        Args:
            start_run: function of an observer that starts the run and returns it.
            pair: fixed and moving volume.
            iterations: of the optimization.
            with_preview: show the transform of the moment in the slice views.
        """
        ui = self._ui
        self._clock, self._pair = RunClock(iterations), pair if with_preview else None
        self._log_length = 0
        self.plot.clear(iterations)
        ui.logText.setPlainText("")
        ui.progressBar.setRange(0, _BAR_STEPS)
        ui.progressBar.setValue(0)
        ui.cancelFrame.setVisible(False)
        ui.runFrame.setVisible(True)
        self._timer.start()
        self._show_clock()
        try:
            self._run = start_run(_Observer(self))
        except Exception as error:  # whatever is refused before the child starts, shown in the panel's words
            self._end(None, str(error) or type(error).__name__)

    def ask_how_to_cancel(self) -> None:
        """Show the question; the run goes on until it is answered."""
        self._ui.cancelFrame.setVisible(self.is_running)

    def abandon(self) -> None:
        """End the run at once without a word: the scene or the panel goes away."""
        run, self._run = self._run, None
        if self.is_running:
            self._stop_showing()
        if run is not None:
            run.cancel(keepBest=False)
            run.advance()  # nobody waits for the event loop any more

    def on_progress(self, progress) -> None:
        step_before = self._clock.step
        self._clock.update(progress)
        if self._clock.step != step_before:
            self._note(self._clock.step)
        if progress.step == "loading":
            self.preview.stop()  # or the views would be drawn through a finer grid, to be hidden a moment later
        if progress.loss is not None:
            self.plot.add(progress.iteration, progress.loss)

    def on_preview(self) -> None:
        transform = self._run.transform if self._run is not None else None
        if self._pair is not None and transform is not None:
            self.preview.show(*self._pair, transform)

    def on_finished(self, nodes) -> None:
        seconds = self._clock.seconds
        was_cut = bool(nodes.figures.get("cancelled"))
        words = "Cancelled: kept the best so far" if was_cut else "Finished"
        self._end(nodes, f"{words} after {minutes(seconds)}.")

    def on_failed(self, message: str) -> None:
        self._end(None, message)

    def on_cancelled(self) -> None:
        self._end(None, "Cancelled. The scene is as it was before.")

    def _end(self, nodes, message: str) -> None:
        self._show_log()
        self._note(message)
        self._run = None
        self._stop_showing()
        self._on_end(nodes, message)

    def _stop_showing(self) -> None:
        self._timer.stop()
        self.preview.stop()
        self._draw()
        self._clock = None
        self._ui.runFrame.setVisible(False)

    def _draw(self, *event) -> None:
        if not self._ui.progressButton.collapsed:
            self.plot.draw()

    def _refresh(self) -> None:
        self._show_clock()
        self._show_log()
        self._draw()

    def _show_clock(self) -> None:
        self._ui.progressBar.setValue(round(self._clock.share * _BAR_STEPS))
        self._ui.progressLabel.setText(self._clock.text())

    def _show_log(self) -> None:
        log = self._run.log if self._run is not None else ""
        if len(log) > self._log_length:
            self._ui.logText.appendPlainText(log[self._log_length :].rstrip("\n"))
            self._log_length = len(log)

    def _note(self, text: str) -> None:
        self._ui.logText.appendPlainText(f"{minutes(self._clock.seconds)}  {text}")

    def _keep(self) -> None:
        self._cancel(keep_best=True)

    def _discard(self) -> None:
        self._cancel(keep_best=False)

    def _continue(self) -> None:
        self._ui.cancelFrame.setVisible(False)

    def _cancel(self, keep_best: bool) -> None:
        self._ui.cancelFrame.setVisible(False)
        if self._run is not None:
            self._clock.stop_early("Keeping the best so far" if keep_best else "Cancelling")
            self._show_clock()
            self._run.cancel(keepBest=keep_best)


class _Observer:
    """Hands a run's messages to the view as long as that run is the view's."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._clock = view._clock

    def _is_current(self) -> bool:
        return self._view._clock is self._clock

    def onProgress(self, progress) -> None:
        if self._is_current():
            self._view.on_progress(progress)

    def onPreview(self) -> None:
        if self._is_current():
            self._view.on_preview()

    def onFinished(self, nodes) -> None:
        if self._is_current():
            self._view.on_finished(nodes)

    def onFailed(self, message: str) -> None:
        if self._is_current():
            self._view.on_failed(message)

    def onCancelled(self) -> None:
        if self._is_current():
            self._view.on_cancelled()
