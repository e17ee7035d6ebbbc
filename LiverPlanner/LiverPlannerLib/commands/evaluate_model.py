"""`preop evaluate-model`: how well a five-structure model does on simulated images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.structured import json_text


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("evaluate-model")(evaluate_model)


def evaluate_model(
    model: Annotated[Path, typer.Argument(help="Model package, or run folder.", show_default=False)],
    cases: Annotated[int, typer.Option(min=1, help="Held-out phantoms of each contrast.")] = 20,
    contrasts: Annotated[str, typer.Option(help="Contrasts, separated by commas.")] = "hbp,ct",
    anatomy: Annotated[Path | None, typer.Option(help="Label file of a real anatomy to paint.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="JSON file for the figures.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Dice of a five-structure model on held-out phantoms and on painted real anatomy (simulated images)."""
    from LiverPlannerLib.segmentation.five_evaluation import evaluate_five_structures, package_of
    from PreopReviewLib.command.console import print_table, progress_bar
    from PreopReviewLib.output import check_file, output_file

    if output:
        check_file(output, overwrite)
    with progress_bar() as progress, package_of(model) as package:
        figures = evaluate_five_structures(package, cases, contrasts.split(","), anatomy, progress)
    for test, values in figures.items():
        rows = [(key, v["mean"], v["sd"], v["cases"]) for key, v in values.items()]
        print_table(f"{test} (simulated images)", ["structure", "Dice", "SD", "cases"], rows)
    if output:
        with output_file(output, overwrite) as work:
            work.write_text(json_text(figures) + "\n", encoding="utf-8")
