"""The lines between runner and worker: JSON objects, one per line, each begun by the record separator of RFC 7464.

What a launcher, a library or a start-up script prints to the same pipe is no such line and is passed by.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

Message = dict[str, Any]
_MARK = b"\x1e"
SCRATCH = ".tmp"
"""Folder for temporary files of a task, inside the job's folder."""


def encode(message: Message) -> bytes:
    """One line, pure ASCII. Raises TypeError or ValueError for what JSON cannot hold."""
    return _MARK + json.dumps(message, default=_plain, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message | None:
    """The message of a line; None if it is not one."""
    start = line.rfind(_MARK)  # text without a line end may stand before it
    if start < 0:
        return None
    try:
        message = json.loads(line[start + 1 :])
    except ValueError:  # cut off when the worker died
        return None
    return message if isinstance(message, dict) and "type" in message else None


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays, and paths, which tasks are prone to return."""
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent between processes")
