"""Territories of a vein in the scene: what each of its named branches feeds or drains, each in a color of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from LiverPlannerLib.scene.parts import Part, show_parts
from LiverPlannerLib.scene.segments import Grid
from LiverPlannerLib.scene.tables import place_beside
from LiverPlannerLib.structures import structure
from LiverPlannerLib.territories.areas import Territories
from LiverPlannerLib.territories.names import NamedTerritory
from LiverPlannerLib.territories.tables import named_image
from PreopReviewLib import images
from PreopReviewLib.scene.finding import nodes_of_class

TERRITORIES = "PreopReview.Territories"
"""Attribute of the segmentation node; there is one in a scene."""
COLORS = ((0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.00, 0.62, 0.45), (0.94, 0.89, 0.26),
          (0.00, 0.45, 0.70), (0.84, 0.37, 0.00), (0.80, 0.47, 0.65), (0.60, 0.60, 0.60))  # fmt: skip
"""Of Okabe and Ito, told apart by any color vision; used again from the ninth territory on."""


def show_territories(plan: Any, grid: Grid, territories: Territories, named: Sequence[NamedTerritory]) -> Any:
    """A segmentation node with the territories by name, ml and percent; the one before is filled again.

    Args:
        plan: the segmentation that they were found in.
        grid: of the plan.
    """
    scene, key = plan.GetScene(), territories.tree.structure
    image = named_image(territories, named)
    values = images.array_of(image)
    parts = [
        Part(
            f"{key}_{value}",
            f"{one.name}: {one.ml:.0f} ml, {one.share:.0%}",
            COLORS[(value - 1) % len(COLORS)],
            images.image_like(values == value, image),
            opacity=0.45,
        )
        for value, one in enumerate(named, 1)
    ]
    before = territories_node(scene)
    name = f"{plan.GetName()}: territories of the {structure(key).name.lower()}"
    node = show_parts(scene, before, name, grid, parts)
    node.SetAttribute(TERRITORIES, "1")
    node.GetDisplayNode().SetOpacity2DFill(0.35)
    if before is None:
        place_beside(scene, node, plan)
    return node


def territories_node(scene: Any) -> Any | None:
    """The node that is there, or None."""
    return next((n for n in nodes_of_class(scene, "vtkMRMLSegmentationNode") if n.GetAttribute(TERRITORIES)), None)
