"""What readers and models answered, and how well: the measures of Shim 2020 for one set of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.structured import read_json
from PreopReviewLib.tables import Row, Table, read_table
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


def performance(truth: ArrayLike, answers: ArrayLike, seconds: ArrayLike | None = None) -> Performance:
    """The measures of answers.

    Args:
        truth, answers: (N,) ordinal class indices.
        seconds: (N,) of each answer; NaN where unknown.

    Raises:
        InputError: no case, or lengths that differ.
    """
    t, s = np.asarray(truth, int), np.asarray(answers, int)
    if t.ndim != 1 or t.shape != s.shape or len(t) == 0:
        raise InputError(f"There are {s.size} answers for {t.size} cases", "Give one for each")
    torn, called = t > 0, s > 0
    hit, missed = int((torn & called).sum()), int((torn & ~called).sum())
    alarm, quiet = int((~torn & called).sum()), int((~torn & ~called).sum())
    times = np.asarray(seconds, float) if seconds is not None else np.array([])
    times = times[np.isfinite(times)]
    return Performance(
        float((torn == called).mean()),
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


def _class_in(row: Row, table: Table) -> int:
    try:
        return tear_class(row.get("class")).index
    except InputError as error:
        raise InputError(f"{table.where(row)}: {error.problem}", error.remedy) from error


def _whole_in(row: Row, key: str, table: Table) -> int | None:
    """A whole number, or None where there is none."""
    value = table.number(row, key)
    if value != value:
        return None
    if value != int(value):
        raise InputError(f"{table.where(row)}: {key} is {value:g}", "Give a whole number, or leave it empty")
    return int(value)


def _named_case(row: Row, table: Table) -> str:
    if not row.get("case"):
        raise InputError(f"{table.where(row)} names no case", "Give every row the name of its case")
    return row.get("case")


def read_truth(table: str | Path) -> Truth:
    """The true classes from a CSV with ``class`` and ``case`` (without it, cases are numbered), and ``set`` if any.

    Raises:
        FileMissing: no such file.
        InputError: no column class, an invalid class, a duplicate case.
    """
    held = read_table(table, ("class",))
    classes: dict[str, int] = {}
    sets: dict[str, str] = {}
    for number, row in enumerate(held.rows, start=1):
        case = _named_case(row, held) if "case" in held.columns else f"{number:03d}"
        if case in classes:
            raise InputError(f"{held.where(row)}: the case {case} is listed twice", "Keep one")
        classes[case] = _class_in(row, held)
        if row.get("set"):
            sets[case] = row.get("set").lower()
    return Truth(classes, sets)


def read_study_readings(study: Study) -> list[Reading]:
    """Every reader's answers from the logs of a study.

    Raises:
        InputError: a log of another study, or no log at all.
    """
    if not study.logs():
        raise InputError(f"No one has read {study.name!r} yet", "Read it in the module RotatorCuffCAM")
    readings = []
    for path in study.logs():
        events = read_log(path)
        if not events:
            continue  # made, but the reader never began
        header = check_header(events, study, path)
        answers = answers_of(events)
        for look in (1, 2) if study.second_look else (1,):
            own = [a for a in answers if a.look == look]
            if own:
                readings.append(
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
    return readings


def read_readings_table(table: str | Path) -> list[Reading]:
    """Answers from a CSV: reader, case, class; optionally group, pass, look, seconds, confidence.

    Raises:
        FileMissing: no such file.
        InputError: a column is missing, a value is invalid, a reader answers a case twice in one pass.
    """
    rows = read_table(table, ("reader", "case", "class"))
    held: dict[tuple[str, str, int, int], Reading] = {}
    for row in rows.rows:
        turn, look = (1 if (n := _whole_in(row, k, rows)) is None else n for k in ("pass", "look"))
        key = (row.get("reader"), row.get("group") or "readers", turn, look)
        reading = held.setdefault(key, Reading(*key, {}))
        case = _named_case(row, rows)
        if case in reading.classes:
            raise InputError(f"{rows.where(row)}: {row.get('reader')} answers {case} twice", "Keep one")
        reading.classes[case] = _class_in(row, rows)
        seconds, confidence = rows.number(row, "seconds"), _whole_in(row, "confidence", rows)
        if seconds == seconds:
            reading.seconds[case] = seconds
        if confidence is not None:
            reading.confidence[case] = confidence
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
    rows = read_table(path, ("case", *KEYS))
    by_turn: dict[str, dict[str, list[float]]] = {}
    seconds: dict[str, float] = {}
    for row in rows.rows:
        values, case = [rows.number(row, k) for k in KEYS], _named_case(row, rows)
        _check_probabilities(values, rows.where(row))
        turn = by_turn.setdefault(row.get("repetition"), {})
        if case in turn:
            raise InputError(f"{rows.where(row)}: case {case} is listed twice", "Number the repetitions")
        turn[case] = values
        seconds[case] = rows.number(row, "seconds")
    cases = tuple(next(iter(by_turn.values())))
    for word, turn in by_turn.items():
        if set(turn) != set(cases):
            raise InputError(
                f"{path}: repetition {word} has different cases from the first", "Give all cases each time"
            )
    table = np.array([[turn[c] for c in cases] for turn in by_turn.values()])
    return ModelAnswers(cases, table, np.array([seconds[c] for c in cases]), name)


def _model_folder(folder: Path, name: str) -> ModelAnswers:
    answers = {p.parent.name: _probabilities(p) for p in sorted(folder.glob("*/probabilities.json"))}
    if not answers:
        raise FileMissing(f"{folder} holds no result of preop cuff classify", "Classify the cases into it")
    table = np.array([[values for values, _ in answers.values()]], float)
    return ModelAnswers(tuple(answers), table, np.array([seconds for _, seconds in answers.values()]), name)


def _probabilities(path: Path) -> tuple[list[float], float]:
    """The probabilities in the order of the classes, and the seconds that they took."""
    content = read_json(path, remedy="Classify the case again")
    try:
        values = [float(content["probabilities"][k]) for k in KEYS]
        seconds = float(content.get("seconds") or "nan")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a result of preop cuff classify ({error})", "Classify the case again"
        ) from error
    _check_probabilities(values, str(path))
    return values, seconds


def _check_probabilities(values: Sequence[float], where: str) -> None:
    if not abs(sum(values) - 1) < 0.01 or not all(0 <= v <= 1.0001 for v in values):
        raise InputError(
            f"{where}: the probabilities sum to {sum(values):.3g} or are not between 0 and 1", "They must sum to 1"
        )
