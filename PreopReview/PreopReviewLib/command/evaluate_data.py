"""`preop evaluate --data`: a paper's tables, pictures and a card's figures from the test cases of a data folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from PreopReviewLib.command.console import say
from PreopReviewLib.evaluation.paper_tables import PaperResult, paper_named
from PreopReviewLib.progress import Progress, within

FIGURES = "figures.json"
_LIVER = "LiverPlannerLib.comparison.data_cases"
_GRID = "LiverPlannerLib.comparison.picture_grid"
_SHOULDERS = "RotatorCuffCAMLib.readers.data_cases"


@dataclass(frozen=True)
class DataOptions:
    """Which cases to evaluate, and what beside the tables.

    Attributes:
        predicted: folder of `preop predict`.
        part, fold: of the data folder's split.
        figures: draw figures, a picture of each case, and the grid of manual beside automatic.
        radiomics: agreement of the liver's features.
    """

    data: Path
    predicted: Path
    part: str = "test"
    fold: int | None = None
    figures: bool = True
    radiomics: bool = False

    @property
    def title(self) -> str:
        """What the figures of a card are of."""
        return f"{self.part} cases" + (f", fold {self.fold}" if self.fold is not None else "")


def evaluate_liver(
    paper: str, options: DataOptions, choices: Mapping[str, Any], folder: Path, progress: Progress
) -> PaperResult:
    """Tables of Oh, Lin or Gross; writes case figures, the grid, cases.csv and figures.json into the folder."""
    from PreopReviewLib.datasets.parts import part_of
    from PreopReviewLib.evaluation.cohort import write_cases_csv
    from PreopReviewLib.evaluation.figures import save_figures
    from PreopReviewLib.evaluation.paper_tables import evaluate as tables_of

    of_cases, grid = import_module(_LIVER), import_module(_GRID)
    _, cases = part_of(options.data, options.part, options.fold)
    pairs = of_cases.pairs_of(cases, options.predicted)
    cohort = of_cases.cohort_of(pairs, options.title, within(progress, 0.0, 0.5))
    result = tables_of(paper, cohort, **choices)
    if options.radiomics:
        table = of_cases.radiomics_table(pairs, cases, within(progress, 0.5, 0.8))
        result.tables.append(table)
        result.numbers["radiomics"] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    if options.figures:
        of_cases.write_case_figures(pairs, cases, folder / "cases", within(progress, 0.8, 1.0))
        drawn = grid.surface_grid(pairs) if paper_named(paper).grid == "surfaces" else grid.slice_grid(pairs, cases)
        save_figures({f"{paper}_manual_beside_automatic": drawn}, folder, ("png",))
    write_cases_csv(cohort, folder / "cases.csv")
    write_card_figures({options.title: of_cases.figures_of(cohort)}, folder)
    return result


def evaluate_shoulders(options: DataOptions, out: Path, overwrite: bool, as_json: bool) -> None:
    """Tables of Shim, with figures.json."""
    from PreopReviewLib.command.console import emit, print_table
    from PreopReviewLib.datasets.parts import ALL, part_of
    from PreopReviewLib.datasets.splitting import read_split
    from PreopReviewLib.output import output_folder

    data, cases = part_of(options.data, options.part, options.fold)
    split = None if options.part == ALL else read_split(options.data)
    evaluation, figures = import_module(_SHOULDERS).evaluate_predictions(data.cases, cases, split, options.predicted)
    with output_folder(out, overwrite, "evaluate", [options.data, options.predicted]) as folder:
        import_module("RotatorCuffCAMLib.readers.evaluation").write_evaluation(evaluation, folder, options.figures)
        write_card_figures({options.title: figures}, folder)

    def show() -> None:
        for table in evaluation.tables:
            print_table(table.title, table.columns, table.rows)
        _say_lines([*evaluation.statements, *(f"warning: {w}." for w in evaluation.warnings), f"Written to {out}."])

    emit(evaluation.numbers | {"statements": evaluation.statements, "warnings": evaluation.warnings}, as_json, show)


def write_card_figures(figures: Mapping[str, Mapping[str, Mapping[str, float]]], folder: Path) -> None:
    """figures.json: what `preop models pack --figures` puts into a card."""
    (folder / FIGURES).write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _say_lines(lines: Sequence[str]) -> None:
    say(*lines, sep="\n")
