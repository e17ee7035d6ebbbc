"""Ctrl-C, SIGTERM and SIGHUP as one exception, so that whatever is open is closed and cleaned up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """The program was told to stop."""


class _State:
    asked: int | None = None
    """The first signal since `listening`."""
    deferred = False
    depth = 0
    process = 0


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """In the block, each of `SIGNALS` raises `Stopped` in the main thread; one that is ignored stays ignored.

    Where Python cannot pass it on (a finalizer, a hook of a fork) it prints nothing; `asked` still says so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.asked, _State.deferred, _State.process = None, False, os.getpid()
    before = {s: signal.getsignal(s) for s in SIGNALS}
    inside = _on_signal in before.values()
    hook = sys.unraisablehook

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, Stopped):
            hook(lost)

    sys.unraisablehook = unraisable
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _on_signal)
        yield
    finally:
        sys.unraisablehook = hook
        _State.deferred = False
        if not inside:  # what one run was told does not stop the next one of this process
            _State.asked = None
        for number, handler in before.items():
            if os.getpid() == _State.process and handler is not None:
                signal.signal(number, handler)


def asked() -> int | None:
    """The signal that told this program to stop, if one did."""
    return _State.asked


def go_deaf() -> None:
    """From here on the signals are ignored: the program is ending already, and cleans up."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A signal that comes during the block takes effect after it."""
    if threading.current_thread() is not threading.main_thread():  # signals are handled in the main thread only
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        if _State.deferred and not _State.depth:  # also where the block has failed: who was told to stop does not go on
            _State.deferred = False
            raise Stopped


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if os.getpid() != _State.process:  # a forked child: as if we had never listened
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    _State.asked = _State.asked or number
    if _State.depth:
        _State.deferred = True
        return
    raise Stopped
