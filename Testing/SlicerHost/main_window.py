"""The main window, as far as slicer.util asks for it: status bar, module selector, module panel."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal


class ModuleSelector(QtWidgets.QToolBar):
    """qSlicerModuleSelectorToolBar: leaves the module that is open and enters another."""

    moduleSelected = Signal(str)

    def __init__(self, modules: Any) -> None:
        super().__init__()
        self._modules, self._current = modules, ""

    def selectModule(self, name: str) -> None:
        """Slicer ignores unknown names; here they are an error.

        Raises:
            RuntimeError: there is no such module, or it has no panel.
        """
        if name == self._current:
            return
        module = self._modules.module(name)
        if module is None:
            raise RuntimeError(f"There is no module {name!r}")
        self.leave()
        self._current = name
        representation = getattr(module, "widgetRepresentation", lambda: None)()
        if representation is not None:
            representation.enter()
        self.moduleSelected.emit(name)

    def leave(self) -> None:
        """Leaves the module that is open."""
        module = self._modules.module(self._current) if self._current else None
        self._current = ""
        representation = getattr(module, "_representation", None)
        if representation is not None:
            representation.exit()

    selectedModule = Property(str, lambda self: self._current)


class MainWindow(QtWidgets.QMainWindow):
    """qSlicerMainWindow. It is never shown: only widgets of their own are photographed."""

    def __init__(self, modules: Any) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = ModuleSelector(modules)
        self.addToolBar(self._selector)
        self.statusBar()

    def moduleSelector(self) -> ModuleSelector:
        return self._selector
