"""Typing and choosing, through the same events and signals as a user's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PySide6 import QtCore, QtTest, QtWidgets

from .widgets.ctk_buttons import ctkCollapsibleButton
from .widgets.ctk_numbers import ctkDoubleSpinBox, ctkSliderWidget
from .widgets.qmrml_nodes import qMRMLNodeComboBox


def reveal(widget: Any) -> int:
    """Opens the collapsed sections and the tabs that a widget is in, from the outermost; returns how many clicks."""
    clicks = 0
    for inner, outer in reversed(list(_ancestors(widget))):
        if isinstance(outer, ctkCollapsibleButton) and outer.collapsed:
            outer.click()
            clicks += 1
        elif isinstance(outer, QtWidgets.QTabWidget):
            page = next((i for i in range(outer.count) if outer.widget(i) is inner), outer.currentIndex)
            clicks += page != outer.currentIndex
            outer.setCurrentIndex(page)
    return clicks


def _ancestors(widget: Any) -> Iterator[tuple[Any, Any]]:
    """Every ancestor with the widget in it that leads here; a tab widget keeps its pages in a stack."""
    inner = widget
    while (outer := inner.parentWidget()) is not None:
        if isinstance(outer, QtWidgets.QStackedWidget) and isinstance(outer.parentWidget(), QtWidgets.QTabWidget):
            yield inner, outer.parentWidget()
            inner = outer.parentWidget()
        else:
            yield inner, outer
            inner = outer


def type_into(widget: Any, text: str) -> None:
    """Replaces the text of a widget by paste, and presses Enter where that is what ends the typing."""
    target = _editable(widget)
    clipboard = QtWidgets.QApplication.clipboard()
    before = clipboard.text()
    clipboard.setText(text)
    target.selectAll()
    target.paste()  # at once: letter by letter, parameters would follow every half-typed value
    clipboard.setText(before)
    if isinstance(target, QtWidgets.QLineEdit):
        QtTest.QTest.keyClick(target, QtCore.Qt.Key_Return)


def _editable(widget: Any) -> Any:
    if isinstance(widget, ctkSliderWidget):
        widget = widget.spinBox()
    if isinstance(widget, ctkDoubleSpinBox):
        widget = widget.spinBox()
    if isinstance(widget, (QtWidgets.QAbstractSpinBox, QtWidgets.QComboBox)):
        return widget.lineEdit()
    if hasattr(widget, "comboBox"):
        return widget.comboBox().lineEdit()
    return widget


def choose(combo: Any, what: Any) -> None:
    """Chooses a text in a combo box, or a node (None for none) in a node selector."""
    if isinstance(combo, qMRMLNodeComboBox):
        inner = combo._box
        wanted = inner.findData(what.GetID() if what is not None else "")
    else:
        inner, wanted = combo, combo.findText(what)
    assert wanted >= 0, f"{combo.objectName} does not offer {what}, only {_offered(inner)}"
    inner.setCurrentIndex(wanted)
    inner.activated.emit(wanted)


def _offered(inner: Any) -> str:
    return ", ".join(inner.itemText(i) for i in range(inner.count))
