"""Nodes and segments of a scene; imports nothing that takes time."""

from __future__ import annotations

from typing import Any


def nodes_of_class(scene: Any, kind: str) -> list[Any]:
    """The nodes of a class and its subclasses, in the order of the scene."""
    found = scene.GetNodesByClass(kind)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]


def segment_keys(node: Any) -> list[str]:
    """The identifiers of a segmentation node's segments, in order."""
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]
