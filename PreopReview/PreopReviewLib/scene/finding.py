"""Nodes and segments of a scene, found and stepped back; imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def nodes_of_class(scene: Any, kind: str) -> list[Any]:
    """The nodes of a class and its subclasses, in the order of the scene."""
    collection = scene.GetNodesByClass(kind)
    collection.UnRegister(None)
    return [collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems())]


def segment_keys(node: Any) -> list[str]:
    """The identifiers of a segmentation node's segments, in order."""
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]


def fit_boxes(scene: Any) -> None:
    """Lets the box and the letters of every 3D view enclose what it shows: Slicer leaves them where they were."""
    for view in nodes_of_class(scene, "vtkMRMLViewNode"):
        view.InvokeEvent(view.ResetFocalPointRequestedEvent)


def step_back(nodes: Sequence[Any | None], back: bool) -> None:
    """Takes nodes out of all views, or brings them back, whether or not they are switched on: that stays as it is."""
    for node in nodes:
        display = node.GetDisplayNode() if node is not None and node.IsA("vtkMRMLDisplayableNode") else None
        if display is not None and node.GetScene() is not None:
            display.SetVisibility2D(not back)
            display.SetVisibility3D(not back)
