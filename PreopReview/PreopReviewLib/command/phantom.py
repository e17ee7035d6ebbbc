"""`preop phantom`: synthetic scans in which everything is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.phantom_shoulder import shoulder


def register(app: typer.Typer) -> None:
    """Adds the group `phantom` to the command."""
    group = typer.Typer(no_args_is_help=True, help="Make synthetic scans in which everything is known.")
    group.command("liver")(liver)
    group.command("shoulder")(shoulder)
    app.add_typer(group, name="phantom")


def liver(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same phantom.")] = 7,
    contrast: Annotated[str, typer.Option(help="hbp, pv_mr, ct or any.")] = "hbp",
    size: Annotated[int, typer.Option(help="Voxels per axis.")] = 128,
    spacing: Annotated[float, typer.Option(help="Voxel edge, mm.")] = 2.0,
    shapes: Annotated[list[str] | None, typer.Option(help="FILE:LABEL of a real liver to deform.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder.")] = False,
) -> None:
    """Write image.nii.gz, labels.nii.gz, order.nii.gz (1 main, 2 peripheral vessels) and planted.json."""
    from PreopReviewLib import images
    from PreopReviewLib.output import output_folder
    from PreopReviewLib.phantoms.liver import make_liver_phantom
    from PreopReviewLib.phantoms.shape_files import liver_shape

    bent = [liver_shape(s) for s in shapes or ()]
    phantom = make_liver_phantom(seed, contrast, (size, size, size), spacing, shapes=bent)
    with output_folder(output, overwrite, "phantom liver") as folder:
        images.write_image(phantom.image, folder / "image.nii.gz")
        images.write_image(phantom.labels, folder / "labels.nii.gz")
        images.write_image(phantom.order, folder / "order.nii.gz")
        (folder / "planted.json").write_text(json.dumps(phantom.planted, indent=2) + "\n", encoding="utf-8")
    say(output)
