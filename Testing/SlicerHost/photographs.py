"""Pictures of panels and views as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .views import to_image

PANEL_WIDTH = 460
VIEW = (560, 430)
_GAP, _BAR = 3, 22
_BARS = {"Red": "#f34a33", "Yellow": "#edd54c", "Green": "#6eb04b"}


def panel(widget: QtWidgets.QWidget, width: int = PANEL_WIDTH, height: int | None = None) -> QtGui.QImage:
    """A module's panel as wide as in Slicer, and as high as it needs to be unless a height is given.

    A widget within another is photographed as it is.
    """
    if widget.parentWidget() is None:
        widget.resize(width, height or 10)
        widget.show()
        QtWidgets.QApplication.processEvents()
        if height is None:
            needed = widget.minimumSizeHint().height()
            if widget.layout() is not None:
                needed = max(needed, widget.layout().heightForWidth(width), widget.layout().sizeHint().height())
            widget.resize(width, needed)
        QtWidgets.QApplication.processEvents()
    return widget.grab().toImage()


def slices(manager: Any, size: tuple[int, int] = VIEW) -> QtGui.QImage:
    """The three slice views side by side, each with the colored bar that names it."""
    return _row([_named(manager, name, size) for name in ("Red", "Green", "Yellow")])


def three_d(manager: Any, size: tuple[int, int] = VIEW) -> QtGui.QImage:
    """The 3D views side by side."""
    widgets = [manager.threeDWidget(i) for i in range(manager.threeDViewCount)]
    shown = [w for w in widgets if w.mrmlViewNode().IsMappedInLayout()] or widgets[:1]
    return _row([to_image(w.threeDView().picture(size)) for w in shown])


def everything(manager: Any, widget: QtWidgets.QWidget | None, size: tuple[int, int] = VIEW) -> QtGui.QImage:
    """The panel on the left, and slice, 3D and plot views as the layout has them, roughly, on the right."""
    views = [_named(manager, "Red", size), to_image(manager.threeDWidget(0).threeDView().picture(_barred(size)))]
    views += [_named(manager, "Green", size), _named(manager, "Yellow", size)]
    columns = 2
    if _shows_plot(manager):
        views[1:1] = [_grab(manager.plotWidget(0).plotView(), _barred(size))]
    rows = [_row(views[i : i + columns]) for i in range(0, len(views), columns)]
    right = _column(rows)
    return right if widget is None else _row([panel(widget, height=right.height()), right])


def _barred(size: tuple[int, int]) -> tuple[int, int]:
    return size[0], size[1] + _BAR


def _shows_plot(manager: Any) -> bool:
    description = manager.layoutLogic().GetLayoutNode().GetCurrentLayoutDescription() or ""
    return "vtkMRMLPlotViewNode" in description


def _grab(widget: QtWidgets.QWidget, size: tuple[int, int]) -> QtGui.QImage:
    widget.resize(*size)
    widget.show()
    QtWidgets.QApplication.processEvents()
    return widget.grab().toImage()


def _named(manager: Any, name: str, size: tuple[int, int]) -> QtGui.QImage:
    widget = manager.sliceWidget(name)
    image = QtGui.QImage(size[0], size[1] + _BAR, QtGui.QImage.Format.Format_RGB888)
    image.fill(QtGui.QColor(_BARS[name]))
    painter = QtGui.QPainter(image)
    painter.drawImage(0, _BAR, to_image(widget.sliceView().picture(size)))
    place = f"{name[0]}   {widget.mrmlSliceNode().GetOrientation()}   {widget.sliceLogic().GetSliceOffset():.1f} mm"
    painter.drawText(QtCore.QRect(8, 0, size[0] - 16, _BAR), QtCore.Qt.AlignVCenter, place)
    painter.end()
    return image


def _row(images: list[QtGui.QImage]) -> QtGui.QImage:
    return _beside(images, down=False)


def _column(images: list[QtGui.QImage]) -> QtGui.QImage:
    return _beside(images, down=True)


def _beside(images: list[QtGui.QImage], down: bool) -> QtGui.QImage:
    along = [i.height() if down else i.width() for i in images]
    across = max(i.width() if down else i.height() for i in images)
    total = sum(along) + _GAP * (len(images) - 1)
    size = (across, total) if down else (total, across)
    canvas = QtGui.QImage(*size, QtGui.QImage.Format.Format_RGB888)
    canvas.fill(QtGui.QColor("#efefef"))
    painter = QtGui.QPainter(canvas)
    at = 0
    for image, length in zip(images, along, strict=True):
        painter.drawImage(*((0, at) if down else (at, 0)), image)
        at += length + _GAP
    painter.end()
    return canvas


def save(image: QtGui.QImage, path: str | Path) -> Path:
    """Writes a PNG.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(path), "PNG"):
        raise OSError(f"{path} cannot be written")
    return path
