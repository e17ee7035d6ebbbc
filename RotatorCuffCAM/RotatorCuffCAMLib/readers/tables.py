"""The tables of Shim 2020 from a reader study of one's own: 1 (cases), 2 (model, tear or none), 3 (groups), and more.

Groups are compared as in the paper (Kruskal–Wallis over readers, Dunn's z with Bonferroni's .05/3 = .0167); what the
paper lacks stands beside it: each reader against the model on the same cases, and agreement between readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.hypothesis_tests import KruskalWallis, format_p, kruskal_wallis
from PreopReviewLib.evaluation.kappa import weighted_kappa
from PreopReviewLib.evaluation.tables import NOT_AVAILABLE, Table, text
from RotatorCuffCAMLib.readers.results import ModelAnswers, Performance, Reading, Truth, performance
from RotatorCuffCAMLib.tears import KEYS, TEAR_CLASSES

MEASURES = {
    "top1": "Top-1 accuracy",
    "top1_within_1": "Top-1 ± 1 accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "seconds": "Diagnostic time (s)",
}
PERCENT = ("top1", "top1_within_1", "binary_accuracy")


@dataclass(frozen=True)
class StudyData:
    """What is compared, on the same cases in the same order.

    Attributes:
        cases: N names.
        truth: (N,) ordinal indices.
        readings: first looks of first passes that answer every case.
        others: second looks and passes.
        model: or None.
        left_out: readings that are not complete, in words.
    """

    cases: tuple[str, ...]
    truth: NDArray[np.int64]
    readings: tuple[Reading, ...]
    others: tuple[Reading, ...]
    model: ModelAnswers | None
    left_out: tuple[str, ...] = field(default=())

    def answers(self, reading: Reading) -> NDArray[np.int64]:
        """(N,) answers."""
        return np.array([reading.classes[c] for c in self.cases])

    def performance(self, reading: Reading) -> Performance:
        """Of one reading."""
        times = [reading.seconds.get(c, float("nan")) for c in self.cases]
        return performance(self.truth, self.answers(reading), times)

    @property
    def groups(self) -> dict[str, list[Reading]]:
        """Readings by group, in order of appearance."""
        groups: dict[str, list[Reading]] = {}
        for reading in self.readings:
            groups.setdefault(reading.group, []).append(reading)
        return groups


def gather(truth: Truth, readings: Sequence[Reading], model: ModelAnswers | None = None) -> StudyData:
    """Puts answers and true classes side by side; cases are those of the readings (or of the model without any).

    Readings that lack cases are left out and named.

    Raises:
        InputError: a case without a true class, or nothing to compare.
    """
    if not readings and model is None:
        raise InputError("There are no answers", "Give readers' answers or a model's")
    wanted: dict[str, None] = {}
    for source in [r.classes for r in readings] or [dict.fromkeys(model.cases)]:  # type: ignore[union-attr]
        wanted |= dict.fromkeys(source)
    cases = tuple(c for c in truth.classes if c in wanted)
    lacking = [c for c in wanted if c not in truth.classes]
    if lacking:
        raise InputError(f"The case {lacking[0]} has no true class", "Add it to the table of classes")
    whole = [r for r in readings if len(r.classes) == len(cases)]
    left_out = tuple(
        f"{r.reader} (pass {r.reading}, look {r.look}): {len(r.classes)} of {len(cases)} cases"
        for r in readings
        if len(r.classes) < len(cases)
    )
    first = tuple(r for r in whole if r.reading == 1 and r.look == 1)
    rest = tuple(r for r in whole if r not in first)
    classes = np.array([truth.classes[c] for c in cases])
    return StudyData(cases, classes, first, rest, model.of(cases) if model else None, left_out)


def table1(truth: Truth) -> Table:
    """Cases by class, and by set where the table says train or test."""
    sets = [s for s in ("train", "test") if s in truth.sets.values()]
    table = Table("shim2020_table1", "Cases by tear size", ["Class", *(s.capitalize() for s in sets), "Total"])
    held = [(c, truth.sets.get(case, "")) for case, c in truth.classes.items()]
    for tear in TEAR_CLASSES:
        counts = [sum(c == tear.index and s == name for c, s in held) for name in sets]
        table.add(tear.name, *counts, sum(c == tear.index for c, _ in held))
    table.add("Total", *(sum(s == name for _, s in held) for name in sets), len(held))
    lost = sum(1 for _, s in held if s not in sets) if sets else 0
    if lost:
        table.notes.append(f"{lost} cases belong to neither set")
    return table


def model_performances(data: StudyData) -> list[Performance]:
    """Of each repetition of the model."""
    if data.model is None:
        return []
    return [performance(data.truth, p.argmax(1), data.model.seconds) for p in data.model.probabilities]


def table2(data: StudyData, resamples: int = 2000, seed: int = 0) -> Table:
    """The model on tear or none: mean ± SD over repetitions, or, with a single pass, over resampled cases."""
    assert data.model is not None
    table = Table("shim2020_table2", "Tear or none: performance of the model", ["Measure", data.model.name])
    turns = model_performances(data)
    if len(turns) > 1:
        note = f"Mean ± SD over {len(turns)} repetitions on the same cases"
    else:
        generator = np.random.default_rng(seed)
        predicted = data.model.mean.argmax(1)
        draws = generator.integers(0, len(predicted), (resamples, len(predicted)))
        note = f"± SD over {resamples} bootstrap samples of the cases (seed {seed}); the network answered once"
        turns = turns + [performance(data.truth[d], predicted[d]) for d in draws]
    for key, name in (
        ("binary_accuracy", "Binary accuracy"),
        ("sensitivity", "Sensitivity"),
        ("specificity", "Specificity"),
        ("precision", "Precision"),
        ("f1", "F1-score"),
    ):
        values = np.array([getattr(t, key) for t in turns])
        single = "bootstrap" in note
        known = values[np.isfinite(values)]  # a sensitivity without tears is none
        middle = values[0] if single else known.mean() if known.size else np.nan
        drawn = known[int(np.isfinite(values[0])) :] if single else known
        spread = drawn.std(ddof=1) if drawn.size > 1 else np.nan
        scale, unit = (100, "%") if key in PERCENT else (1, "")
        digits = 1 if unit else 2
        table.add(name, f"{text(middle * scale, digits)}{unit} ± {text(spread * scale, 2)}{unit}")
    table.notes += [note, f"{len(data.cases)} cases, {int((data.truth > 0).sum())} with a tear"]
    return table


def measure_values(data: StudyData, measure: str) -> dict[str, NDArray[np.float64]]:
    """Group → one value for each reader; the model's repetitions are its group and come first."""
    values = {}
    if data.model is not None:
        values[data.model.name] = np.array([getattr(p, measure) for p in model_performances(data)])
    for group, members in data.groups.items():
        values[group] = np.array([getattr(data.performance(r), measure) for r in members])
    return {g: v[np.isfinite(v)] for g, v in values.items()}


