"""Tables as papers print them, as CSV and Markdown, with their notes beneath."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.csv_text import csv_text

NOT_AVAILABLE = "n/a"


@dataclass
class Table:
    """A table of text.

    Attributes:
        name: of its files, e.g. "oh2023_table2".
        title: its caption.
        columns: heads.
        rows: cells as text, as many as there are columns.
        notes: printed beneath: abbreviations, conventions, how many cases were missing or failed.
    """

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Adds a row; floats are written to two decimals, None and NaN as n/a."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.name}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append([text(c) for c in cells])

    def as_markdown(self) -> str:
        """A Markdown table with caption and notes."""
        head = ["| " + " | ".join(_escaped(c) for c in self.columns) + " |"]
        rule = ["|" + "|".join([" :-- "] + [" --: "] * (len(self.columns) - 1)) + "|"]
        body = ["| " + " | ".join(_escaped(c) for c in row) + " |" for row in self.rows]
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([f"**{self.title}**", "", *head, *rule, *body, *notes]) + "\n"

    def as_csv(self) -> str:
        """The heads and rows; the notes are in the Markdown only."""
        return csv_text([self.columns, *self.rows])

    def write(self, folder: Path) -> list[Path]:
        """Writes NAME.csv and NAME.md."""
        paths = [folder / f"{self.name}.csv", folder / f"{self.name}.md"]
        paths[0].write_text(self.as_csv(), encoding="utf-8")
        paths[1].write_text(self.as_markdown(), encoding="utf-8")
        return paths


def text(value: object, digits: int = 2) -> str:
    """A cell: numbers to `digits` decimals, whole numbers as they are, None and NaN as n/a."""
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return NOT_AVAILABLE
    if isinstance(value, float | np.floating):
        return f"{rounded(float(value), digits):.{digits}f}"
    return str(value)


def rounded(value: float, digits: int) -> float:
    """Half away from zero, as papers round; a mean of printed cells that is binary dust below a half goes up."""
    scale = 10**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5 + 1e-9), value) / scale


def mean_sd(values: ArrayLike, digits: int = 2) -> str:
    """Mean ± sample SD (n − 1) of the values that are there: "0.92 ± 0.03"; a single case has no SD."""
    data = present(values)
    if len(data) == 0:
        return NOT_AVAILABLE
    if len(data) == 1:
        return f"{text(float(data[0]), digits)} (one case, no SD)"
    return f"{text(float(data.mean()), digits)} ± {text(float(data.std(ddof=1)), digits)}"


def median_iqr(values: ArrayLike, digits: int = 1) -> str:
    """Median [first quartile, third quartile] of the values that are there."""
    data = present(values)
    if len(data) == 0:
        return NOT_AVAILABLE
    low, middle, high = (text(float(v), digits) for v in np.percentile(data, [25, 50, 75]))
    return f"{middle} [{low}, {high}]"


def count_percent(count: int, total: int) -> str:
    """ "86 (79.6)" """
    return f"{count} ({text(100 * count / total, 1)})" if total else NOT_AVAILABLE


def present(values: ArrayLike) -> NDArray[np.float64]:
    """The values that are not NaN."""
    data = np.asarray(values, dtype=float)
    return data[np.isfinite(data)]


def missing_note(names: Sequence[str], columns: Sequence[ArrayLike]) -> str:
    """Which columns have missing values and how many, or "" if none has."""
    counts = {n: int(np.isnan(np.asarray(c, dtype=float)).sum()) for n, c in zip(names, columns, strict=True)}
    listed = ", ".join(f"{n} {c}" for n, c in counts.items() if c)
    return f"Missing values, left out of means: {listed}" if listed else ""


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
