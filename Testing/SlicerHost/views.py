"""The slice, 3D, table and plot views of the layout manager, as far as modules and photographs need them.

Slice and 3D views have MRML's real logics and nodes from the start. A window to draw in is made when a picture is
asked for: most tests never look.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6 import QtCore, QtWidgets

from PreopReviewLib.scene import views

BACKGROUND = ((0.7568, 0.7647, 0.9098), (0.4549, 0.4705, 0.7450))  # of Slicer's 3D view, bottom and top


class _Drawn:
    """Gives a view of PreopReviewLib.scene the logic and the node that the layout manager has already."""

    _given: tuple[Any, Any]

    def _attach(self, _logic: Any, logics: Any, _add: str) -> Any:
        self.logic, node = self._given
        self._logics, self._own = logics, set()
        self.managers.SetMRMLDisplayableNode(node)
        return node

    def close(self) -> None:
        self.managers.SetMRMLDisplayableNode(None)
        self.window.Finalize()


class _DrawnSlice(_Drawn, views.SliceView):
    def __init__(self, logic: Any, node: Any, size: tuple[int, int]) -> None:
        self._given = (logic, node)
        super().__init__(node.GetScene(), node.GetOrientation(), size, oversampling=1)
        self._update()


class _DrawnThreeD(_Drawn, views.ThreeDView):
    def __init__(self, logic: Any, node: Any, size: tuple[int, int]) -> None:
        self._given = (logic, node)
        box, labels = node.GetBoxVisible(), node.GetAxisLabelsVisible()
        colors = (node.GetBackgroundColor(), node.GetBackgroundColor2())
        super().__init__(node.GetScene(), size, 1, *colors)
        node.SetBoxVisible(box)
        node.SetAxisLabelsVisible(labels)


class _View(QtWidgets.QWidget):
    """What `sliceView()` and `threeDView()` have in common."""

    def __init__(self, logic: Any, node: Any, drawn: type) -> None:
        super().__init__()
        self._logic, self._node, self._kind = logic, node, drawn
        self._drawn: Any = None
        self._mouse: Any = None
        self._pauses = 0

    def _window(self, size: tuple[int, int] = (500, 400)) -> Any:
        if self._drawn is not None and self._drawn.size != size:
            self.close_window()
        if self._drawn is None:
            self._drawn = self._kind(self._logic, self._node, size)
        return self._drawn

    def picture(self, size: tuple[int, int]) -> np.ndarray:
        """What the view shows, uint8 RGB (height, width, 3)."""
        return self._window(size).array()

    def close_window(self) -> None:
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = None

    def renderWindow(self) -> Any:
        return (self._drawn or self._window()).window

    def interactor(self) -> Any:
        """The view's mouse; it is there before a window is drawn, and stays."""
        if self._mouse is None:
            import vtk

            self._mouse = vtk.vtkGenericRenderWindowInteractor()
            self._mouse.SetInteractorStyle(None)  # VTK's own would keep events from others while a button is pressed
        if self._drawn is not None and self._mouse.GetRenderWindow() is not self._drawn.window:
            self._mouse.SetRenderWindow(self._drawn.window)
        return self._mouse

    def scheduleRender(self) -> None:
        """Pictures are drawn when they are asked for."""

    def forceRender(self) -> None:
        if self._drawn is not None:
            self._drawn.window.Render()

    def pauseRender(self) -> int:
        self._pauses += 1
        return self._pauses

    def resumeRender(self) -> int:
        if not self._pauses:
            raise RuntimeError("resumeRender without pauseRender; Slicer warns of that")
        self._pauses -= 1
        return self._pauses

    def isRenderPaused(self) -> bool:
        return self._pauses > 0

    def displayableManagerByClassName(self, name: str) -> Any:
        return (self._drawn or self._window()).managers.GetDisplayableManagerByClassName(name)

    def setMRMLScene(self, _scene: Any) -> None:
        """The scene is the layout manager's."""


class SliceView(_View):
    def mrmlSliceNode(self) -> Any:
        return self._node

    def picture(self, size: tuple[int, int]) -> np.ndarray:
        drawn = self._window(size)
        self._logic.ResizeSliceNode(*size)
        return drawn.array()


class ThreeDView(_View):
    def mrmlViewNode(self) -> Any:
        return self._node

    def cameraNode(self) -> Any:
        return (self._drawn or self._window()).camera_node

    def resetFocalPoint(self) -> None:
        self._window_now().fit()

    def resetCamera(self, *_options: Any) -> None:
        self._window_now().fit()

    def rotateToViewAxis(self, axis: int) -> None:
        self._window_now().look_from(("Left", "Right", "Posterior", "Anterior", "Inferior", "Superior")[axis])

    def lookFromAxis(self, axis: int) -> None:
        """Of ctkAxesWidget: 1 right, 2 left, 3 superior, 4 inferior, 5 anterior, 6 posterior."""
        names = {1: "Right", 2: "Left", 3: "Superior", 4: "Inferior", 5: "Anterior", 6: "Posterior"}
        self._window_now().look_from(names[axis])

    def _window_now(self) -> Any:
        return self._drawn or self._window()


class Controller(QtWidgets.QWidget):
    """The bar above a view; only shown, hidden, and asked to fit."""

    def __init__(self, fit: Any = None) -> None:
        super().__init__()
        self._fit = fit

    def fitSliceToBackground(self) -> None:
        if self._fit is None:
            raise AttributeError("fitSliceToBackground")
        self._fit()


class SliceWidget(QtWidgets.QWidget):
    """qMRMLSliceWidget."""

    def __init__(self, logic: Any, node: Any) -> None:
        super().__init__()
        self._logic, self._node = logic, node
        self._view = SliceView(logic, node, _DrawnSlice)
        self._controller = Controller(self.fitSliceToBackground)

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._node

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def sliceView(self) -> SliceView:
        return self._view

    def sliceController(self) -> Controller:
        return self._controller

    def fitSliceToBackground(self) -> None:
        width, height, _ = self._node.GetDimensions()
        self._logic.FitSliceToBackground(width, height)

    def setSliceOrientation(self, orientation: str) -> None:
        self._node.SetOrientation(orientation)


class ThreeDWidget(QtWidgets.QWidget):
    """qMRMLThreeDWidget."""

    def __init__(self, logic: Any, node: Any) -> None:
        super().__init__()
        self._node = node
        self._view, self._controller = ThreeDView(logic, node, _DrawnThreeD), Controller()

    def threeDView(self) -> ThreeDView:
        return self._view

    def threeDController(self) -> Controller:
        return self._controller

    def mrmlViewNode(self) -> Any:
        return self._node


class PlainViewWidget(QtWidgets.QWidget):
    """qMRMLPlotWidget or qMRMLTableWidget: a widget around a view that is one itself."""

    def __init__(self, view: QtWidgets.QWidget) -> None:
        super().__init__()
        self._view, self._controller = view, Controller()
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(view)

    def _get(self) -> QtWidgets.QWidget:
        return self._view

    plotView = tableView = _get

    def plotController(self) -> Controller:
        return self._controller

    tableController = plotController


def to_image(pixels: np.ndarray) -> Any:
    """An RGB array as a QImage that owns its pixels."""
    from PySide6.QtGui import QImage

    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy(
        QtCore.QRect(0, 0, width, height)
    )
