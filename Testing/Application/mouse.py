"""A mouse in the Slicer application: events as Qt gets them from the window system, sent to the widget below."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import qt
import slicer
import vtk

LEFT, RIGHT = qt.Qt.LeftButton, qt.Qt.RightButton
SECONDS = {"click": 2.65, "drag": 3.75, "key": 0.28}
"""What an act takes a person, by the keystroke-level model (Card, Moran and Newell, Commun ACM 1980;23:396): to think
1.35 s, to point 1.1 s, each press or release 0.1 s; a key 0.28 s."""
acts: list[str] = []
"""What has been done, see `SECONDS`."""


def seconds_of_a_person() -> float:
    """How long a person would have taken for all that was done, without waiting for the program."""
    return sum(SECONDS[act] for act in acts)


def work(seconds: float = 0.0) -> None:
    """Lets the application work for a time."""
    end = time.monotonic() + seconds
    slicer.app.processEvents()
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.005)


def wait(condition: Any, seconds: float = 120.0) -> None:
    """Until a condition holds.

    Raises:
        AssertionError: it does not in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        work(0.05)


def click(widget: Any, place: tuple[float, float] | None = None, button: int = LEFT) -> None:
    """A click on a widget, in its middle or elsewhere; what can be scrolled is scrolled to it.

    Raises:
        AssertionError: a person could not click there.
    """
    _bring_into_view(widget)
    assert widget.visible, f"{widget.name or widget.className()} is not there"
    assert widget.enabled, f"{widget.name or widget.className()} is off: {widget.toolTip}"
    x, y = place or (widget.width / 2, widget.height / 2)
    _send(widget, qt.QEvent.MouseMove, x, y, qt.Qt.NoButton, qt.Qt.NoButton)
    _send(widget, qt.QEvent.MouseButtonPress, x, y, button, button)
    _send(widget, qt.QEvent.MouseButtonRelease, x, y, button, qt.Qt.NoButton)
    acts.append("click")
    work(0.1)


def click_tab(tabs: Any, index: int) -> None:
    """A click on a tab of a QTabBar."""
    place = tabs.tabRect(index).center()
    click(tabs, (place.x(), place.y()))
    work(0.3)


def press(widget: Any, key: int, text: str = "") -> None:
    """A key, for the widget that was clicked before."""
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QCoreApplication.sendEvent(widget, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, text))
    acts.append("key")
    work(0.05)


def choose(box: Any, words: str) -> None:
    """A row of a combo box: a click opens its list, the first letters of a row find it, and Enter takes it."""
    click(box)
    view = box.view()
    interval = slicer.app.keyboardInputInterval
    slicer.app.keyboardInputInterval = 5000  # a busy machine would take the letters for beginnings of words
    view.keyboardSearch("")  # else the letters would go on with those of the last choice
    for letter in words:
        press(view, 0, letter)
    slicer.app.keyboardInputInterval = interval
    press(view, qt.Qt.Key_Return)
    work(0.2)


def drag(widget: Any, start: Sequence[float], end: Sequence[float], steps: int = 12) -> None:
    """Presses, moves and lets go."""
    _send(widget, qt.QEvent.MouseMove, *start, qt.Qt.NoButton, qt.Qt.NoButton)
    work(0.05)
    _send(widget, qt.QEvent.MouseButtonPress, *start, LEFT, LEFT)
    for n in range(1, steps + 1):
        place = [a + (b - a) * n / steps for a, b in zip(start, end, strict=True)]
        _send(widget, qt.QEvent.MouseMove, *place, qt.Qt.NoButton, LEFT)
        work(0.02)
    _send(widget, qt.QEvent.MouseButtonRelease, *end, LEFT, qt.Qt.NoButton)
    acts.append("drag")
    work(0.1)


