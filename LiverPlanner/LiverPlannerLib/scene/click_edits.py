"""Edits by a click, put into the segments of a plan; and the branch under the mouse as a model of its center line."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.scene.measures import replace_voxels
from LiverPlannerLib.scene.segments import SegmentVoxels
from LiverPlannerLib.structures import Structure, structure_of_label
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.vessels.edit.changes import Edit
from LiverPlannerLib.voxel_boxes import EMPTY, BoxedMask, boxed, hull, paint, without
from PreopReviewLib import images
from PreopReviewLib.scene import nodes

LIGHT = (1.0, 0.95, 0.2)
WIDER, WIDER_MM = 1.4, 0.8
"""A vessel is not a tube, and its radius that of the ball inside it: light of that size would lie below its surface."""


def apply_edit(plan: SegmentVoxels, edit: Edit, labels: sitk.Image) -> list[str]:
    """Changes the segments of a plan as an edit of its labels says.

    The liver segment is left alone: it holds all that it contains.

    Args:
        plan: voxels of the plan, up to date.
        edit: of `labels`, which are those of `SegmentVoxels.labels`.

    Returns:
        Keys of the structures that changed.
    """
    start = _start(plan, labels)
    shape = labels.GetSize()[::-1]
    changed = []
    for value in sorted({*np.unique(edit.old).tolist(), *np.unique(edit.new).tolist()}):
        s = structure_of_label(int(value))
        if s is None or s.key == "liver":
            continue
        gone = _mask(edit.index[edit.old == value], shape, start)
        come = _mask(edit.index[edit.new == value], shape, start)
        _change(plan, s, gone, come)
        changed.append(s.key)
    return changed


def _start(plan: SegmentVoxels, labels: sitk.Image) -> np.ndarray:
    """Lattice index (K, J, I) of the first voxel of labels."""
    ras = images.kji_to_ras(np.zeros((1, 3)), labels)[0]
    return np.rint((np.linalg.inv(plan.grid.to_ras) @ [*ras, 1.0])[:3][::-1]).astype(int)


def _mask(index: np.ndarray, shape: tuple[int, ...], start: np.ndarray) -> BoxedMask:
    if not len(index):
        return EMPTY
    places = np.stack(np.unravel_index(index, shape), 1)
    low = places.min(0)
    mask = np.zeros(places.max(0) - low + 1, bool)
    mask[tuple((places - low).T)] = True
    return boxed(mask, (low + start).tolist())


def _change(plan: SegmentVoxels, s: Structure, gone: BoxedMask, come: BoxedMask) -> None:
    """Takes voxels from all segments of a structure, and gives voxels to its first one."""
    own = [i for i, key in plan.structures.items() if key == s.key]
    if not own:
        own = [_add_segment(plan.node, s)]
    for n, segment_id in enumerate(own):
        now = plan.masks.get(segment_id, EMPTY)
        wanted = without(now, gone)
        if n == 0 and come.count:
            parts = [m for m in (wanted, come) if m.count]
            low, high = hull(parts)
            whole = np.zeros(np.subtract(high, low), np.uint8)
            for part in parts:
                paint(whole, low, part, 1)
            wanted = boxed(whole > 0, low)
        if not wanted.same_as(now):
            mask = wanted if wanted.count else BoxedMask(np.zeros_like(now.mask), now.start, 0)
            replace_voxels(plan.node, segment_id, plan.grid.image(mask.mask.view("uint8"), mask.start, world=False))


def _add_segment(node: Any, s: Structure) -> str:
    import slicer

    segment = slicer.vtkSegment()
    segment.SetName(s.name)
    segment.SetColor(*s.color)
    segment.SetTerminology(terminology_entry(s))
    segment.AddRepresentation(nodes.LABELMAP, slicer.vtkOrientedImageData())
    node.GetSegmentation().AddSegment(segment, s.key)
    return s.key


def show_line(scene: Any, node: Any | None, points_ras: np.ndarray, radii: np.ndarray, links: np.ndarray) -> Any:
    """A model of center-line points as tubes, e.g. of the branch under the mouse; hidden where there are none.

    Args:
        node: one to fill again; None makes one that is neither listed nor saved.
        points_ras: (N, 3) mm; `radii` (N,) mm; `links` (E, 2) pairs of points.
    """
    if node is None or node.GetScene() is None:
        node = scene.AddNewNodeByClass("vtkMRMLModelNode", "Under the mouse")
        node.CreateDefaultDisplayNodes()
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetSelectable(False)
        display = node.GetDisplayNode()
        display.SetColor(*LIGHT)
        display.SetVisibility2D(True)
        display.SetSliceIntersectionThickness(3)
        display.SetSaveWithScene(False)
    node.SetAndObservePolyData(_tubes(points_ras, radii, links))
    node.GetDisplayNode().SetVisibility(bool(len(points_ras)))
    return node


def _tubes(points_ras: np.ndarray, radii: np.ndarray, links: np.ndarray) -> Any:
    import vtk
    from vtkmodules.util.numpy_support import numpy_to_vtk

    data, points, lines = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(points_ras, dtype=float), deep=True))
    for a, b in links.tolist():
        lines.InsertNextCell(2, (a, b))
    data.SetPoints(points)
    data.SetLines(lines)
    if not len(links):
        return data
    size = numpy_to_vtk(WIDER * np.ascontiguousarray(radii, dtype=float) + WIDER_MM, deep=True)
    size.SetName("radius")
    data.GetPointData().SetScalars(size)
    tube = vtk.vtkTubeFilter()
    tube.SetInputData(data)
    tube.SetVaryRadiusToVaryRadiusByAbsoluteScalar()
    tube.SetNumberOfSides(8)
    tube.CappingOn()
    tube.Update()
    tubes = tube.GetOutput()
    tubes.GetPointData().SetScalars(None)
    return tubes
