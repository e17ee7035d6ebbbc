"""Python packages that the first job of a panel needs in Slicer's process, imported while no one waits for anything."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from PreopReviewLib.panels import timers

AFTER_MS, BETWEEN_MS = 1500, 100
NAMES = ("SimpleITK", "PreopReviewLib.images", "PreopReviewLib.scene.nodes", "vtkmodules.vtkIOXML", "slicer.packaging")
NAMES += ("PreopReviewLib.panels.dependencies",)
"""Each takes 20 to 150 ms the first time, most of it to load a library, which nothing can divide."""


class ImportsAhead:
    """Imports one after another, an event each; then looks whether torch is there, which means a thousand files.

    Args:
        owner: a widget; when it is deleted, no more are imported.
        names: further modules, of the panel itself.
    """

    def __init__(self, owner: Any, names: Sequence[str] = ()) -> None:
        self._names = [*NAMES, *names, ""]
        self._timer = timers.single_shot(AFTER_MS, self._next, owner)

    def start(self) -> None:
        """A moment from now: first the panel that was opened is drawn."""
        if self._names:
            self._timer.start()

    def _next(self) -> None:
        name = self._names.pop(0)
        try:
            if name:
                import_module(name)
            else:
                import_module("PreopReviewLib.panels.dependencies").look_for_torch()
        except ImportError:
            self._names.clear()  # whoever needs it says so
        self._timer.setInterval(BETWEEN_MS)
        self.start()
