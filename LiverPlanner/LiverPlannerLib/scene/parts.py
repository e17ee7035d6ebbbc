"""Results that are regions (remnant, main branches, differences) as a segmentation node of their own."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.scene.segments import Grid
from PreopReviewLib import images
from PreopReviewLib.images.vtk_images import fill
from PreopReviewLib.scene import nodes
from PreopReviewLib.surfaces import surface_of_mask, surface_steps


@dataclass(frozen=True)
class Part:
    """One region.

    Attributes:
        key: the segment's identifier.
        name: what people read.
        color: sRGB, 0 to 1.
        mask: not 0 is in it; a part of the lattice of the grid that it is shown on.
        terminology: serialized entry, or "".
        opacity: of its surface.
        smoothing: of its surface, 0 to 1.
        fill: opacity of its area in slices; None leaves it to the application.
        surface: vtkPolyData where it has been made already, e.g. by the worker.
    """

    key: str
    name: str
    color: tuple[float, float, float]
    mask: sitk.Image = field(repr=False)
    terminology: str = ""
    opacity: float = 1.0
    smoothing: float = 0.3
    fill: float | None = None
    surface: Any | None = field(default=None, repr=False)


def show_parts(
    scene: Any, node: Any | None, name: str, grid: Grid, parts: Sequence[Part], surfaces: bool = True
) -> Any:
    """A segmentation node with these parts and their surfaces, which are remade; empty parts are left out.

    Args:
        node: one to fill again, which keeps its place and its display; None makes one.
        grid: gives the reference geometry.
        surfaces: whether they are made now; else by `part_surfaces_steps`, which may take its time, and until then the
            node keeps those that it has.
    """
    import slicer

    if node is None or node.GetScene() is None:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        nodes.light(node.GetDisplayNode())
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    blocked, display_blocked = node.StartModify(), display.StartModify()  # every change is drawn by itself else
    before = {key: segmentation.GetSegment(key).GetRepresentation(nodes.SURFACE) for key in nodes.segment_keys(node)}
    segmentation.RemoveAllSegments()
    segmentation.SetSourceRepresentationName(nodes.LABELMAP)
    set_reference(segmentation, grid)
    for part in parts:
        labelmap, mask = _contents(part.mask, grid)
        if labelmap is None:
            continue
        segment = slicer.vtkSegment()
        segment.SetName(part.name)
        segment.SetColor(*part.color)
        segment.SetTerminology(part.terminology)
        segment.AddRepresentation(nodes.LABELMAP, labelmap)
        surface = part.surface
        if surface is None:
            surface = surface_of_mask(mask, part.smoothing) if surfaces else before.get(part.key)
        if surface is not None:
            segment.AddRepresentation(nodes.SURFACE, surface)
        segmentation.AddSegment(segment, part.key)
        display.SetSegmentOpacity3D(part.key, part.opacity)
        if part.fill is not None:
            display.SetSegmentOpacity2DFill(part.key, part.fill)
    node.SetName(name)
    display.EndModify(display_blocked)
    node.EndModify(blocked)
    return node


def part_surfaces_steps(grid: Grid, parts: Sequence[Part]) -> Generator[None, None, list[tuple[str, Any]]]:
    """Makes the surfaces of parts that are shown without them: (key, vtkPolyData) each, for `add_surfaces`."""
    made = []
    for part in parts:
        _labelmap, mask = _contents(part.mask, grid)
        yield
        if mask is not None:
            made.append((part.key, (yield from surface_steps(mask, part.smoothing))))
            yield
    return made


def add_surfaces(node: Any, made: Sequence[tuple[str, Any]]) -> None:
    """Puts the surfaces of `part_surfaces_steps` into a node, all at once."""
    blocked = node.StartModify()
    for key, surface in made:
        segment = node.GetSegmentation().GetSegment(key)
        if segment is not None:
            segment.AddRepresentation(nodes.SURFACE, surface)
    node.EndModify(blocked)


def _contents(mask: sitk.Image, grid: Grid) -> tuple[Any | None, sitk.Image | None]:
    """A vtkOrientedImageData cropped to the mask, on the lattice of the grid, and the cropped mask."""
    import slicer

    binary = images.image_like((images.array_of(mask) != 0).astype(np.uint8), mask)
    if not images.array_of(binary).any():
        return None, None
    binary = images.crop(binary, images.bounding_box(binary))
    labelmap = fill(slicer.vtkOrientedImageData(), images.array_of(binary), _first_index(binary, grid))
    labelmap.SetGeometryFromImageToWorldMatrix(_matrix(grid.to_ras))
    return labelmap, binary


def _first_index(image: sitk.Image, grid: Grid) -> list[int]:
    """Lattice index (I, J, K) of an image's first voxel."""
    x, y, z = image.GetOrigin()
    index = np.linalg.inv(grid.to_ras) @ [-x, -y, z, 1.0]
    return np.round(index[:3]).astype(int).tolist()


def set_reference(segmentation: Any, grid: Grid) -> None:
    import slicer

    reference = slicer.vtkOrientedImageData()
    extent = [v for s, n in zip(grid.start[::-1], grid.shape[::-1], strict=True) for v in (s, s + n - 1)]
    reference.SetExtent(*extent)
    reference.SetGeometryFromImageToWorldMatrix(_matrix(grid.to_ras))
    converter = slicer.vtkSegmentationConverter
    name = converter.GetReferenceImageGeometryParameterName()
    segmentation.SetConversionParameter(name, converter.SerializeImageGeometry(reference))


def _matrix(numbers: np.ndarray) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(numbers.ravel())
    return matrix


def show_only(node: Any, keys: Sequence[str]) -> None:
    """Shows these segments of a node, and hides the others; nothing to show hides the node."""
    display, there = node.GetDisplayNode(), nodes.segment_keys(node)
    display.SetVisibility(any(key in keys for key in there))
    for key in there:
        display.SetSegmentVisibility(key, key in keys)
