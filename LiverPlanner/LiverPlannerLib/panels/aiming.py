"""Where the mouse points: a place in a slice view, or a line of sight in a 3D view; and clicks there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer

from LiverPlannerLib.vessels.aim import Sight

FIRST = 10.0
"""Before Slicer's own observers of the mouse, whose priority is 0: what is lit is known when they place a point."""

STILL_PIXELS = 3
"""Pressed and let go within so many pixels it was a click; farther, the camera was turned."""


class Aiming:
    """Watches the mouse in all slice and 3D views between `start` and `stop`.

    Args:
        moved: called with a place (RAS) in a slice view, or a `Sight` in a 3D view.
        clicked: called alike when the left button was pressed and let go; None where no one asks.

    Attributes:
        sight: the line of sight while the mouse is in a 3D view, else None.
    """

    def __init__(
        self,
        moved: Callable[[np.ndarray | Sight], None],
        clicked: Callable[[np.ndarray | Sight], None] | None = None,
    ) -> None:
        self._moved, self._clicked = moved, clicked
        self._tags: list[tuple[Any, int]] = []
        self._pressed: tuple[int, int] | None = None
        self._place: np.ndarray | None = None
        self.sight: Sight | None = None

    @property
    def active(self) -> bool:
        """Whether the mouse is being watched."""
        return bool(self._tags)

    def start(self) -> None:
        """Begins."""
        if self.active:
            return
        cross = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if cross is not None:
            self._observe(cross, cross.CursorPositionModifiedEvent, self._on_cursor)
        manager = slicer.app.layoutManager()
        for n in range(manager.threeDViewCount if manager is not None else 0):
            view = manager.threeDWidget(n).threeDView()
            mouse = view.interactor()
            self._observe(mouse, "MouseMoveEvent", lambda caller, _event, v=view: self._on_move(caller, v))
            self._observe(mouse, "LeaveEvent", lambda *_args: self._leave())
            self._watch_clicks(mouse)
        for name in manager.sliceViewNames() if manager is not None and self._clicked is not None else ():
            self._watch_clicks(manager.sliceWidget(name).sliceView().interactor())

    def stop(self) -> None:
        """Ends."""
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags, self.sight, self._pressed, self._place = [], None, None, None

    def _observe(self, node: Any, event: Any, callback: Callable[..., None]) -> None:
        self._tags.append((node, node.AddObserver(event, callback, FIRST)))

    def _watch_clicks(self, mouse: Any) -> None:
        if self._clicked is not None:
            self._observe(mouse, "LeftButtonPressEvent", lambda caller, _event: self._press(caller))
            self._observe(mouse, "LeftButtonReleaseEvent", lambda caller, _event: self._release(caller))

    # ---- events ----

    def _on_cursor(self, cross: Any, *_args: Any) -> None:
        place = [0.0, 0.0, 0.0]
        if self.sight is not None and cross.GetCursorPositionXYZ([0.0, 0.0, 0.0]) is None:
            return  # Slicer's cursor lies on the foremost surface, which is mostly the liver's
        self.sight, self._place = None, None
        if cross.GetCursorPositionRAS(place):
            self._place = np.array(place)
            self._moved(self._place)

    def _on_move(self, mouse: Any, view: Any) -> None:
        self.sight = sight_of(view, mouse.GetEventPosition())
        self._moved(self.sight)

    def _leave(self) -> None:
        self.sight = None

    def _press(self, mouse: Any) -> None:
        self._pressed = mouse.GetEventPosition()

    def _release(self, mouse: Any) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None or max(abs(a - b) for a, b in zip(pressed, mouse.GetEventPosition(), strict=True)) > (
            STILL_PIXELS
        ):
            return
        aimed = self.sight if self.sight is not None else self._place
        if aimed is not None and self._clicked is not None:
            self._clicked(aimed)


def sight_of(view: Any, position: tuple[int, int]) -> Sight:
    """The line of sight through a pixel of a 3D view.

    Args:
        view: qMRMLThreeDView.
        position: of its interactor, from the lower left corner.
    """
    renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
    ends = []
    for depth in (0.0, 1.0):
        renderer.SetDisplayPoint(position[0], position[1], depth)
        renderer.DisplayToWorld()
        world = np.array(renderer.GetWorldPoint())
        ends.append(world[:3] / world[3])
    along = ends[1] - ends[0]
    return Sight(ends[0], along / np.linalg.norm(along))
