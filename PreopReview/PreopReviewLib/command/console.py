"""What the commands share: progress, tables or JSON, output folders that are whole or absent, errors in one line."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import OutputError, OutputExists, PreopError
from PreopReviewLib.progress import Progress, silent


def run(command: Callable[[], None]) -> None:
    """Runs the command line; a foreseen error becomes one line on stderr and its own exit code."""
    try:
        command()
    except PreopError as error:
        print(f"preop: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("preop: cancelled; nothing was written.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


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

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=1.0)
        yield lambda fraction, words: bar.update(task, completed=fraction, description=words)


def _line_progress() -> Progress:
    last = ""

    def show(fraction: float, words: str) -> None:
        nonlocal last
        if words != last:  # one line for each step, as a log file wants it
            last = words
            print(f"[{fraction:4.0%}] {words}", file=sys.stderr, flush=True)

    return show


def emit(data: Any, as_json: bool, table: Callable[[], None] | None = None) -> None:
    """Prints the data as JSON, or calls `table` to print it for people."""
    if as_json or table is None:
        print(json.dumps(data, indent=2, default=str, allow_nan=False))
    else:
        table()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout; numbers are set to the right, None is shown as n/a."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for i, column in enumerate(columns):
        numeric = all(row[i] is None or isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*("n/a" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in row))
    # A pipe has no width of its own: let it be as wide as the table needs.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@contextmanager
def output_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder that appears only when the block has come to its end without an error.

    The block writes into a temporary folder beside it, which then takes its name.

    Raises:
        OutputExists: the folder is there, not empty, and `overwrite` is false.
        OutputError: it cannot be made.
    """
    path = Path(path).absolute()
    if path.is_file():
        raise OutputExists(f"{path} is a file", "Give the name of a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise OutputExists(f"The folder {path} is there already", "Give another one, or --overwrite to replace it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        umask = os.umask(0)
        os.umask(umask)
        work.chmod(0o777 & ~umask)  # mkdtemp makes private folders
    except OSError as error:
        raise OutputError(f"{path} cannot be made ({error.strerror})", "Choose a folder you may write to") from error
    try:
        yield work
        _replace(work, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Look for space and permissions") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace(work: Path, path: Path) -> None:
    if not path.exists():
        work.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    path.rename(old / path.name)
    try:
        work.rename(path)
    except OSError:
        (old / path.name).rename(path)  # the earlier results stay where they were
        raise
    shutil.rmtree(old, ignore_errors=True)
