"""Stand-ins for ctk's sliders and spin boxes of real numbers."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .properties import forwarded, stored, with_setters

# Qt's spin box cannot show infinity, which ctk's stands for "no limit".
_LIMIT = 1e15
_STEPS = 1_000_000


def _finite(value: float) -> float:
    return min(max(float(value), -_LIMIT), _LIMIT)


def _row(widget: QtWidgets.QWidget, *parts: QtWidgets.QWidget) -> None:
    layout = QtWidgets.QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    widget.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
    for part in parts:
        layout.addWidget(part, int(isinstance(part, QtWidgets.QSlider)))


@with_setters
class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box in a QWidget: as in ctk it is no QDoubleSpinBox itself."""

    SetAlways, SetIfDifferent = 0, 1
    FixedDecimals, DecimalsByKey, DecimalsByShortcuts, DecimalsByValue = 0, 1, 2, 4
    valueChanged = Signal(float)
    decimalsChanged = Signal(int)
    editingFinished = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox()
        self._box.setKeyboardTracking(False)
        self._box.valueChanged.connect(self.valueChanged.emit)
        self._box.editingFinished.connect(self.editingFinished.emit)
        _row(self, self._box)

    def setMinimum(self, value: float) -> None:
        self._box.setMinimum(_finite(value))

    def setMaximum(self, value: float) -> None:
        self._box.setMaximum(_finite(value))

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(_finite(minimum), _finite(maximum))

    def setDecimals(self, decimals: int) -> None:
        if decimals != self._box.decimals:
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    def stepUp(self) -> None:
        self._box.stepUp()

    def stepDown(self) -> None:
        self._box.stepDown()

    def selectAll(self) -> None:
        self._box.selectAll()

    def lineEdit(self) -> QtWidgets.QLineEdit:
        return self._box.lineEdit()

    def spinBox(self) -> QtWidgets.QDoubleSpinBox:
        return self._box

    value = forwarded(float, "_box", "value")
    minimum = Property(float, lambda self: self._box.minimum, setMinimum)
    maximum = Property(float, lambda self: self._box.maximum, setMaximum)
    decimals = Property(int, lambda self: self._box.decimals, setDecimals)
    singleStep = forwarded(float, "_box", "singleStep")
    prefix = forwarded(str, "_box", "prefix")
    suffix = forwarded(str, "_box", "suffix")
    specialValueText = forwarded(str, "_box", "specialValueText")
    frame = forwarded(bool, "_box", "frame")
    wrapping = forwarded(bool, "_box", "wrapping")
    cleanText = Property(str, lambda self: self._box.cleanText)
    decimalsOption = stored(int, 0)
    setMode = stored(int, 0)
    invertedControls = stored(bool, False)


@with_setters
class ctkDoubleSlider(QtWidgets.QWidget):
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    sliderMoved = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._low, self._high, self._at = 0.0, 99.0, 0.0
        self._slider.setRange(0, _STEPS)
        self._slider.valueChanged.connect(self._moved)
        _row(self, self._slider)

    def _moved(self, position: int) -> None:
        self.setValue(self._low + position / _STEPS * (self._high - self._low))

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._low), self._high)
        if value == self._at:
            return
        self._at = value
        self._show()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _show(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((self._at - self._low) / max(self._high - self._low, 1e-12) * _STEPS))
        self._slider.blockSignals(blocked)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._low, self._high = _finite(minimum), _finite(max(minimum, maximum))
        self.setValue(self._at)
        self._show()
        self.rangeChanged.emit(self._low, self._high)

    value = Property(float, lambda self: self._at, setValue)
    minimum = Property(float, lambda self: self._low, lambda self, v: self.setRange(v, max(v, self._high)))
    maximum = Property(float, lambda self: self._high, lambda self, v: self.setRange(min(v, self._low), v))
    singleStep = stored(float, 1.0)
    pageStep = stored(float, 10.0)
    tickInterval = stored(float, 0.0)
    tracking = stored(bool, True)
    invertedAppearance = stored(bool, False)
    orientation = stored(int, 1)


@with_setters
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box. `valueChanged` while dragging too, unless tracking is off."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider, self._box = ctkDoubleSlider(), ctkDoubleSpinBox()
        self._box.setRange(0, 99.99)
        _row(self, self._slider, self._box)
        self.layout().setStretch(0, 1)
        self._slider.valueChanged.connect(self._from_slider)
        self._box.valueChanged.connect(self._from_box)

    def _from_slider(self, value: float) -> None:
        step = self._box.singleStep or 1.0
        self._box.value = self._box.minimum + round((value - self._box.minimum) / step) * step

    def _from_box(self, value: float) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(value)
        self._slider.blockSignals(blocked)
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        before = self._slider.blockSignals(True)
        self._slider.setRange(minimum, maximum)
        self._slider.blockSignals(before)
        self._box.setRange(minimum, maximum)
        self.rangeChanged.emit(minimum, maximum)

    def setValue(self, value: float) -> None:
        self._box.value = value

    def reset(self) -> None:
        self.setValue(0)

    def slider(self) -> ctkDoubleSlider:
        return self._slider

    def spinBox(self) -> ctkDoubleSpinBox:
        return self._box

    value = Property(float, lambda self: self._box.value, setValue)
    minimum = Property(float, lambda self: self._box.minimum, lambda self, v: self.setRange(v, max(v, self.maximum)))
    maximum = Property(float, lambda self: self._box.maximum, lambda self, v: self.setRange(min(v, self.minimum), v))
    decimals = forwarded(int, "_box", "decimals")
    singleStep = forwarded(float, "_box", "singleStep")
    pageStep = forwarded(float, "_slider", "pageStep")
    tickInterval = forwarded(float, "_slider", "tickInterval")
    tickPosition = stored(int, 0)
    tracking = forwarded(bool, "_slider", "tracking")
    invertedAppearance = forwarded(bool, "_slider", "invertedAppearance")
    prefix = forwarded(str, "_box", "prefix")
    suffix = forwarded(str, "_box", "suffix")
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), lambda self, on: self._box.setVisible(on))
    popupSlider = stored(bool, False)
    orientation = stored(int, 1)
