"""Stand-ins for ctk's widgets of an interval."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_numbers import ctkDoubleSpinBox
from .properties import stored, with_setters


@with_setters
class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A slider with two handles."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._range, self._values = (0.0, 99.0), (0.0, 99.0)
        self.setMinimumSize(60, 20)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._range = (float(minimum), float(max(minimum, maximum)))
        self.rangeChanged.emit(*self._range)
        self.setValues(*self._values)

    def setValues(self, minimum: float, maximum: float) -> None:
        low, high = (min(max(float(v), self._range[0]), self._range[1]) for v in sorted((minimum, maximum)))
        before, self._values = self._values, (low, high)
        if before == self._values:
            return
        self.update()
        if before[0] != low:
            self.minimumValueChanged.emit(low)
        if before[1] != high:
            self.maximumValueChanged.emit(high)
        self.valuesChanged.emit(low, high)

    minimum = Property(float, lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1])))
    maximum = Property(float, lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v))
    minimumValue = Property(
        float, lambda self: self._values[0], lambda self, v: self.setValues(min(v, self._values[1]), self._values[1])
    )
    maximumValue = Property(
        float, lambda self: self._values[1], lambda self, v: self.setValues(self._values[0], max(v, self._values[0]))
    )
    singleStep = stored(float, 1.0)
    tickInterval = stored(float, 0.0)
    tracking = stored(bool, True)
    symmetricMoves = stored(bool, False)
    orientation = stored(int, 1)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        middle, span = self.height // 2, max(self._range[1] - self._range[0], 1e-12)
        ends = [8 + round((v - self._range[0]) / span * (self.width - 16)) for v in self._values]
        palette = self.palette
        painter.fillRect(QtCore.QRect(4, middle - 2, self.width - 8, 4), palette.mid())
        painter.fillRect(QtCore.QRect(ends[0], middle - 2, ends[1] - ends[0], 4), palette.highlight())
        for end in ends:
            painter.fillRect(QtCore.QRect(end - 4, middle - 7, 8, 14), palette.button())
            painter.drawRect(end - 4, middle - 7, 8, 14)


@with_setters
class ctkRangeWidget(QtWidgets.QWidget):
    """A slider with two handles between two spin boxes."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high, self._slider = ctkDoubleSpinBox(), ctkDoubleSpinBox(), ctkDoubleRangeSlider()
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._low)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._high)
        self.setRange(0, 99)
        self._slider.valuesChanged.connect(self._show)
        self._low.valueChanged.connect(lambda v: self._slider.setValues(v, max(v, self.maximumValue)))
        self._high.valueChanged.connect(lambda v: self._slider.setValues(min(v, self.minimumValue), v))
        for name in ("minimumValueChanged", "maximumValueChanged", "rangeChanged"):
            getattr(self._slider, name).connect(getattr(self, name).emit)

    def _show(self, low: float, high: float) -> None:
        for box, value in ((self._low, low), (self._high, high)):
            blocked = box.blockSignals(True)
            box.value = value
            box.blockSignals(blocked)
        self.valuesChanged.emit(low, high)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._low.setRange(minimum, maximum)
        self._high.setRange(minimum, maximum)
        self._slider.setRange(minimum, maximum)
        self._show(*self._slider._values)

    def setValues(self, minimum: float, maximum: float) -> None:
        self._slider.setValues(minimum, maximum)

    def _set_decimals(self, decimals: int) -> None:
        self._low.decimals = self._high.decimals = decimals

    def _set_step(self, step: float) -> None:
        self._low.singleStep = self._high.singleStep = self._slider.singleStep = step

    def _set_suffix(self, suffix: str) -> None:
        self._low.suffix = self._high.suffix = suffix

    def _set_prefix(self, prefix: str) -> None:
        self._low.prefix = self._high.prefix = prefix

    minimum = Property(float, lambda self: self._slider.minimum, lambda self, v: self.setRange(v, max(v, self.maximum)))
    maximum = Property(float, lambda self: self._slider.maximum, lambda self, v: self.setRange(min(v, self.minimum), v))
    minimumValue = Property(
        float, lambda self: self._slider.minimumValue, lambda self, v: setattr(self._slider, "minimumValue", v)
    )
    maximumValue = Property(
        float, lambda self: self._slider.maximumValue, lambda self, v: setattr(self._slider, "maximumValue", v)
    )
    decimals = Property(int, lambda self: self._low.decimals, _set_decimals)
    singleStep = Property(float, lambda self: self._low.singleStep, _set_step)
    suffix = Property(str, lambda self: self._low.suffix, _set_suffix)
    prefix = Property(str, lambda self: self._low.prefix, _set_prefix)
    tracking = stored(bool, True)
    symmetricMoves = stored(bool, False)
    tickInterval = stored(float, 0.0)
    spinBoxAlignment = stored(int, 4)
