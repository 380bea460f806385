"""The module `qt`: Qt's classes in one place, as Base/Python/slicerqt.py and PythonQt make it.

What PythonQt does not wrap (signals and slots made in Python, threads) is left out.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt
from .ui_loader import QUiLoader

_NOT_WRAPPED = {"Signal", "SignalInstance", "Slot", "Property", "QThread", "QThreadPool", "QRunnable", "ClassInfo"}

pythonqt.install_pythonqt_ways()
for _module in (QtCore, QtGui, QtWidgets):
    for _name in dir(_module):
        if _name.startswith("Q") and _name not in _NOT_WRAPPED:
            globals()[_name] = getattr(_module, _name)

__all__ = ["QUiLoader", *(name for name in globals() if name.startswith("Q"))]  # noqa: PLE0604 (all are strings)