def compare_groups(data: StudyData, measure: str) -> KruskalWallis | None:
    """Kruskal–Wallis with Dunn's post hoc test; None with fewer than two groups that have values."""
    groups = {g: v for g, v in measure_values(data, measure).items() if len(v)}
    return kruskal_wallis(groups) if len(groups) > 1 else None


def table3(data: StudyData) -> list[Table]:
    """(a) median (quartiles) of each group and p; then a table of pairs for each measure."""
    groups = ([data.model.name] if data.model else []) + list(data.groups)
    main = Table("shim2020_table3a", "Classification by group", ["Measure", *groups, "p"])
    pairs = []
    for letter, (measure, name) in zip("bcdef", MEASURES.items(), strict=True):
        values, test = measure_values(data, measure), compare_groups(data, measure)
        p = NOT_AVAILABLE if test is None else format_p(test.omnibus.p).removeprefix("= ")
        different = _differ(test, groups[0]) if data.model else set()
        cells = [_median(values[g], measure) + ("*" if g in different else "") for g in groups]
        main.add(name, *cells, p)
        if test is not None and len(groups) > 2:
            pairs.append(_pairs_table(letter, name, groups, test))
    main.notes += [
        "Median (first, third quartile) over readers; the model: over its repetitions",
        "p: Kruskal–Wallis" + ("; * differs from the model (Dunn's z, Bonferroni)" if data.model else ""),
        "; ".join(f"{g}: n = {len(v)}" for g, v in measure_values(data, "top1").items()),
    ]
    return [main, *pairs]


def _differ(test: KruskalWallis | None, model: str) -> set[str]:
    return {
        other
        for pair in (test.pairs if test else ())
        if pair.significant and model in (pair.first, pair.second)
        for other in (pair.first, pair.second)
        if other != model
    }


def _median(values: NDArray[np.float64], measure: str) -> str:
    if len(values) == 0:
        return NOT_AVAILABLE
    scale, digits, unit = (100, 1, "%") if measure in PERCENT else (1, 1 if measure == "seconds" else 2, "")
    digits = 2 if measure == "seconds" and np.median(values) < 1 else digits
    low, middle, high = np.percentile(values, [25, 50, 75]) * scale
    return f"{text(middle, digits)} ({text(low, digits)}, {text(high, digits)}){unit}"


