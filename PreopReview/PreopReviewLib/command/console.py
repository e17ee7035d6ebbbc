"""What the commands share: progress, tables or JSON, output folders that are whole or absent, errors in one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from PreopReviewLib.errors import PreopError
from PreopReviewLib.output import output_folder
from PreopReviewLib.progress import Progress, silent

__all__ = ["emit", "output_folder", "print_table", "progress_bar", "run"]


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
