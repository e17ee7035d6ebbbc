"""Runs of the command in forked processes, so that its imports are paid once, under a watchdog."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .trial import Ran, Trial

PRELOADED = (
    "SimpleITK",
    "pydicom",
    "pydantic.fields",
    "pydantic.types",
    "scipy.ndimage",
    "scipy.stats",
    "scipy.spatial",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "contourpy",
    "PIL.Image",
    "yaml",
    "jinja2",
    "rich.console",
    "rich.markdown",
    "platformdirs",
    "cc3d",
    "edt",
    "torch",
    "safetensors.torch",
    "vtkmodules.all",
    "vtkmodules.util.numpy_support",
)
NETWORKS = ("torch._dynamo", "monai.networks.nets")
"""Only what runs or trains a network needs these, which take as long as all the rest."""
LIBRARIES = ("PreopReviewLib", "LiverPlannerLib", "RotatorCuffCAMLib")
_OF_THE_HOST = ("panels", "scene", "review", "__main__")
"""Parts of the libraries that need the host or the server of the review."""
CPU_SECONDS = 90
_KEPT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_LIBRARY_PATH")
_WRITING = {"os.mkdir", "os.remove", "os.rmdir", "os.chmod"}


def preload(networks: bool = True) -> None:
    """Imports what commands import and builds the command line, with one thread: threads do not outlive a fork.

    Args:
        networks: what is needed to run and train networks, too.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    for name in (*PRELOADED, *(NETWORKS if networks else ()), *_own_modules()):
        importlib.import_module(name)
    import SimpleITK as sitk
    import torch

    from preopreview.cli import whole_command

    whole_command()
    gc.collect()
    gc.freeze()  # else every child's collection would copy all pages of what is imported here
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if threads := len(os.listdir("/proc/self/task")) - 1:
        raise RuntimeError(f"importing what commands import has started {threads} threads, which a fork would lose")


def _own_modules() -> Iterator[str]:
    for library in LIBRARIES:
        for info in pkgutil.walk_packages(importlib.import_module(library).__path__, f"{library}."):
            if not set(info.name.split(".")) & set(_OF_THE_HOST):
                yield info.name


def run(trial: Trial, folder: Path, arguments: list[str] | None = None, after: float | None = None) -> Ran:
    """Runs a trial in its folder.

    Args:
        arguments: instead of the trial's own.
        after: seconds after which the trial's signal is sent; None sends none.
    """
    from preopreview.cli import main

    began = time.monotonic()
    pipes = {name: os.pipe() for name in ("out", "err", "outside")}  # files would be subject to the trial's limit
    child = os.fork()
    if child == 0:
        try:
            for reading, _ in pipes.values():
                os.close(reading)
            _become(trial, folder, {name: writing for name, (_, writing) in pipes.items()})
            sys.argv = ["preop", *(arguments or trial.arguments)]
            main()
        except KeyboardInterrupt:  # before the command has begun
            _end(128 + signal.SIGINT)
        except SystemExit as stop:
            _end(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
        except BaseException:
            import traceback

            traceback.print_exc()
            _end(1)
        _end(0)
    for reading, writing in pipes.values():
        os.close(writing)
        os.set_blocking(reading, False)
    said = {name: bytearray() for name in pipes}

    def listen() -> None:
        for name, (reading, _) in pipes.items():
            with contextlib.suppress(BlockingIOError):
                while block := os.read(reading, 1 << 16):
                    said[name] += block

    status, hung = _watched(child, trial, began, after, listen)
    listen()
    for reading, _ in pipes.values():
        os.close(reading)
    code = os.waitstatus_to_exitcode(status)
    text = {name: bytes(raw).decode("utf-8", "replace") for name, raw in said.items()}
    hung = hung or code == -signal.SIGXCPU
    outside = tuple(dict.fromkeys(text["outside"].splitlines()))
    return Ran(code, text["out"], text["err"], time.monotonic() - began, hung, outside)


def _watched(
    child: int, trial: Trial, began: float, after: float | None, listen: Callable[[], None]
) -> tuple[int, bool]:
    """The status of a child that has ended, or was killed with all its children when its time was over."""
    hung, sent = False, False
    while True:
        listen()
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)  # what it has left running
            return status, hung
        passed = time.monotonic() - began
        if after is not None and trial.signal and not sent and passed >= after:
            sent = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, trial.signal[0])
        if passed > trial.seconds and not hung:
            hung = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.002 if passed < 0.5 else 0.02)


def _end(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _become(trial: Trial, folder: Path, pipes: dict[str, int]) -> None:
    """Makes the forked process one of its own: group, folder, streams, limits, and a watch on what it writes."""
    os.setsid()
    home = folder / ".home"
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    kept = {k: os.environ[k] for k in _KEPT if k in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        HOME=str(home), TMPDIR=str(home / "tmp"), PREOP_MODELS=str(home / "models"), XDG_CACHE_HOME=str(home / "cache")
    )
    import tempfile

    tempfile.tempdir = None
    os.chdir(folder)
    _streams(trial, pipes)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        handler = {signal.SIGINT: signal.default_int_handler, signal.SIGPIPE: signal.SIG_IGN}
        signal.signal(number, handler.get(number, signal.SIG_DFL))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    if trial.file_limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.file_limit, trial.file_limit))
    if trial.memory_mb is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (trial.memory_mb << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _watch_writes(folder, pipes["outside"])


def _streams(trial: Trial, pipes: dict[str, int]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open("/dev/full", os.O_WRONLY) if number in trial.full else pipes[name], number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if number in trial.closed:
            os.close(number)
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
            continue
        stream = os.fdopen(number, "w", encoding=trial.encoding, errors="strict", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _watch_writes(folder: Path, log: int) -> None:
    """Notes paths outside the folder that this process makes, changes or removes; native code is not seen."""
    inside = os.path.realpath(folder) + os.sep
    busy = False

    def note(path: object) -> None:
        if isinstance(path, int) or path is None:
            return
        # The folder of a thing decides: the thing itself may be a link.
        full = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        if not (full + os.sep).startswith(inside) and not full.startswith(("/dev/", "/proc/")):
            os.write(log, full.encode("utf-8", "backslashreplace").replace(b"\n", b"\\n") + b"\n")

    def hook(event: str, arguments: tuple) -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            if event == "open":
                path, mode, flags = arguments
                if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR):
                    note(path)
            elif event in ("os.rename", "os.link", "os.symlink"):
                for path in arguments[:2] if event == "os.rename" else arguments[1:2]:
                    note(path)
            elif event in _WRITING and arguments[-1] in (-1, None):  # else relative to a folder that is open
                note(arguments[0])
        finally:
            busy = False

    sys.addaudithook(hook)
