"""`preop predict`: labels of many images by one model, or by the mean of its folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PreopReviewLib.command.options import Quiet, Series, VolumeOfSeries

if TYPE_CHECKING:
    import SimpleITK as sitk


RegionReader = Callable[[Path], "sitk.Image"]
_region_readers: list[RegionReader] = []


def offer_region_reader(reader: RegionReader) -> None:
    """Lets a module that knows label files (LiverPlannerLib) read the liver's mask from any of them."""
    if reader not in _region_readers:
        _region_readers.append(reader)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("predict")(predict)


def predict(
    model: Annotated[
        str, typer.Argument(help="Model by name or folder; folds: names with commas.", show_default=False)
    ],
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Images, folders of NIfTI images, or a data folder with --part.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Output folder.", show_default=False)],
    region: Annotated[
        Path | None, typer.Option(help="Liver mask, for a model that works inside it; one image.")
    ] = None,
    series: Series = None,
    volume: VolumeOfSeries = None,
    part: Annotated[
        str | None, typer.Option(help="Of a data folder: training, validation, test or all; CASE.seg.nrrd for each.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, help="Fold of the data's split, from 0.")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Draw a model's structures in each image; labels.json says what the values are. Not for clinical use."""
    from PreopReviewLib import images
    from PreopReviewLib.command.console import progress_bar, say
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.models.prediction import predict_images, predict_part

    if part is not None and (len(inputs) != 1 or region is not None):
        raise InputError("A part is that of one data folder, whose labels give the livers", "Name the folder alone")
    with progress_bar(quiet) as progress:
        if part is not None:
            files = predict_part(model.split(","), inputs[0], part, output, fold, device, overwrite, progress)
        else:
            files = predict_images(
                model.split(","),
                inputs,
                output,
                region,
                device,
                overwrite,
                progress,
                *_region_readers[:1],
                series=images.selection(series, volume),
            )
    for file in files:
        say(str(output / file))
