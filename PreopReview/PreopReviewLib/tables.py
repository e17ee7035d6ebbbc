"""The one reader of tables that people write: CSV as spreadsheets of any language save it, or refused by line.

Reads UTF-8 (with and without byte order mark) and UTF-16, comma, semicolon or tab between cells, and the decimal
comma where the semicolon or tab leaves the comma free. What cannot be known, such as which letters the bytes of an
older encoding stand for, is refused with the number of the line, so that no table is ever read by half.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PreopReviewLib.csv_text import as_written
from PreopReviewLib.errors import FileMissing, InputError, UnreadableImage

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "missing", "#n/a", "#div/0!", "#num!", "#value!"})
"""What stands for a missing value in a table, in lower case."""

MAX_BYTES = 64 << 20
MAX_CELL = 32_767
"""Characters; what a cell of a spreadsheet can hold."""

_SEPARATORS = (",", ";", "\t")
_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d+\.\d+([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")
_AGAIN = "Save it as CSV in UTF-8"


@dataclass(frozen=True)
class Row:
    """One row: its cells by column, stripped, and the line of the file that it begins in (the first is 1)."""

    line: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        """The cell; "" where the table has no such column."""
        return self.cells.get(column, "")


@dataclass(frozen=True)
class Table:
    """A table with named columns (stripped, lower case), every row of which has a cell for each."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def where(self, row: Row) -> str:
        """The file and the line of a row, for messages."""
        return f"{self.path}, line {row.line}"

    def file(self, row: Row, column: str) -> Path:
        """A cell as a path, which starts at the table's folder; also one that was written on Windows."""
        text = row.get(column)
        path = self.path.parent / text
        if "\\" in text and os.sep == "/" and not os.path.lexists(path):
            return self.path.parent / text.replace("\\", "/")
        return path

    def number(self, row: Row, column: str) -> float:
        """A cell as a number; NaN where it is missing.

        Raises:
            InputError: no number, or not a finite one.
        """
        return number_in(row.get(column), column, self.where(row))


def number_in(text: str, column: str, where: str) -> float:
    """A cell as a finite number; NaN where it stands for a missing value.

    Raises:
        InputError: no number, or not a finite one.
    """
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        value = float(text) if "_" not in text else math.inf
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError(
            f"{where}: {column} is {shown(text)}, which is not a number",
            "Give a number with a decimal point, or leave it empty where it is missing",
        )
    return value


def point_in(table: Table, row: Row) -> tuple[float, float, float] | None:
    """The point r, a, s (RAS mm) of a row; None where all three are empty.

    Raises:
        InputError: one of them is empty or no number.
    """
    texts = [row.get(axis) for axis in "ras"]
    if not any(texts):
        return None
    try:
        point = tuple(table.number(row, axis) for axis in "ras")
    except InputError:
        point = (math.nan,)
    if not all(map(math.isfinite, point)):
        raise InputError(
            f"{table.where(row)}: {','.join(texts)} is not a point", "Give r, a and s in mm, or leave all empty"
        )
    return point  # type: ignore[return-value]


