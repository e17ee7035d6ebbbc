"""What readers and models answered, and how well: the measures of Shim 2020 for one set of answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import FileMissing, InputError
from RotatorCuffCAMLib.readers.log import read_log
from RotatorCuffCAMLib.readers.session import answers_of, check_header
from RotatorCuffCAMLib.readers.study import Study
from RotatorCuffCAMLib.tears import KEYS, tear_class


@dataclass(frozen=True)
class Performance:
    """The paper's measures; those without a case to count are NaN.

    Attributes:
        binary_accuracy: tear or none.
        top1, top1_within_1: exact class; exact or next to it in the ordinal order.
        sensitivity, specificity, precision, f1: of a tear.
        seconds: median over cases, NaN where no time was taken.
        cases: how many.
    """

    binary_accuracy: float
    top1: float
    top1_within_1: float
    sensitivity: float
    specificity: float
    precision: float
    f1: float
    seconds: float
    cases: int


def performance(truth: ArrayLike, said: ArrayLike, seconds: ArrayLike | None = None) -> Performance:
    """The measures of answers.

    Args:
        truth, said: (N,) ordinal class indices.
        seconds: (N,) of each answer; NaN where unknown.

    Raises:
        InputError: no case, or lengths that differ.
    """
    t, s = np.asarray(truth, int), np.asarray(said, int)
    if t.ndim != 1 or t.shape != s.shape or len(t) == 0:
        raise InputError(f"There are {s.size} answers for {t.size} cases", "Give one for each")
    torn, found = t > 0, s > 0
    hit, missed = int((torn & found).sum()), int((torn & ~found).sum())
    alarm, quiet = int((~torn & found).sum()), int((~torn & ~found).sum())
    times = np.asarray(seconds, float) if seconds is not None else np.array([])
    times = times[np.isfinite(times)]
    return Performance(
        float((torn == found).mean()),
        float((t == s).mean()),
        float((abs(t - s) <= 1).mean()),
        _ratio(hit, hit + missed),
        _ratio(quiet, quiet + alarm),
        _ratio(hit, hit + alarm),
        _ratio(2 * hit, 2 * hit + missed + alarm),
        float(np.median(times)) if len(times) else float("nan"),
        len(t),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True)
class Reading:
    """One reader's answers in one pass and look: class index, seconds and confidence by case."""

    reader: str
    group: str
    reading: int
    look: int
    classes: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)
    confidence: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelAnswers:
    """A model's answers.

    Attributes:
        cases: N names.
        probabilities: (R, N, 5) for R repetitions, in ordinal order.
        seconds: (N,) a case, NaN where unknown.
        name: for people.
    """

    cases: tuple[str, ...]
    probabilities: NDArray[np.float64]
    seconds: NDArray[np.float64]
    name: str = "model"

    @property
    def mean(self) -> NDArray[np.float64]:
        """(N, 5) over the repetitions."""
        return self.probabilities.mean(0)

    def of(self, names: Sequence[str]) -> ModelAnswers:
        """The same for these cases in this order.

        Raises:
            InputError: it has no answer for one.
        """
        place = {c: n for n, c in enumerate(self.cases)}
        lacking = [n for n in names if n not in place]
        if lacking:
            raise InputError(f"The model has no answer for case {lacking[0]}", "Classify every case")
        at = [place[n] for n in names]
        return ModelAnswers(tuple(names), self.probabilities[:, at], self.seconds[at], self.name)


@dataclass(frozen=True)
class Truth:
    """Class index by case, and which set (train, test) a case belongs to where that is given."""

    classes: dict[str, int]
    sets: dict[str, str]


