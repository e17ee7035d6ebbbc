"""`preop liver cohort`: every predicted case of a folder against its manual one, as a per-case table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet
from PreopReviewLib.evaluation.cohort import Cohort, offer_folder_reader
from PreopReviewLib.progress import Progress


def _read_folder(folder: Path, progress: Progress) -> Cohort:
    from LiverPlannerLib.comparison.cohort import read_folder

    return read_folder(folder, progress)


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`, and lets `preop evaluate` read folders."""
    app.command("cohort")(cohort)
    offer_folder_reader(_read_folder)


def cohort(
    folder: Annotated[Path, typer.Argument(help="Folder of predicted and manual label images.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.", show_default=False)],
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Compare all cases of a folder and write a table for `preop evaluate`.

    Layouts: CASE/predicted.nii.gz with CASE/manual.nii.gz (also in a folder for each cohort), or
    predicted/CASE.nii.gz with manual/CASE.nii.gz. Exits with 3 if no case could be compared.
    """
    from PreopReviewLib.command.console import progress_bar
    from PreopReviewLib.errors import FileMissing, NothingFound
    from PreopReviewLib.evaluation.cohort import write_cases_csv
    from PreopReviewLib.output import check_file, output_file

    if not folder.is_dir():
        raise FileMissing(f"There is no folder {folder}", "Check the path")
    check_file(out, overwrite)
    with progress_bar(quiet) as progress:
        table = _read_folder(folder, progress)
    with output_file(out, overwrite) as work:
        write_cases_csv(table, work)
    say(f"{table.source}: {table.summary()}.", *table.notes, f"Written to {out}.", sep="\n")
    if not table.usable:
        raise NothingFound("No case could be compared", "See the reasons above")
