"""Surfaces of the structures, made one at a time behind what the reader does; slices never wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

PAUSE_S, PATIENCE_S = 1.0, 10.0
"""No surface is made before the reader has rested for so long, or has not rested for so long."""
YIELD_S = 0.02
"""Between two surfaces, for what has come in."""


class SurfaceQueue:
    """Segments that await their surface.

    Attributes:
        waiting: their keys, first come first.
    """

    def __init__(
        self, make: Callable[[str], None], touched: Callable[[], float], first_made: Callable[[], None]
    ) -> None:
        """Needs a running event loop when it is asked.

        Args:
            make: makes the surface of one segment.
            touched: when the reader last did something, by the monotonic clock.
            first_made: called when all are made that were asked for after `clear`.
        """
        self.waiting: list[str] = []
        self._make, self._touched, self._first_made = make, touched, first_made
        self._is_first = True
        self._task: asyncio.Task[None] | None = None
        self._asked = 0.0

    def ask(self, keys: Iterable[str], after_s: float = 0.0) -> None:
        """Surfaces of segments, each once, when there is time.

        Args:
            after_s: not before.
        """
        self.waiting += [key for key in keys if key not in self.waiting]
        self._asked = time.monotonic() + after_s
        if self.waiting and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work())

    def clear(self) -> None:
        """Forgets all."""
        self.waiting.clear()
        self._is_first = True

    async def _work(self) -> None:
        while self.waiting:
            rested = max(self._touched(), self._asked) + PAUSE_S
            rest = min(rested, self._asked + PATIENCE_S) - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)
                continue
            self._make(self.waiting.pop(0))
            if not self.waiting and self._is_first:
                self._is_first = False
                self._first_made()
            await asyncio.sleep(YIELD_S)
