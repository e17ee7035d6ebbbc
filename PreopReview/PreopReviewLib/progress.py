"""Progress and cancellation, independent of who shows them (a terminal, a panel, a test)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Event
from typing import TypeVar

from PreopReviewLib.errors import Cancelled

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a few words saying what is being done."""
T = TypeVar("T")


def at_once(steps: Generator[None, None, T]) -> T:
    """Does all steps of some work one after another, and gives back what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def silent(fraction: float, words: str) -> None:
    """The progress that shows nothing."""


def within(progress: Progress, start: float, end: float) -> Progress:
    """A progress for one step that fills `start` to `end` of the whole."""

    def step(fraction: float, words: str) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), words)

    return step


class CancelToken:
    """A flag that another thread may set and that long computations look at between windows."""

    def __init__(self) -> None:
        self._event = Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled once `cancel` has been called."""
        if self._event.is_set():
            raise Cancelled("Cancelled", "Nothing was written")
