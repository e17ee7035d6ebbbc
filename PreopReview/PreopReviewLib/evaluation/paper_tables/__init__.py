"""The tables and figures of the papers, from a cohort of one's own cases: one module here for each paper.

Its name is that of the paper's recipe. It has a ``TITLE`` and ``evaluate(cohort, **options) -> PaperResult``, and may
have ``GRID = "surfaces"`` (the picture of manual beside automatic shows surfaces, not slices) and
``RADIOMICS = True`` (the paper compares features of the liver).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from PreopReviewLib.evaluation.cohort import Cohort
    from PreopReviewLib.evaluation.tables import Table


def papers() -> tuple[str, ...]:
    """The papers that have tables here, in alphabetical order; no paper's module is imported for that."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@dataclass(frozen=True)
class Paper:
    """What a paper's module declares.

    Attributes:
        title: citation and what the tables show.
        grid: ``slices`` or ``surfaces``.
        radiomics: whether features of the liver belong to it.
        options: names of what its `evaluate` takes beside the cohort.
    """

    title: str
    grid: str
    radiomics: bool
    options: tuple[str, ...]


def paper_named(name: str) -> Paper:
    """What the module of a paper declares.

    Raises:
        InputError: there is no such paper.
    """
    module = _module(name)
    options = tuple(signature(module.evaluate).parameters)[1:]
    return Paper(module.TITLE, getattr(module, "GRID", "slices"), getattr(module, "RADIOMICS", False), options)


def _module(name: str) -> Any:
    if name not in papers():
        raise InputError(f"Unknown paper: {name}", f"The papers are {', '.join(papers())}")
    return import_module(f"{__name__}.{name}")


@dataclass
class PaperResult:
    """What one paper's evaluation gave.

    Attributes:
        paper: one of `papers`.
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
    module = _module(paper)
    if not cohort.usable:
        raise InputError(f"{cohort.source} has no case with a result: {cohort.summary()}", "Add cases")
    result = module.evaluate(cohort, **options)
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
