"""`preop liver plan`: from an image to a folder with a measured liver in a Slicer scene."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet, Series, VolumeOfSeries


class Modality(StrEnum):
    """What kind of image it is."""

    auto = "auto"
    ct = "ct"
    mr = "mr"


class Device(StrEnum):
    """Where networks run."""

    auto = "auto"
    cuda = "cuda"
    mps = "mps"
    cpu = "cpu"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("plan")(plan)


def plan(
    image: Annotated[Path, typer.Argument(help="CT or MRI: an image file or a DICOM folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    modality: Annotated[Modality, typer.Option(help="Guessed from DICOM or the intensities if auto.")] = Modality.auto,
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME or STRUCTURE=NAME of a model (see 'preop models list') or its folder; repeat it."),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="A further image of the scan, for a model that needs several, in its order; repeat it."),
    ] = None,
    lesions: Annotated[bool, typer.Option(help="Look for lesions with the real lesion network (slower).")] = True,
    structures: Annotated[bool, typer.Option(help="Find vessels and duct (trained on simulated images).")] = True,
    segments: Annotated[bool, typer.Option(help="Divide the liver into Couinaud segments by its shape.")] = True,
    liver: Annotated[Path | None, typer.Option(help="Liver mask or labels to use instead of a network's.")] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = Device.auto,
    series: Series = None,
    volume: VolumeOfSeries = None,
    title: Annotated[str | None, typer.Option(help="Name of the case in scene and pictures.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Segment the liver, its lesions, vessels and duct; measure; write labels, scene, surfaces and pictures.

    Exits with 3 if there is no liver in the image. Not for clinical use.
    """
    from LiverPlannerLib.commands.plan_case import plan_liver
    from LiverPlannerLib.plan.files import as_dict
    from LiverPlannerLib.plan.pipeline import PlanOptions
    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit, progress_bar

    options = PlanOptions(modality.value, tuple(model or ()), lesions, structures, device.value, segments)
    with progress_bar(quiet) as progress:
        liver_plan = plan_liver(
            image,
            out,
            options,
            series=images.selection(series, volume),
            liver=liver,
            others=also or (),
            overwrite=overwrite,
            title=title,
            progress=progress,
        )
    emit(as_dict(liver_plan), as_json, lambda: say((out / "summary.txt").read_text(encoding="utf-8"), end=""))
