"""What can go wrong with a job, in words for who started it."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

from PreopReviewLib.errors import OutOfMemory, OutputError, PreopError
from PreopReviewLib.memory_errors import LESS_MEMORY, NO_MEMORY, is_out_of_memory


class JobError(PreopError):
    """A job that failed.

    Attributes:
        problem, remedy: as of the error raised in the worker, where it was a PreopError.
        exit_code: of that error, too.
        kind: the name of its class, e.g. ``NothingFound``.
        log: the worker's log with the trace, if there is one.
    """

    def __init__(
        self, problem: str, remedy: str = "", *, exit_code: int = 1, kind: str = "JobError", log: Path | None = None
    ) -> None:
        super().__init__(problem, remedy)
        self.exit_code, self.kind, self.log = exit_code, kind, log


class JobBusy(PreopError):
    """A job was started while another one is running."""


NO_DEVICE_MEMORY = "The graphics card ran out of memory"

_CRASHES = {
    0xC0000005: "an access violation",
    0xC00000FD: "a stack overflow",
    0xC0000409: "a damaged stack",
    0xC0000017: "lack of memory",
    0xC000012D: "lack of memory",
}
"""Windows' codes of processes that did not end by themselves."""


def see_log(remedy: str, log: Path | None) -> str:
    """The remedy, and where the log is."""
    return f"{remedy}; the log is {log}" if log else remedy


def ended_early(code: int, log: Path | None) -> JobError:
    """The worker ended in the middle of a job.

    Args:
        code: its exit code; negative for a signal.
    """
    if code == -9:
        return JobError(
            "The computation was killed, most likely because the computer ran out of memory",
            see_log(LESS_MEMORY, log),
            exit_code=OutOfMemory.exit_code,
            kind="OutOfMemory",
            log=log,
        )
    cause = f"with exit code {code}"
    if code < 0:
        cause = f"by {_signal_name(-code)}"
    elif (code & 0xFFFFFFFF) in _CRASHES:
        cause = f"by {_CRASHES[code & 0xFFFFFFFF]}"
    return JobError(
        f"The computation ended unexpectedly, {cause}; nothing was changed",
        see_log("Try again, or on the device cpu", log),
        kind="Crash",
        log=log,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def not_started(cause: str, python: str, log: Path | None) -> JobError:
    """The worker process never became ready."""
    return JobError(
        f"The background process could not be started with {python} ({cause})",
        see_log("Install PreopReview and its Python packages again", log),
        kind="NotStarted",
        log=log,
    )


def describe(error: BaseException) -> dict[str, str | int]:
    """An exception of a task as the worker reports it: problem, remedy, exit_code, kind, and whether to see the log."""

    kind = type(error).__name__
    if isinstance(error, PreopError):
        return _message(error.problem, error.remedy, error.exit_code, kind)
    if is_out_of_memory(error):
        on_device = "cuda" in str(error).lower() or "mps" in str(error).lower()
        problem = NO_DEVICE_MEMORY if on_device else NO_MEMORY
        return _message(problem, LESS_MEMORY, OutOfMemory.exit_code, "OutOfMemory")
    words = " ".join(str(error).split()) or "no words"
    if "no kernel image" in words:
        problem = "The installed torch does not support this graphics card"
        return _message(problem, "Choose the device cpu, or install a newer torch", 1, kind) | {"poisoned": True}
    if "CUDA error" in words:  # every later call of this process would fail, too
        problem = f"The graphics card reported an error ({words[:200]})"
        return _message(problem, "Try again, or choose the device cpu", 1, kind, True) | {"poisoned": True}
    if isinstance(error, ImportError):
        problem = f"A Python package is missing or broken ({words})"
        return _message(problem, "Install PreopReview's Python packages again", 1, kind)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _message(
            f"The disk is full ({words})", "Free some space and try again", OutputError.exit_code, "OutputError"
        )
    return _message(f"The computation failed unexpectedly ({kind}: {words[:300]})", "Please report it", 1, kind, True)


def _message(problem: str, remedy: str, code: int, kind: str, log: bool = False) -> dict[str, str | int]:
    return {"problem": problem, "remedy": remedy, "exit_code": code, "kind": kind, "see_log": log}
