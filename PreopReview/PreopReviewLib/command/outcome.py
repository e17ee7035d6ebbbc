"""What a command found, before any of it is written or printed: so that one command can be a part of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PreopReviewLib.command.console import Table, emit
from PreopReviewLib.errors import PreopError
from PreopReviewLib.output import output_folder


@dataclass
class Outcome:
    """A finding with its ways out.

    Attributes:
        data: for JSON.
        words: lines and tables for people.
        write: writes its files into a folder that is there.
        failure: raised after all is written and said, where files were made but nothing was found.
    """

    data: dict[str, Any]
    words: Sequence[str | Table]
    write: Callable[[Path], None]
    failure: PreopError | None = field(default=None)


def deliver(make: Callable[[], Outcome], kind: str, out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Computes, writes to the folder `out` if there is one, and prints as JSON or for people.

    Args:
        kind: the command, as `output_folder` wants it. The folder is refused before anything is computed.

    Raises:
        OutputError: the folder must not be replaced, or cannot be written. And what `make` raises, and the failure.
    """
    if out is None:
        outcome = make()
    else:
        with output_folder(out, overwrite, kind) as folder:
            outcome = make()
            outcome.write(folder)
    emit(outcome.data, as_json, [*outcome.words, *([] if out is None else [f"Written to {out}."])])
    if outcome.failure is not None:
        raise outcome.failure
