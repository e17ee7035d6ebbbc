"""`preop liver margins`: lesions to the cut, the vessels and the bile ducts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import NO_CUT, AsJson, Couinaud, CutOptions, LabelValues, Out, Overwrite
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.option_groups import grouped
from PreopReviewLib.command.outcome import Outcome, deliver

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.resection.margins import Margins
    from LiverPlannerLib.vessels.branches import VesselTree


NEAREST = 5
"""Vessels printed for each lesion; the files list all."""


class Vessels(StrEnum):
    """Which vessels count for a margin."""

    main = "main"
    any = "any"


class Lesions(StrEnum):
    """What may be measured."""

    tumor = "tumor"
    cyst = "cyst"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("margins")(grouped(margins))


def margins(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Out = None,
    cut: CutOptions = NO_CUT,
    lesions: Annotated[Lesions, typer.Option(help="What is measured.")] = Lesions.tumor,
    vessels: Annotated[
        Vessels, typer.Option(help="Which vessels are listed by name: main and named ones, or any twig.")
    ] = Vessels.main,
    couinaud: Couinaud = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Measure each lesion's distance to the resection surface inside the liver, to vessels and to bile ducts.

    Writes margins.csv, vessel_margins.csv, margins.json and, with a resection, remnant.nii.gz and resected.nii.gz.
    Exits with 3 if there is no lesion.
    """
    from LiverPlannerLib.commands.cutting import read

    file = read(labels, values, couinaud)
    deliver(lambda: margins_of(file, cut, lesions, vessels), "liver margins", out, overwrite, as_json)


def margins_of(
    file: Labels,
    cut: CutOptions = NO_CUT,
    lesions: Lesions = Lesions.tumor,
    vessels: Vessels = Vessels.main,
    trees: Mapping[str, VesselTree] | None = None,
) -> Outcome:
    """What the command finds.

    Args:
        trees: those that `branches_of` has found in these labels already, by structure key.

    Raises:
        NothingFound: there is no lesion.
    """
    from LiverPlannerLib.commands.cutting import as_dict, write_csv, write_json, write_masks
    from LiverPlannerLib.resection.margins import REFERENCE_LINES, measure_margins

    resection = cut.resection(file)
    result = measure_margins(file.labels, resection, lesions=lesions.value, drawn=file.lesions)
    notes = [*file.sentences, *result.notes]
    if resection:
        notes += [f"Literature, not advice: {mm:g} mm: {words}." for mm, words in REFERENCE_LINES]
    data: dict[str, Any] = {
        "labels": str(file.path),
        "structure": result.structure,
        "lesions": result.as_rows(),
        "smallest_margin_mm": result.smallest_mm,
        "uncertainty_mm": result.uncertainty_mm,
        "vessels": _vessels(file, lesions, vessels, notes, trees),
        "resection": as_dict(resection) if resection else None,
        "notes": notes,
    }

    def write(folder: Path) -> None:
        write_csv(folder / "margins.csv", data["lesions"])
        if data["vessels"]:
            write_csv(folder / "vessel_margins.csv", data["vessels"])
        write_json(folder / "margins.json", data)
        if resection:
            write_masks(folder, resection)

    return Outcome(data, list(_words(result, data["vessels"], notes)), write)


def _vessels(
    file: Labels, lesions: Lesions, vessels: Vessels, notes: list[str], known: Mapping[str, VesselTree] | None
) -> list[dict[str, Any]]:
    """Distances to the vessels by name; a liver without trees gets a note."""
    from LiverPlannerLib.couinaud.volumes import division_of
    from LiverPlannerLib.resection.vessel_margins import margin_rows, vessel_margins
    from LiverPlannerLib.territories.liver import find_trees
    from PreopReviewLib.errors import NothingFound

    try:
        division = division_of(file)
        trees = find_trees(file.labels, division.labels, known, file.inside, doubts=division.warnings)
        distances = vessel_margins(trees, lesions.value, vessels.value, file.lesions)  # type: ignore[arg-type]
    except NothingFound as nothing:
        notes.append(f"Distances to vessels by name are n/a. {nothing.problem}.")
        return []
    notes += trees.doubtful_names
    if not distances:
        notes.append("Distances to vessels by name are n/a: the labels have no vessel tree.")
    return margin_rows(distances)


def _words(result: Margins, vessels: list[dict[str, Any]], notes: list[str]) -> Iterator[str | Table]:
    from LiverPlannerLib.structures import structure

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
        [f"{x.number} {x.name}".strip(), x.ml, " ".join(f"{v:.1f}" for v in x.centroid_ras), x.fate, _mm(x.to_cut_mm)]
        + [_mm(x.to_mm[k]) for k in keys]
        for x in result.lesions
    ]
    yield Table("", columns, rows)
    if result.smallest_mm is not None:
        yield (f"Smallest margin of a lesion that is taken: {result.smallest_mm:.1f} ± {result.uncertainty_mm:.1f} mm")
    nearest = [[row for row in vessels if row["lesion"] == lesion.number][:NEAREST] for lesion in result.lesions]
    if vessels:
        rows = [(r["lesion"], r["vessel"], r["mm"], r["contact_mm"]) for near in nearest for r in near]
        yield Table(f"The {NEAREST} nearest vessels of each lesion", ("lesion", "vessel", "mm", "contact mm"), rows)
    yield from notes


def _mm(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
