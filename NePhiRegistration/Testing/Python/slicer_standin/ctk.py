"""The module `ctk`: the two widgets of CTK that the panel uses.

Follows commontk/CTK Libs/Widgets/ctkCollapsibleButton.cpp and Libs/Widgets/ctkSliderWidget.cpp.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtWidgets import QStyle

_UNLIMITED = 16777215  # QWIDGETSIZE_MAX


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides what lies below it; checked is not collapsed."""

    contentsCollapsed = QtCore.Signal(bool)
    _COLLAPSED_HEIGHT = 14

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._header_size().height(), 0, 0)
        self.setBackgroundRole(QtGui.QPalette.ColorRole.Window)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _set_collapsed)

    def _collapse(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(self.sizeHint().height() if collapsed else _UNLIMITED)
        self._show_children()
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def _show_children(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(not self._collapsed)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        if self._collapsed:
            self._show_children()

    def sizeHint(self) -> QtCore.QSize:
        header = self._header_size()
        closed = header + QtCore.QSize(0, self._COLLAPSED_HEIGHT)
        return closed if self._collapsed or self.layout() is None else self.layout().totalSizeHint().expandedTo(closed)

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint() if self._collapsed else self.layout().totalMinimumSize().expandedTo(self._header_size())

    def _header_size(self) -> QtCore.QSize:
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        text = self.fontMetrics().size(QtCore.Qt.TextFlag.TextShowMnemonic, self.text or "XXXX")
        indicator = self.style().pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth, option, self)
        contents = QtCore.QSize(text.width() + indicator, max(text.height(), indicator))
        return self.style().sizeFromContents(QStyle.ContentsType.CT_PushButton, option, contents, self)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.state |= QStyle.StateFlag.State_Raised
        header = QtCore.QRect(0, 0, self.width, self._header_size().height())
        option.rect = header
        style = self.style()
        style.drawControl(QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        indicator = style.pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth, option, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (header.height() - indicator) // 2, indicator, indicator)
        down, right = QStyle.PrimitiveElement.PE_IndicatorArrowDown, QStyle.PrimitiveElement.PE_IndicatorArrowRight
        style.drawPrimitive(right if self._collapsed else down, arrow, painter, self)
        text = header.adjusted(indicator + 12, 0, -6, 0)
        flags = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
        role = QtGui.QPalette.ColorRole.ButtonText
        style.drawItemText(painter, text, flags, self.palette, self.isEnabled(), self.text, role)
        painter.end()

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._header_size().height()


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a number beside it."""

    valueChanged = QtCore.Signal(float)
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, self._STEPS)
        self._number = QtWidgets.QDoubleSpinBox()
        self._number.setRange(0, 99)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._number)
        self._number.valueChanged.connect(self._number_changed)
        self._slider.sliderMoved.connect(self._slider_moved)

    def _number_changed(self, value: float) -> None:
        self._place_slider()
        self.valueChanged.emit(value)

    def _place_slider(self) -> None:
        low, high = self._number.minimum, self._number.maximum
        self._slider.setValue(round(self._STEPS * (self._number.value - low) / max(high - low, 1e-12)))

    def _slider_moved(self, position: int) -> None:
        low, high = self._number.minimum, self._number.maximum
        self._number.setValue(low + (high - low) * position / self._STEPS)

    def setValue(self, value: float) -> None:
        self._number.setValue(value)

    def _forwarded(name: str, kind: type):
        def write(self, value) -> None:
            setattr(self._number, name, value)
            self._place_slider()

        return QtCore.Property(kind, lambda self: getattr(self._number, name), write)

    value = _forwarded("value", float)
    minimum = _forwarded("minimum", float)
    maximum = _forwarded("maximum", float)
    singleStep = _forwarded("singleStep", float)
    decimals = _forwarded("decimals", int)
    suffix = _forwarded("suffix", str)
    prefix = _forwarded("prefix", str)


WIDGETS = (ctkCollapsibleButton, ctkSliderWidget)
