"""`slicer.app`: the parts of qSlicerApplication that modules use, over the headless scene and Qt's application."""

from __future__ import annotations

import os
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject, Signal

from .io_manager import IOManager
from .layout_manager import LayoutManager
from .module_manager import ModuleManager
from .widgets.ctk_dialogs import ctkSettingsDialog


class CommandOptions:
    """`slicer.app.commandOptions()`."""

    noMainWindow = False

    def __init__(self, testing: bool) -> None:
        self.testingEnabled = testing


class ExtensionsManagerModel:
    """No extension is installed, unless a test says so."""

    def __init__(self) -> None:
        self.installedExtensions: list[str] = []

    def isExtensionInstalled(self, name: str) -> bool:
        return name in self.installedExtensions


class Application(QObject):
    """qSlicerApplication. Anything that is not here is an AttributeError.

    Settings are a file in the host's temporary folder, so that a test finds none of another's.
    """

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)
    lastWindowClosed = Signal()
    aboutToQuit = Signal()

    applicationName = "Slicer"
    applicationVersion = "5.12.3"
    majorVersion, minorVersion = 5, 12
    revision = "34045"
    repositoryRevision = "34045"
    platform, os, arch = "linux-amd64", "linux", "amd64"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def __init__(self, scene_host: Any, folder: str) -> None:
        super().__init__()
        self._scene, self._logic, self._folder = scene_host.scene, scene_host.logic, folder
        self._testing = True
        self._restarts = 0
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, folder)
        self._settings = QtCore.QSettings()  # what `qt.QSettings()` gives a module, too
        self._revision_settings = QtCore.QSettings(os.path.join(folder, "Revision.ini"), QtCore.QSettings.IniFormat)
        self._modules = ModuleManager()
        self._layouts = LayoutManager(self._scene, self._logic)
        self._io = IOManager(self._scene)
        self._settings_dialog = ctkSettingsDialog()
        self._extensions = ExtensionsManagerModel()

    # ---- scene and managers ----

    def applicationLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return self._scene

    def layoutManager(self) -> LayoutManager:
        return self._layouts

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def ioManager(self) -> IOManager:
        return self._io

    def coreIOManager(self) -> IOManager:
        return self._io

    def extensionsManagerModel(self) -> ExtensionsManagerModel:
        return self._extensions

    def settingsDialog(self) -> ctkSettingsDialog:
        return self._settings_dialog

    def moduleLogic(self, name: str) -> Any:
        return self._modules.module(name).logic()

    # ---- settings, paths, environment ----

    def settings(self) -> QtCore.QSettings:
        return self._settings

    def userSettings(self) -> QtCore.QSettings:
        return self._settings

    def revisionUserSettings(self) -> QtCore.QSettings:
        return self._revision_settings

    def testingEnabled(self) -> bool:
        return self._testing

    def commandOptions(self) -> CommandOptions:
        return CommandOptions(self._testing)

    def startupEnvironment(self) -> dict[str, str]:
        return dict(os.environ)

    def launcherExecutableFilePath(self) -> str:
        return os.path.join(self.slicerHome, "Slicer")

    temporaryPath = property(lambda self: self._folder)
    slicerHome = property(lambda self: os.path.join(self._folder, "SlicerHome"))
    cachePath = property(lambda self: os.path.join(self._folder, "cache"))
    defaultScenePath = property(lambda self: self._folder)

    # ---- Qt's application ----

    def processEvents(self, *flags: Any) -> None:
        QtWidgets.QApplication.processEvents(*flags)

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return QtWidgets.QApplication.topLevelWidgets()

    def clipboard(self) -> QtGui.QClipboard:
        return QtWidgets.QApplication.clipboard()

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(QtGui.QCursor(cursor))

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def style(self) -> QtWidgets.QStyle:
        return QtWidgets.QApplication.style()

    def palette(self) -> QtGui.QPalette:
        return QtWidgets.QApplication.palette()

    def font(self) -> QtGui.QFont:
        return QtWidgets.QApplication.font()

    def translate(self, _context: str, text: str) -> str:
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def openUrl(self, url: str) -> None:
        """Nothing is opened; the address is written down in the clipboard's place, `opened_urls`."""
        self.__dict__.setdefault("_opened", []).append(url)

    def pauseRender(self) -> int:
        return self._layouts.pause(1)

    def resumeRender(self) -> int:
        return self._layouts.pause(-1)

    def isRenderPaused(self) -> bool:
        return self._layouts.pause(0) > 0

    def restart(self) -> None:
        """Counted, for tests that ask whether it was offered."""
        self._restarts += 1
