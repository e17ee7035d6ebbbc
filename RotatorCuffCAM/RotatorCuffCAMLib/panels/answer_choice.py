"""Whose answer the panel shows: that of the chosen MRI. Maps, boxes and outlines of other MRIs step back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from PreopReviewLib.scene.finding import nodes_of_class, step_back
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.scene.shoulder import VOLUME

FIELDS = ("activation", "hotRegion", "cubeRoi", "tearBox")
"""Of the parameter node: what belongs to one MRI."""

FIELD = "RotatorCuffCAM.Field"
"""Attribute of such a node: the field that names it while its MRI is chosen."""

KINDS = ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsROINode")


class AnswerChoice:
    """Lets map, outline and boxes follow the MRI of the parameter node.

    A cube or a box of another patient would be measured against this one's map without a word.

    Args:
        parameters: gives the parameter node, or None.
    """

    def __init__(self, parameters: Callable[[], Any]) -> None:
        self._parameters = parameters
        self._shown: str | None = None  # identifier of the MRI; None before the first

    def forget(self) -> None:
        """The scene is closed, or another one is loaded."""
        self._shown = None

    def refresh(self) -> None:
        """Notes whose the nodes are, and changes them where another MRI was chosen."""
        parameters = self._parameters()
        if parameters is None:
            return
        volume = parameters.inputVolume
        chosen = volume.GetID() if volume is not None else ""
        if self._shown is None and (volume is None or any(getattr(parameters, f) is not None for f in FIELDS)):
            self._shown = chosen  # a scene goes on where it was saved
        if chosen != self._shown:
            began, self._shown = not self._shown, chosen  # the first one is in the views already
            self._take(parameters, volume, began)
        self._mark(parameters, volume)

    @staticmethod
    def _mark(parameters: Any, volume: Any | None) -> None:
        for field in FIELDS if volume is not None else ():
            node = getattr(parameters, field)
            if node is not None and (owner_of(node) is not volume or node.GetAttribute(FIELD) != field):
                node.SetNodeReferenceID(VOLUME, volume.GetID())
                node.SetAttribute(FIELD, field)

    @staticmethod
    def _take(parameters: Any, volume: Any | None, began: bool) -> None:
        own = dict.fromkeys(FIELDS)
        if volume is not None:
            own |= {_field_of(n): n for n in owned_nodes() if owner_of(n) is volume and _field_of(n)}
        with slicer.util.NodeModify(parameters):
            for field in FIELDS:
                parameters.setValue(field, own[field])
        show_alone(volume)
        if volume is not None and not began:
            scene_answer.show_in_slices(volume, own["activation"], parameters.opacity)
            if own["activation"] is not None:
                scene_answer.look_at(own["activation"], again=True)


def owner_of(node: Any) -> Any | None:
    """The MRI that a node belongs to."""
    return node.GetNodeReference(VOLUME)


def _field_of(node: Any) -> str:
    """The field of a node; a command's scene says it by what the nodes are."""
    field = node.GetAttribute(FIELD)
    if field or node.IsA("vtkMRMLMarkupsROINode"):
        return field or ""
    if node.IsA("vtkMRMLSegmentationNode"):
        return "hotRegion"
    return "activation" if scene_answer.record_of(node) else ""


def owned_nodes() -> list[Any]:
    """Everything in the scene that belongs to an MRI."""
    return [n for kind in KINDS for n in nodes_of_class(slicer.mrmlScene, kind) if owner_of(n) is not None]


def show_alone(volume: Any | None) -> None:
    """Brings what belongs to an MRI into the views, and takes what belongs to others out of them."""
    for node in owned_nodes():
        back = owner_of(node) is not volume
        in_3d = shoulder.rendering_of(node)
        if in_3d is not None:
            in_3d.SetVisibility3D(not back)
        if not node.IsA("vtkMRMLScalarVolumeNode"):
            step_back([node], back)
