"""The log of one reader: one JSON object a line, only ever added to, on disk before the next question is shown.

A line that a crash has cut short is recognized by its missing line end and set aside; everything before it stands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PreopReviewLib.errors import InputError, OutputError, UnreadableImage
from PreopReviewLib.structured import parse_json

FORMAT = "preopreview-reader-log"
VERSION = 1


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The events of a log, the header first; a last line without an end is left out.

    Raises:
        UnreadableImage: a whole line that is not an event, or a file that is not a reader log.
    """
    raw = Path(path).read_bytes()
    events = []
    for number, line in enumerate(raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        try:
            event = parse_json(line, f"Line {number} of {path}")
        except UnreadableImage:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            raise UnreadableImage(f"Line {number} of {path} is not an event of a reader's log", "Restore the file")
        events.append(event)
    if events and (events[0].get("format") != FORMAT or events[0].get("version") != VERSION):
        raise UnreadableImage(f"{path} is not a reader's log of this version", "Choose another file")
    return events


class ReaderLog:
    """A log opened for adding, by one process at a time.

    Args:
        path: made if it is not there.

    Raises:
        InputError: another process writes it.
        OutputError: it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("a+b")
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror})", "Check the folder") from error
        if not _lock(self._file):
            self._file.close()
            raise InputError(f"{self.path} is open in another window", "Close the other one first")
        self._drop_cut_line()
        _sync_folder(self.path.parent)

    def _drop_cut_line(self) -> None:
        """Cuts off what a crash left half written."""
        self._file.seek(0)
        raw = self._file.read()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            self._file.truncate(whole)
            self._file.flush()
            os.fsync(self._file.fileno())

    def events(self) -> list[dict[str, Any]]:
        """What is in it."""
        return read_log(self.path)

    def add(self, event: Mapping[str, Any]) -> None:
        """Writes one event and waits until it is on disk.

        Raises:
            OutputError: the disk is full or gone; the log then ends with the event before.
        """
        line = json.dumps(dict(event), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                f"The answer cannot be written to {self.path} ({error.strerror})", "Free some space, then answer again"
            ) from error

    def close(self) -> None:
        """Releases the file."""
        if not self._file.closed:
            self._file.close()


def _lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            # Windows locks bytes: one far beyond the end stands for the file.
            file.seek(2**30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            return True
        except OSError:
            return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    """So that a new file's name is on disk too; where folders cannot be opened (Windows) nothing is needed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
