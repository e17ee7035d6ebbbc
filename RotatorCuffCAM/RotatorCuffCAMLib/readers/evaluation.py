"""A whole reader study evaluated: tables, ROC with readers as points, intervals, agreement, and plain warnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.roc import Area, area_under_curve
from PreopReviewLib.evaluation.tables import Table
from PreopReviewLib.structured import json_text
from RotatorCuffCAMLib.network.classifier import Calibration, calibrate
from RotatorCuffCAMLib.readers import figures as reader_figures
from RotatorCuffCAMLib.readers import tables as reader_tables
from RotatorCuffCAMLib.readers.results import Truth, performance
from RotatorCuffCAMLib.readers.tables import MEASURES, StudyData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class StudyEvaluation:
    """What a study gave.

    Attributes:
        tables: the paper's first.
        figures: file name → function that draws it.
        statements: sentences for a manuscript.
        warnings: what must not be read into the numbers.
        numbers: everything as data.
    """

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


def evaluate_study(truth: Truth, data: StudyData) -> StudyEvaluation:
    """Tables 1 to 3 of Shim 2020, every reader, ROC, agreement, calibration and warnings."""
    evaluation = StudyEvaluation()
    evaluation.tables.append(reader_tables.table1(truth))
    evaluation.numbers["cases"] = len(data.cases)
    if data.model is not None:
        evaluation.tables.append(reader_tables.table2(data))
        _add_model(evaluation, data)
    if data.readings:
        evaluation.tables += [*reader_tables.table3(data), reader_tables.reader_table(data)]
        evaluation.numbers["readers"] = {r.reader: _finite(asdict(data.performance(r))) for r in data.readings}
        _add_groups(evaluation, data)
        tables, numbers = reader_tables.agreement_tables(data)
        evaluation.tables += tables
        evaluation.numbers |= numbers
        _tell_kappa(evaluation)
    evaluation.warnings += _warnings(data)
    return evaluation


def _add_model(evaluation: StudyEvaluation, data: StudyData) -> None:
    model = data.model
    assert model is not None
    model_performance = performance(data.truth, model.mean.argmax(1), model.seconds)
    evaluation.numbers["model"] = _finite(asdict(model_performance)) | {"repetitions": len(model.probabilities)}
    torn = data.truth > 0
    area: Area | None = None
    try:
        area = area_under_curve(torn, 1 - model.mean[:, 0])
    except InputError as error:
        evaluation.warnings.append(f"no ROC curve: {error.problem}")
    if area is not None:
        evaluation.statements.append(f"{model.name}: {area}.")
        evaluation.numbers["auc"] = asdict(area)
        points = {
            r.reader: (r.group, 1 - p.specificity, p.sensitivity)
            for r in data.readings
            if np.isfinite((p := data.performance(r)).specificity + p.sensitivity)
        }
        evaluation.figures["roc"] = partial(
            reader_figures.roc_figure, torn, 1 - model.mean[:, 0], area, points, model.name
        )
        _tell_below(evaluation, data)
    if len(data.cases) >= 20:
        fit = calibrate(np.log(np.clip(model.mean, 1e-9, 1)), data.truth)
        evaluation.numbers["calibration"] = asdict(fit)
        evaluation.statements.append(_calibration_words(fit))
        evaluation.figures["reliability"] = partial(reader_figures.reliability_figure, model.mean, data.truth, fit)


def _calibration_words(fit: Calibration) -> str:
    return (
        f"Expected calibration error {fit.error_before:.3f}; with the logits divided by {fit.temperature:.2f} "
        f"(chosen on these very cases) {fit.error_after:.3f}."
    )


def _tell_below(evaluation: StudyEvaluation, data: StudyData) -> None:
    """How many readers lie below the model's ROC curve, as the paper says of all of theirs."""
    from PreopReviewLib.evaluation.roc import roc_curve

    assert data.model is not None
    curve = roc_curve(data.truth > 0, 1 - data.model.mean[:, 0])
    below = total = 0
    for reading in data.readings:
        p = data.performance(reading)
        if np.isfinite(p.sensitivity + p.specificity):
            total += 1
            height = np.interp(1 - p.specificity, curve.false_positive, curve.true_positive)
            below += bool(p.sensitivity < height)
    if total:
        evaluation.statements.append(f"{below} of {total} readers lie below the model's ROC curve.")


