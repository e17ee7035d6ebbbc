"""VTK observers of widgets. A widget that Qt has deleted stops observing, as ctk's and Slicer's own do."""

from __future__ import annotations

import weakref
from typing import Any

import shiboken6
import vtk

_all: list[tuple[Any, int]] = []


def observe_nothing_any_more() -> None:
    """Removes every observer of every stand-in: a scene that is freed must not call Python that is freed as well."""
    while _all:
        watched, tag = _all.pop()
        watched.RemoveObserver(tag)


class Observing:
    """Mixed into a widget that follows MRML objects."""

    def _observe(self, watched: Any, event: Any, method: str, with_object: bool = False) -> None:
        """Calls `self.<method>(caller, event)` at each event, or with the object that the event is about as well."""
        this = weakref.ref(self)
        tags: list[int] = []

        def forward(caller: Any, what: str, *about: Any) -> None:
            widget = this()
            if widget is None or not shiboken6.isValid(widget):
                watched.RemoveObserver(tags[0])
                return
            getattr(widget, method)(caller, what, *about)

        if with_object:
            forward.CallDataType = vtk.VTK_OBJECT
        tags.append(watched.AddObserver(event, forward))
        self.__dict__.setdefault("_observed", []).append((watched, tags[0]))
        _all.append((watched, tags[0]))

    def _observe_nothing(self) -> None:
        for watched, tag in self.__dict__.pop("_observed", []):
            watched.RemoveObserver(tag)
