"""`preop evaluate`: the tables and figures of the papers, from a cohort of one's own cases."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet
from PreopReviewLib.evaluation.paper_tables import paper_named, papers
from PreopReviewLib.structured import json_text

if TYPE_CHECKING:
    from PreopReviewLib.evaluation.paper_tables import PaperResult
    from PreopReviewLib.progress import Progress


SHIM = "shim2020"
"""The rotator cuff's paper, whose tables are made by that library."""
Paper = StrEnum("Paper", {name: name for name in (*papers(), SHIM)})
"""Whose tables to make."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    paper: Annotated[Paper, typer.Option(help="Paper whose tables and figures to make.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    cases: Annotated[
        Path | None, typer.Option(help="Per-case CSV, or a folder of predicted and manual label images.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, in place of --cases; with --predicted.")] = None,
    predicted: Annotated[Path | None, typer.Option(help="Folder of preop predict for the data folder.")] = None,
    part: Annotated[str, typer.Option(help="Of the data folder: training, validation, test or all.")] = "test",
    fold: Annotated[int | None, typer.Option(min=0, help="Fold of the data's split, from 0.")] = None,
    radiomics: Annotated[bool, typer.Option(help="Agreement of the liver's features (Gross), of all cases.")] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="CSV of patient characteristics with a column 'group' (Oh, Table 1).")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Two cohorts for the Mann-Whitney test, as FIRST,SECOND (Gross).")
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw the figures (PNG and SVG).")] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Make the tables (CSV, Markdown) and figures of a paper from per-case results.

    The CSV has one line for each case and a column 'case'; the columns that a paper needs are named in the message
    if they are not there. Missing values and failed cases are counted and stated, never averaged.
    """
    from PreopReviewLib.command.console import emit, print_table, progress_bar
    from PreopReviewLib.command.evaluate_data import DataOptions, evaluate_liver, evaluate_shoulders
    from PreopReviewLib.output import output_folder

    _require_one_source(paper, cases, data, predicted, radiomics)
    options = DataOptions(data, predicted, part, fold, figures, radiomics) if data and predicted else None
    if options is not None and paper.value == SHIM:
        evaluate_shoulders(options, out, overwrite, as_json)
        return
    choices = _options(paper, baseline, compare)
    with output_folder(out, overwrite, "evaluate", [p for p in (cases, data, predicted) if p]) as folder:
        with progress_bar(quiet or bool(cases and cases.is_file())) as progress:
            if options is not None:
                result = evaluate_liver(paper.value, options, choices, folder, progress)
            else:
                result = _of_cases(paper, cases, choices, folder, progress)
        _write(result, paper.value, folder, figures)

    def show() -> None:
        for table in result.tables:
            print_table(table.title, table.columns, table.rows)
            say(*(f"  {note}" for note in table.notes), sep="\n")
            say()
        say(*result.statements, f"Written to {out}.", sep="\n")

    emit({"paper": paper.value, "statements": result.statements, **result.numbers}, as_json, show)


def _require_one_source(
    paper: Paper, cases: Path | None, data: Path | None, predicted: Path | None, radiomics: bool
) -> None:
    from PreopReviewLib.errors import InputError

    if (data is None) != (predicted is None) or (cases is None) == (data is None):
        raise InputError("There are no cases, or two sources of them", "Give --cases, or --data with --predicted")
    if data is None and paper.value == SHIM:
        raise InputError(f"The tables of {SHIM} need a data folder here", "Use --data, or preop cuff evaluate")
    if radiomics and (paper.value == SHIM or not paper_named(paper.value).radiomics or data is None):
        raise InputError("--radiomics belongs to gross2024 and a data folder", "Leave it out")


def _of_cases(
    paper: Paper, cases: Path | None, choices: dict[str, object], folder: Path, progress: Progress
) -> PaperResult:
    from PreopReviewLib.evaluation.cohort import read_cohort, write_cases_csv
    from PreopReviewLib.evaluation.paper_tables import evaluate as tables_of

    assert cases is not None
    cohort = read_cohort(cases, progress)
    if cases.is_dir():
        write_cases_csv(cohort, folder / "cases.csv")
    return tables_of(paper.value, cohort, **choices)


def _write(result: PaperResult, paper: str, folder: Path, figures: bool) -> None:
    from PreopReviewLib.evaluation.figures import save_figures

    for table in result.tables:
        table.write(folder)
    if figures:
        save_figures({name: draw() for name, draw in result.figures.items()}, folder)
    _write_summary(folder, paper, result)


def _options(paper: Paper, baseline: Path | None, compare: str | None) -> dict[str, object]:
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.evaluation.cohort import read_cases_csv

    options: dict[str, object] = {}
    for name, given in (("baseline", baseline), ("compare", compare)):
        if given is not None and name not in paper_named(paper.value).options:
            raise InputError(f"The tables of {paper.value} take no --{name}", "Leave it out")
    if baseline is not None:
        options["baseline"] = read_cases_csv(baseline)
    if compare is not None:
        names = [n.strip() for n in compare.split(",")]
        if len(names) != 2 or not all(names):
            raise InputError(f"--compare {compare} does not name two cohorts", "Write FIRST,SECOND")
        options["compare"] = (names[0], names[1])
    return options


def _write_summary(folder: Path, paper: str, result: PaperResult) -> None:
    lines = [f"# {paper_named(paper).title}", ""]
    lines += [t.as_markdown() for t in result.tables]
    lines += ["**In words**", "", *(f"- {s}" for s in result.statements), ""]
    lines += [f"![{path.stem}]({path.name})" for path in sorted(folder.glob("*.png"))]
    (folder / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    numbers = json_text(result.numbers)
    (folder / "numbers.json").write_text(numbers + "\n", encoding="utf-8")
