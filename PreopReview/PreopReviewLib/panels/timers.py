"""Timers of panels; none runs before it is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def single_shot(milliseconds: int, callback: Callable[[], None], owner: Any = None) -> Any:
    """A timer that calls once after each start.

    Args:
        owner: a widget; where it is deleted before, no call follows.
    """
    timer = repeating(milliseconds, callback, owner)
    timer.setSingleShot(True)
    return timer


def repeating(milliseconds: int, callback: Callable[[], None], owner: Any = None) -> Any:
    """A timer that calls again and again after its start; `owner` as for `single_shot`."""
    timer = qt.QTimer() if owner is None else qt.QTimer(owner)
    timer.setInterval(milliseconds)
    timer.connect("timeout()", callback)
    return timer
