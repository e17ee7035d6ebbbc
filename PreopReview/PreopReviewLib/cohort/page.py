"""A page of all cases, each with a small picture and its figures, those that someone should look at first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PreopReviewLib.cohort.cases import CohortCase
from PreopReviewLib.cohort.folder import PAGE, THUMBNAIL, CohortFolder, Row
from PreopReviewLib.cohort.tasks import BETWEEN, CellValue, Task
from PreopReviewLib.output import output_file

FIGURES = 14
"""Figures shown beside a picture; the table has all."""


@dataclass(frozen=True)
class _Card:
    name: str
    part: str
    link: str
    picture: str
    failure: str
    warnings: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]


def write_page(folder: CohortFolder, task: Task, cases: Sequence[CohortCase], papers: Sequence[str] = ()) -> Path:
    """Writes the page; failed cases come first, then the lowest scores. Only one case at a time is in memory.

    Args:
        papers: links to the papers' tables, relative to the folder.
    """
    from jinja2 import Environment, FileSystemLoader

    from PreopReviewLib import reports

    templates = Path(reports.__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(templates), autoescape=True, trim_blocks=True)
    environment.filters["file"] = lambda name: (templates / name).read_text(encoding="utf-8")
    order = sorted(range(len(cases)), key=lambda n: (*_badness(folder.row(cases[n]), task), n))
    failed = sum(bool(folder.row(c).failure) for c in cases)

    def cards() -> Iterator[_Card]:
        return (_card(folder, folder.row(cases[n])) for n in order)

    stream = environment.get_template("cohort.html").stream(
        title=f"Cohort: {task.name}", count=len(cases), failed=failed, cards=cards(), papers=papers
    )
    with output_file(folder.path / PAGE, overwrite=True) as work:
        stream.dump(str(work), encoding="utf-8")
    return folder.path / PAGE


def _badness(row: Row, task: Task) -> tuple[int, float]:
    if row.failure:
        return 0, 0.0
    score = task.score(row.values)
    return (2, 0.0) if math.isnan(score) else (1, score)


def _card(folder: CohortFolder, row: Row) -> _Card:
    name = row.case.name
    place = f"cases/{quote(name)}"
    there = (folder.case_folder(name) / THUMBNAIL).is_file()
    shown = [(k, _text(v)) for k, v in row.values.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    warnings = str(row.values.get("warnings") or "")
    return _Card(
        name,
        row.case.part,
        "" if row.failure else f"{place}/",
        f"{place}/{THUMBNAIL}" if there else "",
        row.failure,
        tuple(w for w in warnings.split(BETWEEN) if w),
        tuple((k.replace("_", " "), v) for k, v in shown if v)[:FIGURES],
    )


def _text(value: CellValue) -> str:
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)
