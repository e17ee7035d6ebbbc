"""What the commands share: progress, tables or JSON, output folders that are whole or absent, errors in one line."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PreopReviewLib import stopping
from PreopReviewLib.command.streams import failure, forgiving
from PreopReviewLib.errors import OutOfMemory, OutputError, PreopError
from PreopReviewLib.memory_errors import LESS_MEMORY, NO_MEMORY, is_out_of_memory
from PreopReviewLib.output import last_written, output_folder, protect
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.shown import shown
from PreopReviewLib.structured import json_text

__all__ = ["Table", "emit", "output_folder", "print_table", "progress_bar", "run", "say", "shown"]

OPTIONS = {
    "any plane": "--any-plane",
    "data": "--data",
    "file": "--from FILE",
    "labels": "--labels liver=5,portal_vein=64, or --labels FILE",
    "liver": "--liver FILE",
    "modality": "--modality ct or --modality mr",
    "overwrite": "--overwrite",
    "resume": "--resume",
    "series": "--series UID",
    "volume": "--volume NUMBER or words",
}
"""How a command lets the user do what the remedy of an error is about, by `PreopError.topic`."""
_FILE_SYSTEM = (
    "ENAMETOOLONG",
    "ELOOP",
    "EACCES",
    "EPERM",
    "EROFS",
    "ENOSPC",
    "EDQUOT",
    "EFBIG",
    "EIO",
    "ESTALE",
    "EBUSY",
)


def run(command: Callable[[], None], arguments: Sequence[str] = ()) -> None:
    """Runs the command line; a foreseen error becomes one line on stderr and its own exit code.

    Ctrl-C, SIGTERM and SIGHUP clean up, say a line and end with 130, 143 and 129.

    Args:
        arguments: of the command line; files and folders among them are never replaced by an output.
    """
    protect(a.partition("=")[2] if a.startswith("-") else a for a in arguments)
    with forgiving() as streams, stopping.listening():
        code = _exit_code(command)
        with contextlib.suppress(ValueError):
            sys.stdout.flush()
        error = failure(streams)
        if error is not None and not code:
            written = last_written()
            say(f"preop: the output could not be printed ({error.strerror})", err=True)
            code = 0 if written else OutputError.exit_code
        stopping.go_deaf()
        gc.collect()  # temporary folders go before signals are heard again
    sys.exit(code)


def _exit_code(command: Callable[[], None]) -> int | str | None:
    try:
        command()
        return 0
    except PreopError as error:
        option = OPTIONS.get(error.topic, "")
        say(f"preop: {shown(error)}" + (f" (Option: {option}.)" if option else ""), err=True)
        return error.exit_code
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and not stopping.asked():
            return error.code  # type: ignore[return-value]
        stopping.go_deaf()
        written = last_written()
        rest = "nothing was written" if written is None else f"{written} had been written before"
        say(f"preop: cancelled; {rest}.", err=True)
        return 128 + (stopping.asked() or signal.SIGINT)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _of_the_system(error)
    except Exception as error:
        return _unforeseen(error)


def _current_folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _of_the_system(error: OSError) -> int:
    """What the file system says of a file is said to the user; what tells of a wrong step of ours is a bug."""
    if "usable temporary directory" in str(error):  # of tempfile
        problem = OutputError(
            "No temporary folder can be written to", "Make room there, or set TMPDIR to another folder"
        )
        say(f"preop: {problem}", err=True)
        return problem.exit_code
    if _current_folder_is_gone():
        problem = OutputError("The folder that you are in is gone", "Change to another one")
        say(f"preop: {problem}", err=True)
        return problem.exit_code
    said_of_the_file = {getattr(errno, n, None) for n in _FILE_SYSTEM}
    if error.errno not in said_of_the_file or not isinstance(error.filename, str | bytes):
        return _unforeseen(error)
    name = shown(os.fsdecode(error.filename))
    name = name if len(name) <= 200 else f"{name[:100]}…{name[-90:]}"
    problem = OutputError(f"{name}: {error.strerror}", "Check the name, the permissions and the space")
    say(f"preop: {problem}", err=True)
    return problem.exit_code


def _unforeseen(error: Exception) -> int:
    """Out of memory is said as such; anything else is a bug, and says so, with its trace in a log."""
    if is_out_of_memory(error):
        say(f"preop: {OutOfMemory(NO_MEMORY, LESS_MEMORY)}", err=True)
        return OutOfMemory.exit_code
    words = " ".join(str(error).split())[:300] or "no words"
    say(f"preop: This is a bug in PreopReview ({type(error).__name__}: {shown(words)}).", err=True)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="preop-bug-", suffix=".txt", delete=False) as log:
            traceback.print_exception(error, file=log)
        say(f"Please report it with the file {log.name}.", err=True)
    except OSError:
        traceback.print_exception(error)  # no room for a file: the trace must not be lost
    return 1


def say(*words: Any, sep: str = " ", end: str = "\n", err: bool = False) -> None:
    """Prints words for people, on stdout or stderr, without obeying control sequences in them."""
    print(*(shown(w, keep="\n\t") for w in words), sep=sep, end=end, file=sys.stderr if err else None, flush=True)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Progress]:
    """A bar on stderr with fraction, words and time left; on no terminal, one line a step; nothing if quiet."""
    if quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        yield _line_progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=1.0)
        yield lambda fraction, words: bar.update(task, completed=fraction, description=shown(words))


def _line_progress() -> Progress:
    last = ""

    def show(fraction: float, words: str) -> None:
        nonlocal last
        if words != last:  # one line for each step, as a log file wants it
            last = words
            say(f"[{fraction:4.0%}] {words}", err=True)

    return show


def emit(data: Any, as_json: bool, words: Iterable[str | Table] | Callable[[], None] | None = None) -> None:
    """Prints the data as JSON, or for people: lines and tables, or what a function prints."""
    if as_json or words is None:
        print(json_text(data, str))
    elif callable(words):
        words()
    else:
        for part in words:
            say(part if isinstance(part, str) else part.text())


@dataclass(frozen=True)
class Table:
    """A table for people; numbers are set to the right, None is shown as n/a."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def text(self) -> str:
        """As wide as the terminal; what goes to a file or a pipe is as wide as it needs to be."""
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=Text(shown(self.title)) if self.title else None, title_justify="left")
        for i, column in enumerate(self.columns):
            numeric = all(row[i] is None or isinstance(row[i], int | float) for row in self.rows)
            table.add_column(Text(shown(column)), justify="right" if numeric else "left")
        for row in self.rows:
            cells = ("n/a" if v is None else f"{v:.4g}" if isinstance(v, float) else shown(v, keep="\n") for v in row)
            table.add_row(*map(Text, cells))
        console = Console(width=None if sys.stdout.isatty() else 200, color_system=None)
        with console.capture() as captured:
            console.print(table)
        return captured.get().rstrip("\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout."""
    say(Table(title, columns, rows).text())
