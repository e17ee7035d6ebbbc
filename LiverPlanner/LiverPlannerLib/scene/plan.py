"""A plan in the scene: the segmentation to be corrected, beside it the models' own output, untouched.

What is known of a plan (models, warnings, measures of the run) is kept with its segmentation, as an attribute, so
that it is saved with the scene; `plan_record` gives it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.scene import inputs

if TYPE_CHECKING:
    from LiverPlannerLib.plan.parts import Part

RECORD = "PreopReview.Plan"
READ_ONLY = "PreopReview.ReadOnly"
LIVER_FILL, FILL = 0.06, 0.5  # in slices: the parenchyma must be seen through the liver
LIVER_OPACITY = 0.25


@dataclass(frozen=True)
class PlanNodes:
    """The nodes of one plan: volume, segmentation, and the untouched output of the models."""

    volume: Any
    segmentation: Any
    model_output: Any


def plan_volume(
    volume: Any,
    options: Any | None = None,
    progress: Callable[[float, str], None] | None = None,
    liver: Any | None = None,
) -> PlanNodes:
    """Segments a volume in this process and adds the plan to the scene.

    Args:
        volume: vtkMRMLScalarVolumeNode.
        options: `plan.PlanOptions`.
        liver: vtkMRMLSegmentationNode whose liver is kept; None finds it with the model.

    Raises:
        PreopError: as checking and computing raise it; the scene is then as it was.
    """
    from LiverPlannerLib.plan.files import as_dict
    from LiverPlannerLib.plan.parts import parts_of
    from LiverPlannerLib.plan.pipeline import make_plan
    from PreopReviewLib.progress import silent

    image = inputs.image_of(volume)
    mask = liver_mask(liver, volume) if liver is not None else None
    made = make_plan(image, options, liver_mask=mask, source=volume.GetName(), progress=progress or silent)
    return add_plan(volume, list(parts_of(made.labels)), as_dict(made))


def add_plan(
    volume: Any, parts: Iterable[Part], record: dict[str, Any], previous: PlanNodes | None = None
) -> PlanNodes:
    """Adds a plan to the scene at once; see `add_plan_steps`."""
    steps = add_plan_steps(volume, parts, record, previous)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def add_plan_steps(
    volume: Any, parts: Iterable[Part], record: dict[str, Any], previous: PlanNodes | None = None
) -> Iterator[None]:
    """Adds a plan to the scene in small steps, so that a panel can answer between them.

    Args:
        volume: the volume node that was segmented.
        parts: see `plan.parts.parts_of`; one is taken a step.
        record: plain values to keep with the plan, see `plan_record`.
        previous: an earlier plan of the same volume. It is replaced if nobody has changed it, else kept, hidden.

    Returns:
        (of the generator) PlanNodes.

    Raises:
        InputError: the volume has left the scene.

    The scene changes only after the last step, in one go: whoever stops before leaves it as it was.
    """
    import slicer

    scene = slicer.mrmlScene
    plan, output = _new_node(volume, "liver plan"), _new_node(volume, "model output")
    for part in parts:
        _require_in_scene(volume)
        segment = _segment(part, volume)
        plan.GetSegmentation().AddSegment(segment, part.key)
        copied = slicer.vtkSegment()
        copied.DeepCopy(segment)
        output.GetSegmentation().AddSegment(copied, part.key)
        yield
    for node in (plan, output):
        node.GetSegmentation().CollapseBinaryLabelmaps(False)
        yield
    _require_in_scene(volume)
    if previous is not None and retire(previous):
        words = f"The earlier plan {previous.segmentation.GetName()}, which had been changed, is kept and hidden."
        record = record | {"notes": [*record.get("notes", []), words]}
    for node in (plan, output):
        scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        _dress(node)
        _put_beside(volume, node)
    plan.SetAttribute(RECORD, json.dumps(record))
    output.SetAttribute(RECORD, json.dumps(record))
    protect(output)
    return PlanNodes(volume, plan, output)


def _new_node(volume: Any, what: str) -> Any:
    import slicer

    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentationNode")
    node.UnRegister(None)
    node.SetName(slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} {what}"))
    node.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
    return node


def _require_in_scene(volume: Any) -> None:
    import slicer

    if not slicer.mrmlScene.IsNodePresent(volume):
        raise InputError("The volume was removed while its plan was made", "Load it again, then press Apply")


def _segment(part: Part, volume: Any) -> Any:
    """The vtkSegment of a part, in the volume's own space (below any transform)."""
    import slicer
    import vtk

    from LiverPlannerLib.structures import structure
    from LiverPlannerLib.terminology_files import terminology_entry
    from PreopReviewLib.scene.geometry import fill

    s = structure(part.key)
    segment = slicer.vtkSegment()
    segment.SetName(s.name)
    segment.SetColor(*s.color)
    segment.SetTerminology(terminology_entry(s))
    content = fill(slicer.vtkOrientedImageData(), part.voxels, part.start[::-1])
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    content.SetGeometryFromImageToWorldMatrix(matrix)
    segment.AddRepresentation("Binary labelmap", content)
    if part.surface is not None:
        segment.AddRepresentation("Closed surface", _below_transform(part.surface, volume))
    return segment


def _below_transform(surface: Any, volume: Any) -> Any:
    import vtk

    transform = volume.GetParentTransformNode()
    if transform is None:
        return surface
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    matrix.Invert()
    inverse = vtk.vtkTransform()
    inverse.SetMatrix(matrix)
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetTransform(inverse)
    mover.SetInputData(surface)
    mover.Update()
    return mover.GetOutput()


