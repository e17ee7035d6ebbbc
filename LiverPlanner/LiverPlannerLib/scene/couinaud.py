"""The Couinaud segments of a plan in the scene, as they are now: found by shape, or corrected by hand or by planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.couinaud.borders import BORDERS
from LiverPlannerLib.labels.names import match_segment
from LiverPlannerLib.resection.cutting import Plane
from LiverPlannerLib.scene.parts import Part, show_parts
from LiverPlannerLib.scene.plan import COUINAUD, nodes_of
from LiverPlannerLib.scene.plan_tables import PLAN
from LiverPlannerLib.scene.planes import add_plane, plane_of
from LiverPlannerLib.scene.segments import SegmentVoxels, grid_of
from LiverPlannerLib.scene.tables import place_beside
from LiverPlannerLib.structures import SEGMENTS
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.voxel_boxes import hull, paint
from PreopReviewLib.worker_io import Unsaved, unsaved

BORDER = "PreopReview.CouinaudBorder"
"""Attribute of a markups plane: the key of its border in `couinaud.borders.BORDERS`."""


def segments_node(plan: Any | None) -> Any | None:
    """The segmentation node of a plan's Couinaud segments, or None."""
    node = nodes_of(plan).couinaud if plan is not None else None
    return node if node is not None and node.GetScene() is not None else None


def segment_number(segment: Any) -> int | None:
    """Which Couinaud segment a vtkSegment is, by its terminology, else by its name; None for another thing."""
    entry = segment.GetTerminology() or ""
    coded = next((s.label for s in SEGMENTS if f"^{s.type.value}^" in entry), None)
    return coded or match_segment(segment.GetName() or "")


def read_couinaud(node: Any | None, voxels: SegmentVoxels | None = None) -> sitk.Image | None:
    """The segments (uint8, 1 to 8) around all of them, in RAS as the node stands; None without a voxel.

    Where two share a voxel, it is the one's with the higher number.

    Args:
        voxels: of the node, where they have been read.

    Raises:
        GeometryError: the node has no reference geometry, or is bent.
    """
    if node is None:
        return None
    voxels, content = voxels or SegmentVoxels(node), node.GetSegmentation()
    numbers = {i: segment_number(content.GetSegment(i)) for i, mask in voxels.masks.items() if mask.count}
    known = {i: number for i, number in numbers.items() if number}
    if not known:
        return None
    low, high = hull([voxels.masks[i] for i in known])
    array = np.zeros(np.subtract(high, low), np.uint8)
    for i in sorted(known, key=lambda i: known[i]):
        paint(array, low, voxels.masks[i], known[i])
    return voxels.grid.image(array, low)


def couinaud_request(segments: sitk.Image | None) -> dict[str, Unsaved]:
    """What a request to the worker says of a plan's Couinaud segments; nothing where there are none."""
    return {} if segments is None else {"couinaud": unsaved(segments, "couinaud")}


def parts_of_couinaud(segments: sitk.Image) -> list[Part]:
    """Segments 1 to 8 of an image, as they are shown."""
    return [
        Part(s.key, s.name, s.color, segments == s.label, terminology_entry(s), s.opacity, s.smoothing)
        for s in SEGMENTS
    ]


def write_couinaud(plan: Any, segments: sitk.Image, surfaces: bool = True) -> Any:
    """Puts other segments into the plan's node, which keeps its place and display; returns the node.

    Args:
        segments: uint8, 1 to 8, on the lattice of that node, or of the plan where there is none.
        surfaces: see `parts.show_parts`.
    """
    node = segments_node(plan)
    parts = parts_of_couinaud(segments)
    name = node.GetName() if node is not None else f"{plan.GetName()} Couinaud segments"
    shown = show_parts(plan.GetScene(), node, name, grid_of(node or plan), parts, surfaces)
    if node is None:
        plan.SetNodeReferenceID(COUINAUD, shown.GetID())
        place_beside(plan.GetScene(), shown, plan)
    return shown


# ---- border planes ----


def add_borders(plan: Any, planes: Mapping[str, Plane], size_mm: float) -> list[Any]:
    """A markups plane for each border, named after the vein it runs along; their handles are below the liver."""
    shown = []
    for key, plane in planes.items():

        def prepare(node: Any, display: Any, key: str = key) -> None:
            node.SetAttribute(BORDER, key)
            node.SetNodeReferenceID(PLAN, plan.GetID())
            display.SetNormalVisibility(False)
            _give_handles(display, False)

        shown.append(add_plane(plan.GetScene(), plane.point, size_mm, plane.normal, BORDERS[key].name, prepare))
    return shown


def _give_handles(display: Any, chosen: bool) -> None:
    before = display.StartModify()
    display.SetHandlesInteractive(chosen)
    display.SetPropertiesLabelVisibility(chosen)
    display.SetFillOpacity(0.35 if chosen else 0.1)
    display.EndModify(before)


def choose_border(nodes: Sequence[Any], key: str) -> None:
    """Gives handles and its name to one plane; five sets of handles would cover the liver."""
    for node in nodes:
        display, chosen = node.GetDisplayNode(), node.GetAttribute(BORDER) == key
        if bool(display.GetHandlesInteractive()) != chosen:
            _give_handles(display, chosen)


def border_nodes(scene: Any, plan: Any | None = None) -> list[Any]:
    """The markups planes of borders that are in the scene; with a plan, its own."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode")
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLMarkupsPlaneNode") for n in range(count)]
    borders = [node for node in nodes if node.GetAttribute(BORDER) in BORDERS]
    return [node for node in borders if plan is None or node.GetNodeReference(PLAN) is plan]


def planes_of_borders(nodes: list[Any]) -> dict[str, Plane]:
    """By key of `BORDERS`; see `scene.planes.plane_of`, which raises what is wrong with a plane."""
    return {node.GetAttribute(BORDER): plane_of(node) for node in nodes}


def extent_mm(segments: sitk.Image) -> float:
    """The largest extent of a label image, for the size of planes."""
    return float(max(n * mm for n, mm in zip(segments.GetSize(), segments.GetSpacing(), strict=True)))
