"""A file that says who has something open, so that no one opens it twice by accident."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import socket
import time
from pathlib import Path

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.owner import runs, start_of
from PreopReviewLib.structured import read_json

WRITING_SECONDS = 10.0
"""A lock is written in far less time."""


class InUse(InputError):
    """Someone else has it open."""


class Lock:
    """Held from its creation to `release`.

    A lock that a crashed program of this computer has left is taken over silently, as is one that says nothing
    because its writer never came to the end.

    Args:
        path: of the lock file.
        who: named in the message to others.
        take_over: takes it from its current holder.

    Raises:
        InUse: someone else holds it.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, who: str, take_over: bool = False) -> None:
        self.path = path
        self._held = False
        mine = {
            "who": who,
            "computer": socket.gethostname(),
            "process": os.getpid(),
            "start": start_of(os.getpid()),
            "token": secrets.token_hex(8),
            "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        existing = self._raw()
        if existing is not None and (take_over or self._is_stale()):
            self._take_away(existing, mine["token"])
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            raise self._in_use() from None
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(mine, file)
        except BaseException:  # a full disk; an empty lock would keep everyone out
            path.unlink(missing_ok=True)
            raise
        self._mine = mine
        self._held = True

    def _raw(self) -> bytes | None:
        with contextlib.suppress(OSError):
            return self.path.read_bytes()
        return None

    def _take_away(self, expected: bytes, token: str) -> None:
        """Removes the lock that was found, and no other that someone has put there since."""
        aside = self.path.with_name(f"{self.path.name}-{token}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return  # someone else was faster
        try:
            if aside.read_bytes() != expected:
                with contextlib.suppress(OSError):
                    os.link(aside, self.path)
                raise self._in_use()
        finally:
            aside.unlink(missing_ok=True)

    def release(self) -> None:
        """Releases it for others; someone who took it over keeps it."""
        if self._held and self._read() == self._mine:
            self.path.unlink(missing_ok=True)
        self._held = False

    def _read(self) -> dict:
        with contextlib.suppress(PreopError):  # gone meanwhile, or just being written
            content = read_json(self.path)
            if isinstance(content, dict):
                return content
        return {}

    def _is_stale(self) -> bool:
        """Whether the process that left it, on this computer, no longer runs."""
        holder = self._read()
        if not holder:  # empty or damaged: someone is writing it at this moment, or crashed while doing so
            with contextlib.suppress(OSError):
                return time.time() - self.path.stat().st_mtime > WRITING_SECONDS
            return False
        if holder.get("computer") != socket.gethostname() or not isinstance(holder.get("process"), int):
            return False
        start = holder.get("start")
        return not runs(holder["process"], start if isinstance(start, int) else None)

    def _in_use(self) -> InUse:
        holder = self._read()
        where = f" on {holder['computer']}" if holder.get("computer") else ""
        since = f" since {holder['since'].replace('T', ' ')[:16]}" if isinstance(holder.get("since"), str) else ""
        return InUse(
            f"The work of {holder.get('who', 'this annotator')} is already open{where}{since}",
            "Close it there first; or, if no one is working on it, take it over",
        )
