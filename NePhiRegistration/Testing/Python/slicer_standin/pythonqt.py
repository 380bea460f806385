"""PythonQt's ways on PySide6: Qt's properties are attributes, not functions.

Follows commontk/PythonQt src/PythonQtInstanceWrapper.cpp (attributes) and src/PythonQtClassInfo.cpp (`name` for
objectName). Signals are connected as `button.clicked.connect(slot)`, which both have; the older way by signature,
`button.connect("clicked(bool)", slot)`, cannot be had from PySide6, which keeps the name `connect` to itself.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject

# Qt itself calls these on classes derived in Python, where an attribute would stand in the way.
_VIRTUAL = ("sizeHint", "minimumSizeHint")


class PropertyAsAttribute:
    """`label.text` instead of `label.text()`; on the class itself a function of the same name stays reachable."""

    def __init__(self, name: str, on_class: object) -> None:
        self._name = name
        self._on_class = on_class

    def __get__(self, instance, owner):
        if instance is None:
            return self._on_class
        return QObject.property(instance, self._name)

    def __set__(self, instance, value) -> None:
        QObject.setProperty(instance, self._name, value)


def install_pythonqt_ways() -> None:
    """Change PySide6's classes once for this process."""
    for owner in (found for module in (QtCore, QtGui, QtWidgets) for found in _object_classes(module)):
        meta = owner.staticMetaObject
        for index in range(meta.propertyOffset(), meta.propertyCount()):
            name = meta.property(index).name()
            if name not in _VIRTUAL:
                setattr(owner, name, PropertyAsAttribute(name, getattr(owner, name, None)))
        owner.name = PropertyAsAttribute("objectName", None)
        owner.className = lambda self: self.metaObject().className()


def _object_classes(module) -> list[type]:
    found = (getattr(module, name) for name in dir(module))
    return [each for each in found if isinstance(each, type) and issubclass(each, QObject)]
