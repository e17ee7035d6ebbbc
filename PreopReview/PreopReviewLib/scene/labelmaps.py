"""Labelmaps of single segments: empty ones, whether they lie on an image's voxels, and their surfaces one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from PreopReviewLib.images.geometry import box_of
from PreopReviewLib.images.vtk_images import array_of_matrix, array_of_vtk, fill
from PreopReviewLib.scene.nodes import LABELMAP, SURFACE
from PreopReviewLib.surfaces import enclosed_mm3

SAME_VOXELS = 1e-2
"""Of a voxel, by which the voxels of two lattices may lie apart anywhere in the image."""
SAME_SHARE = 0.005
"""Of its volume, by which what a surface encloses may differ from the voxels."""


def empty_labelmap(volume: Any, start_ijk: Sequence[int], shape: Sequence[int]) -> Any:
    """vtkOrientedImageData of zeros on the voxels of a volume node, K-J-I `shape` from index `start_ijk` on."""
    labelmap = fill(slicer.vtkOrientedImageData(), np.zeros(shape, np.uint8), start_ijk)
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    labelmap.SetGeometryFromImageToWorldMatrix(matrix)
    return labelmap


def on_voxels_of(labelmap: Any, volume: Any) -> bool:
    """Whether indices of a vtkOrientedImageData mean the same places as those of a volume node."""
    of_labelmap, of_volume = vtkMatrix4x4(), vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(of_labelmap)
    volume.GetIJKToRASMatrix(of_volume)
    between = np.linalg.solve(array_of_matrix(of_volume), array_of_matrix(of_labelmap))
    corners = np.array(list(np.ndindex(2, 2, 2))) * volume.GetImageData().GetDimensions()
    moved = corners @ between[:3, :3].T + between[:3, 3]
    return bool(np.abs(moved - corners).max() < SAME_VOXELS)


def replace_labelmap(node: Any, key: str, labelmap: Any) -> None:
    """Gives a segment of a segmentation node a copy of a labelmap."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    copy = slicer.vtkOrientedImageData()
    copy.DeepCopy(labelmap)
    logic.SetBinaryLabelmapToSegment(copy, node, key, logic.MODE_REPLACE)


def make_surface(segmentation: Any, key: str) -> None:
    """The closed surface of one segment of a vtkSegmentation, in the place of a former one; none where it is empty."""
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(LABELMAP)
    alone.CopyConversionParameters(segmentation)
    alone.CopySegmentFromSegmentation(segmentation, key)
    surface = alone.CreateRepresentation(SURFACE, True) and alone.GetNthSegment(0).GetRepresentation(SURFACE)
    put_surface(segmentation, key, surface if surface and surface.GetNumberOfCells() else None)


def put_surface(segmentation: Any, key: str, surface: Any) -> None:
    """Gives a segment a surface (vtkPolyData in RAS mm), or None; 3D views that show it follow."""
    segment = segmentation.GetSegment(key)
    if surface is None:
        segment.RemoveRepresentation(SURFACE)
    else:
        segment.AddRepresentation(SURFACE, surface)
    segmentation.InvokeEvent(segmentation.RepresentationModified, key)


def fits(surface: Any, segment: Any, ml: float) -> bool:
    """Whether a closed surface can be that of a segment of so many ml: its volume, and its place within two voxels.

    Args:
        surface: vtkPolyData in RAS mm. segment: vtkSegment with a labelmap that has voxels.
    """
    if not surface.GetNumberOfCells() or abs(enclosed_mm3(surface) / 1000 - ml) > SAME_SHARE * ml:
        return False
    labelmap = segment.GetRepresentation(LABELMAP)
    box = box_of(array_of_vtk(labelmap) == segment.GetLabelValue())
    if box is None:
        return False
    first = labelmap.GetExtent()[::2]
    low, high = np.array([(s.start + f, s.stop + f) for s, f in zip(box[::-1], first, strict=True)]).T - 0.5
    to_ras = vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_ras)
    to_ijk = np.linalg.inv(array_of_matrix(to_ras))
    points = vtk_to_numpy(surface.GetPoints().GetData()) @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    return bool((np.abs(points.min(axis=0) - low) < 2).all() and (np.abs(points.max(axis=0) - high) < 2).all())
