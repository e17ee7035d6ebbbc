"""Tables as CSV, the same way everywhere; no cell is a formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PreopReviewLib.shown import shown

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+|inf|nan)(?:e[-+]?\d+)? ?%?"
_NUMBERS = re.compile(rf"(?:{_NUMBER}(?: ?(?:±|to|,|;|/|\(|\[) ?{_NUMBER}[)\]]?)*|[-–]*)", re.IGNORECASE)


def csv_text(rows: Iterable[Sequence[Any]], separator: str = ",") -> str:
    """Rows as CSV, one line each; None is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers, also those with an
    interval, stay as they are.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def csv_of_dicts(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """As `csv_text`, of rows by column, after a line with the columns."""
    return csv_text([list(columns), *([row.get(c) for c in columns] for row in rows)])


def as_written(cell: str) -> str:
    """A cell of a table that was read, without the apostrophe that `csv_text` puts before what looks like a formula."""
    return cell[1:] if cell.startswith("'") and _cell(cell[1:]) == cell else cell


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = shown(value, keep="\t\r\n")
    return f"'{value}" if _needs_apostrophe(value) else value


def _needs_apostrophe(value: str) -> bool:
    """Also one that a cell has of its own is doubled where it would be taken off in reading."""
    bare = value.lstrip("'")
    return bare.startswith(_FORMULA) and not _NUMBERS.fullmatch(bare)
