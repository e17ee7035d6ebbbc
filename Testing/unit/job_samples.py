"""Tasks for the tests of jobs; they run in the worker."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import NothingFound
from PreopReviewLib.progress import CancelToken, Progress

_calls = 0


def echo(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    global _calls
    _calls += 1
    return {"parameters": parameters, "pid": os.getpid(), "calls": _calls, "folder": str(folder)}


def count(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Reports progress in so many steps and looks at the token between them."""
    steps = parameters["steps"]
    for i in range(steps):
        cancel.raise_if_cancelled()
        progress(i / steps, f"step {i}")
        time.sleep(parameters.get("pause", 0.0))
    (folder / "written.txt").write_text("done")
    return {"steps": steps}


def words_then_silence(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    progress(0.1, "loading")
    progress(0.2, "computing")
    time.sleep(parameters["seconds"])
    return {}


def deaf(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Never looks at the token; with `hold`, never even lets another thread run."""
    progress(0.1, "deaf")
    if parameters.get("child"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (folder / "child.pid").write_text(str(child.pid))
    (folder / "writing").write_text(str(os.getpid()))
    (folder / "writing").rename(folder / "pid")  # whoever sees it can read it
    tempfile.mkstemp()
    if parameters.get("hold"):
        ctypes.PyDLL(None).sleep(600)  # keeps the interpreter's lock
    time.sleep(600)
    return {}


def noisy(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Prints in every way there is."""
    print("{not json\x1e{}")
    os.write(1, b"\xff\xfe\x1e garbage without an end of line")
    subprocess.run(["echo", "from a child"], check=True)
    sys.stderr.write("warning\n")
    assert sys.stdin.read() == ""
    return {"ok": True}


def find_nothing(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    raise NothingFound("No liver was found in Zoë’s image", "Check the modality")


def fail(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    raise ValueError("operands could not be broadcast")


def lack_memory(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    if parameters["device"] == "cuda":
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    import numpy as np

    return {"size": np.ones(1 << 55, np.uint8).size}


def break_card(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def leave(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    if "signal" in parameters:
        os.kill(os.getpid(), parameters["signal"])
        time.sleep(60)
    if parameters.get("politely"):
        sys.exit(3)
    os._exit(7)


def return_nonsense(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    return {"object": object()}


def temporary(parameters: dict, folder: Path, progress: Progress, cancel: CancelToken) -> dict:
    _, name = tempfile.mkstemp()
    return {"name": name}
