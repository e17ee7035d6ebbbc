"""Timers of panels; none runs before it is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def single_shot(milliseconds: int, callback: Callable[[], None]) -> Any:
    """A timer that calls once after each start."""
    timer = repeating(milliseconds, callback)
    timer.setSingleShot(True)
    return timer


def repeating(milliseconds: int, callback: Callable[[], None]) -> Any:
    """A timer that calls again and again after its start."""
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.connect("timeout()", callback)
    return timer