def _send(widget: Any, kind: int, x: float, y: float, button: int, buttons: int) -> None:
    there = qt.QPointF(widget.mapToGlobal(qt.QPoint(int(x), int(y))))
    event = qt.QMouseEvent(kind, qt.QPointF(x, y), there, button, buttons, qt.Qt.NoModifier)
    qt.QCoreApplication.sendEvent(widget, event)


def _bring_into_view(widget: Any) -> None:
    parent = widget.parent()
    while parent is not None:
        if parent.inherits("QScrollArea"):
            parent.ensureWidgetVisible(widget, 10, 40)
        parent = parent.parent()
    work()


class SliceMouse:
    """A mouse in a slice view, at places of the patient.

    Args:
        name: ``Red``, ``Green`` or ``Yellow``.
    """

    def __init__(self, name: str) -> None:
        self._widget = slicer.app.layoutManager().sliceWidget(name)
        self._view = self._widget.sliceView().VTKWidget()

    def look_at(self, ras: Sequence[float]) -> None:
        """Jumps to a place and centers on it."""
        self._widget.mrmlSliceNode().JumpSliceByCentering(*ras)
        work(0.2)

    def _place(self, ras: Sequence[float]) -> tuple[float, float]:
        back = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._widget.mrmlSliceNode().GetXYToRAS(), back)
        x, y, _z, _one = back.MultiplyPoint([*ras, 1.0])
        ratio = self._view.devicePixelRatioF()
        return x / ratio, self._view.height - y / ratio

    def click(self, ras: Sequence[float], button: int = LEFT) -> None:
        """A click at a place, RAS mm."""
        x, y = self._place(ras)
        _send(self._view, qt.QEvent.MouseMove, x, y, qt.Qt.NoButton, qt.Qt.NoButton)
        work(0.05)
        _send(self._view, qt.QEvent.MouseButtonPress, x, y, button, button)
        _send(self._view, qt.QEvent.MouseButtonRelease, x, y, button, qt.Qt.NoButton)
        acts.append("click")
        work(0.1)

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        """From one place to another, RAS mm."""
        drag(self._view, self._place(start), self._place(end))


def drag_plane(plane: Any, mm: float) -> list[float]:
    """Drags a markups plane by the handle at its origin in the coronal view, so far to the right of the patient: where
    it was."""
    green, before = SliceMouse("Green"), list(plane.GetOriginWorld())
    green.look_at(before)
    green.drag(before, [before[0] + mm, before[1], before[2]])
    return before


class ThreeDMouse:
    """A mouse in the first 3D view, at places of the patient."""

    def __init__(self) -> None:
        self._view = slicer.app.layoutManager().threeDWidget(0).threeDView()
        self._widget = self._view.VTKWidget()

    def look_from_the_front(self) -> None:
        """Fits everything into the view."""
        self._view.rotateToViewAxis(3)
        self._view.resetFocalPoint()
        work(0.3)

    def _place(self, ras: Sequence[float]) -> tuple[float, float]:
        renderer = self._view.renderWindow().GetRenderers().GetFirstRenderer()
        renderer.SetWorldPoint(*ras, 1.0)
        renderer.WorldToDisplay()
        x, y, _depth = renderer.GetDisplayPoint()
        ratio = self._widget.devicePixelRatioF()
        return x / ratio, self._widget.height - y / ratio

    def move(self, ras: Sequence[float]) -> None:
        """Over a place, RAS mm."""
        _send(self._widget, qt.QEvent.MouseMove, *self._place(ras), qt.Qt.NoButton, qt.Qt.NoButton)
        work(0.2)

    def click(self, ras: Sequence[float]) -> None:
        """On a place, RAS mm."""
        self.move(ras)
        x, y = self._place(ras)
        _send(self._widget, qt.QEvent.MouseButtonPress, x, y, LEFT, LEFT)
        _send(self._widget, qt.QEvent.MouseButtonRelease, x, y, LEFT, qt.Qt.NoButton)
        acts.append("click")
        work(0.2)