def _rows(table: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    if not table.is_file():
        raise FileMissing(f"There is no table {table}", "Check the path")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        reader.fieldnames = [c.strip().lower() for c in reader.fieldnames or ()]
        lacking = [c for c in needed if c not in reader.fieldnames]
        if lacking:
            raise InputError(f"{table} lacks the column {', '.join(lacking)}", f"It needs {', '.join(needed)}")
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    if not rows:
        raise InputError(f"{table} has no row", "Add one for each case")
    return rows


def _class_in(row: Mapping[str, str], table: Path, number: int) -> int:
    try:
        return tear_class(row["class"]).index
    except InputError as error:
        raise InputError(f"{table}, row {number}: {error.problem}", error.remedy) from error


def _number_in(row: Mapping[str, str], key: str, table: Path, number: int) -> float:
    text = row.get(key, "")
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise InputError(f"{table}, row {number}: {key} is {text!r}", "Give a number, or leave it empty") from None


def read_truth(table: str | Path) -> Truth:
    """The true classes from a CSV with ``class`` and ``case`` (without it, cases are numbered), and ``set`` if any.

    Raises:
        FileMissing: no such file.
        InputError: no column class, a class that is none, a case twice.
    """
    table = Path(table)
    classes: dict[str, int] = {}
    sets: dict[str, str] = {}
    for number, row in enumerate(_rows(table, ("class",)), start=1):
        case = row.get("case") or f"{number:03d}"
        if case in classes:
            raise InputError(f"{table} has the case {case} twice", "Keep one")
        classes[case] = _class_in(row, table, number)
        if row.get("set"):
            sets[case] = row["set"].lower()
    return Truth(classes, sets)


def read_study_readings(study: Study) -> list[Reading]:
    """Every reader's answers from the logs of a study.

    Raises:
        InputError: a log of another study, or no log at all.
    """
    if not study.logs():
        raise InputError(f"Nobody has read {study.name!r} yet", "Read it in the module RotatorCuffCAM")
    found = []
    for path in study.logs():
        events = read_log(path)
        if not events:
            continue  # made, but the reader never began
        header = check_header(events, study, path)
        answers = answers_of(events)
        for look in (1, 2) if study.second_look else (1,):
            own = [a for a in answers if a.look == look]
            if own:
                found.append(
                    Reading(
                        header["reader"],
                        header["group"] or "readers",
                        int(header["pass"]),
                        look,
                        {a.case: a.class_index for a in own},
                        {a.case: a.seconds for a in own},
                        {a.case: a.confidence for a in own if a.confidence is not None},
                    )
                )
    return found


def read_readings_table(table: str | Path) -> list[Reading]:
    """Answers from a CSV: reader, case, class; optionally group, pass, look, seconds, confidence.

    Raises:
        FileMissing: no such file.
        InputError: a column is missing, a value is none, a reader answers a case twice in one pass.
    """
    table = Path(table)
    held: dict[tuple[str, str, int, int], Reading] = {}
    for number, row in enumerate(_rows(table, ("reader", "case", "class")), start=1):
        numbers = {k: _number_in(row, k, table, number) for k in ("pass", "look", "seconds", "confidence")}
        turn, look = (int(numbers[k]) if numbers[k] == numbers[k] else 1 for k in ("pass", "look"))
        key = (row["reader"], row.get("group") or "readers", turn, look)
        reading = held.setdefault(key, Reading(*key, {}))
        if row["case"] in reading.classes:
            raise InputError(f"{table}, row {number}: {row['reader']} answers {row['case']} twice", "Keep one")
        reading.classes[row["case"]] = _class_in(row, table, number)
        if numbers["seconds"] == numbers["seconds"]:
            reading.seconds[row["case"]] = numbers["seconds"]
        if numbers["confidence"] == numbers["confidence"]:
            reading.confidence[row["case"]] = int(numbers["confidence"])
    return list(held.values())


def read_model(path: str | Path, name: str = "VRN-based 3D CNN") -> ModelAnswers:
    """A model's probabilities from a CSV (case, none, partial, small, medium, large; repetition, seconds if any), or
    from a folder with one result of `preop cuff classify` for each case.

    Raises:
        FileMissing: no such file, or no result in the folder.
        InputError: a column is missing, probabilities that do not sum to 1, repetitions that lack cases.
    """
    path = Path(path)
    if path.is_dir():
        return _model_folder(path, name)
    rows = _rows(path, ("case", *KEYS))
    by_turn: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, float] = {}
    for number, row in enumerate(rows, start=1):
        values = [_number_in(row, k, path, number) for k in KEYS]
        if not abs(sum(values) - 1) < 0.01:
            raise InputError(f"{path}, row {number}: the probabilities sum to {sum(values):.3g}", "They must sum to 1")
        turn = by_turn.setdefault(row.get("repetition", ""), {})
        if row["case"] in turn:
            raise InputError(f"{path}, row {number}: case {row['case']} is there twice", "Number the repetitions")
        turn[row["case"]] = values
        seconds[row["case"]] = _number_in(row, "seconds", path, number)
    cases = tuple(next(iter(by_turn.values())))
    for word, turn in by_turn.items():
        if set(turn) != set(cases):
            raise InputError(f"{path}: repetition {word} has other cases than the first", "Give all cases each time")
    table = np.array([[turn[c] for c in cases] for turn in by_turn.values()])
    return ModelAnswers(cases, table, np.array([seconds[c] for c in cases]), name)


def _model_folder(folder: Path, name: str) -> ModelAnswers:
    found = {p.parent.name: json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*/probabilities.json")}
    if not found:
        raise FileMissing(f"{folder} holds no result of preop cuff classify", "Classify the cases into it")
    table = np.array([[[said["probabilities"][k] for k in KEYS] for said in found.values()]], float)
    seconds = [float(said.get("seconds") or "nan") for said in found.values()]
    return ModelAnswers(tuple(found), table, np.array(seconds), name)
