"""Stops by hand that wait for the end of an iteration, so that the checkpoint that they leave is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PreopReviewLib.errors import Cancelled
from PreopReviewLib.stopping import SIGNALS


@contextmanager
def stops_deferred() -> Iterator[list[int]]:
    """A list that gets the number of one of `stopping.SIGNALS` when it comes; a second one is obeyed at once.

    Outside of the main thread, where Python handles no signals, nothing is changed.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, _frame: object) -> None:
        asked.append(number)
        restore()

    for number in SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield asked
    finally:
        restore()


def stopped_by_hand(number: int, place: str) -> Cancelled:
    """The error of a run that was stopped; its exit code is the shell's for the signal."""
    error = Cancelled(f"Stopped at {place}; the checkpoint is written", "Resume the run to continue", "resume")
    error.exit_code = 128 + number
    return error
