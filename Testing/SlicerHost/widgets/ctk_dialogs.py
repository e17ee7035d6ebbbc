"""Stand-ins for ctk's message box, which `slicer.util` asks with, and settings panels."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import QObject, Signal

from .properties import stored, with_setters


@with_setters
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    dontShowAgainVisible = stored(bool, False)
    dontShowAgain = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")

    def addDontShowAgainButtonRole(self, role: Any) -> None:
        """Buttons of this role are remembered; without effect while tests answer."""


class ctkBooleanMapper(QObject):
    """A bool of an object, with a signal that carries it."""

    valueChanged = Signal(bool)
    valueAsIntChanged = Signal(int)

    def __init__(self, target: QObject, name: str, signal: str) -> None:
        super().__init__(target)
        self._target, self._name = target, name
        target.connect(_plain(signal), self._changed)

    def _changed(self) -> None:
        value = bool(getattr(self._target, self._name))
        self.valueChanged.emit(value)
        self.valueAsIntChanged.emit(int(value))


def _plain(signal: Any) -> str:
    """`SIGNAL("toggled(bool)")` puts a 2 before the signature."""
    text = signal.decode() if isinstance(signal, bytes) else str(signal)
    return text[1:] if text.startswith("2") else text


class ctkSettingsPanel(QtWidgets.QWidget):
    """A page of the settings dialog: properties of its widgets, kept in the settings as they change."""

    OptionNone, OptionRequireRestart, OptionAutosave = 0, 1, 2
    settingChanged = Signal(str, "QVariant")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._settings = QtCore.QSettings()
        self._kept: dict[str, tuple[QObject, str, Any, QtCore.QSettings]] = {}

    def settings(self) -> QtCore.QSettings:
        return self._settings

    def setSettings(self, settings: QtCore.QSettings) -> None:
        self._settings = settings
        for key, (target, name, default, _) in list(self._kept.items()):
            self._kept[key] = (target, name, default, settings)
            self._read(key)

    def registerProperty(
        self,
        key: str,
        target: QObject,
        name: str,
        signal: Any,
        label: str = "",
        options: int = 0,
        settings: QtCore.QSettings | None = None,
    ) -> None:
        """Keeps `target.name` in the settings under `key`, and puts there what the settings hold.

        Raises:
            AttributeError: the object has no such property or signal.
        """
        if target.metaObject().indexOfProperty(name) < 0 and not hasattr(target, name):
            raise AttributeError(f"{target.className()} has no property {name!r}")
        self._kept[key] = (target, name, getattr(target, name), settings or self._settings)
        self._read(key)
        target.connect(_plain(signal), lambda: self._write(key))

    def _read(self, key: str) -> None:
        target, name, default, settings = self._kept[key]
        if not settings.contains(key):
            settings.setValue(key, default)
            return
        value = settings.value(key)
        if isinstance(default, bool):
            value = str(value).lower() in ("true", "1")
        elif isinstance(default, (int, float)):
            value = type(default)(value)
        setattr(target, name, value)

    def _write(self, key: str) -> None:
        target, name, _, settings = self._kept[key]
        value = getattr(target, name)
        settings.setValue(key, value)
        self.settingChanged.emit(key, value)

    def propertyValue(self, key: str) -> Any:
        return getattr(self._kept[key][0], self._kept[key][1])

    def changedSettings(self) -> list[str]:
        kept = self._kept.items()
        return [k for k, (target, name, _, settings) in kept if settings.value(k) != getattr(target, name)]

    def applySettings(self) -> None:
        for key in self._kept:
            self._write(key)

    def resetSettings(self) -> None:
        for key in self._kept:
            self._read(key)

    def restoreDefaultSettings(self) -> None:
        for target, name, default, _ in self._kept.values():
            setattr(target, name, default)


class ctkSettingsDialog(QtWidgets.QDialog):
    """The settings dialog: a list of panels."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._panels: dict[str, ctkSettingsPanel] = {}
        self._tabs = QtWidgets.QTabWidget()
        QtWidgets.QVBoxLayout(self).addWidget(self._tabs)

    def addPanel(self, label: str, panel: ctkSettingsPanel, *_parent: ctkSettingsPanel) -> None:
        if not isinstance(panel, ctkSettingsPanel):
            raise TypeError(f"addPanel takes a ctkSettingsPanel, not {type(panel).__name__}")
        self._panels[label] = panel
        self._tabs.addTab(panel, label)

    def panel(self, label: str) -> ctkSettingsPanel | None:
        return self._panels.get(label)

    def setCurrentPanel(self, label: str) -> None:
        self._tabs.setCurrentWidget(self._panels[label])
