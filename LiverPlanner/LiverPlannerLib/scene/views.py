"""How a plan is looked at: presets of opacity for surgery, and two segmentations side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PreopReviewLib.scene.finding import fit_boxes, nodes_of_class, segment_keys

HIDDEN = 0.0
FILLING = 0.85  # a liver is not a ball: its sphere may reach a little beyond the view
PRESETS: dict[str, Mapping[str, float]] = {
    "solid": {},
    "glass": {"liver": 0.25},
    "vessels": {"liver": 0.12, "lesion": 0.35, "candidate": 0.35, "organ": 0.35},
    "lesions": {"liver": 0.15, "vessel": 0.3, "duct": 0.3, "organ": HIDDEN},
}
"""Opacity of the surfaces by structure or, where that is not named, by kind; 1 where nothing is said."""


BESIDE = 7741
"""Number of the layout for two segmentations: both in 3D above two slice views. The bars of three slice views, as in
Slicer's own layout of two 3D views, are wider than a screen of 1366 pixels beside a panel."""


def add_layout(layout: Any) -> int:
    """Lets a layout node know that layout; its number."""
    views = "".join(
        f'<item><view class="vtkMRMLViewNode" singletontag="{tag}">'
        f'<property name="viewlabel" action="default">{tag}</property></view></item>'
        for tag in ("1", "2")
    )
    slices = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{name[0]}</property>'
        f'<property name="viewcolor" action="default">{color}</property></view></item>'
        for name, orientation, color in (("Red", "Axial", "#F34A33"), ("Green", "Coronal", "#6EB04B"))
    )
    rows = "".join(f'<item><layout type="horizontal">{row}</layout></item>' for row in (views, slices))
    if not layout.IsLayoutDescription(BESIDE):
        layout.AddLayoutDescription(BESIDE, f'<layout type="vertical" split="true">{rows}</layout>')
    return BESIDE


def apply_preset(segmentation: Any, name: str) -> None:
    """Sets visibility and opacity in 3D of every segment; segments that are not structures of ours are opaque."""
    from LiverPlannerLib.scene.segments import structure_of_segment

    display = segmentation.GetDisplayNode()
    blocked = display.StartModify()
    for key in segment_keys(segmentation):
        known = structure_of_segment(segmentation.GetSegmentation().GetSegment(key))
        looks = PRESETS[name]
        opacity = looks.get(known.key, looks.get(known.kind, 1.0)) if known else 1.0
        display.SetSegmentVisibility3D(key, opacity > HIDDEN)
        if opacity > HIDDEN:
            display.SetSegmentOpacity3D(key, opacity)
    display.EndModify(blocked)


@dataclass
class _Before:
    """What a display node was like before two were put side by side."""

    visible: bool
    views: tuple[str, ...]


@dataclass
class SideBySide:
    """Two segmentations in two 3D views with linked cameras; `end` puts everything back.

    Attributes:
        left, right: segmentation nodes. The slices show the left one.
    """

    left: Any
    right: Any
    _before: dict[str, _Before] = field(default_factory=dict)
    _views: dict[str, tuple[int, str]] = field(default_factory=dict)

    def begin(self, views: tuple[Any, Any]) -> None:
        """Shows each in its view.

        Args:
            views: the two vtkMRMLViewNode.
        """
        slices = [n.GetID() for n in nodes_of_class(self.left.GetScene(), "vtkMRMLSliceNode")]
        for node, view, more in ((self.left, views[0], slices), (self.right, views[1], [])):
            node.CreateDefaultDisplayNodes()
            display = node.GetDisplayNode()
            ids = tuple(display.GetNthViewNodeID(i) for i in range(display.GetNumberOfViewNodeIDs()))
            self._before[node.GetID()] = _Before(bool(display.GetVisibility()), ids)
            display.RemoveAllViewNodeIDs()
            for identifier in [view.GetID(), *more]:
                display.AddViewNodeID(identifier)
            display.SetVisibility(True)
            if not node.GetSegmentation().ContainsRepresentation("Closed surface"):
                node.CreateClosedSurfaceRepresentation()
        for node, view in zip((self.left, self.right), views, strict=True):
            self._views[view.GetID()] = (view.GetLinkedControl(), view.GetLayoutLabel())
            view.SetLinkedControl(1)
            view.SetLayoutLabel(node.GetName())  # in the bar above the view
        same_camera(*views)

    def end(self) -> None:
        """Shows both as before; a node that has left the scene is skipped."""
        for node in (self.left, self.right):
            before = self._before.pop(node.GetID() or "", None)
            display = node.GetDisplayNode() if node.GetScene() is not None else None
            if before is None or display is None:
                continue
            display.RemoveAllViewNodeIDs()
            for identifier in before.views:
                display.AddViewNodeID(identifier)
            display.SetVisibility(before.visible)
        scene = self.left.GetScene() or self.right.GetScene()
        for identifier, (linked, label) in self._views.items():
            view = scene.GetNodeByID(identifier) if scene is not None else None
            if view is not None:
                view.SetLinkedControl(linked)
                view.SetLayoutLabel(label)
        self._views.clear()


def same_camera(source: Any, target: Any) -> None:
    """Lets one 3D view look from where another one does."""
    by_layout = {c.GetLayoutName(): c for c in nodes_of_class(source.GetScene(), "vtkMRMLCameraNode")}
    cameras = [by_layout.get(view.GetLayoutName()) for view in (source, target)]
    if None in cameras:
        return
    cameras[1].SetPosition(cameras[0].GetPosition())
    cameras[1].SetFocalPoint(cameras[0].GetFocalPoint())
    cameras[1].SetViewUp(cameras[0].GetViewUp())
    cameras[1].SetViewAngle(cameras[0].GetViewAngle())
    cameras[1].ResetClippingRange()


def frame(segmentation: Any) -> None:
    """Lets every 3D view look at a segmentation from the front, filling the view."""
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    if bounds[1] < bounds[0]:
        return
    center = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
    fit_boxes(segmentation.GetScene())
    radius = sum((bounds[2 * a + 1] - bounds[2 * a]) ** 2 for a in range(3)) ** 0.5 / 2
    for camera in nodes_of_class(segmentation.GetScene(), "vtkMRMLCameraNode"):
        distance = FILLING * radius / math.sin(math.radians(camera.GetViewAngle() / 2))
        camera.SetFocalPoint(center)
        camera.SetPosition(center[0], center[1] + distance, center[2])
        camera.SetViewUp(0, 0, 1)
        camera.ResetClippingRange()