def _pairs_table(letter: str, name: str, groups: Sequence[str], test: KruskalWallis) -> Table:
    table = Table(f"shim2020_table3{letter}", f"{name}: pairs of groups, p", ["", *groups])
    tests = {frozenset((p.first, p.second)): p for p in test.pairs}
    for one in groups:
        cells = []
        for two in groups:
            pair = tests.get(frozenset((one, two)))
            mark = "*" if pair is not None and pair.significant else ""
            cells.append("" if pair is None else format_p(pair.p).removeprefix("= ") + mark)
        table.add(one, *cells)
    table.notes.append(f"Dunn's z, p before adjustment; * significant after Bonferroni (p < {test.threshold:.4f})")
    return table


def reader_table(data: StudyData) -> Table:
    """Each reader by himself, and against the model on the same cases (exact McNemar test of top-1)."""
    from scipy.stats import binomtest

    columns = ["Reader", "Group", "Binary", "Top-1", "Top-1 ± 1", "Sens.", "Spec.", "Prec.", "F1", "Time (s)"]
    table = Table("readers", "Every reader", [*columns, "κ with truth", "Top-1 against the model, p"])
    right = None if data.model is None else data.model.mean.argmax(1) == data.truth
    for reading in data.readings:
        answers, p = data.answers(reading), data.performance(reading)
        verdict: str | None = None
        if right is not None:
            own = answers == data.truth
            better, worse = int((own & ~right).sum()), int((~own & right).sum())
            chance = binomtest(better, better + worse).pvalue if better + worse else 1.0
            verdict = f"{format_p(chance).removeprefix('= ')} (+{better} −{worse})"
        kappa = weighted_kappa(data.truth, answers, len(KEYS)).value
        values = list(asdict(p).values())
        table.add(reading.reader, reading.group, *values[:8], kappa, verdict)
    table.notes += [
        "κ: quadratic weights over the ordinal classes",
        "McNemar, exact: cases that only the reader (+) or only the model (−) has right; p not corrected",
        *(f"Left out, not complete: {words}" for words in data.left_out),
    ]
    return table


def agreement_tables(data: StudyData) -> tuple[list[Table], dict[str, Any]]:
    """Weighted kappa of every pair of readers, of each reader's passes, and answers before and after the model's."""
    tables, numbers = [], {}
    names = [r.reader for r in data.readings]
    if len(names) > 1:
        between = Table("kappa_between_readers", "Agreement between readers (weighted κ)", ["", *names])
        kappas = {
            (a.reader, b.reader): weighted_kappa(data.answers(a), data.answers(b), len(KEYS))
            for a, b in combinations(data.readings, 2)
        }
        for one in names:
            between.add(one, *(_kappa_cell(kappas, one, two) for two in names))
        between.notes.append("Quadratic weights; 95% intervals by Fleiss, Cohen and Everitt are in numbers.json")
        tables.append(between)
        numbers["kappa_between"] = {f"{a} / {b}": _kappa_numbers(k) for (a, b), k in kappas.items()}
    within = Table("kappa_within_readers", "Agreement of a reader's passes (weighted κ)", ["Reader", "Pass", "κ"])
    looks = Table(
        "second_look",
        "Before and after seeing the model's answer",
        ["Reader", "Top-1 before", "Top-1 after", "Binary before", "Binary after", "To right", "To wrong"],
    )
    numbers["kappa_within"] = {}
    for other in data.others:
        first = next((r for r in data.readings if r.reader == other.reader), None)
        if first is None:
            continue
        if other.look == 1:
            kappa = weighted_kappa(data.answers(first), data.answers(other), len(KEYS))
            within.add(other.reader, other.reading, str(kappa))
            numbers["kappa_within"][f"{other.reader}, pass {other.reading}"] = _kappa_numbers(kappa)
        elif other.reading == 1:
            before, after = data.performance(first), data.performance(other)
            was, now = data.answers(first) == data.truth, data.answers(other) == data.truth
            figures = (before.top1, after.top1, before.binary_accuracy, after.binary_accuracy)
            looks.add(other.reader, *figures, int((~was & now).sum()), int((was & ~now).sum()))
    return tables + [t for t in (within, looks) if t.rows], numbers


def _kappa_cell(kappas: Mapping[tuple[str, str], Any], one: str, two: str) -> float | str:
    kappa = kappas.get((one, two)) or kappas.get((two, one))
    return "" if kappa is None else kappa.value


def _kappa_numbers(kappa: Any) -> dict[str, float | None]:
    return {k: v if np.isfinite(v := getattr(kappa, k)) else None for k in ("value", "low", "high")}