def _add_groups(evaluation: StudyEvaluation, data: StudyData) -> None:
    numbers: dict[str, Any] = {}
    for measure, name in MEASURES.items():
        test = reader_tables.compare_groups(data, measure)
        values = {g: v for g, v in reader_tables.measure_values(data, measure).items() if len(v)}
        if test is None:
            continue
        evaluation.statements.append(f"{name}, between groups: {test.omnibus}.")
        numbers[measure] = {
            "h": _number(test.omnibus.statistic),
            "p": _number(test.omnibus.p),
            "threshold": test.threshold,
            "pairs": [asdict(p) | {"p": _number(p.p), "statistic": _number(p.statistic)} for p in test.pairs],
            "groups": {g: [float(q) for q in np.percentile(v, [25, 50, 75])] for g, v in values.items()},
        }
    evaluation.numbers["kruskal_wallis"] = numbers
    shown = {
        "Top-1 accuracy": reader_tables.measure_values(data, "top1"),
        "Binary accuracy": reader_tables.measure_values(data, "binary_accuracy"),
    }
    title, note = "Readers and model by group", "Points are readers; of the model, repetitions of one network."
    evaluation.figures["accuracy_by_group"] = partial(
        reader_figures.distributions, shown, title, limits=dict.fromkeys(shown, (0, 1)), note=note
    )
    seconds = {g: v for g, v in reader_tables.measure_values(data, "seconds").items() if len(v)}
    if seconds:
        evaluation.figures["diagnostic_time"] = partial(
            reader_figures.distributions, {"Median time for a case (s)": seconds}, "Diagnostic time", note=note
        )


def _tell_kappa(evaluation: StudyEvaluation) -> None:
    values = [k["value"] for k in evaluation.numbers.get("kappa_between", {}).values() if k["value"] is not None]
    if values:
        low, middle, high = np.percentile(values, [0, 50, 100])
        evaluation.statements.append(
            f"Weighted kappa between readers (quadratic): median {middle:.2f}, {low:.2f} to {high:.2f} "
            f"over {len(values)} pairs."
        )


def _warnings(data: StudyData) -> list[str]:
    warnings = []
    readers = len(data.readings)
    turns = 0 if data.model is None else len(data.model.probabilities)
    if turns and readers:
        same = turns > 1 and bool(np.ptp(data.model.probabilities, axis=0).max() == 0)  # type: ignore[union-attr]
        if same:
            warnings.append(f"the {turns} repetitions of the model are all alike: they are one answer")
        what = f"{turns} repetitions of one network are" if turns > 1 else "one network is"
        warnings.append(
            f"in Table 3 {what} set against {readers} readers as if each were a reader of its own. "
            "Repetitions do not vary as readers do (pseudo-replication), so its p values with the model say nothing "
            "about other networks or cases; read the table of every reader instead, which compares on the same cases"
        )
    for group, members in data.groups.items():
        if len(members) < 3:
            warnings.append(
                f"the group {group!r} has {len(members)} reader{'s' * (len(members) > 1)}: too few to compare"
            )
    small = [k for k in range(5) if 0 < int((data.truth == k).sum()) < 5]
    if small:
        warnings.append("some classes have fewer than 5 cases: their figures are not reliable")
    if data.left_out:
        warnings.append(f"left out because not complete: {'; '.join(data.left_out)}")
    return warnings


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in values.items()}


def write_evaluation(evaluation: StudyEvaluation, folder: Path, figures: bool = True) -> None:
    """Tables as CSV and Markdown, figures as PNG and SVG, summary.md and numbers.json."""
    for table in evaluation.tables:
        table.write(folder)
    if figures:
        reader_figures.save_figures({name: draw() for name, draw in evaluation.figures.items()}, folder)
    lines = ["# Reader study", "", *(f"> **Warning:** {w}.\n" for w in evaluation.warnings)]
    lines += [t.as_markdown() for t in evaluation.tables]
    lines += ["**In words**", "", *(f"- {s}" for s in evaluation.statements), ""]
    lines += [f"![{name}]({name}.png)" for name in evaluation.figures if figures]
    (folder / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    numbers = json_text(evaluation.numbers | {"warnings": evaluation.warnings})
    (folder / "numbers.json").write_text(numbers + "\n", encoding="utf-8")
