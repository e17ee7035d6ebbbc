"""What the commands share that cut a liver: options, the resection they mean, and result files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.errors import InputError
from PreopReviewLib.structured import json_text

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.resection.cutting import Resection
    from LiverPlannerLib.resection.volumetry import Patient


class SurfaceSpace(StrEnum):
    """What the coordinates of a surface file mean."""

    auto = "auto"
    lps = "LPS"
    ras = "RAS"


class SurfaceUnit(StrEnum):
    """Their unit."""

    auto = "auto"
    mm = "mm"
    cm = "cm"
    m = "m"


@dataclass(frozen=True)
class CutOptions:
    """How a liver is cut, in one of four ways; or not at all."""

    plane: Annotated[
        list[str] | None,
        typer.Option(
            help="Cutting plane x,y,z,nx,ny,nz in RAS mm: a point and the normal to the side that is taken. "
            "May be repeated: then the common side of all is taken, or the pieces that hold a --seed.",
        ),
    ] = None
    seed: Annotated[list[str] | None, typer.Option(help="Point x,y,z (RAS mm) in a piece to take.")] = None
    surface: Annotated[
        Path | None, typer.Option(help="Closed surface (.vtk, .vtp, .stl, .obj, .ply); what lies inside is taken.")
    ] = None
    surface_space: Annotated[
        SurfaceSpace, typer.Option(help="Coordinates of the surface file; auto: as the file says, else LPS.")
    ] = SurfaceSpace.auto
    surface_unit: Annotated[
        SurfaceUnit, typer.Option(help="Unit of the surface file; auto: as the file says, else mm.")
    ] = SurfaceUnit.auto
    remnant: Annotated[Path | None, typer.Option(help="Mask of what stays, on the grid of the labels.")] = None
    territory: Annotated[
        list[str] | None,
        typer.Option(
            help="Number of a portal branch (see 'preop liver branches') or a name, e.g. 'right anterior': what it "
            "and everything downstream supply is resected, by a model. May be repeated.",
        ),
    ] = None

    def resection(self, file: Labels) -> Resection | None:
        """The resection of the liver of a label file that the options mean; None without any.

        Raises:
            InputError: several ways at once, seeds without planes, and what the ways themselves raise.
        """
        from LiverPlannerLib.resection import cutting as ways

        if sum(map(bool, (self.plane, self.surface, self.remnant, self.territory))) > 1:
            raise InputError(
                "Planes, a surface, a remnant and a territory are four ways to cut", "Give only one of them"
            )
        if self.seed and not self.plane:
            raise InputError("A seed chooses between the pieces of planes", "Give --plane as well")
        if self.surface is None and (self.surface_space, self.surface_unit) != ("auto", "auto"):
            raise InputError("--surface-space and --surface-unit belong to a surface", "Give --surface as well")
        resection = self._cut(file)
        return None if resection is None else ways.with_drawn_lesions(resection, file.labels, file.lesions)

    def _cut(self, file: Labels) -> Resection | None:
        from LiverPlannerLib.labels import read_mask
        from LiverPlannerLib.resection import cutting as ways

        labels = file.labels
        if self.plane:
            values = [numbers(text, 6, "plane") for text in self.plane]
            planes = [ways.Plane(v[:3], v[3:]) for v in values]  # type: ignore[arg-type]
            points = [numbers(text, 3, "point") for text in self.seed or ()]
            return ways.resect_by_planes(labels, planes, points)  # type: ignore[arg-type]
        if self.surface is not None:
            from LiverPlannerLib.resection.surface_files import resect_by_surface_file

            return resect_by_surface_file(labels, self.surface, str(self.surface_space), str(self.surface_unit))  # type: ignore[arg-type]
        if self.remnant is not None:
            return ways.resect_by_remnant(labels, read_mask(self.remnant, ("remnant", "flr")))
        if self.territory:
            from LiverPlannerLib.territories.cutting import resect_by_territories

            return resect_by_territories(labels, self.territory, file.couinaud)
        return None


@dataclass(frozen=True)
class PatientOptions:
    """Height and weight, for standard volumes."""

    height: Annotated[float | None, typer.Option(help="The patient's height in cm.")] = None
    weight: Annotated[float | None, typer.Option(help="The patient's weight in kg.")] = None

    def patient(self) -> Patient | None:
        """The patient; None without the two.

        Raises:
            InputError: one is missing, or they are not those of a patient.
        """
        from LiverPlannerLib.resection.volumetry import Patient

        if self.height is None and self.weight is None:
            return None
        if self.height is None or self.weight is None:
            raise InputError("Standard volumes need both height and weight", "Give --height in cm and --weight in kg")
        return Patient(self.height, self.weight)


NO_CUT, NO_PATIENT = CutOptions(), PatientOptions()
LabelValues = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="What the label values are where the file does not say, e.g. liver=5,portal_vein=64, or a JSON, YAML, CSV "
        "or color-table file.",
    ),
]
Couinaud = Annotated[
    Path | None,
    typer.Option(
        help="Couinaud segments as drawn or corrected (segments.nii.gz of a plan, a segmentation), in place of those "
        "by the liver's shape.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Output folder for tables and masks.")]
Overwrite = Annotated[bool, typer.Option(help="Replace the folder if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    """A given count of numbers, separated by commas or spaces.

    Raises:
        InputError: fewer, more, or no numbers.
    """
    import math

    try:
        values = tuple(float(v) for v in text.replace(",", " ").split())
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"{text!r} is not a {what}", f"Give {count} numbers separated by commas, in RAS mm")
    return values


def as_dict(resection: Resection) -> dict[str, Any]:
    """A resection without its masks."""
    return {
        "method": resection.method,
        "resected_ml": resection.resected_ml,
        "remnant_ml": resection.remnant_ml,
        "resected_share": resection.resected_share,
        "tumor_ml": resection.tumor_ml,
        "tumor_resected_ml": resection.tumor_resected_ml,
        "tumor_resected_share": resection.tumor_resected_share,
        "lesions": [fate.__dict__ for fate in resection.lesions],
    }


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as CSV with a header; None is written as n/a."""
    cells = [{k: "n/a" if v is None else v for k, v in row.items()} for row in rows]
    path.write_text(csv_of_dicts(cells, list(rows[0]) if rows else []), encoding="utf-8", newline="")


