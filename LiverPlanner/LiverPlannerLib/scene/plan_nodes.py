"""The two segmentation nodes of a plan: made, shown, compared and removed in steps short enough for a responsive panel.

In Slicer, what a node does while it is shown is done in every view at once, and merging or removing all segments is
one long call. So nodes are dressed before they are shown, and their segments come and go one at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import GeometryError

if TYPE_CHECKING:
    from LiverPlannerLib.plan.layers import Layer
    from LiverPlannerLib.plan.parts import Part

READ_ONLY = "PreopReview.ReadOnly"
LABELMAP, SURFACE = "Binary labelmap", "Closed surface"  # as in `PreopReviewLib.scene.nodes`


def node_steps(
    volume: Any, what: str, parts: Sequence[Part], layers: Sequence[Layer], to_world: np.ndarray
) -> Generator[None, None, Any]:
    """A new vtkMRMLSegmentationNode, not yet in the scene, with a segment for every part; one is made a step.

    Args:
        volume: the node is named after it, and lies in its own space, below any transform.
        layers: of the parts, see `plan.layers`. Voxels and surfaces are copied.
        to_world: (4, 4) from the volume's own space to where it was when the parts were made.
    """
    import slicer
    import vtk

    from LiverPlannerLib.structures import THIN

    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
    node.UnRegister(None)
    node.SetName(slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} {what}"))
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(LABELMAP)
    segmentation.SetConversionParameter("Smoothing factor", str(THIN))  # Slicer's own, e.g. of a loaded scene
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    labelmaps: dict[str, tuple[Any, int]] = {}
    for layer in layers:
        content = _labelmap(layer, matrix)
        labelmaps |= {key: (content, value) for key, value in layer.value_of.items()}
        yield
    for part in parts:
        segmentation.AddSegment(_segment(part, *labelmaps[part.key], to_world), part.key)
        yield
    return node


def _labelmap(layer: Layer, matrix: Any) -> Any:
    import slicer

    from PreopReviewLib.images.vtk_images import fill

    content = fill(slicer.vtkOrientedImageData(), layer.values, layer.start[::-1])
    content.SetGeometryFromImageToWorldMatrix(matrix)
    return content


def _segment(part: Part, labelmap: Any, value: int, to_world: np.ndarray) -> Any:
    import slicer

    from LiverPlannerLib.structures import structure_or_segment
    from LiverPlannerLib.terminology_files import terminology_entry
    from PreopReviewLib.scene.nodes import made_here

    s = structure_or_segment(part.key)
    segment = slicer.vtkSegment()
    segment.SetName(s.name)
    segment.SetColor(*s.color)
    segment.SetTerminology(terminology_entry(s))
    segment.AddRepresentation(LABELMAP, labelmap)
    segment.SetLabelValue(value)
    if part.surface is not None:
        segment.AddRepresentation(SURFACE, made_here(_below_transform(part.surface, to_world)))
    return segment


def _below_transform(surface: Any, to_world: np.ndarray) -> Any:
    """A copy of a surface in the volume's own space."""
    import vtk

    if np.array_equal(to_world, np.eye(4)):
        copied = vtk.vtkPolyData()
        copied.DeepCopy(surface)
        return copied
    inverse = vtk.vtkTransform()
    inverse.SetMatrix(np.linalg.inv(to_world).ravel())
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(inverse)
    mover.SetInputData(surface)
    mover.Update()
    return mover.GetOutput()


def add_hidden_steps(volume: Any, node: Any) -> Iterator[None]:
    """Puts a node into the scene beside its volume, with its display, which is not switched on yet."""
    import slicer

    scene = slicer.mrmlScene
    scene.AddNode(node)
    yield
    display = scene.CreateNodeByClass("vtkMRMLSegmentationDisplayNode")
    display.UnRegister(None)
    display.SetVisibility(False)
    scene.AddNode(display)
    node.SetAndObserveDisplayNodeID(display.GetID())
    _dress(node)
    yield
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    _put_beside(volume, node)
    yield


def _dress(node: Any) -> None:
    """Opacities, as the table of structures has them, and light."""
    from LiverPlannerLib.structures import structure_or_segment
    from PreopReviewLib.scene.nodes import light

    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    blocked = display.StartModify()
    for i in range(segmentation.GetNumberOfSegments()):
        key = segmentation.GetNthSegmentID(i)
        display.SetSegmentOpacity3D(key, structure_or_segment(key).opacity)
        display.SetSegmentOpacity2DFill(key, structure_or_segment(key).fill)
    light(display)
    display.EndModify(blocked)


