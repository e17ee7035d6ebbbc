"""`slicer.app.moduleManager()`, `slicer.modules` and what a scripted module is in them."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import QObject, Signal

from .widgets.qmrml_basic import qMRMLWidget


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of a module's Python widget; enter, exit and setup are passed on to it."""

    def __init__(self, module: qSlicerScriptedLoadableModule) -> None:
        super().__init__()
        self._module = module
        self._entered = False
        self._python: Any = None
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setWindowTitle(module.title)
        import slicer

        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def reload(self) -> None:
        """Makes the Python widget anew and calls its `setup`."""
        import slicer

        kind = getattr(sys.modules[self._module.name], self._module.name + "Widget")
        self._python = kind(self)
        setattr(slicer.modules, self._module.name + "Widget", self._python)
        self._python.setup()

    def self(self) -> Any:
        return self._python

    def enter(self) -> None:
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()

    isEntered = property(lambda self: self._entered)


class qSlicerScriptedLoadableModule:
    """What a module's Python class fills in as `parent`. Unknown fields are refused, as PythonQt refuses them."""

    __slots__ = (
        "_representation", "acknowledgementText", "associatedNodeTypes", "categories", "contributors", "dependencies",
        "helpText", "hidden", "icon", "index", "instance", "name", "path", "title",
        "widgetRepresentationCreationEnabled",
    )  # fmt: skip

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path, self.title = name, path, name
        self.categories, self.dependencies, self.contributors, self.associatedNodeTypes = [], [], [], []
        self.helpText = self.acknowledgementText = ""
        self.hidden, self.widgetRepresentationCreationEnabled, self.index = False, True, -1
        self.icon = QtGui.QIcon()
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        """The module's panel, made when it is first asked for; None for a module without one."""
        if self._representation is None and self.widgetRepresentationCreationEnabled:
            self._representation = self.createNewWidgetRepresentation()
        return self._representation

    def createNewWidgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        if not hasattr(sys.modules[self.name], self.name + "Widget"):
            return None
        return qSlicerScriptedLoadableModuleWidget(self)

    def logic(self) -> Any:
        """Scripted modules have a C++ logic that does nothing; their own one is in their widget."""
        return None

    def isHidden(self) -> bool:
        return self.hidden


class FactoryManager:
    """`moduleManager().factoryManager()`."""

    def __init__(self, manager: ModuleManager) -> None:
        self._manager = manager

    def loadedModuleNames(self) -> list[str]:
        return list(self._manager._modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._manager._modules

    isRegistered = isInstantiated = isLoaded


class ModuleManager(QObject):
    moduleLoaded = Signal(str)
    modulesLoaded = Signal("QStringList")
    moduleAboutToBeUnloaded = Signal(str)
    moduleUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def factoryManager(self) -> FactoryManager:
        return FactoryManager(self)

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def loadedModulesNames(self) -> list[str]:
        return list(self._modules)

    def add_core(self, modules: Any) -> types.ModuleType:
        """Makes `slicer.modules` of the C++ modules' logics; each is known by its name and in lower case."""
        package = types.ModuleType("slicer.modules")
        for key, module in vars(modules).items():
            setattr(package, key, module)
            self._modules[module.name] = module
        sys.modules["slicer.modules"] = package
        return package

    def load(self, path: Path) -> Any:
        """Loads a scripted module's file as Slicer does at its start; returns the module object."""
        import slicer

        name = path.stem
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        python = importlib.util.module_from_spec(spec)
        sys.modules[name] = python
        spec.loader.exec_module(python)
        module = qSlicerScriptedLoadableModule(name, str(path))
        module.instance = getattr(python, name)(module)
        setattr(slicer.modules, name + "Instance", module.instance)
        setattr(slicer.modules, name.lower(), module)
        self._modules[name] = module
        self.moduleLoaded.emit(name)
        return module

    def unload_all(self) -> None:
        """Takes every scripted module away, which calls `cleanup` of those that were opened."""
        for name, module in list(self._modules.items()):
            if not isinstance(module, qSlicerScriptedLoadableModule):
                continue
            self.moduleAboutToBeUnloaded.emit(name)
            del self._modules[name]
            if module._representation is not None:
                module._representation.deleteLater()
                module._representation = None
            self.moduleUnloaded.emit(name)
