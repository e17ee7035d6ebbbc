"""Standard output and error that take every character and survive being closed or full."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator


class Raw(io.RawIOBase):
    """Writes to another raw stream; once that fails, what comes is dropped and the error kept."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.error is None:
            try:
                return self._stream.write(data) or 0
            except OSError as error:
                self.error = error
        return len(data)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


@contextlib.contextmanager
def forgiving() -> Iterator[list[Raw]]:
    """In the block, writing to stdout and stderr raises nothing; yields the raw streams, for their errors.

    A closed stream becomes the null device, so that no file gets its number and the output of others with it.
    Streams that are not the process's own, such as those of a test, stay as they are.
    """
    before = sys.stdout, sys.stderr
    raws: list[Raw] = []
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        _fill(number)
        stream = getattr(sys, name)
        if number and stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif number and stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):
                stream.flush()
            raws.append(Raw(getattr(stream.buffer, "raw", stream.buffer)))  # bare where PYTHONUNBUFFERED is set
            setattr(sys, name, _text(raws[-1], stream))
    try:
        yield raws
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def failure(raws: list[Raw]) -> OSError | None:
    """Why stdout could not be written; None if it could, or if its reader just had enough."""
    error = next((raw.error for raw in raws if raw.fileno() == 1), None)
    return None if error is None or error.errno in (errno.EPIPE, errno.EBADF) else error


def _text(raw: Raw, like: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), like.encoding, "replace", line_buffering=like.line_buffering or raw.isatty()
    )


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        handle = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)
