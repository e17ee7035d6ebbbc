"""Stand-ins for Slicer's widgets that only add a scene to a plain one."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Signal

from .ctk_numbers import ctkDoubleSpinBox, ctkSliderWidget
from .properties import stored, with_setters


def check_scene(scene: Any) -> Any:
    """A vtkMRMLScene or None, or a TypeError as PythonQt gives for any other argument."""
    import slicer

    if scene is not None and not isinstance(scene, slicer.vtkMRMLScene):
        raise TypeError(f"setMRMLScene takes a vtkMRMLScene, not {type(scene).__name__}")
    return scene


class SceneHolder:
    """The scene of a widget: `setMRMLScene`, `mrmlScene`."""

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = check_scene(scene)

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")


class qMRMLWidget(QtWidgets.QWidget):
    """Passes its scene to those widgets that its .ui file connects to it."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._scene_receivers: list[Any] = []

    def setMRMLScene(self, scene: Any) -> None:
        if check_scene(scene) is self._scene:
            return
        self._scene = scene
        for receiver in self._scene_receivers:
            receiver.setMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qSlicerWidget(qMRMLWidget):
    """The same with the module's logic; older .ui files have it as their root."""


@with_setters
class qMRMLSliderWidget(SceneHolder, ctkSliderWidget):
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)


@with_setters
class qMRMLSpinBox(SceneHolder, ctkDoubleSpinBox):
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)
