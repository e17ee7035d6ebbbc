"""The brush: a stroke changes the voxels under it and nothing else, and can be taken back.

trame-slicer's own strokes copy the whole segmentation before and after, fill an image of the volume's size, and make
the surface anew before anything is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from trame_slicer.segmentation import SegmentationEffectErase, SegmentationEffectPaint
from undo_stack import UndoCommand
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter

from PreopReviewLib.images.vtk_images import array_of_vtk, fill
from PreopReviewLib.scene.labelmaps import empty_labelmap
from PreopReviewLib.scene.nodes import LABELMAP, SURFACE

GROWTH = 32
"""Voxels by which a labelmap grows beyond a stroke that reaches out of it."""


@dataclass(frozen=True)
class BrushMark:
    """Voxels under a brush.

    Attributes:
        start: index K, J, I of the first voxel.
        mask: bool (K, J, I).
        whole: size of the image.
    """

    start: tuple[int, int, int]
    mask: np.ndarray
    whole: tuple[int, int, int]


class _Marks:
    """An effect of trame-slicer that hands its strokes on instead of doing them."""

    on_mark: Callable[[BrushMark], None]
    modifier: Any

    def _create_model_node(self, name: str) -> Any:
        node = super()._create_model_node(name)  # type: ignore[misc]
        node.GetDisplayNode().SetVisibility3D(False)  # else 3D is drawn anew at every move in a slice
        return node

    def paint_glyph_at_world_coordinates(self, polydata: Any, paint_coordinates_world: Any) -> None:
        """Called by the brush when the button is released."""
        mark = brush_mark(self.modifier, polydata, paint_coordinates_world)
        if mark is not None:
            self.on_mark(mark)


class Paint(_Marks, SegmentationEffectPaint):
    """Paints."""


class Erase(_Marks, SegmentationEffectErase):
    """Erases."""


def brush_mark(modifier: Any, brush: Any, points: Any) -> BrushMark | None:
    """The voxels of the volume under a brush that was moved over points; None where it touched none.

    Args:
        modifier: trame-slicer's SegmentModifier, which rasterizes.
        brush: vtkPolyData around the origin, mm. points: vtkPoints in RAS mm.
    """
    volume = modifier.volume_node
    to_ijk = vtkMatrix4x4()
    volume.GetRASToIJKMatrix(to_ijk)
    centers, reach = _ijk(points, to_ijk), _reach(brush, to_ijk)
    size = np.array(volume.GetImageData().GetDimensions())
    low = np.maximum(np.floor(centers.min(axis=0) - reach).astype(int) - 1, 0)
    high = np.minimum(np.ceil(centers.max(axis=0) + reach).astype(int) + 1, size - 1)
    if (high < low).any():
        return None
    canvas = empty_labelmap(volume, low.tolist(), (high - low + 1)[::-1].tolist())
    modifier.paint_glyph_in_labelmap(brush, points, canvas)
    mask = array_of_vtk(canvas) > 0
    return BrushMark(tuple(low[::-1].tolist()), mask, tuple(size[::-1].tolist())) if mask.any() else None


def _ijk(points: Any, to_ijk: Any) -> np.ndarray:
    ras = np.array([points.GetPoint(n) for n in range(points.GetNumberOfPoints())])
    matrix = np.array([[to_ijk.GetElement(r, c) for c in range(4)] for r in range(3)])
    return ras @ matrix[:, :3].T + matrix[:, 3]


def _reach(brush: Any, to_ijk: Any) -> np.ndarray:
    """How far a brush reaches from its center, in voxels I, J, K."""
    rotation = vtkTransform()
    turned = vtkMatrix4x4()
    turned.DeepCopy(to_ijk)
    for row in range(3):
        turned.SetElement(row, 3, 0)
    rotation.SetMatrix(turned)
    mover = vtkTransformPolyDataFilter()
    mover.SetTransform(rotation)
    mover.SetInputData(brush)
    mover.Update()
    bounds = np.array(mover.GetOutput().GetBounds()).reshape(3, 2)
    return np.abs(bounds).max(axis=1)


class Stroke(UndoCommand):
    """One stroke on one segment, done at once; done again and taken back by an UndoStack.

    Where it paints over a segment of the same layer, both keep their voxels: it gets a layer of its own before.
    Its text is the segment's identifier.

    Attributes:
        voxels: how many it added (below 0: took) when it was done.
    """

    def __init__(
        self, segmentation: Any, key: str, mark: BrushMark, add: bool, report: Callable[[str, int], None]
    ) -> None:
        """Does it.

        Args:
            segmentation: vtkSegmentation on the lattice of the image that the mark is on.
            report: called each time with the segment and the voxels that it gained.
        """
        super().__init__()
        self._text = key
        self._add, self._report, self._segmentation = add, report, segmentation
        if add:
            _make_room(segmentation, key, mark)
        self._start, inside = _inside(segmentation, key, mark)
        region, value = _region(segmentation, key, self._start, inside.shape)
        if add and (inside & (region != 0) & (region != value)).any():
            with _surfaces_kept(segmentation):
                segmentation.SeparateSegmentLabelmap(key)
            region, value = _region(segmentation, key, self._start, inside.shape)
        self._changed = inside & ((region == 0) if add else (region == value))
        self.voxels = int(np.count_nonzero(self._changed)) * (1 if add else -1)
        self.redo()

    def redo(self) -> None:
        """Does it."""
        self._write(self._add)
        self._report(self._text, self.voxels)

    def undo(self) -> None:
        """Takes it back."""
        self._write(not self._add)
        self._report(self._text, -self.voxels)

    def _write(self, present: bool) -> None:
        region, value = _region(self._segmentation, self._text, self._start, self._changed.shape)
        region[self._changed] = value if present else 0
        announce(self._segmentation, self._text)


def announce(segmentation: Any, key: str) -> None:
    """Lets slices show a segment whose voxels were changed in place; surfaces stay until they are made anew."""
    # The image's own ModifiedEvent would take all surfaces away; its voxels' does not, and its MTime follows them.
    segmentation.GetSegment(key).GetRepresentation(LABELMAP).GetPointData().GetScalars().Modified()
    segmentation.InvokeEvent(segmentation.SourceRepresentationModified, key)


@contextmanager
def _surfaces_kept(segmentation: Any) -> Iterator[None]:
    """A change of a whole labelmap takes the surfaces away; they come back at its end."""
    segments = [segmentation.GetSegment(key) for key in segmentation.GetSegmentIDs()]
    surfaces = [segment.GetRepresentation(SURFACE) for segment in segments]
    yield
    for segment, surface in zip(segments, surfaces, strict=True):
        if surface is not None and segment.GetRepresentation(SURFACE) is None:
            segment.AddRepresentation(SURFACE, surface)


def _make_room(segmentation: Any, key: str, mark: BrushMark) -> None:
    """Lets the labelmap of a segment reach as far as a mark."""
    segment = segmentation.GetSegment(key)
    image = segment.GetRepresentation(LABELMAP)
    start = np.array(mark.start)
    stop = start + mark.mask.shape
    if image.GetPointData().GetScalars() is None:
        array, first = np.zeros(mark.mask.shape, np.uint8), start
    else:
        array, first = array_of_vtk(image), np.array(image.GetExtent()[::2][::-1])
    low = np.where(start < first, np.maximum(start - GROWTH, 0), first)
    last = first + array.shape
    high = np.where(stop > last, np.minimum(stop + GROWTH, mark.whole), last)
    if (low < first).any() or (high > last).any() or image.GetPointData().GetScalars() is None:
        with _surfaces_kept(segmentation):
            fill(image, np.pad(array, list(zip(first - low, high - last, strict=True))), low[::-1])


def _inside(segmentation: Any, key: str, mark: BrushMark) -> tuple[np.ndarray, np.ndarray]:
    """First index (K, J, I) and mask of the part of a mark that lies in the labelmap of a segment."""
    image = segmentation.GetSegment(key).GetRepresentation(LABELMAP)
    extent = np.array(image.GetExtent()).reshape(3, 2)[::-1]
    start = np.array(mark.start)
    low = np.maximum(start, extent[:, 0])
    high = np.maximum(np.minimum(start + mark.mask.shape, extent[:, 1] + 1), low)
    return low, mark.mask[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]


def _region(segmentation: Any, key: str, start: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """A part of the labelmap of a segment (a view, K-J-I), and the segment's value in it."""
    segment = segmentation.GetSegment(key)
    image = segment.GetRepresentation(LABELMAP)
    if 0 in shape:
        return np.zeros(shape, np.uint8), segment.GetLabelValue()
    low = start - np.array(image.GetExtent()[::2][::-1])
    return array_of_vtk(image)[tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))], segment.GetLabelValue()