def _dress(node: Any) -> None:
    """Opacities and light: the liver is glass in 3D, and hardly tints the slices."""
    display = node.GetDisplayNode()
    segmentation = node.GetSegmentation()
    for i in range(segmentation.GetNumberOfSegments()):
        key = segmentation.GetNthSegmentID(i)
        display.SetSegmentOpacity3D(key, LIVER_OPACITY if key == "liver" else 1.0)
        display.SetSegmentOpacity2DFill(key, LIVER_FILL if key == "liver" else FILL)
    display.SetPreferredDisplayRepresentationName3D("Closed surface")
    display.SetPreferredDisplayRepresentationName2D("Binary labelmap")
    # Without ambient light, the steep sides of small ridges are dark streaks in a translucent surface.
    display.SetAmbient(0.25)
    display.SetDiffuse(0.85)
    display.SetSpecular(0.15)
    display.SetPower(20)


def _put_beside(volume: Any, node: Any) -> None:
    """Puts a node where the volume is in the subject hierarchy: in its study, if it is in one."""
    hierarchy = volume.GetScene().GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(volume)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    own = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
    hierarchy.SetItemParent(own, parent)


def protect(output: Any) -> None:
    """Makes a segmentation one to look at: not shown, and not offered by selectors such as the Segment Editor's.

    It stays in the subject hierarchy, where it can be shown.
    """
    output.SetAttribute(READ_ONLY, "1")
    output.SetHideFromEditors(True)
    output.GetDisplayNode().SetVisibility(False)


def retire(previous: PlanNodes) -> bool:
    """Makes room for a new plan of the same volume.

    Returns:
        whether the earlier plan was kept (hidden), because somebody has changed it.
    """
    scene = previous.segmentation.GetScene()
    if scene is None:
        return False
    changed = previous.model_output is None or not same_segments(previous.segmentation, previous.model_output)
    if changed:
        previous.segmentation.GetDisplayNode().SetVisibility(False)
        return True
    for node in (previous.segmentation, previous.model_output):
        scene.RemoveNode(node)
    return False


def same_segments(a: Any, b: Any) -> bool:
    """Whether two segmentations of one grid have the same segments with the same voxels."""
    from PreopReviewLib.scene.nodes import segment_keys

    if a is None or b is None or segment_keys(a) != segment_keys(b):
        return False
    return all(np.array_equal(_voxels(a, key), _voxels(b, key)) for key in segment_keys(a))


def _voxels(node: Any, key: str) -> np.ndarray:
    """Indices (N, 3) and extent-free: the voxels of a segment, whatever box it is stored in."""
    import slicer

    from PreopReviewLib.scene.geometry import array_of_vtk

    content = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(key, content)
    if content.GetNumberOfPoints() == 0:
        return np.zeros((0, 3), int)
    first = content.GetExtent()[::2]
    return np.argwhere(array_of_vtk(content) != 0) + np.array(first[::-1])


def plan_record(segmentation: Any | None) -> dict[str, Any]:
    """What is known of a plan: modality, volumes_ml, regions, warnings, notes, models, device, seconds.

    Empty for a segmentation that is no plan of ours.
    """
    text = segmentation.GetAttribute(RECORD) if segmentation is not None else None
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def place_to_look(segmentation: Any) -> tuple[float, float, float]:
    """Where to look first, RAS mm: the largest lesion of a plan's record, else the middle of its first segment."""
    regions = plan_record(segmentation).get("regions") or []
    if regions:
        return tuple(max(regions, key=lambda r: r["ml"])["centroid_ras"])
    first = segmentation.GetSegmentation().GetNthSegmentID(0)
    return tuple(segmentation.GetSegmentCenterRAS(first))


def volume_of(segmentation: Any) -> Any | None:
    """The volume that a segmentation was made on, or None."""
    import slicer

    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentation.GetNodeReference(role)


def save_liver(segmentation: Any, volume: Any, folder: Path) -> dict[str, Any]:
    """Writes `liver_mask` for the worker; raises as that does."""
    from PreopReviewLib.exchange import save_image

    return save_image(liver_mask(segmentation, volume), folder, "liver")


def liver_mask(segmentation: Any, volume: Any) -> Any:
    """The liver of a segmentation, with everything in it, on a volume's grid in world space; sitk.Image, 0 and 1.

    Raises:
        InputError: it has no liver, or an empty one. GeometryError: it has no reference geometry.
    """
    import SimpleITK as sitk

    from LiverPlannerLib.scene.segments import SegmentVoxels
    from LiverPlannerLib.structures import mask_of
    from PreopReviewLib import images

    voxels = SegmentVoxels(segmentation)
    if not voxels.mask("liver").count:
        raise InputError(
            f"The segmentation {segmentation.GetName()} has no liver, or an empty one",
            "Draw it and name the segment Liver, or keep no liver",
        )
    grid = sitk.Image(volume.GetImageData().GetDimensions(), sitk.sitkUInt8)
    geometry = inputs.world_geometry(volume)
    grid.SetSpacing(geometry["spacing"])
    grid.SetDirection(geometry["direction"])
    grid.SetOrigin(geometry["origin"])
    return images.resample_to(mask_of(voxels.labels(), "liver"), grid, "nearest")
