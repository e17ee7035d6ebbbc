"""Surfaces of what a panel has just shown, made between events: numbers and slices do not wait for them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from LiverPlannerLib.scene.parts import Part, add_surfaces, part_surfaces_steps
from LiverPlannerLib.scene.segments import Grid
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.resting_views import resting_views


class LaterSurfaces:
    """The surfaces of one node, made in steps; those of an outdated state are dropped.

    Args:
        done: called when all are there.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._node: Any | None = None
        self._steps: Generator[None, None, list[tuple[str, Any]]] | None = None
        self._timer = timers.single_shot(0, self._step)

    @property
    def awaited(self) -> bool:
        """Whether they are not there yet."""
        return self._steps is not None

    def start(self, node: Any, grid: Grid, parts: Sequence[Part]) -> None:
        """Makes those of parts that `show_parts` shows without."""
        self._node, self._steps = node, part_surfaces_steps(grid, parts)
        self._timer.start()

    def stop(self) -> None:
        """What is not there yet is not wanted any more."""
        self._node = self._steps = None
        self._timer.stop()

    def _step(self) -> None:
        if self._steps is None:
            return
        if self._node.GetScene() is None:  # deleted meanwhile
            self.stop()
            return
        try:
            next(self._steps)
        except StopIteration as done:
            node = self._node
            self.stop()
            with resting_views():
                add_surfaces(node, done.value)
                self._done()
            return
        self._timer.start()
