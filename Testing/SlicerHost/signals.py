"""PythonQt's `object.connect("signal(types)", callable)`, over PySide6's signals.

Like PythonQt a Python function gets as many arguments as it takes and the signal gives; any other callable
(functools.partial, an object with `__call__`) gets all of them. Unlike PythonQt, which prints a line and goes on, an
unknown signal raises.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from PySide6.QtCore import QObject

_SIGNATURE = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*$")
# (address of the sender, signal, callable): what PySide6 was given in its place
_connected: dict[tuple[int, str, Any], Any] = {}


def connect(sender: QObject, signal: str, *receiver: Any) -> bool:
    """`connect(signal, callable)` or `connect(signal, object, "slot()")`.

    Raises:
        AttributeError: the sender has no such signal.
        TypeError: the receiver cannot be called.
    """
    target = _target(receiver)
    count = _arguments(signal)
    taken = _taken(target)
    used = count if taken is None else min(taken, count)

    def call(*arguments: Any) -> Any:
        return target(*arguments[:used])

    key = (id(sender), _canonical(signal), target)
    _bound(sender, signal).connect(call)
    _connected[key] = call
    # Addresses are given again to later objects, so what is known of a sender goes with it.
    sender.destroyed.connect(lambda *_: _connected.pop(key, None))
    return True


def disconnect(sender: QObject, signal: str, *receiver: Any) -> bool:
    """Undoes `connect`; False where there was no such connection."""
    call = _connected.pop((id(sender), _canonical(signal), _target(receiver)), None)
    if call is None:
        return False
    _bound(sender, signal).disconnect(call)
    return True


def _target(receiver: tuple[Any, ...]) -> Any:
    if len(receiver) == 2 and isinstance(receiver[0], QObject) and isinstance(receiver[1], str):
        return getattr(receiver[0], receiver[1].split("(")[0])
    if len(receiver) == 1 and callable(receiver[0]):
        return receiver[0]
    raise TypeError(f"connect() takes a callable, or an object and the name of its slot, not {receiver!r}")


def _canonical(signal: str) -> str:
    return re.sub(r"\s+", "", signal)


def _arguments(signal: str) -> int:
    types = (_SIGNATURE.match(signal) or [None, None, ""])[2] or ""
    return len([t for t in types.split(",") if t.strip()])


def _bound(sender: QObject, signal: str) -> Any:
    match = _SIGNATURE.match(signal)
    if match is None:
        raise AttributeError(f"{signal!r} is not a signature of a signal")
    name, types = match.groups()
    bound = getattr(sender, name, None)
    if bound is None or not hasattr(bound, "emit"):
        raise AttributeError(f"{type(sender).__name__} has no signal {name!r}")
    try:
        return bound[types] if types else bound
    except (IndexError, KeyError):
        return bound  # of our own classes: declared with Python types, of which there is one


def _taken(target: Any) -> int | None:
    """How many arguments a Python function takes; None for any other callable and for *args."""
    function = target.__func__ if inspect.ismethod(target) else target
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - inspect.ismethod(target)