def shown(text: str) -> str:
    """A cell in a message: quoted, control characters escaped, cut where it is long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def read_table(path: str | Path, needed: Sequence[str] = ()) -> Table:
    """A table whose first line names its columns.

    Empty lines are skipped; empty cells beyond the last column and columns without name are left out.

    Args:
        needed: columns that must be there, in lower case.

    Raises:
        FileMissing: there is no such file.
        UnreadableImage: no text of a known encoding, an open quotation mark, or a cell too long; names the line.
        InputError: no row, a column twice or missing, or a row of another length; names the line.
    """
    path = Path(path)
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path} is empty", "Give a CSV with a line of names and one line for each case")
    names = [c.strip().lower() for c in lines[0][1]]
    twice = sorted({n for n in names if n and names.count(n) > 1})
    if twice:
        raise InputError(f"{path} has the column {twice[0]} twice", "Rename one of them")
    lacking = [c for c in needed if c not in names]
    if lacking:
        raise InputError(f"{path} lacks the column {', '.join(lacking)}", f"It needs {', '.join(needed)}")
    rows = tuple(Row(line, _named(cells, names, path, line)) for line, cells in lines[1:])
    if not rows:
        raise InputError(f"{path} has no row below the names", "Give one line for each case")
    return Table(path, tuple(n for n in names if n), rows)


def _named(cells: list[str], names: list[str], path: Path, line: int) -> dict[str, str]:
    while len(cells) > len(names) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(names):
        raise InputError(
            f"{path}, line {line} has {len(cells)} cell{'s' * (len(cells) != 1)}, not {len(names)}",
            "Give every row a cell for each column, and quote cells that contain the separator",
        )
    return {name: cell.strip() for name, cell in zip(names, cells, strict=True) if name}


def read_lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """The cells of every line that is not empty, with the number of the line; a decimal comma becomes a point.

    An apostrophe that `csv_text` has put before what looks like a formula is taken off again.

    Raises:
        FileMissing, UnreadableImage: as `read_table`.
        InputError: a column with decimal points and decimal commas.
    """
    path = Path(path)
    if not path.is_file():
        raise FileMissing(f"There is no table {path}", "Check the path")
    text = _text(path)
    separator = _separator(text)
    if re.match(r"sep=.\r?\n", text):
        text = "\n" + text.partition("\n")[2]
    parsed = _parsed(text, separator, path)
    lines = [(n, [as_written(c) for c in row]) for n, row in parsed if any(c.strip() for c in row)]
    return lines if separator == "," else _with_points(lines, path)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableImage(f"{path} is larger than {MAX_BYTES >> 20} MB, too large for a table", "Divide it")
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"{path} cannot be read ({error.strerror})", "Check the file") from error
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide:
            raise UnreadableImage(f"{path} is damaged: it is not complete UTF-16 text", _AGAIN) from error
        line = raw.count(b"\n", 0, error.start) + 1
        raise UnreadableImage(f"{path}, line {line} has letters that are not in UTF-8", _AGAIN) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableImage(f"{path}, line {line} holds null characters: it is not text", _AGAIN)
    return text


def _separator(text: str) -> str:
    if match := re.match(r"sep=([,;\t])\r?\n", text):
        return match[1]
    head = next((line for line in text.splitlines() if line.strip()), "")
    head = re.sub(r'"[^"]*"', "", head)
    return max(_SEPARATORS, key=head.count)  # the comma, where none is there


def _parsed(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    lines: list[tuple[int, list[str]]] = []
    before = csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # the cells are measured below
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    written = io.StringIO(text, newline="").readlines()
    sound = re.compile(rf'(?:(?:"(?:[^"]|"")*"|[^"{separator}]*)(?:{separator}|$))*')
    start = 1
    try:
        for row in reader:
            for cell in row:
                if len(cell) > MAX_CELL or "\n" in cell or "\r" in cell:
                    what = "a line break" if len(cell) <= MAX_CELL else f"{len(cell)} characters"
                    raise UnreadableImage(
                        f"{path}, line {start} has a cell with {what}",
                        "Close the quotation mark that is open there, or shorten the cell to one line",
                    )
            # The csv module takes a quotation mark in a cell without any around it for a letter.
            if any('"' in cell for cell in row) and not sound.fullmatch(written[start - 1].rstrip("\r\n")):
                raise csv.Error
            lines.append((start, row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableImage(
            f"{path}, line {start} has a quotation mark that is not closed or stands alone",
            "Close it, or double it where it belongs to the text",
        ) from error
    finally:
        csv.field_size_limit(before)
    return lines


def _with_points(lines: list[tuple[int, list[str]]], path: Path) -> list[tuple[int, list[str]]]:
    """Decimal commas as points, in the columns that hold nothing but numbers."""
    for column in range(max((len(row) for _, row in lines), default=0)):
        held = [(n, row, row[column].strip()) for n, row in lines[1:] if column < len(row)]
        filled = [h for h in held if h[2].lower() not in MISSING]
        commas = [h for h in filled if _COMMA.fullmatch(h[2])]
        points = [h for h in filled if _POINT.fullmatch(h[2])]
        if commas and points:
            raise InputError(
                f"{path}, line {max(commas[0][0], points[0][0])}: column {column + 1} has numbers with decimal points "
                "and with decimal commas",
                "Write all of them the same way",
            )
        if commas and len(commas) + sum(bool(_WHOLE.fullmatch(h[2])) for h in filled) == len(filled):
            for _, row, cell in commas:
                row[column] = cell.replace(",", ".")
    return lines
