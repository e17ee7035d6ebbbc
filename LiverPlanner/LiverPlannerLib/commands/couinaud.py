"""`preop liver couinaud`: the eight Couinaud segments of a segmented liver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import LabelValues
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.options import Quiet
from PreopReviewLib.command.outcome import Outcome, deliver
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("couinaud")(couinaud)


def couinaud(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation with the liver.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    values: LabelValues = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Divide a liver into Couinaud segments by its shape: segments.nii.gz (1 to 8), couinaud.csv and couinaud.json.

    The network sees no vessels and knows no variants of them. Exits with 3 if there is no liver. Not for clinical use.
    """
    from LiverPlannerLib.commands.cutting import read
    from PreopReviewLib.command.console import progress_bar

    file = read(labels, values)
    with progress_bar(quiet) as progress:
        deliver(lambda: segments_of(file, progress), "liver couinaud", out, overwrite, as_json)


def segments_of(file: Labels, progress: Progress = silent) -> Outcome:
    """What the command finds.

    Raises:
        NothingFound: there is no liver.
    """
    from LiverPlannerLib.commands.cutting import write_csv, write_json
    from LiverPlannerLib.couinaud.volumes import divide
    from LiverPlannerLib.labels import write_segments
    from LiverPlannerLib.plan.files import SEGMENTS_FILE
    from LiverPlannerLib.plan.measures import find_regions

    division = divide(file.labels, progress, drawn=file.lesions)
    rows = [
        {"segment": n, "name": v.name, "ml": v.ml, "percent_of_liver": round(100 * v.share, 2), "voxels": v.voxels}
        for n, v in enumerate(division.volumes, 1)
    ]
    lesions = [
        {"lesion": f"{r.structure} {r.number}", "ml": r.ml, "segments": division.places[r.structure, r.number]}
        for r in find_regions(file.labels, file.lesions)
    ]
    data = {
        "labels": str(file.path),
        "model": division.model,
        "liver_ml": round(sum(r["ml"] for r in rows), 3),
        "segments": rows,
        "lesions": lesions,
        "warnings": division.warnings,
        "notes": [*file.sentences, *division.notes],
        "seconds": round(division.seconds, 2),
    }

    def write(folder: Path) -> None:
        write_segments(division.labels, folder / SEGMENTS_FILE)
        write_csv(folder / "couinaud.csv", rows)
        write_json(folder / "couinaud.json", data)

    return Outcome(data, list(_words(data)), write)


def _words(data: dict[str, Any]) -> Iterator[str | Table]:
    rows = [(r["name"], round(r["ml"], 1), round(r["percent_of_liver"], 1)) for r in data["segments"]]
    yield Table("Couinaud segments", ["segment", "ml", "% of the liver"], rows)
    if data["lesions"]:
        lesions = [(r["lesion"], r["ml"], r["segments"]) for r in data["lesions"]]
        yield Table("Lesions", ["lesion", "ml", "segments"], lesions)
    for words in data["warnings"]:
        yield f"Warning: {words}"
    yield from data["notes"]
