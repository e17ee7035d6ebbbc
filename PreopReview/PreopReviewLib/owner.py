"""Which process made something: written down so that another one can tell whether it still runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from functools import lru_cache
from pathlib import Path

_FORM = re.compile(r"([0-9a-f]{8})\.(\d{1,10})\.(\d{1,20})")


def owner() -> str:
    """This process, as a part of a file's name: ``COMPUTER.PROCESS.START``, the start 0 where it is not known."""
    return f"{_computer()}.{os.getpid()}.{start_of(os.getpid()) or 0}"


def is_dead(name: str) -> bool:
    """Whether the process that `owner` named ran on this computer and does not run any more.

    False for another computer, or for text that does not name an owner.
    """
    match = _FORM.fullmatch(name)
    if not match or match[1] != _computer():
        return False
    return not runs(int(match[2]), int(match[3]) or None)


def runs(process: int, start: int | None = None) -> bool:
    """Whether a process of this computer with that number is alive.

    Args:
        start: what `start_of` said when it was written down; a process with the number that has started at another
            time is another one. None is not compared.
    """
    if process <= 0:
        return False
    if os.name == "nt":  # os.kill would end it there
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # type: ignore[attr-defined]
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)  # type: ignore[attr-defined]
        return bool(handle)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return start is None or start_of(process) in (None, start)


def start_of(process: int) -> int | None:
    """When a process of this computer started, in a unit of the system's own; None where it does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()  # a program's name may hold spaces and brackets
    if fields[0] in (b"Z", b"X"):
        return -1  # ended, but not yet waited for
    return int(fields[19])


@lru_cache(maxsize=1)
def _computer() -> str:
    name = socket.gethostname()
    with contextlib.suppress(OSError, AttributeError):  # containers may share a name, but not the numbers of processes
        name += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(name.encode()).hexdigest()[:8]
