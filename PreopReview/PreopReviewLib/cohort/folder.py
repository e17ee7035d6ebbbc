"""The folder of a cohort: what is done, what failed, and the table of all cases.

::

    OUT/cohort.json              the task, its settings, the version
    OUT/cases/CASE/              what the command writes, with case.json (its row) and thumbnail.png
    OUT/failed/CASE.json         why a case has no result
    OUT/cohort.csv, cohort.html  one row per case; small pictures, the worst first
    OUT/papers/                  tables of the papers, for tasks that have them

A case's folder appears whole (`PreopReviewLib.output`), so a case is done exactly when it is there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PreopReviewLib import __version__
from PreopReviewLib.cohort.cases import RECORD, CohortCase
from PreopReviewLib.cohort.tasks import CellValue, Task
from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.errors import InputError, OutputError, OutputExists, UnreadableImage
from PreopReviewLib.output import output_file, whole_file
from PreopReviewLib.structured import read_json

CASE_RECORD, THUMBNAIL = "case.json", "thumbnail.png"
TABLE, PAGE = "cohort.csv", "cohort.html"
FORMAT = "PreopReview cohort"


@dataclass(frozen=True)
class Row:
    """One case in the table of results.

    Attributes:
        values: by column; empty for a failed case.
        failure: the sentence why there is no result; empty if there is one.
        seconds: of work.
    """

    case: CohortCase
    values: Mapping[str, CellValue]
    failure: str = ""
    seconds: float = math.nan


@dataclass(frozen=True)
class CohortFolder:
    """The folder `path` of a cohort of one task."""

    path: Path

    def case_folder(self, name: str) -> Path:
        """Where the results of a case are, or will be."""
        return self.path / "cases" / name

    def failure_file(self, name: str) -> Path:
        """Where it is kept why a case failed."""
        return self.path / "failed" / f"{name}.json"

    def check(self, task: Task, settings: Mapping[str, str], resume: bool) -> None:
        """Raises, before any worker starts, what keeps a cohort from being begun or gone on with here.

        Raises:
            OutputExists: something is there, and it is not to be gone on with.
            InputError: it is of another task or other settings.
        """
        there = self.path.is_dir() and any(self.path.iterdir())
        if there or (self.path.exists() and not self.path.is_dir()):
            self._require_same(_about(task, settings), resume)

    def begin(self, task: Task, settings: Mapping[str, str]) -> None:
        """Makes the folder, unless it is there (`check`).

        Raises:
            OutputError: it cannot be made.
        """
        try:
            for name in ("cases", "failed"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be made ({error.strerror})", "Choose another folder") from error
        if not (self.path / RECORD).exists():
            text = json.dumps({**_about(task, settings), "preopreview": __version__}, indent=2, ensure_ascii=False)
            with output_file(self.path / RECORD) as work:
                work.write_text(text + "\n", encoding="utf-8")

    def _require_same(self, about: Mapping[str, Any], resume: bool) -> None:
        if not (self.path / RECORD).is_file():
            raise OutputExists(f"{self.path} already exists and is not the folder of a cohort", "Give a new folder")
        existing = read_json(self.path / RECORD)
        if not isinstance(existing, dict) or existing.get("format") != FORMAT:
            raise InputError(f"{self.path / RECORD} was not written by a cohort", "Give a new folder")
        for what in ("task", "settings"):
            if existing.get(what) != about[what]:
                raise InputError(
                    f"{self.path} is a cohort with the {what} {existing.get(what)}, not {about[what]}",
                    "Give a new folder",
                )
        if not resume:
            raise OutputExists(f"The cohort {self.path} has already been started", "Resume it, or give a new folder")

    def is_done(self, case: CohortCase) -> bool:
        """Whether a case has its results.

        Raises:
            InputError: its results are of other inputs.
        """
        path = self.case_folder(case.name)
        if not path.exists():
            return False
        record = self._record_of(path / CASE_RECORD)
        if record.get("values") != dict(case.values):
            raise InputError(
                f"{path} was made from other inputs than the case {case.name} has now",
                "Remove that folder to have it made again, or give a new folder for the cohort",
            )
        return True

    def _record_of(self, path: Path) -> dict[str, Any]:
        record = read_json(path)
        good = isinstance(record, dict) and isinstance(record.get("values"), dict)
        if not good or not isinstance(record.get("row") or {}, dict) or not _is_seconds(record.get("seconds")):
            raise UnreadableImage(f"{path} is not the record of a case", "Remove its folder to have it made again")
        return record

    def keep_failure(self, case: CohortCase, outcome: Mapping[str, Any]) -> None:
        """Writes why a case failed."""
        with whole_file(self.failure_file(case.name)) as work:
            work.write_text(json.dumps(outcome, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def forget_failure(self, case: CohortCase) -> None:
        """A case that failed once has its results now."""
        self.failure_file(case.name).unlink(missing_ok=True)

    def row(self, case: CohortCase) -> Row:
        """The case's row, read from its record, or why it has none."""
        record = self.case_folder(case.name) / CASE_RECORD
        if record.is_file():
            outcome = self._record_of(record)
            return Row(case, outcome.get("row") or {}, seconds=float(outcome.get("seconds") or math.nan))
        failure = self.failure_file(case.name)
        if not failure.is_file():
            return Row(case, {}, "not run yet")
        outcome = read_json(failure)
        if not isinstance(outcome, dict) or not _is_seconds(outcome.get("seconds")):
            raise UnreadableImage(f"{failure} does not say why a case failed", "Remove it to have the case made again")
        words = " ".join(f"{outcome[k]}." for k in ("problem", "remedy") if outcome.get(k))
        return Row(case, {}, words or "failed", float(outcome.get("seconds") or math.nan))

    def write_table(self, cases: Iterable[CohortCase]) -> Path:
        """One row for each case, as `PreopReviewLib.evaluation.cohort.read_cases_csv` reads it; row by row."""
        cases = list(cases)
        measured: dict[str, None] = {}
        for case in cases:
            measured |= dict.fromkeys(self.row(case).values)
        carried = list(dict.fromkeys(c for case in cases for c in case.carried))
        names = {c: c if c not in measured else f"given_{c}" for c in carried}
        heads = ["case", "cohort", *names.values(), *measured, "seconds", "failed"]
        with output_file(self.path / TABLE, overwrite=True) as work, work.open("w", encoding="utf-8", newline="") as f:
            f.write(csv_text([heads]))
            for case in cases:
                row = self.row(case)
                given = [case.carried.get(c, "") for c in carried]
                cells = [_cell(row.values.get(c)) for c in measured]
                f.write(csv_text([[case.name, case.part, *given, *cells, _cell(row.seconds), row.failure]]))
        return self.path / TABLE


def _about(task: Task, settings: Mapping[str, str]) -> dict[str, Any]:
    return {"format": FORMAT, "version": 1, "task": task.name, "settings": dict(settings)}


def _is_seconds(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: CellValue) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(round(value, 6)) if isinstance(value, float) else " ".join(str(value).split())
