"""The maps of several classes side by side: each in a shoulder of its own, all seen from one place."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import nodes
from RotatorCuffCAMLib.network.activation import ActivationMap
from RotatorCuffCAMLib.network.hot_region import hot_region
from RotatorCuffCAMLib.rendering.fused import with_heat
from RotatorCuffCAMLib.scene import nodes as cuff_scene
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.tears import TEAR_CLASSES

SIDE_BY_SIDE = "RotatorCuffCAM.SideBySide"
"""Node reference from the map that is examined to those of all classes beside it."""


def add_class_maps(activation: Any, maps: Sequence[ActivationMap], on_cpu: bool | None = True) -> list[Any]:
    """Adds the map of every class with a shoulder of its own; see `add_class_maps_steps`."""
    return at_once(add_class_maps_steps(activation, maps, on_cpu))


def add_class_maps_steps(
    activation: Any, maps: Sequence[ActivationMap], on_cpu: bool | None = True
) -> Generator[None, None, list[Any]]:
    """Adds the map of every class with a shoulder of its own, looked at as the first one, one per step.

    Args:
        activation: the map that is examined.
        maps: of the same cube.

    Returns:
        (of the generator) their nodes, hidden in 3D.
    """
    remove_class_maps(activation)
    scene, view, look = activation.GetScene(), shoulder.view_of(activation), shoulder.look_of(activation)
    first = shoulder.field_of(activation)
    map_nodes = []
    for one in maps:
        node, percent = cuff_scene.add_activation(scene, one)
        node.SetName(f"{node.GetName()}, beside")
        node.SetNodeReferenceID(shoulder.VOLUME, activation.GetNodeReferenceID(shoulder.VOLUME))
        name = f"Shoulder with map: {TEAR_CLASSES[one.class_index].name}, beside"
        middle = _middle(node)
        seen = replace(view, cut_lps=middle) if middle is not None else view
        drawn = cuff_scene.look_of_class(look, one.class_index)
        shoulder.add_shoulder(node, with_heat(first, percent, seen), seen, drawn, name, on_cpu)
        shoulder.rendering_of(node).SetVisibility(False)
        cuff_scene.set_threshold(node, look.threshold)
        activation.AddNodeReferenceID(SIDE_BY_SIDE, node.GetID())
        map_nodes.append(node)
        yield
    return map_nodes


def class_maps(activation: Any | None) -> list[Any]:
    """The maps beside a map, in the order of the classes."""
    if activation is None:
        return []
    references = (activation.GetNthNodeReference(SIDE_BY_SIDE, n) for n in range(_count(activation)))
    return [node for node in references if node is not None]


def _count(activation: Any) -> int:
    return activation.GetNumberOfNodeReferences(SIDE_BY_SIDE)


def remove_class_maps(activation: Any) -> None:
    """Takes them out of the scene."""
    for node in class_maps(activation):
        shoulder.remove_shoulder(node)
        activation.GetScene().RemoveNode(node)
    activation.RemoveNodeReferenceIDs(SIDE_BY_SIDE)


def _middle(activation: Any) -> tuple[float, float, float] | None:
    """Of the hot region of a map, LPS mm; None for the class None, which has no place."""
    if activation.GetAttribute(cuff_scene.CLASS) == "none":
        return None
    region = hot_region(nodes.image_of_volume(activation))
    return region.center_lps if region is not None else None
