"""A cohort: one row for each case, with missing values and failed cases kept and counted, never dropped silently."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.tables import MISSING, number_in, read_lines

CASE_COLUMNS = ("case", "id", "case_id", "patient", "subject")
COHORT_COLUMNS = ("cohort", "dataset", "set", "group")


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        case: its name, unique in the cohort.
        values: the text of every column; a missing value is an empty string.
        cohort: which part of the study it belongs to; empty if there are no parts.
        failure: why there is no result; empty if there is one.
    """

    case: str
    values: dict[str, str]
    cohort: str = ""
    failure: str = ""


@dataclass
class Cohort:
    """Cases in the order given.

    Attributes:
        cases: all of them, the failed ones too.
        columns: names of the columns of measurements.
        source: where they are from, for messages and captions.
    """

    cases: list[Case]
    columns: list[str]
    source: str = "the table"
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Case]:
        """The cases without a result."""
        return [c for c in self.cases if c.failure]

    @property
    def usable(self) -> list[Case]:
        """The cases with a result."""
        return [c for c in self.cases if not c.failure]

    @property
    def parts(self) -> list[str]:
        """Names of the parts of the study, in order of appearance; [""] if it has none."""
        return list(dict.fromkeys(c.cohort for c in self.cases))

    def part(self, name: str) -> Cohort:
        """The cases of one part."""
        return Cohort([c for c in self.cases if c.cohort == name], self.columns, self.source)

    def column(self, *names: str) -> str | None:
        """The first of the names that is a column, or None."""
        return next((n for n in names if n in self.columns), None)

    def require(self, *alternatives: Sequence[str]) -> list[str]:
        """For each list of alternative names, the column that is there.

        Raises:
            InputError: a column that is needed is not there; says which, and which columns there are.
        """
        columns = [self.column(*names) for names in alternatives]
        lacking = [" or ".join(n) for n, c in zip(alternatives, columns, strict=True) if c is None]
        if lacking:
            there = ", ".join(self.columns) or "none"
            raise InputError(
                f"{self.source} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}",
                f"Its columns are: {there}",
            )
        return [c for c in columns if c is not None]

    def numbers(self, column: str) -> NDArray[np.float64]:
        """The column over the usable cases; NaN where a value is missing.

        Raises:
            InputError: a text that is not a number, with its case.
        """
        return np.array([self._number(c, column) for c in self.usable], dtype=float)

    def require_shares(self, *columns: str | None) -> None:
        """Raises if a value of a DSC or another share is not between 0 and 1; columns that are None are passed over.

        Raises:
            InputError: such a value, with its case.
        """
        self._require_range(columns, 1.0, "between 0 and 1", "A DSC is a share: divide percentages by 100")

    def require_lengths(self, *columns: str | None) -> None:
        """Raises if a distance or volume is negative; columns that are None are passed over.

        Raises:
            InputError: such a value, with its case.
        """
        self._require_range(columns, math.inf, "0 or more", "Correct the table")

    def _require_range(self, columns: Sequence[str | None], most: float, words: str, remedy: str) -> None:
        for column in filter(None, columns):
            for case, value in zip(self.usable, self.numbers(column), strict=True):
                if not math.isnan(value) and not 0 <= value <= most:
                    raise InputError(
                        f"{self.source} has {value:g} as {column} of case {case.case}, which must be {words}", remedy
                    )

    def texts(self, column: str) -> list[str]:
        """The column over the usable cases; "" where a value is missing."""
        return [c.values.get(column, "") for c in self.usable]

    def _number(self, case: Case, column: str) -> float:
        text = case.values.get(column, "")
        if not text:
            return math.nan
        return number_in(text, f"{column} of case {case.case}", self.source)

    def summary(self) -> str:
        """How many cases there are and which failed, in one sentence."""
        words = f"{len(self.cases)} case{'' if len(self.cases) == 1 else 's'}"
        if not self.failed:
            return f"{words}, none failed"
        listed = "; ".join(f"{c.case}: {c.failure}" for c in self.failed)
        return f"{words}, {len(self.failed)} failed ({listed})"


FolderReader = Callable[[Path, Progress], Cohort]
_folder_readers: list[FolderReader] = []


def offer_folder_reader(reader: FolderReader) -> None:
    """Lets a module that can compare label images (LiverPlannerLib) read folders of predicted and manual cases."""
    if reader not in _folder_readers:
        _folder_readers.append(reader)


