"""Tables of a plan in the scene: each knows whose it is and what it holds, also after it was saved and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from LiverPlannerLib.scene.tables import Column, Row, place_beside, write_table
from PreopReviewLib.scene.finding import nodes_of_class

PLAN = "PreopReview.Plan"
"""Role of the reference from a table to the segmentation that was measured."""
FIELD = "PreopReview.Field"
"""Attribute of a node that belongs to a plan: the field of the parameter node that names it while its plan is shown."""
CUT_PLANES = "cutPlanes"
"""The field that is a list of nodes."""
KIND = "PreopReview.Table"
"""Attribute of a table node: what it holds."""
VOLUMES = "volumes"
VOLUME_COLUMNS = (
    Column("measure", "Measure", "text"),
    Column("value", "Value", "number", None),
    Column("unit", "Unit", "text"),
    Column("how", "How", "text"),
)


def belong(node: Any, plan: Any, field: str) -> None:
    """Makes a node one of a plan's, see `PLAN` and `FIELD`; a node that is one already is not touched.

    What a node in the scene is told, all views are told: the two are told at once.
    """
    if node.GetNodeReferenceID(PLAN) == plan.GetID() and node.GetAttribute(FIELD) == field:
        return
    before = node.StartModify()
    node.SetNodeReferenceID(PLAN, plan.GetID())
    node.SetAttribute(FIELD, field)
    if node.IsA("vtkMRMLSegmentationNode"):
        node.SetHideFromEditors(True)  # an overlay is not a plan to choose, and none to paint in
    node.EndModify(before)


def put_table(plan: Any, node: Any | None, kind: str, columns: Sequence[Column], rows: Sequence[Row]) -> Any:
    """Puts rows into a table node of a plan, which is made beside it if there is none, and returns it."""
    scene = plan.GetScene()
    table = write_table(scene, node, f"{plan.GetName()}: {kind}", columns, rows)
    table.SetAttribute(KIND, kind)
    table.SetNodeReferenceID(PLAN, plan.GetID())
    if table is not node:
        place_beside(scene, table, plan)
    return table


def add_volumes(plan: Any, rows: Sequence[Row], node: Any | None = None) -> Any | None:
    """The volumes of a plan as the section Measure shows them first; None where there are no rows."""
    return put_table(plan, node, VOLUMES, VOLUME_COLUMNS, rows) if rows else None


def table_of(plan: Any, kind: str) -> Any | None:
    """The table of that kind that was measured on a plan, or None."""
    for node in nodes_of_class(plan.GetScene(), "vtkMRMLTableNode"):
        if node.GetAttribute(KIND) == kind and node.GetNodeReference(PLAN) is plan:
            return node
    return None
