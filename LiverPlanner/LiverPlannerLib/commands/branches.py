"""`preop liver branches`: main and peripheral branches of veins and ducts (Oh 2023, Table 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from LiverPlannerLib.commands.cutting import LabelValues
from PreopReviewLib.command.console import Table
from PreopReviewLib.command.outcome import Outcome, deliver
from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.structured import json_text

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.vessels.branches import VesselTree


class Tree(StrEnum):
    """Which structure."""

    portal_vein = "portal_vein"
    hepatic_vein = "hepatic_vein"
    bile_duct = "bile_duct"
    all = "all"


class BranchRule(StrEnum):
    """What makes a branch a main one."""

    radius = "radius"
    generation = "generation"


def register(app: typer.Typer) -> None:
    """Adds the command to the group `liver`."""
    app.command("branches")(branches)


def branches(
    labels: Annotated[Path, typer.Argument(help="Label image or segmentation.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    structure: Annotated[Tree, typer.Option(help="Which tree.")] = Tree.all,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="Smallest radius of a main branch, as a share of the trunk's; by default .36 for the portal vein, "
            ".42 for hepatic veins, .44 for the bile duct."
        ),
    ] = None,
    rule: Annotated[BranchRule, typer.Option(help="Connected radius, or generation up to 1.")] = BranchRule.radius,
    override: Annotated[
        list[str] | None,
        typer.Option(help="Set a branch by hand, e.g. portal_vein:4=main; may be repeated."),
    ] = None,
    values: LabelValues = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Split veins and ducts into main and peripheral branches; write label images, trees, a table and figures.

    Exits with 3 if the file has none of the requested structures. Not for clinical use.
    """
    from LiverPlannerLib.commands.cutting import read

    file = read(labels, values)
    deliver(
        lambda: branches_of(file, structure, alpha, rule, override or []), "liver branches", out, overwrite, as_json
    )


def branches_of(
    file: Labels,
    structure: Tree = Tree.all,
    alpha: float | None = None,
    rule: BranchRule = BranchRule.radius,
    override: Sequence[str] = (),
    kept: dict[str, VesselTree] | None = None,
) -> Outcome:
    """What the command finds.

    Args:
        kept: gets the trees, by the key of their structure, for measures that need them again.

    Raises:
        NothingFound: none of the wanted structures is there. InputError: an override that cannot be understood.
    """
    keys = [s.value for s in Tree if s is not Tree.all] if structure is Tree.all else [structure.value]
    trees, absent = _trees(file.labels, keys, alpha, rule.value, _overrides(override, keys))
    if kept is not None:
        kept.update({tree.structure: replace(tree) for tree in trees})  # without the images that are drawn of them
    data = {"trees": [t.as_dict() for t in trees], "absent": absent, "notes": file.sentences}

    def write(folder: Path) -> None:
        for tree in trees:
            _write(tree, folder)

    return Outcome(data, list(_words(trees, absent, file.sentences)), write)


def _trees(
    labels: sitk.Image, keys: list[str], alpha: float | None, rule: str, overrides: dict[str, dict[int, str]]
) -> tuple[list[VesselTree], list[str]]:
    from LiverPlannerLib.structures import mask_of
    from LiverPlannerLib.vessels.branches import split_branches
    from PreopReviewLib import images
    from PreopReviewLib.errors import InputError, NothingFound

    masks = {key: mask_of(labels, key) for key in (*keys, "liver", "inferior_vena_cava")}
    present = {key for key, mask in masks.items() if images.array_of(mask).any()}
    absent = [key for key in keys if key not in present]
    if len(absent) == len(keys):
        raise NothingFound(f"The label file has no voxels of {', '.join(keys)}", "Segment the structure first")
    lost = [key for key in overrides if key in absent]
    if lost:
        raise InputError(f"There is no {lost[0]} in the file whose branches could be set", "Leave that override out")
    trees = [
        split_branches(
            masks[key],
            key,
            liver_mask=masks["liver"] if "liver" in present else None,
            ivc_mask=masks["inferior_vena_cava"] if "inferior_vena_cava" in present else None,
            alpha=alpha,
            rule=rule,
            overrides=overrides.get(key),
        )
        for key in keys
        if key in present
    ]
    return trees, absent


def _overrides(words: Sequence[str], keys: list[str]) -> dict[str, dict[int, str]]:
    from PreopReviewLib.errors import InputError

    overrides: dict[str, dict[int, str]] = {}
    for word in words:
        where, _, part = word.partition("=")
        key, _, branch = where.rpartition(":")
        key = key.strip() or (keys[0] if len(keys) == 1 else "")
        if key not in keys or not branch.strip().isdigit() or not part:
            raise InputError(
                f"The override {word!r} is not understood", "Write structure:branch=part, e.g. portal_vein:4=main"
            )
        overrides.setdefault(key, {})[int(branch)] = part.strip()
    return overrides


def _write(tree: VesselTree, folder: Path) -> None:

    from LiverPlannerLib.vessels import report as vessel_report
    from PreopReviewLib import images

    name = tree.structure
    images.write_image(tree.branch_image, folder / f"{name}_branches.nii.gz")
    images.write_image(tree.main_image, folder / f"{name}_main.nii.gz")
    (folder / f"{name}.json").write_text(json_text(tree.as_dict()) + "\n", encoding="utf-8")
    table = csv_of_dicts(vessel_report.rows(tree), vessel_report.COLUMNS)
    (folder / f"{name}.csv").write_text(table, encoding="utf-8", newline="")
    vessel_report.tree_figure(tree).savefig(folder / f"{name}.png")


def _words(trees: list[VesselTree], absent: list[str], notes: list[str]) -> Iterator[str | Table]:
    from LiverPlannerLib.structures import structure

    columns = ("structure", "branches", "main", "main ml", "peripheral ml", "main %", "trunk mm")
    rows = []
    for tree in trees:
        main = [b for b in tree.branches if b.main]
        main_ml, all_ml = sum(b.ml for b in main), sum(b.ml for b in tree.branches)
        share = round(100 * tree.main_share, 1)
        name = structure(tree.structure).name
        rows.append(
            (name, len(tree.branches), len(main), main_ml, all_ml - main_ml, share, round(max(tree.trunk_mm), 2))
        )
    rows += [(structure(key).name, None, None, None, None, None, None) for key in absent]
    yield Table("Main and peripheral branches", columns, rows)
    for tree in trees:
        for warning in tree.warnings:
            yield (f"Note on the {structure(tree.structure).name.lower()}: {warning}.")
    yield from notes