def read_cohort(path: str | Path, progress: Progress = silent) -> Cohort:
    """A cohort from a per-case CSV, or from a folder of predicted and manual cases.

    Raises:
        FileMissing: there is no such file or folder.
        InputError: as `read_cases_csv`, a table without any value, or a folder that no installed module can read.
    """
    path = Path(path)
    if not path.exists():
        raise FileMissing(f"There is no file or folder {path}", "Check the path")
    if path.is_file():
        cohort = read_cases_csv(path)
        if cohort.usable and not any(v for c in cohort.usable for v in c.values.values()):
            raise InputError(f"{path} holds no value: all cells beside the names are empty", "Fill in the measurements")
        return cohort
    if not _folder_readers:
        raise InputError(f"{path} is a folder, and nothing here can compare images", "Give a per-case CSV")
    return _folder_readers[0](path, progress)


def read_cases_csv(path: str | Path) -> Cohort:
    """One row for each case; the first line names the columns.

    A column `case` (or `id`, `patient`, `subject`) is needed; `cohort` (or `dataset`, `set`, `group`) divides the
    cases; `failed` (or `failure`, `error`) holds the reason where a case has no result. Empty cells, NA, n/a and
    NaN are missing values. Names are compared in lower case with "_" for spaces and hyphens, "tumour" counting as
    "tumor".

    Raises:
        FileMissing: there is no such file.
        UnreadableImage: it is not text of a known encoding, or has an open quotation mark.
        InputError: no case column, no case, a case twice, rows of unequal length.
    """
    path = Path(path)
    lines = read_lines(path)
    if len(lines) < 2:
        raise InputError(f"{path} holds no case", "Give a CSV with a line of names and one line for each case")
    return _cohort_of(lines, path.name)


def _cohort_of(lines: list[tuple[int, list[str]]], source: str) -> Cohort:
    names = [_plain(n) for n in lines[0][1]]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise InputError(f"{source} has the column {', '.join(sorted(twice))} twice", "Rename one of them")
    case_column = next((n for n in CASE_COLUMNS if n in names), None)
    if case_column is None:
        raise InputError(f"{source} has no column of case names", f"Name it {', '.join(CASE_COLUMNS)}")
    part_column = next((n for n in COHORT_COLUMNS if n in names), None)
    failure_column = next((n for n in ("failed", "failure", "error") if n in names), None)
    special = {case_column, part_column, failure_column}
    cases = []
    for number, row in lines[1:]:
        if len(row) != len(names):
            raise InputError(
                f"Line {number} of {source} has {len(row)} cells, not {len(names)}", "Quote cells with commas"
            )
        values = {n: _cell(c) for n, c in zip(names, row, strict=True)}
        if not values[case_column]:
            raise InputError(f"Line {number} of {source} names no case", "Give every case a name")
        measured = {n: v for n, v in values.items() if n not in special}
        part, failure = values.get(part_column or "", ""), _failure(values.get(failure_column or "", ""))
        cases.append(Case(values[case_column], measured, part, failure))
    return make_cohort(cases, [n for n in names if n not in special], source)


def make_cohort(cases: Iterable[Case], columns: Sequence[str], source: str) -> Cohort:
    """A cohort whose case names are unique in each part.

    Raises:
        InputError: a case twice.
    """
    cohort = Cohort(list(cases), list(columns), source)
    seen: set[tuple[str, str]] = set()
    for case in cohort.cases:
        if (case.cohort, case.case) in seen:
            raise InputError(f"{source} has the case {case.case} twice", "Give every case its own name")
        seen.add((case.cohort, case.case))
    return cohort


def write_cases_csv(cohort: Cohort, path: str | Path) -> Path:
    """Writes what `read_cases_csv` reads."""
    path = Path(path)
    rows = [["case", "cohort", *cohort.columns, "failed"]]
    rows += [[c.case, c.cohort, *(c.values.get(n, "") for n in cohort.columns), c.failure] for c in cohort.cases]
    path.write_text(csv_text(rows), encoding="utf-8", newline="")
    return path


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace("tumour", "tumor")


def _cell(text: str) -> str:
    text = text.strip()
    return "" if text.lower() in MISSING else text


def _failure(text: str) -> str:
    if text.lower() in ("", "0", "no", "false", "ok"):
        return ""
    return "failed" if text.lower() in ("1", "yes", "true") else text
