"""The shortest distance of a lesion as a line in slices and in 3D, with its name and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from LiverPlannerLib.scene.tables import place_beside
from PreopReviewLib.scene.finding import nodes_of_class

LINE = "PreopReview.ShortestDistance"
"""Attribute of the node; there is one in a scene."""
_COLOR = (1.0, 0.85, 0.10)


def show_line(plan: Any, start_ras: Sequence[float], stop_ras: Sequence[float], words: str) -> Any:
    """Draws the line; the one before goes.

    Args:
        plan: the segmentation that was measured.
        words: what is measured to what; the length follows.

    Returns:
        vtkMRMLMarkupsLineNode.
    """
    scene = plan.GetScene()
    remove_line(scene)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", words)
    node.SetAttribute(LINE, "1")
    node.SetSaveWithScene(False)
    node.CreateDefaultDisplayNodes()
    for point in (start_ras, stop_ras):
        node.AddControlPointWorld(*map(float, point))
    node.SetLocked(True)
    node.GetMeasurement("length").SetEnabled(False)  # Slicer writes four digits, and 1.273 mm beside the table's 1.3
    node.SetName(f"{words}: {node.GetLineLengthWorld():.1f} mm")
    display = node.GetDisplayNode()
    display.SetSelectedColor(*_COLOR)
    display.SetColor(*_COLOR)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(True)
    display.SetGlyphScale(1.0)
    display.SetTextScale(2.2)  # in a quarter of a small screen, the words fit
    display.SetOccludedVisibility(True)  # it lies inside the liver
    display.SetOccludedOpacity(0.7)
    place_beside(scene, node, plan)
    return node


def line_of(scene: Any) -> Any | None:
    """The line that is shown, or None."""
    return next((n for n in nodes_of_class(scene, "vtkMRMLMarkupsLineNode") if n.GetAttribute(LINE)), None)


def remove_line(scene: Any) -> None:
    """Takes the line out of the scene."""
    node = line_of(scene)
    if node is not None:
        scene.RemoveNode(node)
