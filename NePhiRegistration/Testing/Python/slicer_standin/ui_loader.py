"""Reading .ui files. Follows Qt's QUiLoader as PythonQt wraps it and slicer.util.loadUI uses it."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools


class QUiLoader:
    """Makes the widgets of a .ui file, those of CTK and qMRML too, and the connections written in it."""

    def load(self, device: QtCore.QIODevice, parent=None):
        from . import ctk, mrml_widgets

        loader = QtUiTools.QUiLoader()
        for widget_class in (*ctk.WIDGETS, *mrml_widgets.WIDGETS):
            loader.registerCustomWidget(widget_class)
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        connections = _taken_out(root)
        source = QtCore.QBuffer()
        source.setData(ElementTree.tostring(root))
        source.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = loader.load(source, parent)
        if widget is not None:
            for connection in connections:
                _make(widget, connection)
        return widget


def _taken_out(root: ElementTree.Element) -> list[dict[str, str]]:
    """The file's connections: PySide knows no MRML types, so they are made in Python."""
    found = []
    for parent in root.findall("connections"):
        found += [{part.tag: part.text or "" for part in each} for each in parent.findall("connection")]
        root.remove(parent)
    return found


def _make(widget, connection: dict[str, str]) -> None:
    sender, receiver = (_named(widget, connection[which]) for which in ("sender", "receiver"))
    signal, slot = (connection[which].partition("(")[0] for which in ("signal", "slot"))
    getattr(sender, signal).connect(getattr(receiver, slot))


def _named(widget, name: str):
    found = widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
    if found is None:
        raise ValueError(f"The .ui file connects {name!r}, which it does not contain")
    return found
