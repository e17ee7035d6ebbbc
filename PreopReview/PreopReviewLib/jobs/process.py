"""The worker process as seen from outside: pipes that never block the caller, its log, its end."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from PreopReviewLib.jobs.protocol import Message, decode, encode

KEPT_LOGS = 8


class WorkerProcess:
    """One worker, from start to end. Three threads of its own read, write and wait, so that no method blocks.

    Attributes:
        ready: it has said so.
        log: its stderr, and what tasks print; None if no log could be written.
        returncode: set once it has ended, after its last message has been queued.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], logs: Path) -> None:
        """Raises OSError if the program cannot be started."""
        self.command, self.ready = command, False
        self.returncode: int | None = None
        self.log, stream = _new_log(logs)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream or subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        finally:
            if stream:
                stream.close()
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._reaped = False
        self._reader = threading.Thread(target=self._read, daemon=True, name="job messages")
        for thread in (
            self._reader,
            threading.Thread(target=self._write, daemon=True, name="job requests"),
            threading.Thread(target=self._wait, daemon=True, name="job end"),
        ):
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self.returncode is None

    def send(self, message: Message) -> None:
        """Queues a message for the worker; nothing happens if it has ended."""
        self._outbox.put(encode(message))

    def take(self) -> Message | None:
        """The next message of the worker, if there is one. The last of all is of type ``ended``."""
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    def kill(self) -> None:
        """Ends the worker and every process it has started, without waiting."""
        if os.name == "nt":
            threading.Thread(target=self._kill_tree_on_windows, daemon=True, name="job kill").start()
            return
        with self._guard:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Waits for the end; whether it has come."""
        return self._ended.wait(seconds)

    def last_words(self) -> str:
        """The last line of the log, e.g. the ImportError that ended the worker."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n") if self.log else []
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def discard(self, folder: Path) -> None:
        """Removes a folder as soon as no process of the worker can write into it any more."""

        def remove() -> None:
            self._ended.wait()
            shutil.rmtree(folder, ignore_errors=True)

        threading.Thread(target=remove, daemon=True, name="job scratch").start()

    def _read(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            if message := decode(line):
                self._inbox.put(message)

    def _write(self) -> None:
        stream: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        with contextlib.suppress(OSError, ValueError):  # it has ended: the waiting thread says so
            while (line := self._outbox.get()) is not None:
                stream.write(line)
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()

    def _wait(self) -> None:
        if hasattr(os, "waitid"):  # its number stays taken until we have ended what it left behind
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with self._guard:
                self._reaped = True
        code = self._process.wait()
        with self._guard:
            self._reaped = True
        self._reader.join(timeout=1.0)  # a process it has started may hold the pipe open
        self._outbox.put(None)
        self.returncode = code
        self._inbox.put({"type": "ended", "code": code})
        self._ended.set()

    def _kill_tree_on_windows(self) -> None:
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(self.pid)],
            check=False,
            capture_output=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def _new_log(folder: Path) -> tuple[Path | None, IO[bytes] | None]:
    """A new log file; only the latest few are kept. (None, None) where none can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = sorted(folder.glob("worker-*.log"), key=lambda p: p.name)
        for path in old[: max(len(old) - KEPT_LOGS + 1, 0)]:
            with contextlib.suppress(OSError):  # another Slicer is writing it
                path.unlink()
        path = folder / f"worker-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}.log"
        return path, path.open("xb")
    except OSError:
        return None, None
