"""How views are drawn for a page: the one in which the reader does something at once, the others when that rests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from trame_slicer.rca_view import RemoteSliceViewFactory, RemoteThreeDViewFactory
from trame_slicer.views import ScheduledRenderStrategy

QUALITY = 90
"""JPEG quality, also of moving pictures: with the one that a still picture has, none is drawn twice."""
FRAMES_A_SECOND = 30.0
REST_S = 0.3
"""Other views follow when the pointer has rested in one for so long."""
POINTER_EVENTS = (
    "MouseMoveEvent",
    "LeftButtonPressEvent",
    "LeftButtonReleaseEvent",
    "MiddleButtonPressEvent",
    "RightButtonPressEvent",
    "MouseWheelForwardEvent",
    "MouseWheelBackwardEvent",
)
_OPTIONS = {"target_fps": FRAMES_A_SECOND, "blur_fps": FRAMES_A_SECOND, "interactive_quality": QUALITY}


class Attention:
    """In which view the pointer does something.

    Attributes:
        touched: when it last did, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.touched = 0.0
        self._view: Any = None

    def touch(self, view: Any) -> None:
        """The pointer does something in a view."""
        self._view, self.touched = view, time.monotonic()

    def is_elsewhere(self, view: Any) -> bool:
        """Whether the reader is busy in another view."""
        return self._view is not view and time.monotonic() - self.touched < REST_S


class PatientRendering(ScheduledRenderStrategy):
    """Draws a view at once, or after a rest where the reader is busy in another one."""

    def __init__(self, view: Any, attention: Attention, draw: Callable[[], None]) -> None:
        super().__init__()
        self._view, self._attention, self._draw = view, attention, draw
        self._handle: asyncio.TimerHandle | None = None

    def schedule_render(self) -> None:
        """The latest asking wins."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._attention.is_elsewhere(self._view):
            self._handle = asyncio.get_running_loop().call_later(REST_S, self.schedule_render)
        else:
            self._draw()


class SliceViewFactory(RemoteSliceViewFactory):
    """Slices, without multisampling: it doubles their time on a processor and does nothing for an image."""

    def __init__(self, server: Any, attention: Attention, **options: Any) -> None:
        super().__init__(server, **_OPTIONS, **options)
        self._attention = attention

    def _create_view(self, *args: Any) -> Any:
        view = super()._create_view(*args)
        view.slicer_view.render_window().SetMultiSamples(0)
        return _patient(view, self._attention)


class ThreeDViewFactory(RemoteThreeDViewFactory):
    """3D views, without depth peeling: it is slow on a processor, and with multisampling it draws nothing."""

    def __init__(self, server: Any, attention: Attention, **options: Any) -> None:
        super().__init__(server, **_OPTIONS, **options)
        self._attention = attention

    def _create_view(self, *args: Any) -> Any:
        view = super()._create_view(*args)
        view.slicer_view.renderer().SetUseDepthPeeling(False)
        return _patient(view, self._attention)


def _patient(created: Any, attention: Attention) -> Any:
    view = created.slicer_view
    view.set_scheduled_render(PatientRendering(view, attention, created.view_adapter.schedule_render))
    for event in POINTER_EVENTS:
        view.interactor().AddObserver(event, lambda *_: attention.touch(view), 1.0)  # before what answers the event
    return created
