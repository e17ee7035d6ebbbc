"""`preop liver …`: each file offers `register(app)`; heavy imports stay inside the functions."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from PreopReviewLib.command.predict import offer_region_reader

if TYPE_CHECKING:
    import SimpleITK as sitk

TOPICS = (
    "plan",
    "candidates",
    "cysts",
    "branches",
    "territories",
    "couinaud",
    "volumetry",
    "margins",
    "resections",
    "radiomics",
    "compare",
    "measure",
    "cohort",
    "report",
    "truth",
)


def register(app: typer.Typer) -> None:
    """Adds the group `liver` to the command."""
    group = typer.Typer(no_args_is_help=True, help="Liver surgery: segment, filter cysts, measure, compare.")
    for topic in TOPICS:
        import_module(f"{__name__}.{topic}").register(group)
    app.add_typer(group, name="liver")
    import_module("LiverPlannerLib.cohort_tasks")
    import_module("LiverPlannerLib.commands.pacs_results")
    import_module("LiverPlannerLib.commands.review_cut")
    offer_region_reader(_read_region)


def _read_region(path: Path) -> sitk.Image:
    from LiverPlannerLib.labels import read_mask

    return read_mask(path, ("liver",))
