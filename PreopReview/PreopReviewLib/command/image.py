"""`preop image`: looking at an image before computing on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Series, VolumeOfSeries


def register(app: typer.Typer) -> None:
    """Adds the group `image` to the command."""
    group = typer.Typer(no_args_is_help=True, help="Look at an image: size, spacing, orientation, what is wrong.")
    group.command("info")(info)
    app.add_typer(group, name="image")


def info(
    image: Annotated[Path, typer.Argument(help="Image file or DICOM folder.", show_default=False)],
    series: Series = None,
    volume: VolumeOfSeries = None,
    modality: Annotated[str, typer.Option(help="auto, ct or mr: judge the intensities as such.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what an image is, and what is wrong or doubtful about it. Exits with 0 if it can be used."""
    import numpy as np

    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit, print_table

    loaded = images.read_image(image, images.selection(series, volume))
    kind = images.guess_modality(loaded) if modality == "auto" else modality.upper()
    findings = images.check_image(loaded, kind)
    array = images.array_of(loaded)
    finite = array[np.isfinite(array)]
    data = {
        "path": str(image),
        "modality": kind,
        "size": list(loaded.GetSize()),
        "spacing_mm": [round(s, 6) for s in loaded.GetSpacing()],
        "orientation": _orientation(loaded),
        "voxel_type": loaded.GetPixelIDTypeAsString(),
        "minimum": float(finite.min()) if finite.size else None,
        "maximum": float(finite.max()) if finite.size else None,
        "notes": images.notes_of(loaded),
        "findings": [f.__dict__ for f in findings],
    }

    def table() -> None:
        print_table("", ["", str(image)], [(k.replace("_", " "), _text(v)) for k, v in list(data.items())[1:-2]])
        for note in data["notes"]:
            print(f"note: {note}.")
        for finding in findings:
            say(f"{finding.severity}: the image {finding.problem}. {finding.remedy}.")

    emit(data, as_json, table)
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        raise errors[0].as_error(str(image))


def _text(value: object) -> str:
    return " × ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _orientation(image: object) -> str:
    import SimpleITK as sitk

    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())  # type: ignore[attr-defined]
