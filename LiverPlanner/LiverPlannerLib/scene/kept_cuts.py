"""Resections that are kept with a scene: segments of a node of their own, one for the part that each takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.scene.measures import replace_voxels
from LiverPlannerLib.scene.parts import set_reference
from LiverPlannerLib.scene.segments import Grid
from LiverPlannerLib.scene.tables import Column, place_beside, read_table
from LiverPlannerLib.voxel_boxes import boxed
from PreopReviewLib import images
from PreopReviewLib.scene import nodes

COLORS = ((0.80, 0.25, 0.20), (0.95, 0.60, 0.15), (0.55, 0.35, 0.75), (0.20, 0.60, 0.45), (0.85, 0.45, 0.60))
COMPARED_COLUMNS = (
    Column("resection", "Resection", "text"),
    Column("resected_ml", "Resected (ml)", "number", 0),
    Column("flr_ml", "FLR (ml)", "number", 0, "Functional part of the remnant."),
    Column("flr_percent", "FLR (%)", "number", 1, "Of the functional liver."),
    Column("no_inflow_ml", "No inflow (ml)", "number", 0, "Of the remnant, by a model."),
    Column("no_outflow_ml", "Congested (ml)", "number", 0, "Of the remnant, by a model."),
    Column("supplied_flr_ml", "Keeps both (ml)", "number", 0, "Remnant with inflow and outflow, by a model."),
    Column("smallest_margin_mm", "Margin (mm)", "number", 1, "Smallest margin of a tumor that is taken."),
    Column("vessels_crossed", "Vessels crossed", "number", 0),
    Column("largest_crossed", "The widest", "text"),
)
_REMOVED = "PreopReview.Removed"
"""Tag of a segment that was taken from the list and can be brought back; its value is a rising number."""


class KeptCuts:
    """The kept resections of a plan.

    Args:
        plan: segmentation node that was cut.
        node: segmentation node of the kept ones; None makes one with the first.
    """

    def __init__(self, plan: Any, node: Any | None) -> None:
        self.plan, self.node = plan, node

    @property
    def _ids(self) -> list[str]:
        if self.node is None:
            return []
        return [i for i in nodes.segment_keys(self.node) if not self._removed(i)]

    def _segment(self, segment_id: str) -> Any:
        return self.node.GetSegmentation().GetSegment(segment_id)

    def _removed(self, segment_id: str) -> int:
        import vtk

        value = vtk.reference("")
        return int(str(value)) if self._segment(segment_id).GetTag(_REMOVED, value) else 0

    @property
    def names(self) -> list[str]:
        """In the order in which they were kept."""
        return [self._segment(i).GetName() for i in self._ids]

    def keep(self, cut: Resection, grid: Grid, name: str = "") -> Any:
        """Adds a resection under a name that none has yet, and returns the node."""
        import slicer

        scene = self.plan.GetScene()
        if self.node is None or self.node.GetScene() is None:
            self.node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{self.plan.GetName()}: resections")
            self.node.CreateDefaultDisplayNodes()
            self.node.SetNodeReferenceID("PreopReview.Plan", self.plan.GetID())
            self.node.GetSegmentation().SetSourceRepresentationName(nodes.LABELMAP)
            set_reference(self.node.GetSegmentation(), grid)
            place_beside(scene, self.node, self.plan)
        number = self.node.GetSegmentation().GetNumberOfSegments()
        segment = slicer.vtkSegment()
        segment.SetName(self._free(name or cut.method[:1].upper() + cut.method[1:]))
        segment.SetColor(*COLORS[number % len(COLORS)])
        segment.SetTag("PreopReview.Method", cut.method)
        segment.AddRepresentation(nodes.LABELMAP, slicer.vtkOrientedImageData())
        segment_id = self.node.GetSegmentation().GenerateUniqueSegmentID("resection")
        self.node.GetSegmentation().AddSegment(segment, segment_id)
        mask = boxed(images.array_of(cut.resected) > 0, _start(cut.resected, grid))
        replace_voxels(self.node, segment_id, grid.image(mask.mask.view("uint8"), mask.start, world=False))
        self.hide()
        return self.node

    def _free(self, name: str) -> str:
        taken, n, free = set(self.names), 2, name
        while free in taken:
            free, n = f"{name} {n}", n + 1
        return free

    def rename(self, row: int, name: str) -> None:
        """Another name; an empty one, or one that another has, changes nothing or gets a number."""
        segment, name = self._segment(self._ids[row]), name.strip()
        if name and name != segment.GetName():
            segment.SetName(self._free(name))

    def hide(self) -> None:
        """Shows none of them."""
        if self.node is not None and self.node.GetDisplayNode() is not None:
            self.node.GetDisplayNode().SetVisibility(False)

    def show(self, row: int) -> None:
        """Shows one of them alone, over the plan."""
        display = self.node.GetDisplayNode()
        before = display.StartModify()  # each change would be drawn by itself
        display.SetVisibility(True)
        for n, segment_id in enumerate(self._ids):
            display.SetSegmentVisibility(segment_id, n == row)
            display.SetSegmentOpacity2DFill(segment_id, 0.25)
            display.SetSegmentOpacity3D(segment_id, 0.4)
        display.EndModify(before)

    def drop(self, row: int) -> None:
        """Takes one from the list; it can be brought back until the scene is closed or saved without it."""
        segment_id = self._ids[row]
        latest = max((self._removed(i) for i in nodes.segment_keys(self.node)), default=0)
        self._segment(segment_id).SetTag(_REMOVED, str(latest + 1))
        self.node.GetDisplayNode().SetSegmentVisibility(segment_id, False)

    @property
    def can_bring_back(self) -> bool:
        """Whether one was removed."""
        return self.node is not None and any(self._removed(i) for i in nodes.segment_keys(self.node))

    def bring_back(self) -> None:
        """The one that was removed last is in the list again."""
        latest = max(nodes.segment_keys(self.node), key=self._removed)
        self._segment(latest).RemoveTag(_REMOVED)

    def masks(self, labels: sitk.Image) -> list[sitk.Image]:
        """The parts that are taken, on the grid of labels of the plan.

        Raises:
            GeometryError: a kept resection does not overlap the plan.
        """
        masks = []
        voxels = {s.key: s.mask for s in nodes.read_segments(self.node)}
        for segment_id in self._ids:
            moved = images.onto_grid(sitk.Cast(voxels[segment_id] > 0, sitk.sitkUInt8), labels, "resection", "plan")
            masks.append(moved.labels)
        return masks

    def compared(self, table: Any | None) -> list[dict[str, Any]]:
        """Rows of the comparison that are still in the list, in its order."""
        if table is None:
            return []
        rows = {row["resection"]: row for row in read_table(table, COMPARED_COLUMNS)}
        return [rows[name] for name in self.names if name in rows]


def _start(image: sitk.Image, grid: Grid) -> list[int]:
    ras = images.kji_to_ras(np.zeros((1, 3)), image)[0]
    return np.rint((np.linalg.inv(grid.to_ras) @ [*ras, 1.0])[:3][::-1]).astype(int).tolist()
