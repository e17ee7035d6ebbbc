"""Main and peripheral branches of vessels in the scene: two segments per vessel, and rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from LiverPlannerLib.scene.parts import Part, show_parts
from LiverPlannerLib.scene.plan_tables import PLAN
from LiverPlannerLib.scene.segments import Grid
from LiverPlannerLib.scene.tables import Column, read_table
from LiverPlannerLib.structures import STRUCTURES, structure
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.territories.liver import LiverTrees
from LiverPlannerLib.territories.tables import branch_rows as territory_rows
from LiverPlannerLib.vessels.branches import MAIN, PERIPHERAL, VesselTree
from LiverPlannerLib.vessels.by_hand import SetByHand
from PreopReviewLib import images

COLUMNS = (
    Column("structure", "Vessel", "text"),
    Column("id", "Branch", "number", 0, "Numbered from the trunk outwards."),
    Column("main", "Main", "flag", help="Main branches are reached from the root without a thin stretch."),
    Column("name", "Territory", "text", help="Of what it feeds or drains; known when the blood supply was followed."),
    Column("territory_ml", "Parenchyma (ml)", "number", 0, "Fed or drained by it with everything downstream.", "–"),
    Column("territory_percent", "Liver (%)", "number", 1, "The same as a part of the liver.", "–"),
    Column("generation", "Order", "number", 0, "0 is the trunk; – is disconnected from the root.", "–", brief=False),
    Column("radius_mm", "Radius (mm)", "number", 1),
    Column("length_mm", "Length (mm)", "number", 0, brief=False),
    Column("ml", "Volume (ml)", "number", 2, brief=False),
    Column(
        "parent",
        "Parent branch",
        "number",
        0,
        "The branch nearer to the root; –: a trunk, or disconnected.",
        "–",
        brief=False,
    ),
    Column("overridden", "By hand", "flag", brief=False),
    Column("reason", "Why", "text", brief=False),
)


def main_color(key: str) -> tuple[float, float, float]:
    """A vessel's own color, for its main branches."""
    return structure(key).color


def peripheral_color(key: str) -> tuple[float, float, float]:
    """The same hue, half way to white, for its peripheral branches."""
    return tuple(0.45 * v + 0.55 for v in structure(key).color)  # type: ignore[return-value]


def by_hand_request(table: Any | None, plan: Any) -> dict[str, Any]:
    """What a request to the worker says of branches of a plan that someone has ticked; nothing where there are none.

    Args:
        table: of the branches, or None.
    """
    if table is None or table.GetNodeReference(PLAN) is not plan:
        return {}
    return {"branches_by_hand": [list(astuple(branch)) for branch in set_by_hand_in(read_table(table, COLUMNS))]}


def set_by_hand_in(rows: Sequence[Mapping[str, Any]]) -> list[SetByHand]:
    """The branches of saved rows that someone has ticked."""
    keys = {s.name: s.key for s in STRUCTURES}
    return [
        SetByHand(keys[row["structure"]], int(row["id"]), row["radius_mm"], "main" if row["main"] else "peripheral")
        for row in rows
        if row["overridden"] and row["structure"] in keys
    ]


def branch_rows(trees: Mapping[str, VesselTree], supply: LiverTrees | None = None) -> list[dict[str, Any]]:
    """One row per branch of all trees, with the keys of `COLUMNS`.

    Args:
        supply: territories of the same trees, where they are known.
    """
    fed = _fed(supply) if supply is not None else {}
    rows = []
    for key, tree in trees.items():
        for branch in sorted(tree.branches, key=lambda b: b.generation < 0):  # first what is attached to the root
            row = {c.key: getattr(branch, c.key, None) for c in COLUMNS}
            order = branch.generation if branch.generation >= 0 else None
            row |= {"structure": structure(key).name, "generation": order}
            rows.append(row | fed.get((key, branch.id), {}))
    return rows


def _fed(supply: LiverTrees) -> dict[tuple[str, int], dict[str, Any]]:
    """Name, ml and percent of the territory of each branch, by structure and id."""
    return {
        (key, row["branch"]): {k: row[k] for k in ("name", "territory_ml", "territory_percent")}
        for key, territories in supply.territories.items()
        for row in territory_rows(territories, supply.named[key])
    }


def show_branches(
    scene: Any, node: Any | None, name: str, grid: Grid, trees: Mapping[str, VesselTree], surfaces: bool = True
) -> Any:
    """Main and peripheral branches as a segmentation node; see `parts.show_parts`."""
    return show_parts(scene, node, name, grid, branch_parts(trees), surfaces)


def branch_parts(trees: Mapping[str, VesselTree]) -> list[Part]:
    """Main and peripheral branches; the terminology is that of the vessel."""
    return [part for key, tree in trees.items() for part in _parts_of(key, tree)]


def _parts_of(key: str, tree: VesselTree) -> Sequence[Part]:
    entry, name = terminology_entry(structure(key)), structure(key).name
    split = images.array_of(tree.main_image)
    kinds = ((MAIN, "main", main_color(key)), (PERIPHERAL, "peripheral", peripheral_color(key)))
    return [
        Part(
            f"{key}_{word}",
            f"{name}, {word}",
            color,
            images.image_like(split == value, tree.main_image),
            entry,
            smoothing=0.2,
        )
        for value, word, color in kinds
    ]
