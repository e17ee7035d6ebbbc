"""Widgets that can show a parameter. As in Slicer a widget's class must be exactly one of those named here."""

from __future__ import annotations

import enum
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from .annotations import Choice, Maximum, Minimum, WithinRange, first, split

_TEXTUAL = (int, float, str, bool)
_LARGEST = 2**31 - 1


class GuiConnector:
    """Between one widget and one parameter: reads and writes the widget's value, and tells when it changes.

    Attributes:
        signal: name of the widget's signal; empty for a widget that only shows.
    """

    signal = ""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._callback: Callable[[], None] | None = None

    def widget(self) -> Any:
        return self._widget

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        connected = self._callback is not None
        self._callback = callback
        if not self.signal or connected == (callback is not None):
            return
        signal = getattr(self._widget, self.signal)
        (signal.disconnect if connected else signal.connect)(self.changed)

    def changed(self, *_: Any) -> None:
        if self._callback is not None:
            self._callback()

    def read(self) -> Any:
        raise NotImplementedError

    def write(self, value: Any) -> None:
        raise NotImplementedError


class PropertyConnector(GuiConnector):
    """A widget whose value is one of its properties."""

    def __init__(self, widget: Any, name: str, signal: str, to_value: Callable = lambda v: v) -> None:
        super().__init__(widget)
        self._name, self.signal, self._to_value = name, signal, to_value

    def read(self) -> Any:
        return self._to_value(getattr(self._widget, self._name))

    def write(self, value: Any) -> None:
        value = str(value) if isinstance(value, pathlib.PurePath) else value
        if value != getattr(self._widget, self._name):  # writing moves the cursor of a line that is being edited
            setattr(self._widget, self._name, value)


class ChoiceConnector(GuiConnector):
    """A combo box with one item per choice."""

    signal = "currentIndexChanged"

    def __init__(self, widget: Any, labels: list[str], values: list[Any]) -> None:
        super().__init__(widget)
        self._values = values
        widget.clear()
        for label in labels:
            widget.addItem(label)

    def read(self) -> Any:
        return self._values[self._widget.currentIndex]

    def write(self, value: Any) -> None:
        if value not in self._values:
            raise ValueError(f"{value!r} is not among the choices {self._values}")
        self._widget.currentIndex = self._values.index(value)


class TextConnector(GuiConnector):
    """A QTextEdit, by its plain text."""

    signal = "textChanged"

    def read(self) -> str:
        return self._widget.toPlainText()

    def write(self, value: str) -> None:
        self._widget.setPlainText(value)


class NodeConnector(GuiConnector):
    """A node selector; it offers nodes of the parameter's class only."""

    signal = "currentNodeChanged"

    def __init__(self, widget: Any, kind: type) -> None:
        super().__init__(widget)
        widget.nodeTypes = (kind().GetClassName(),)

    def read(self) -> Any:
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        self._widget.setCurrentNode(value)


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """The connector of a widget for a parameter of a possibly annotated type.

    Raises:
        RuntimeError: the widget cannot show such a parameter, or lacks an annotation that it needs.
    """
    kind, annotations = split(datatype)
    exact = type(widget)
    for make in (_bool, _number, _choice, _text, _path, _node):
        connector = make(widget, exact, kind, annotations)
        if connector is not None:
            return connector
    raise RuntimeError(f"Unable to create a GUI connector from {datatype} to a {exact.__name__}")


def _bool(widget: Any, exact: type, kind: Any, _annotations: Any) -> GuiConnector | None:
    if kind is not bool:
        return None
    if exact in (qt.QCheckBox, ctk.ctkCheckBox):
        return PropertyConnector(widget, "checked", "stateChanged")
    if exact is qt.QPushButton:
        if not widget.checkable:
            logging.warning("The push button %s is made checkable to show a bool", widget.objectName)
            widget.checkable = True
        return PropertyConnector(widget, "checked", "toggled")
    return None


def _number(widget: Any, exact: type, kind: Any, annotations: Any) -> GuiConnector | None:
    sliders = (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
    real = exact in (qt.QDoubleSpinBox, ctk.ctkDoubleSpinBox, ctk.ctkDoubleSlider, slicer.qMRMLSpinBox, *sliders)
    whole = exact in (qt.QSpinBox, qt.QSlider) and kind is int
    if kind not in (int, float) or not (real or whole):
        return None
    limits = first(annotations, WithinRange)
    low, high = first(annotations, Minimum), first(annotations, Maximum)
    if limits is None and (low is None or high is None) and exact in (*sliders, qt.QSlider):
        raise RuntimeError(f"A {exact.__name__} cannot show a number without limits: add WithinRange")
    if real and kind is int and exact is not ctk.ctkDoubleSlider:
        widget.decimals = 0
    infinite = (float("-inf"), float("inf")) if real else (-_LARGEST - 1, _LARGEST)
    widget.minimum = limits.minimum if limits else low.minimum if low else infinite[0]
    widget.maximum = limits.maximum if limits else high.maximum if high else infinite[1]
    return PropertyConnector(widget, "value", "valueChanged", kind)


def _choice(widget: Any, exact: type, kind: Any, annotations: Any) -> GuiConnector | None:
    if exact not in (qt.QComboBox, ctk.ctkComboBox):
        return None
    if kind in _TEXTUAL:
        choice = first(annotations, Choice)
        if choice is None:
            raise RuntimeError("A combo box can only show a parameter that is annotated with Choice")
        return ChoiceConnector(widget, [str(c) for c in choice.choices], list(choice.choices))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda member: member.name)
        return ChoiceConnector(widget, [label(member) for member in kind], list(kind))
    return None


def _text(widget: Any, exact: type, kind: Any, _annotations: Any) -> GuiConnector | None:
    if kind is not str:
        return None
    if exact is qt.QLineEdit:
        return PropertyConnector(widget, "text", "textChanged")
    if exact is qt.QLabel:
        return PropertyConnector(widget, "text", "")
    return TextConnector(widget) if exact is qt.QTextEdit else None


def _path(widget: Any, exact: type, kind: Any, _annotations: Any) -> GuiConnector | None:
    if not (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        return None
    if exact is ctk.ctkPathLineEdit:
        return PropertyConnector(widget, "currentPath", "currentPathChanged", kind)
    if exact is ctk.ctkDirectoryButton:
        return PropertyConnector(widget, "directory", "directoryChanged", kind)
    return None


def _node(widget: Any, exact: type, kind: Any, _annotations: Any) -> GuiConnector | None:
    if exact is slicer.qMRMLNodeComboBox and isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeConnector(widget, kind)
    return None
