"""Draws the icon of the extension and its module: `python docs/draw_icon.py`.

Two lungs on a dark ground with a bent grid in them. What is large is made for 16 pixels, the size of Slicer's module
list: there the gap between the lungs is two pixels wide and the grid a shade.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPainterPath, QPen

ICON = Path(__file__).resolve().parents[1] / "NePhiRegistration/Resources/Icons/NePhiRegistration.png"
SIZE = 128
GROUND, LUNG, GRID, AIRWAY = "#0f2c3a", "#7fd6e6", "#3f9fb4", "#b9cdd6"


def lung() -> QPainterPath:
    """The one on the left of the picture."""
    path = QPainterPath(QPointF(55, 36))
    path.cubicTo(54, 20, 40, 14, 30, 28)
    path.cubicTo(16, 46, 6, 80, 8, 112)
    path.cubicTo(9, 122, 18, 120, 26, 113)
    path.cubicTo(34, 106, 46, 104, 53, 109)
    path.cubicTo(57, 112, 56, 104, 56, 96)
    path.closeSubpath()
    return path


def grid_line(place: float, across: bool) -> QPainterPath:
    """A line of the bent grid over the whole picture."""
    path = QPainterPath()
    for n in range(SIZE + 1):
        bend = place + 3.5 * math.sin(2 * math.pi * n / 80)
        point = QPointF(n, bend) if across else QPointF(bend, n)
        path.lineTo(point) if n else path.moveTo(point)
    return path


def draw() -> QImage:
    image = QImage(SIZE, SIZE, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(GROUND))
    painter.drawRoundedRect(QRectF(0, 0, SIZE, SIZE), 22, 22)
    painter.setBrush(QColor(AIRWAY))
    painter.drawRoundedRect(QRectF(59, 6, 10, 46), 4, 4)
    for side in (1, -1):
        painter.save()
        painter.translate(SIZE / 2, 0)
        painter.scale(side, 1)
        painter.translate(-SIZE / 2, 0)
        painter.fillPath(lung(), QColor(LUNG))
        painter.setClipPath(lung())
        painter.setPen(QPen(QColor(GRID), 3))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for place in range(10, SIZE, 17):
            painter.drawPath(grid_line(place, across=True))
            painter.drawPath(grid_line(place + 6, across=False))
        painter.restore()
    painter.end()
    return image


if __name__ == "__main__":
    application = QGuiApplication([])
    draw().save(str(ICON))
