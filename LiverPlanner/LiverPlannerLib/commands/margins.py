"""`preop liver margins`: lesions to the cut, the vessels and the bile ducts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import (
    AsJson,
    LabelValues,
    Out,
    Overwrite,
    Planes,
    RemnantFile,
    Seeds,
    Surface,
    SurfaceSpace,
    SurfaceSpaceName,
    SurfaceUnit,
    SurfaceUnitName,
    Territory,
)
from PreopReviewLib.command.console import say

if TYPE_CHECKING:
    from LiverPlannerLib.resection.margins import Margins


class Lesions(StrEnum):
    """What may be measured."""

    tumor = "tumor"
    cyst = "cyst"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("margins")(margins)


def margins(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Out = None,
    plane: Planes = None,
    seed: Seeds = None,
    surface: Surface = None,
    surface_space: SurfaceSpace = SurfaceSpaceName.auto,
    surface_unit: SurfaceUnit = SurfaceUnitName.auto,
    remnant: RemnantFile = None,
    territory: Territory = None,
    lesions: Annotated[Lesions, typer.Option(help="What is measured.")] = Lesions.tumor,
    values: LabelValues = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure each lesion's distance to the resection surface inside the liver, to vessels and to bile ducts.

    Writes margins.csv, margins.json and, with a resection, remnant.nii.gz and resected.nii.gz. Exits with 3 if there
    is no lesion.
    """
    from LiverPlannerLib.commands.cutting import (
        as_dict,
        make_resection,
        read,
        write_csv,
        write_json,
        write_masks,
    )
    from LiverPlannerLib.resection.margins import REFERENCE_LINES, measure_margins
    from PreopReviewLib.command.console import emit
    from PreopReviewLib.output import output_folder

    file = read(labels, values)
    cut = make_resection(
        file.labels, plane, seed, surface, remnant, territory, surface_space, surface_unit, file.lesions
    )
    result = measure_margins(file.labels, cut, lesions=lesions.value, drawn=file.lesions)
    notes = [*file.sentences, *result.notes]
    if cut:
        notes += [f"Literature, not advice: {mm:g} mm: {words}." for mm, words in REFERENCE_LINES]
    data: dict[str, Any] = {
        "labels": str(file.path),
        "structure": result.structure,
        "lesions": result.as_rows(),
        "smallest_margin_mm": result.smallest_mm,
        "uncertainty_mm": result.uncertainty_mm,
        "resection": as_dict(cut) if cut else None,
        "notes": notes,
    }
    if out is not None:
        with output_folder(out, overwrite, "liver margins") as folder:
            write_csv(folder / "margins.csv", data["lesions"])
            write_json(folder / "margins.json", data)
            if cut:
                write_masks(folder, cut)
    emit(data, as_json, lambda: _print(result, notes))


def _print(result: Margins, notes: list[str]) -> None:
    from LiverPlannerLib.structures import structure
    from PreopReviewLib.command.console import print_table

    keys = list(result.lesions[0].to_mm)
    columns = [
        "lesion",
        "ml",
        "centroid RAS",
        "fate",
        "margin mm",
        *(f"to {structure(k).name.lower()} mm" for k in keys),
    ]
    rows = [
        [x.number, x.ml, " ".join(f"{v:.1f}" for v in x.centroid_ras), x.fate, _mm(x.to_cut_mm)]
        + [_mm(x.to_mm[k]) for k in keys]
        for x in result.lesions
    ]
    print_table("", columns, rows)
    if result.smallest_mm is not None:
        say(f"Smallest margin of a lesion that is taken: {result.smallest_mm:.1f} ± {result.uncertainty_mm:.1f} mm")
    for note in notes:
        say(note)


def _mm(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
