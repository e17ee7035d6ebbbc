"""The worker process: ``python -m PreopReviewLib.jobs.worker``; started by `runner`, not by hand.

A task is a function ``task(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict`` named
``module:function``. What it prints goes to the log. Its result must be plain data and small: images go through files
in the folder. Between tasks, imported modules and kept networks (`PreopReviewLib.inference.warm`) stay.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PreopReviewLib.errors import Cancelled
from PreopReviewLib.inference import warm
from PreopReviewLib.jobs.failure import describe
from PreopReviewLib.jobs.protocol import SCRATCH, Message, decode, encode
from PreopReviewLib.progress import CancelToken

KEPT_NETWORKS = 3
PAUSE = 0.05
"""Seconds between two progress messages."""


class Channel:
    """The protocol's two ends in this process; afterwards, stdin is empty and stdout is the log."""

    def __init__(self) -> None:
        self.reading: BinaryIO = os.fdopen(os.dup(0), "rb")
        self._writing: BinaryIO = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)

    def send(self, message: Message) -> None:
        line = encode(message)
        with self._lock:
            self._writing.write(line)
            self._writing.flush()


class Reporter:
    """Progress of one job: at most one message in `PAUSE` seconds, the last one never lost, never backwards."""

    def __init__(self, channel: Channel, number: int) -> None:
        self._channel, self._number = channel, number
        self._latest: tuple[float, str] | None = None
        self._farthest = 0.0
        self._change = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._send, daemon=True, name="progress")
        self._thread.start()

    def __call__(self, fraction: float, words: str) -> None:
        with self._change:
            if fraction == fraction:  # not NaN
                self._farthest = max(self._farthest, min(float(fraction), 1.0))
            self._latest = (self._farthest, str(words))
            self._change.notify()

    def close(self) -> None:
        """Sends what is left."""
        with self._change:
            self._open = False
            self._change.notify()
        self._thread.join()

    def _send(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._latest is not None or not self._open)
                latest, self._latest = self._latest, None
                if latest is None:
                    return
            fraction, words = latest
            self._channel.send({"type": "progress", "id": self._number, "fraction": fraction, "words": words})
            if self._open:
                time.sleep(PAUSE)


class Inbox:
    """Reads requests in a thread: jobs are queued, a cancellation is carried out at once, the end ends us."""

    def __init__(self, channel: Channel, own_group: bool) -> None:
        self._jobs: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock, self._open = threading.Lock(), True
        self._channel, self._own_group = channel, own_group
        self._tokens: dict[int, CancelToken] = {}
        threading.Thread(target=self._read, daemon=True, name="requests").start()

    def next_job(self, seconds: float) -> Message | None:
        """The next request; None, and no later one is accepted, if none has come in time."""
        with contextlib.suppress(queue.Empty):
            return self._jobs.get(timeout=seconds)
        with self._lock:
            self._open = not self._jobs.empty()  # what was accepted in the meantime is done
            return self._jobs.get() if self._open else None

    def close(self) -> None:
        """Accepts no more."""
        with self._lock:
            self._open = False

    def token(self, number: int) -> CancelToken:
        return self._tokens.setdefault(number, CancelToken())

    def forget(self, number: int) -> None:
        self._tokens.pop(number, None)

    def _read(self) -> None:
        for line in self._channel.reading:
            message = decode(line)
            if message is None:
                continue
            if message["type"] == "run":
                with self._lock:
                    if self._open:
                        self._channel.send({"type": "accepted", "id": message["id"]})
                        self._jobs.put(message)
            elif message["type"] == "cancel":
                self.token(message["id"]).cancel()
        end_tree(self._own_group)  # our parent is gone or wants us gone


def end_tree(own_group: bool) -> None:
    """Ends this process and those it started, at once."""
    if own_group and os.name != "nt":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(os.getpid())], check=False, capture_output=True)
    os._exit(0)


def find_task(name: str) -> Callable[..., dict]:
    """The function of ``module:function``."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[None]:
    """Temporary files of the block, and of processes it starts, lie in the job's folder and go with it."""
    place = folder / SCRATCH
    place.mkdir(exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(place)
    names = ("TMPDIR", "TEMP", "TMP")
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(place)))
    try:
        yield
    finally:
        tempfile.tempdir = before
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(place, ignore_errors=True)


def work(request: Message, token: CancelToken, progress: Callable[[float, str], None]) -> Message:
    """Runs one task and returns the message about its end."""
    folder = Path(request["folder"])
    try:
        token.raise_if_cancelled()
        with scratch(folder):
            result = find_task(request["task"])(request["parameters"], folder, progress, token)
        message = {"type": "finished", "result": result}
        encode(message)  # what cannot be sent is the task's failure
    except Cancelled:
        message = {"type": "cancelled"}
    except BaseException as error:  # whatever a task raises, SystemExit included, is its failure and not ours
        traceback.print_exc()
        message = {"type": "failed", **describe(error)}
    return message


def free_memory() -> None:
    """Gives back what a failed run held, and the kept networks."""
    warm.keep(0)
    warm.keep(KEPT_NETWORKS)
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=float, default=600.0, help="seconds without a job after which to end")
    parser.add_argument("--own-group", action="store_true", help="this process leads a process group of its own")
    options = parser.parse_args()
    faulthandler.enable()
    warm.keep(KEPT_NETWORKS)
    channel = Channel()
    inbox = Inbox(channel, options.own_group)
    channel.send({"type": "ready", "pid": os.getpid()})
    while request := inbox.next_job(options.idle):
        number = request["id"]
        progress = Reporter(channel, number)
        message = work(request, inbox.token(number), progress)
        progress.close()
        inbox.forget(number)
        if message["type"] == "failed":
            free_memory()
        poisoned = message.get("poisoned", False)
        if poisoned:
            inbox.close()  # the next job gets a new process
        channel.send({**message, "id": number})
        if poisoned:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
