"""The tables and figures of the papers, from a cohort of one's own cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPERS: dict[str, str] = {
    "oh2023": "Oh et al., Sci Rep 13 (2023): five structures on hepatobiliary-phase MRI; tables 1, 2 and 3",
    "lin2024": "Lin et al., Front Oncol 14:1423774 (2024): tumors with and without the cyst filter; tables 1 and 2",
    "gross2024": "Gross et al., Eur Radiol (2024): Dice, agreement of liver volumes by cohort",
}


@dataclass
class PaperResult:
    """What one paper's evaluation gave.

    Attributes:
        paper: key of `PAPERS`.
        tables: in the order of the paper.
        figures: name of the file → a function that draws it, so that nothing is drawn unless it is wanted.
        statements: sentences with the tests and counts, for the text of a manuscript.
        numbers: the same as data.
    """

    paper: str
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Callable[[], Figure]] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


def evaluate(paper: str, cohort: Cohort, **options: Any) -> PaperResult:
    """Makes the tables of one paper.

    Args:
        options: of the paper's own `evaluate`.

    Raises:
        InputError: an unknown paper, columns that are not there, values that are not numbers, no usable case.
    """
    if paper not in PAPERS:
        raise InputError(f"Unknown paper: {paper}", f"The papers are {', '.join(PAPERS)}")
    if not cohort.usable:
        raise InputError(f"{cohort.source} has no case with a result: {cohort.summary()}", "Add cases")
    result = import_module(f"{__name__}.{paper}").evaluate(cohort, **options)
    result.statements.insert(0, f"{cohort.source}: {cohort.summary()}.")
    result.numbers["cases"] = {"all": len(cohort.cases), "failed": {c.case: c.failure for c in cohort.failed}}
    result.numbers = _plain(result.numbers)
    return result


def _plain(numbers: Any) -> Any:
    """Numbers as JSON has them: what is not defined is None, never NaN or infinite."""
    if isinstance(numbers, dict):
        return {key: _plain(value) for key, value in numbers.items()}
    if isinstance(numbers, list | tuple):
        return [_plain(value) for value in numbers]
    if isinstance(numbers, float) and not math.isfinite(numbers):
        return None
    return numbers
