"""The module `qt` of Slicer: QtCore, QtGui, QtWidgets and QtNetwork in one, without what only PySide6 has."""

from __future__ import annotations

import sys
import types

from . import pythonqt, ui_loader

# PySide6's own tools for Python, which PythonQt does not have under these names.
_ONLY_PYSIDE = {"Signal", "Slot", "Property", "SignalInstance", "ClassInfo", "QEnum", "QFlag", "MetaFunction"}


def make() -> types.ModuleType:
    """Dresses PySide6 as PythonQt and puts `qt` among the importable modules."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    pythonqt.dress()
    module = types.ModuleType("qt", __doc__)
    for source in pythonqt.MODULES:
        for name in dir(source):
            if not name.startswith("_") and name not in _ONLY_PYSIDE:
                setattr(module, name, getattr(source, name))
    module.QUiLoader = ui_loader.UiLoader
    sys.modules["qt"] = module
    return module
