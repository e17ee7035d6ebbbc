"""`preop liver territories`: what each portal branch feeds and each hepatic vein drains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import AsJson, Couinaud, LabelValues, Overwrite
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.outcome import Outcome, deliver

if TYPE_CHECKING:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.territories.liver import LiverTrees


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("territories")(territories)


def territories(
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation of the liver.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    depth: Annotated[int, typer.Option(help="Generation for the images by branch number: 1 is right and left.")] = 1,
    segments: Annotated[bool, typer.Option(help="Name territories by Couinaud segments.")] = True,
    couinaud: Couinaud = None,
    values: LabelValues = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Divide the liver into portal territories and hepatic-vein drainage areas; each adds up to the whole liver.

    Writes, for each of the two veins, TREE_named.nii.gz (portal sections, hepatic veins) and TREE_depthN.nii.gz (branch
    numbers); territories.csv, branches.csv and territories.json. A model, not a measurement of flow. Exits with 3 if
    there is neither a portal nor a hepatic vein.
    """
    from LiverPlannerLib.commands.cutting import read
    from PreopReviewLib.errors import InputError

    if depth < 0:
        raise InputError(
            f"depth must not be negative, got {depth}", "Give 0 for whole trees, 1, 2, … for their branches"
        )
    file = read(labels, values, couinaud)
    deliver(lambda: territories_of(file, depth, segments), "liver territories", out, overwrite, as_json)


def territories_of(file: Labels, depth: int = 1, segments: bool = True) -> Outcome:
    """What the command finds.

    Raises:
        NothingFound: there is neither a portal nor a hepatic vein.
    """
    from LiverPlannerLib.couinaud.volumes import division_of
    from LiverPlannerLib.territories.areas import MODEL_NOTE
    from LiverPlannerLib.territories.liver import find_trees
    from LiverPlannerLib.territories.tables import branch_rows, named_rows
    from PreopReviewLib.errors import NothingFound

    division = division_of(file) if segments else None
    trees = (
        find_trees(file.labels, division.labels, inside=file.inside, doubts=division.warnings)
        if division
        else find_trees(file.labels, inside=file.inside)
    )
    if not trees.territories:
        reason = "; ".join(trees.missing.values()) or "the labels have neither a portal nor a hepatic vein"
        raise NothingFound(f"There are no territories in {file.path.name}: {reason}", "Segment the veins first")
    data: dict[str, Any] = {
        "labels": str(file.path),
        "territories": [row for key, t in trees.territories.items() for row in named_rows(t, trees.named[key])],
        "branches": [row for key, t in trees.territories.items() for row in branch_rows(t, trees.named[key])],
        "missing": trees.missing,
        "notes": [*file.sentences, *trees.warnings, MODEL_NOTE],
    }
    return Outcome(data, list(_words(data)), lambda folder: _write(folder, trees, data, depth))


def _write(folder: Path, trees: LiverTrees, data: dict[str, Any], depth: int) -> None:
    from LiverPlannerLib.commands.cutting import write_csv, write_json
    from LiverPlannerLib.territories.tables import named_image
    from PreopReviewLib import images

    for key, of_tree in trees.territories.items():
        images.write_image(named_image(of_tree, trees.named[key]), folder / f"{key}_named.nii.gz")
        images.write_image(of_tree.image_of(of_tree.groups_at(depth)), folder / f"{key}_depth{depth}.nii.gz")
    write_csv(folder / "territories.csv", data["territories"])
    write_csv(folder / "branches.csv", data["branches"])
    write_json(folder / "territories.json", data)


def _words(data: dict[str, Any]) -> Iterator[str | Table]:
    from LiverPlannerLib.structures import structure

    rows = [
        (structure(r["tree"]).name, r["name"], r["branches"], round(r["ml"], 1), round(r["percent"], 1))
        for r in data["territories"]
    ]
    yield Table("Territories", ("tree", "name", "branches", "ml", "% of the liver"), rows)
    yield from data["notes"]