def write_json(path: Path, data: Any) -> None:
    """Data as JSON; a number that is not finite is an error, since there must be none."""
    path.write_text(json_text(data) + "\n", encoding="utf-8")


def write_masks(folder: Path, resection: Resection) -> None:
    """Both sides of a resection, as remnant.nii.gz and resected.nii.gz."""
    from PreopReviewLib import images

    images.write_image(resection.remnant, folder / "remnant.nii.gz")
    images.write_image(resection.resected, folder / "resected.nii.gz")


def read(path: Path | Labels, values: str | None, couinaud: Path | None = None) -> Labels:
    """A label file, with what the option --labels says of its values; labels that were read stay as they are.

    Args:
        couinaud: file of the Couinaud segments that belong to it.
    """
    from LiverPlannerLib.labels import Labels, parse_mapping, read_labels

    file = path if isinstance(path, Labels) else read_labels(path, parse_mapping(values) if values else None)
    return with_couinaud(file, couinaud)


def with_couinaud(file: Labels, couinaud: Path | None) -> Labels:
    """The labels with the Couinaud segments of a file, if one is given."""
    from LiverPlannerLib.couinaud.volumes import divide
    from LiverPlannerLib.labels import read_segments

    if couinaud is None:
        return file
    division = divide(file.labels, given=read_segments(couinaud))
    notes = [*file.notes, f"The Couinaud segments are those of {couinaud.name}.", *division.warnings]
    return replace(file, couinaud=division.labels, notes=notes)


def read_named(path: Path | None, values: str | None) -> Labels | None:
    """A label file that may be left out."""
    return None if path is None else read(path, values)


def image_notes(image: sitk.Image, path: Path) -> list[str]:
    """Sentences on what had to be decided when an image was read."""
    from PreopReviewLib import images

    return [f"{path.name}: {note}." for note in images.notes_of(image)]
