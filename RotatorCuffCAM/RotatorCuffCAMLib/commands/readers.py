"""`preop cuff study`, `evaluate` and `localize`: the reader study, its statistics, and maps against drawn boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say

Overwrite = Annotated[bool, typer.Option(help="Replace the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(group: typer.Typer) -> None:
    """Adds the commands to `preop cuff`."""
    group.command("study")(study)
    group.command("evaluate")(evaluate)
    group.command("localize")(localize)
    group.command("localise", hidden=True)(localize)


def study(
    table: Annotated[Path, typer.Argument(help="CSV with image (and case, r, a, s).", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the study.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the study.")] = "Reader study",
    seed: Annotated[int, typer.Option(help="Seed of the readers' orders.")] = 0,
    second_look: Annotated[bool, typer.Option(help="Ask again with the model's answer shown.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="Folder with a result of `preop cuff classify` for each case.")
    ] = None,
    idle: Annotated[float, typer.Option(help="Seconds without input after which the clock stops.", min=5)] = 120,
) -> None:
    """Make a reader study of the cases in a table; it is read in the module RotatorCuffCAM."""
    from RotatorCuffCAMLib.readers.study import create_study, read_study_cases

    created = create_study(out, read_study_cases(table), name, seed, second_look, model, idle)
    say(f"{created.name}: {len(created.cases)} cases, study {created.identifier}, in {out}")


def evaluate(
    truth: Annotated[Path, typer.Argument(help="CSV with case and class (and set).", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    study: Annotated[Path | None, typer.Option(help="Folder of a reader study.")] = None,
    readers: Annotated[Path | None, typer.Option(help="CSV with reader, group, case, class, seconds.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="CSV of probabilities, or a folder of `preop cuff classify` results.")
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw the figures.")] = True,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Tables 1 to 3 of Shim 2020, ROC with the readers, agreement and intervals, from answers of readers and model."""
    from PreopReviewLib.command.console import emit, output_folder, print_table
    from RotatorCuffCAMLib.readers.evaluation import evaluate_study, write_evaluation
    from RotatorCuffCAMLib.readers.results import read_model, read_readings_table, read_study_readings, read_truth
    from RotatorCuffCAMLib.readers.study import load_study
    from RotatorCuffCAMLib.readers.tables import gather

    answers = read_study_readings(load_study(study)) if study else []
    answers += read_readings_table(readers) if readers else []
    classes = read_truth(truth)
    evaluation = evaluate_study(classes, gather(classes, answers, read_model(model) if model else None))
    with output_folder(out, overwrite, "cuff evaluate") as folder:
        write_evaluation(evaluation, folder, figures)

    def show() -> None:
        for table in evaluation.tables:
            print_table(table.title, table.columns, table.rows)
            say(*(f"  {note}" for note in table.notes), "", sep="\n")
        say(*evaluation.statements, *(f"warning: {w}." for w in evaluation.warnings), f"Written to {out}.", sep="\n")

    emit(evaluation.numbers | {"statements": evaluation.statements, "warnings": evaluation.warnings}, as_json, show)


def localize(
    boxes: Annotated[Path, typer.Argument(help="CSV: case, r, a, s, size_r, size_a, size_s (mm).", show_default=False)],
    maps: Annotated[
        Path, typer.Argument(help="Folder with a result of `preop cuff classify` for each case.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV of every case to write.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare activation maps with boxes that a specialist drew: pointing game, energy, overlap, distance."""
    from dataclasses import asdict

    from PreopReviewLib.command.console import emit, print_table
    from PreopReviewLib.csv_text import csv_text
    from PreopReviewLib.output import check_file, output_file
    from RotatorCuffCAMLib.localization import compare_folder, summarize

    if out is not None:
        check_file(out, overwrite)
    localizations = compare_folder(boxes, maps)
    summary = summarize(list(localizations.values()))
    columns = list(asdict(next(iter(localizations.values()))))
    rows = [[case, *asdict(one).values()] for case, one in localizations.items()]
    if out is not None:
        with output_file(out, overwrite) as path:
            path.write_text(csv_text([["case", *columns], *rows]), encoding="utf-8", newline="")

    def show() -> None:
        print_table("Activation maps and boxes", ["case", *columns], rows)
        say(*(f"{k}: {'n/a' if v is None else round(v, 3)}" for k, v in summary.items()), sep="\n")

    emit({"cases": {c: asdict(o) for c, o in localizations.items()}, "summary": summary}, as_json, show)
