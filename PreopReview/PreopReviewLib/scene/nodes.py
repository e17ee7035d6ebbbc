"""Images and label images to MRML nodes, and back, with exact geometry.

Every function takes the scene or a node; `host.start()` gives a scene. ITK's space is LPS, MRML's is RAS: the
first two axes change sign, nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.images.vtk_images import array_of_vtk, fill, ijk_to_ras, set_geometry
from PreopReviewLib.scene.finding import segment_keys
from PreopReviewLib.surfaces import surface_of_mask

LABELMAP, SURFACE = "Binary labelmap", "Closed surface"  # names of representations in vtkSegmentationConverter
MADE_HERE = "PreopReview"
"""Array in the field data of a surface, see `made_here`."""


@dataclass(frozen=True)
class SegmentSpec:
    """How a structure of a label image becomes a segment.

    Attributes:
        key: the segment's identifier in the node.
        name: what people read.
        color: sRGB, 0 to 1.
        labels: the label values that belong to it. Segments may share values: they overlap then.
        terminology: serialized entry, see `terminology`.
        opacity: of its surface, 0 to 1.
    """

    key: str
    name: str
    color: tuple[float, float, float]
    labels: tuple[int, ...]
    terminology: str = ""
    opacity: float = 1.0


@dataclass(frozen=True)
class SegmentContent:
    """A segment read back: `mask` is uint8 (0 or 1) on the segmentation's reference grid."""

    key: str
    name: str
    color: tuple[float, float, float]
    terminology: str
    mask: sitk.Image


# ---- volumes ----


def add_volume(
    scene: Any,
    image: sitk.Image,
    name: str,
    window_level: tuple[float, float] | None = None,
    shared: bool = False,
) -> Any:
    """A vtkMRMLScalarVolumeNode of a 3-D scalar image, with display.

    Args:
        window_level: width and center of the gray window; None leaves it to Slicer.
        shared: the node looks at the image's own voxels, which saves a copy where neither is changed any more.
    """
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(ijk_to_ras(image))
    node.SetAndObserveImageData(fill(vtk.vtkImageData(), images.array_of(image), shared=shared))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    if window_level is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevel(*window_level)
    return node


def image_of_volume(node: Any) -> sitk.Image:
    """The image of a scalar volume node.

    Raises:
        InputError: the node holds no voxels.
    """
    import vtk

    if node.GetImageData() is None:
        raise InputError(f"The volume {node.GetName()!r} holds no image", "Load it again")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return set_geometry(sitk.GetImageFromArray(array_of_vtk(node.GetImageData())), matrix)


# ---- segmentations ----


def add_segmentation(
    scene: Any, labels: sitk.Image, specs: Sequence[SegmentSpec], name: str, volume: Any | None = None
) -> Any:
    """A vtkMRMLSegmentationNode with one segment per structure that is in the label image.

    Segments keep the order of `specs`; one without any voxel is left out. Overlapping segments are kept whole,
    in as few shared layers as they allow.

    Args:
        labels: integer label image; it gives the reference geometry.
        volume: scalar volume node that was segmented; it must be on the grid of `labels`.

    Raises:
        GeometryError: the volume is on another grid.
    """
    import slicer

    if volume is not None and not images.same_grid(image_of_volume(volume), labels):
        raise GeometryError("The label image is not on the grid of the volume", "Resample it to the volume first")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    _set_reference_geometry(node, labels, volume)
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    for spec in specs:
        content = _labelmap(labels, spec.labels)
        if content is None:
            continue
        segment = slicer.vtkSegment()
        segment.SetName(spec.name)
        segment.SetColor(*spec.color)
        segment.SetTerminology(spec.terminology)
        segment.AddRepresentation(LABELMAP, content)
        segmentation.AddSegment(segment, spec.key)
        display.SetSegmentOpacity3D(spec.key, spec.opacity)
    segmentation.CollapseBinaryLabelmaps(False)
    return node


def _set_reference_geometry(node: Any, labels: sitk.Image, volume: Any | None) -> None:
    import slicer

    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    if volume is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        return
    grid = slicer.vtkOrientedImageData()
    grid.SetExtent(*(v for n in labels.GetSize() for v in (0, n - 1)))
    grid.SetGeometryFromImageToWorldMatrix(ijk_to_ras(labels))
    converter = slicer.vtkSegmentationConverter
    name = converter.GetReferenceImageGeometryParameterName()
    segmentation.SetConversionParameter(name, converter.SerializeImageGeometry(grid))


def _labelmap(labels: sitk.Image, values: Sequence[int]) -> Any | None:
    """vtkOrientedImageData (1 in the structure) cropped to it; None where it has no voxel."""
    import slicer

    array = images.array_of(labels)
    mask = array == values[0] if len(values) == 1 else np.isin(array, values)
    if not mask.any():
        return None
    box = images.bounding_box(images.image_like(mask, labels))
    content = fill(slicer.vtkOrientedImageData(), mask[box.slices].astype(np.uint8), box.start[::-1])
    content.SetGeometryFromImageToWorldMatrix(ijk_to_ras(labels))
    return content


