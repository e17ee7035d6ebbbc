"""Work shared out between two threads, of which the second may never come to life.

A thread that finds no memory for its first steps ends before it says that it has begun, and ``Thread.start``, which
waits for that word, waits without end (https://github.com/python/cpython/issues/140746); pools of threads start theirs
that way. Here nobody waits for a thread, only for an item that it has taken.
"""

from __future__ import annotations

import _thread
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")
_NOTHING = object()


def in_two_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``work(item)`` of each item, in their order, by this thread and a second one.

    Raises:
        What `work` raises for one of them; the others may then be left out.
    """
    left = deque(range(len(items)))
    results: list[object] = [_NOTHING] * len(items)
    errors: list[BaseException] = []
    busy = threading.Lock()

    def take() -> bool:
        try:
            index = left.popleft()
        except IndexError:
            return False
        results[index] = work(items[index])
        return True

    def beside() -> None:
        more = True
        while more:
            with busy:
                try:
                    more = take()
                except BaseException as error:  # for the other thread, which raises it
                    more = False
                    left.clear()
                    errors.append(error)

    if len(items) > 1:
        with contextlib.suppress(RuntimeError, MemoryError):  # then this thread does it all
            _thread.start_new_thread(beside, ())
    try:
        while take():
            pass
    finally:
        left.clear()
        with busy:
            pass
    if errors:
        raise errors[0]
    if any(result is _NOTHING for result in results):  # its thread had no memory even to say so
        raise MemoryError
    return cast("list[Result]", results)
