"""The loss of the optimization as a curve, drawn with Qt so that it needs no plot view."""

from __future__ import annotations

import math
from itertools import pairwise

import qt

_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 52, 10, 22, 24
_CURVE = "#2f86d6"
_MOST_POINTS = 400
# Before the panel is laid out its labels are smaller than they will be.
_LEAST_WIDTH, _LEAST_HEIGHT = 380, 150


class LossPlot:
    """Draws into a label whenever it gets a point; follows the label's size and the application's colours.

    Args:
        label: qt.QLabel to draw in.
    """

    def __init__(self, label) -> None:
        self._label = label
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._last = 0
        self._drawn_for: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        """How many points the curve has."""
        return len(self._steps)

    def clear(self, iterations: int) -> None:
        """Begin anew, with the axis of a run of so many iterations."""
        self._steps, self._losses, self._last = [], [], max(iterations, 1)
        self.draw()

    def add(self, iteration: int, loss: float) -> None:
        """One more point; iterations count from 0."""
        if math.isfinite(loss):
            self._steps.append(iteration + 1)
            self._losses.append(loss)

    def set_trace(self, iterations: list[int], losses: list[float]) -> None:
        """A whole curve at once, of a finished run."""
        self.clear(max(iterations, default=0) + 1)
        for iteration, loss in zip(iterations, losses):
            self.add(iteration, loss)
        self.draw()

    def draw(self) -> None:
        ratio = self._label.devicePixelRatioF()
        self._drawn_for = self._size()
        width, height = max(self._label.width, _LEAST_WIDTH), max(self._label.height, _LEAST_HEIGHT)
        pixmap = qt.QPixmap(round(width * ratio), round(height * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(self._label.palette.color(qt.QPalette.Base))
        painter = qt.QPainter()
        painter.begin(pixmap)
        painter.setRenderHint(qt.QPainter.Antialiasing)
        self._draw_axes(painter, width, height)
        self._draw_curve(painter, width, height)
        painter.end()
        self._label.setPixmap(pixmap)

    def follow_size(self) -> None:
        """Draw again where the label has another size than when it was drawn."""
        if self._drawn_for not in (None, self._size()):
            self.draw()

    def _size(self) -> tuple[int, int]:
        return self._label.width, self._label.height

    def _range(self) -> tuple[float, float]:
        low, high = min(self._losses), max(self._losses)
        room = 0.08 * (high - low) or 0.5
        return low - room, high + room

    def _draw_axes(self, painter, width: int, height: int) -> None:
        text = self._label.palette.color(qt.QPalette.Text)
        painter.setPen(text)
        painter.drawText(_MARGIN_LEFT, 15, "Loss")
        bottom, right = height - _MARGIN_BOTTOM, width - _MARGIN_RIGHT
        painter.drawLine(_MARGIN_LEFT, bottom, right, bottom)
        painter.drawLine(_MARGIN_LEFT, _MARGIN_TOP, _MARGIN_LEFT, bottom)
        if not self._losses:
            painter.drawText(_MARGIN_LEFT + 10, (bottom + _MARGIN_TOP) // 2, "No iteration yet")
            return
        # Slicer's Python has no font metrics: Qt itself puts the text to the right.
        below = qt.QRect(_MARGIN_LEFT, bottom, right - _MARGIN_LEFT, _MARGIN_BOTTOM)
        painter.drawText(below, int(qt.Qt.AlignLeft | qt.Qt.AlignVCenter), "1")
        painter.drawText(below, int(qt.Qt.AlignRight | qt.Qt.AlignVCenter), f"iteration {self._last}")
        low, high = self._range()
        painter.drawText(4, _MARGIN_TOP + 8, f"{high:.3f}")
        painter.drawText(4, bottom, f"{low:.3f}")

    def _draw_curve(self, painter, width: int, height: int) -> None:
        if not self._losses:
            return
        low, high = self._range()
        across = (width - _MARGIN_LEFT - _MARGIN_RIGHT) / max(self._last - 1, 1)
        up = (height - _MARGIN_TOP - _MARGIN_BOTTOM) / (high - low)
        # More points than pixels cost time and show nothing; the last one is always among them.
        every = slice((self.count - 1) % (self.count // _MOST_POINTS + 1), None, self.count // _MOST_POINTS + 1)
        points = [
            (_MARGIN_LEFT + (step - 1) * across, height - _MARGIN_BOTTOM - (loss - low) * up)
            for step, loss in zip(self._steps[every], self._losses[every])
        ]
        pen = qt.QPen(qt.QColor(_CURVE))
        pen.setWidthF(1.8)
        painter.setPen(pen)
        for (x0, y0), (x1, y1) in pairwise(points):
            painter.drawLine(qt.QPointF(x0, y0), qt.QPointF(x1, y1))
        if len(points) == 1:
            painter.drawPoint(qt.QPointF(*points[0]))