def _put_beside(volume: Any, node: Any) -> None:
    """Puts a node where the volume is in the subject hierarchy: in its study, if it is in one."""
    hierarchy = volume.GetScene().GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(volume)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    own = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
    hierarchy.SetItemParent(own, parent)


def protect(output: Any) -> None:
    """Makes a segmentation one to look at: not offered by selectors such as the Segment Editor's.

    It stays in the subject hierarchy, where it can be shown.
    """
    output.SetAttribute(READ_ONLY, "1")
    output.SetHideFromEditors(True)


def show(nodes: Sequence[Any], visible: bool) -> None:
    """Shows or hides nodes; one that was never shown, or that is not displayable, has nothing to hide."""
    for node in nodes:
        if node.IsA("vtkMRMLDisplayableNode") and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)


def remove_steps(nodes: Sequence[Any | None]) -> Iterator[None]:
    """Takes segmentations out of the scene, one segment per step; if it is stopped before, the rest goes at once."""
    try:
        for node in nodes:
            if not _in_scene(node):
                continue
            show([node], False)
            yield
            segmentation = node.GetSegmentation()
            while _in_scene(node) and segmentation.GetNumberOfSegments():
                segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
                yield
            remove([node])
            yield
    finally:
        remove(nodes)


def remove(nodes: Sequence[Any | None]) -> None:
    """Takes those of the nodes that are in the scene out of it."""
    for node in nodes:
        if _in_scene(node):
            node.GetScene().RemoveNode(node)


def _in_scene(node: Any | None) -> bool:
    return node is not None and node.GetScene() is not None


def same_segments_steps(a: Any | None, b: Any | None) -> Generator[None, None, bool]:
    """As `same_segments`; a segment is compared a step."""
    from PreopReviewLib.scene.nodes import segment_keys

    if a is None or b is None or segment_keys(a) != segment_keys(b):
        return False
    for key in segment_keys(a):
        yield
        if not _same_voxels(a.GetSegmentation().GetSegment(key), b.GetSegmentation().GetSegment(key)):
            return False
    return True


def _same_voxels(a: Any, b: Any) -> bool:
    from PreopReviewLib.images.vtk_images import array_of_vtk

    maps = [s.GetRepresentation(LABELMAP) for s in (a, b)]
    filled = [m is not None and m.GetPointData().GetScalars() is not None for m in maps]
    if not all(filled):
        return not any(filled)
    values = a.GetLabelValue(), b.GetLabelValue()
    arrays = [array_of_vtk(m) for m in maps]
    starts = [np.array(m.GetExtent()[::2][::-1]) for m in maps]
    if arrays[0].shape == arrays[1].shape and np.array_equal(*starts):
        return all(np.array_equal(x == values[0], y == values[1]) for x, y in zip(*arrays, strict=True))
    low = np.maximum(*starts)
    high = np.maximum(low, np.minimum(*(start + array.shape for start, array in zip(starts, arrays, strict=True))))
    common = [
        array[tuple(slice(*ends) for ends in zip(low - start, high - start, strict=True))]
        for array, start in zip(arrays, starts, strict=True)
    ]
    shared = sum(np.count_nonzero((x == values[0]) & (y == values[1])) for x, y in zip(*common, strict=True))
    return all(shared == _count(array, value) for array, value in zip(arrays, values, strict=True))


def _count(array: np.ndarray, value: int) -> int:
    """Voxels of a value; by slices, as are the comparisons above: large temporary arrays cost more than the work."""
    return sum(np.count_nonzero(plane == value) for plane in array)


def keep_together(plan: Any, others: Sequence[Any]) -> None:
    """Lets nodes that were made with a plan go where it goes: under its transform, out of it, or hardened with it."""
    identifier = plan.GetTransformNodeID()
    for node in others:
        if node.GetTransformNodeID() == identifier:
            continue
        if identifier is None and _at_one_place(plan, node):  # Slicer has hardened it
            node.HardenTransform()
        else:
            node.SetAndObserveTransformNodeID(identifier)


def _at_one_place(plan: Any, node: Any) -> bool:
    from LiverPlannerLib.scene.segments import grid_of

    try:
        return bool(grid_of(plan).same_lattice(grid_of(node)))
    except GeometryError:  # under a transform that bends
        return False