def read_segments(node: Any) -> list[SegmentContent]:
    """Every segment with its voxels on the reference grid.

    Raises:
        GeometryError: the segmentation has no reference geometry.
    """
    grid = reference_grid(node)
    return [_read_segment(node, key, grid) for key in segment_keys(node)]


def reference_grid(node: Any) -> Any:
    """The grid that the segments of a node were drawn on: an empty vtkOrientedImageData with extent and geometry.

    Raises:
        GeometryError: the segmentation has no reference geometry.
    """
    import slicer

    converter = slicer.vtkSegmentationConverter
    text = node.GetSegmentation().GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    grid = slicer.vtkOrientedImageData()
    if not text or not converter.DeserializeImageGeometry(text, grid, False):
        raise GeometryError(
            f"The segmentation {node.GetName()!r} has no reference geometry", "Set its source volume in Slicer"
        )
    return grid


def _read_segment(node: Any, key: str, grid: Any) -> SegmentContent:
    import slicer
    import vtk

    segment = node.GetSegmentation().GetSegment(key)
    content, placed = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(key, content)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(content, grid, placed)
    matrix = vtk.vtkMatrix4x4()
    grid.GetImageToWorldMatrix(matrix)
    mask = sitk.GetImageFromArray((array_of_vtk(placed) != 0).astype(np.uint8))
    mask = set_geometry(mask, matrix)
    first = grid.GetExtent()[::2]
    mask.SetOrigin(mask.TransformIndexToPhysicalPoint([int(v) for v in first]))
    return SegmentContent(key, segment.GetName(), segment.GetColor(), segment.GetTerminology(), mask)


def make_surfaces(node: Any, smoothing: dict[str, float] | None = None, default: float = 0.5) -> None:
    """Closed surfaces of all segments that have a voxel, shown in 3D views; see `surfaces`.

    Args:
        smoothing: by segment key, 0 (none) to 1, the most that it gets.
        default: for the segments that `smoothing` does not name.

    Raises:
        GeometryError: the segmentation has no reference geometry.
    """
    segmentation = node.GetSegmentation()
    segmentation.SetConversionParameter("Smoothing factor", str(default))  # should Slicer make them anew
    grid = reference_grid(node)
    for key in segment_keys(node):
        mask = _read_segment(node, key, grid).mask
        if images.array_of(mask).any():
            surface = surface_of_mask(mask, (smoothing or {}).get(key, default))
            segmentation.GetSegment(key).AddRepresentation(SURFACE, made_here(surface))
    light(node.GetDisplayNode())


def made_here(surface: Any) -> Any:
    """The surface, marked as one of `surfaces`: files hold none, and Slicer makes its own when it loads a scene."""
    import vtk

    mark = vtk.vtkStringArray()
    mark.SetName(MADE_HERE)
    surface.GetFieldData().AddArray(mark)
    return surface


def is_made_here(surface: Any | None) -> bool:
    """Whether a surface, or None, is one of `made_here`: an edit of its segment puts Slicer's own in its place."""
    return surface is not None and bool(surface.GetFieldData().HasArray(MADE_HERE))


def has_other_surfaces(node: Any) -> bool:
    """Whether a segment of a node has a surface that Slicer has made."""
    content = node.GetSegmentation()
    shown = (content.GetSegment(key).GetRepresentation(SURFACE) for key in segment_keys(node))
    return any(s is not None and s.GetNumberOfPoints() and not is_made_here(s) for s in shown)


def light(display: Any) -> None:
    """Surfaces in 3D, voxels in slices, and light for translucent surfaces, of a vtkMRMLSegmentationDisplayNode."""
    display.SetPreferredDisplayRepresentationName3D(SURFACE)
    display.SetPreferredDisplayRepresentationName2D(LABELMAP)
    # Without ambient light, the steep sides of small ridges are dark streaks in a translucent surface.
    display.SetAmbient(0.25)
    display.SetDiffuse(0.85)
    display.SetSpecular(0.15)
    display.SetPower(20)


def surface_of(node: Any, key: str) -> Any:
    """A copy of a segment's closed surface, vtkPolyData in RAS mm."""
    import vtk

    surface = vtk.vtkPolyData()
    node.GetClosedSurfaceRepresentation(key, surface)
    return surface


# ---- subject hierarchy ----


def put_in_study(scene: Any, nodes: Sequence[Any], patient: str, study: str) -> int:
    """One patient with one study in the subject hierarchy, holding the nodes.

    Returns:
        the study's item identifier.
    """
    hierarchy = scene.GetSubjectHierarchyNode()
    patient_item = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), patient)
    study_item = hierarchy.CreateStudyItem(patient_item, study)
    for node in nodes:
        # The application makes the item when the node is added (its plugins do); without it no one does.
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study_item, node)
        hierarchy.SetItemParent(item, study_item)
    return study_item
