"""Stand-ins for ctk's buttons."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .properties import stored, with_setters

_HEADER = 26
_UNLIMITED = 16777215


@with_setters
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header that shows and hides the widgets under it. A child that was hidden itself stays hidden."""

    contentsCollapsed = Signal(bool)
    pressed = Signal()
    released = Signal()
    clicked = Signal(bool)
    toggled = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._text = next((a for a in arguments if isinstance(a, str)), "")
        self._collapsed = False
        self._to_show: list[QtWidgets.QWidget] = []
        self.setContentsMargins(0, _HEADER, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)

    def setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        if collapsed:
            self._to_show = [c for c in self._contents() if not c.isHidden()]
            for child in self._to_show:
                child.hide()
        else:
            for child in self._to_show:
                child.show()
        self.setMaximumHeight(_HEADER if collapsed else _UNLIMITED)
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def _contents(self) -> list[QtWidgets.QWidget]:
        return [c for c in self.children() if isinstance(c, QtWidgets.QWidget)]

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    text = Property(str, lambda self: self._text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, setCollapsed)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, on: self.setCollapsed(not on))
    checkable = stored(bool, True)
    flat = stored(bool, False)
    collapsedHeight = stored(int, 10)
    contentsFrameShape = stored(int, 6)
    contentsFrameShadow = stored(int, 48)
    contentsLineWidth = stored(int, 1)
    contentsMidLineWidth = stored(int, 0)
    indicatorAlignment = stored(int, 0x81)
    icon = stored(QtGui.QIcon, QtGui.QIcon())

    def click(self) -> None:
        self.pressed.emit()
        self.setCollapsed(not self._collapsed)
        self.released.emit()
        self.clicked.emit(not self._collapsed)

    def toggle(self) -> None:
        self.setCollapsed(not self._collapsed)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if event.position().y() < _HEADER:
            self.click()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, _HEADER - 2)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        painter.drawText(option.rect.adjusted(26, 0, 0, 0), QtCore.Qt.AlignVCenter, self._text)
        arrow = QtWidgets.QStyleOption()
        arrow.rect, arrow.palette = QtCore.QRect(8, 6, 12, 12), self.palette
        style = QtWidgets.QStyle
        painter.drawPrimitive(style.PE_IndicatorArrowRight if self._collapsed else style.PE_IndicatorArrowDown, arrow)


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a part that opens its menu."""


@with_setters
class ctkCheckBox(QtWidgets.QCheckBox):
    indicatorIcon = stored(QtGui.QIcon, QtGui.QIcon())
    indicatorIconSize = stored(QtCore.QSize, QtCore.QSize())
