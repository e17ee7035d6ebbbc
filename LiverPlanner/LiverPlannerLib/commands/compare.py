"""`preop liver compare`: all structures of two label files at once."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import AsJson, LabelValues, Out, Overwrite
from LiverPlannerLib.comparison.columns import columns_of, shown_row
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.options import Series, VolumeOfSeries
from PreopReviewLib.command.outcome import Outcome, deliver

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.comparison.pair import Comparison
    from LiverPlannerLib.labels import Labels


class Hd95(StrEnum):
    """Conventions of HD95."""

    max_of_two = "max-of-two"
    pooled = "pooled"
    area_weighted = "area-weighted"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("compare")(compare)


def compare(
    auto: Annotated[Path, typer.Argument(help="Labels or segmentation to evaluate.", show_default=False)],
    manual: Annotated[Path, typer.Argument(help="Labels or segmentation used as the reference.", show_default=False)],
    out: Out = None,
    structure: Annotated[
        list[str] | None, typer.Option(help="Key of a structure, e.g. tumor; may be repeated. Default: all.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="NSD tolerance, mm.")] = 2.0,
    hd95: Annotated[Hd95, typer.Option(help="Convention of HD95; it is printed with the table.")] = Hd95.max_of_two,
    branches: Annotated[bool, typer.Option(help="Main and peripheral branches of vessels and duct.")] = True,
    differences: Annotated[bool, typer.Option(help="Write images of correct, false and missed voxels.")] = True,
    image: Annotated[Path | None, typer.Option(help="CT or MRI to show behind the picture.")] = None,
    series: Series = None,
    volume: VolumeOfSeries = None,
    values: LabelValues = None,
    manual_values: Annotated[
        str | None, typer.Option("--manual-labels", help="Label values of MANUAL, if they differ from AUTO.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare two label files: DSC, sensitivity, specificity, volumes, HD, HD95, ASSD, NSD, branches, lesions.

    Writes comparison.csv, .json and .png, lesions.csv and difference_*.nii.gz (1 right, 2 false, 3 missed).
    """
    from LiverPlannerLib.commands.cutting import read
    from PreopReviewLib import images

    first, second = read(auto, values), read(manual, values if manual_values is None else manual_values)
    behind = None if image is None else images.read_image(image, images.selection(series, volume))

    def make() -> Outcome:
        return comparison_of(first, second, structure, tolerance, hd95, branches, differences, behind)

    deliver(make, "liver compare", out, overwrite, as_json)


def comparison_of(
    first: Labels,
    second: Labels,
    structures: list[str] | None = None,
    tolerance: float = 2.0,
    hd95: Hd95 = Hd95.max_of_two,
    branches: bool = True,
    differences: bool = True,
    behind: sitk.Image | None = None,
) -> Outcome:
    """What the command finds.

    Args:
        first, second: to be evaluated, and the reference.
        behind: the CT or MRI for the picture.
    """
    from LiverPlannerLib.comparison import pair

    result = pair.compare(
        first.labels,
        second.labels,
        structures=structures or None,
        tolerance=tolerance,
        convention=hd95.value,  # type: ignore[arg-type]
        branches=branches,
        drawn_prediction=first.lesions,
        drawn_reference=second.lesions,
    )
    notes = [*first.sentences, *second.sentences, *result.notes]
    rows, lesions = [row.as_row() for row in result.rows], lesion_rows(result)
    data = {"auto": str(first.path), "manual": str(second.path), "structures": rows, "lesions": lesions, "notes": notes}
    title = f"{first.path.name} against {second.path.name}"

    def write(folder: Path) -> None:
        _write(folder, result, data, differences, behind, title)

    return Outcome(data, list(_words(result, lesions, notes)), write)


def _write(
    folder: Path, result: Comparison, data: dict[str, Any], differences: bool, behind: sitk.Image | None, title: str
) -> None:
    from LiverPlannerLib.commands.cutting import write_csv, write_json
    from LiverPlannerLib.comparison.figure import comparison_figure
    from PreopReviewLib import images

    write_csv(folder / "comparison.csv", data["structures"])
    write_json(folder / "comparison.json", data)
    if data["lesions"]:
        write_csv(folder / "lesions.csv", data["lesions"])
    for row in result.rows if differences else ():
        images.write_image(result.difference(row.key), folder / f"difference_{row.key}.nii.gz")
    if any(row.overlap.state != "both empty" for row in result.rows):
        comparison_figure(result, behind, title).savefig(folder / "comparison.png")


def lesion_rows(result: Comparison) -> list[dict[str, Any]]:
    """One row per lesion, or group of lesions drawn together."""
    from PreopReviewLib import images

    ml = images.voxel_ml(result.reference)
    return [
        {
            "structure": key,
            "outcome": lesion.outcome,
            "reference_lesions": " ".join(map(str, lesion.reference)) or None,
            "predicted_lesions": " ".join(map(str, lesion.prediction)) or None,
            "reference_ml": lesion.reference_voxels * ml,
            "predicted_ml": lesion.prediction_voxels * ml,
            "dsc": lesion.dsc,
            "centroid_ras": " ".join(f"{v:.1f}" for v in images.kji_to_ras([lesion.centroid_kji], result.reference)[0]),
        }
        for key, detection in result.detection.items()
        for lesion in detection.lesions
    ]


def _words(result: Comparison, lesions: list[dict[str, Any]], notes: list[str]) -> Iterator[str | Table]:
    rows = [shown_row(row.as_row()) for row in result.rows]
    columns = columns_of(rows)
    yield Table("", [c.title for c in columns], [[c.number(row[c.key]) for c in columns] for row in rows])
    for key, detection in result.detection.items():
        yield (f"{key}: {detection.found} found, {detection.missed} missed, {detection.false} false")
    if lesions:
        yield Table("Lesions", [k.replace("_", " ") for k in lesions[0]], [list(row.values()) for row in lesions])
    yield from (f"  {note}" for note in notes)
