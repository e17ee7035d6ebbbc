"""A plan in the scene: the segmentation to be corrected, beside it the models' own output, untouched.

The one way from a plan to nodes, for the panel, the command and the logic. What is known of a plan (models, warnings,
measures of the run) is kept with its segmentation, as an attribute, and what belongs to it as references, so that both
are saved with the scene; `plan_record` and `nodes_of` give them back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.plan.layers import layers_steps
from LiverPlannerLib.scene import plan_nodes, plan_tables
from LiverPlannerLib.structures import structure_or_segment
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import inputs
from PreopReviewLib.scene.finding import nodes_of_class, segment_keys

if TYPE_CHECKING:
    from LiverPlannerLib.plan.layers import Layer
    from LiverPlannerLib.plan.parts import Part
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from PreopReviewLib.worker_io import Unsaved

RECORD = "PreopReview.Plan"
MODEL_OUTPUT, COUINAUD = "PreopReview.ModelOutput", "PreopReview.Couinaud"
"""Roles of the references from a plan's segmentation to what belongs to it."""


@dataclass(frozen=True)
class PlanNodes:
    """The nodes of one plan: volume, segmentation, and the untouched output of the models.

    Attributes:
        couinaud: segmentation of the Couinaud segments, hidden until it is wanted, or None.
        volumes_table: vtkMRMLTableNode of the volumes, or None.
        replaced: segmentations of an earlier plan that are of no more use, hidden but still in the scene.
    """

    volume: Any
    segmentation: Any
    model_output: Any
    couinaud: Any | None = None
    volumes_table: Any | None = None
    replaced: tuple[Any, ...] = ()


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
    from LiverPlannerLib.plan.files import record_for_scene
    from LiverPlannerLib.plan.parts import parts_of_plan
    from LiverPlannerLib.plan.pipeline import make_plan
    from PreopReviewLib.progress import silent

    image = inputs.image_of(volume)
    mask = liver_mask(liver, volume) if liver is not None else None
    plan = make_plan(image, options, liver_mask=mask, source=volume.GetName(), progress=progress or silent)
    return add_plan(volume, list(parts_of_plan(plan)), record_for_scene(plan))


def add_plan(
    volume: Any, parts: Iterable[Part], record: dict[str, Any], previous: PlanNodes | None = None
) -> PlanNodes:
    """Adds a plan to the scene at once, and removes the one it replaces; see `add_plan_steps`."""
    nodes = at_once(add_plan_steps(volume, parts, record, previous))
    plan_nodes.remove(nodes.replaced)
    return replace(nodes, replaced=())


def add_plan_steps(
    volume: Any,
    parts: Iterable[Part | None],
    record: dict[str, Any],
    previous: PlanNodes | None = None,
    to_world: np.ndarray | None = None,
) -> Generator[None, None, PlanNodes]:
    """Adds a plan to the scene in small steps, so that a panel can answer between them.

    Args:
        volume: the volume node that was segmented.
        parts: see `plan.parts.parts_of_plan`; one is taken per step. None is skipped, see `plan.parts.load_parts`.
        record: plain values to keep with the plan, see `plan.files.record_for_scene`.
        previous: an earlier plan of the same volume. It is hidden; if no one has changed it, it is obsolete,
            and the caller should remove it (`PlanNodes.replaced`).
        to_world: (4, 4), `inputs.to_world` of the volume when it was segmented, if it may have been moved since.

    Returns:
        (of the generator) PlanNodes.

    Raises:
        InputError: the volume has left the scene.

    The plan is shown in the last step; a caller that stops earlier, or fails, leaves the scene as it was.
    """
    taken = []
    to_world = inputs.to_world(volume) if to_world is None else to_world
    for part in parts:
        _require_in_scene(volume)
        if part is not None:
            taken.append(part)
        yield
    contents = yield from _contents_steps(taken)
    rows = record.get("volumetry") or []
    record = {key: value for key, value in record.items() if key != "volumetry"}
    kept = yield from _to_be_kept_steps(previous)
    if kept:
        words = f"The earlier plan {previous.segmentation.GetName()} had been edited; it was kept and hidden."
        record = record | {"notes": [*record.get("notes", []), words]}
    added: list[Any] = []
    try:
        for what, parts, layers in contents:
            node = yield from plan_nodes.node_steps(volume, what, parts, layers, to_world)
            _require_in_scene(volume)
            node.SetAttribute(RECORD, json.dumps(record))
            added.append(node)
            yield from plan_nodes.add_hidden_steps(volume, node)
        for node, role in zip(added[1:], (MODEL_OUTPUT, COUINAUD), strict=False):
            plan_nodes.protect(node)
            added[0].SetNodeReferenceID(role, node.GetID())
        _require_in_scene(volume)
    except BaseException:  # stopped half-way, too
        plan_nodes.remove(added)
        raise
    replaced = () if kept else _take_the_place_of(previous, added)
    if kept:
        plan_nodes.show([previous.segmentation], False)
    table = plan_tables.add_volumes(added[0], rows, None if kept else previous and previous.volumes_table)
    plan_nodes.show(added[:1], True)
    return PlanNodes(volume, added[0], added[1], added[2] if len(added) > 2 else None, table, replaced)


def _contents_steps(
    parts: Sequence[Part],
) -> Generator[None, None, list[tuple[str, Sequence[Part], Sequence[Layer]]]]:
    """What each segmentation of a plan is called, and its parts, packed into layers."""
    whole = [p for p in parts if structure_or_segment(p.key).kind != "segment"]
    segments = [p for p in parts if structure_or_segment(p.key).kind == "segment"]
    layers = yield from layers_steps(whole)
    contents = [("liver plan", whole, layers), ("model output", whole, layers)]
    if segments:
        contents.append(("Couinaud segments", segments, (yield from layers_steps(segments))))
    return contents


def _is_of(plan: Any, volume: Any) -> bool:
    made_on = volume_of(plan)
    if made_on is not None and made_on.GetScene() is not None:
        return made_on.GetID() == volume.GetID()
    return not mismatch_problem(plan, volume)


def nodes_of(segmentation: Any) -> PlanNodes:
    """The nodes of a plan that is in the scene, e.g. of a loaded one; those that are gone are None."""
    references = [segmentation.GetNodeReference(role) for role in (MODEL_OUTPUT, COUINAUD)]
    table = plan_tables.table_of(segmentation, plan_tables.VOLUMES)
    return PlanNodes(volume_of(segmentation), segmentation, *references, table)


def plans_of(volume: Any) -> list[Any]:
    """The plans of a volume that are in the scene, those shown first.

    A plan whose volume was deleted is one of a volume with voxels at the same places: it was loaded again.
    """
    plans = [
        node
        for node in nodes_of_class(volume.GetScene(), "vtkMRMLSegmentationNode")
        if node.GetAttribute(RECORD) and not node.GetAttribute(plan_nodes.READ_ONLY) and _is_of(node, volume)
    ]
    return sorted(plans, key=lambda n: not (n.GetDisplayNode() is not None and n.GetDisplayNode().GetVisibility()))


def _take_the_place_of(previous: PlanNodes | None, added: list[Any]) -> tuple[Any, ...]:
    """Hides the nodes of an earlier plan and gives their names to the new ones; those that are in the scene."""
    if previous is None:
        return ()
    olds = (previous.segmentation, previous.model_output, previous.couinaud)
    pairs = zip_longest(olds, added)
    replaced = [(old, new) for old, new in pairs if old is not None and old.GetScene() is not None]
    for old, new in replaced:
        if new is not None:
            new.SetName(old.GetName())
        plan_nodes.show([old], False)
    return tuple(old for old, _new in replaced)


def _to_be_kept_steps(previous: PlanNodes | None) -> Generator[None, None, bool]:
    """Whether someone has changed an earlier plan that is in the scene."""
    if previous is None or previous.segmentation.GetScene() is None:
        return False
    return not (yield from plan_nodes.same_segments_steps(previous.segmentation, previous.model_output))


def same_segments(a: Any | None, b: Any | None) -> bool:
    """Whether two segmentations of one lattice have the same segments with the same voxels."""
    return at_once(plan_nodes.same_segments_steps(a, b))


def _require_in_scene(volume: Any) -> None:
    import slicer

    if not slicer.mrmlScene.IsNodePresent(volume):
        raise InputError("The volume was removed while its plan was made", "Load it again, then press Apply")


def plan_record(segmentation: Any | None) -> dict[str, Any]:
    """What is known of a plan: modality, volumes_ml, regions, warnings, notes, models, device, seconds.

    Empty for a segmentation that is not a plan of ours.
    """
    text = segmentation.GetAttribute(RECORD) if segmentation is not None else None
    try:
        record = json.loads(text) if text else {}
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def place_to_look(segmentation: Any) -> tuple[float, float, float] | None:
    """Where to look first, RAS mm: the largest lesion of a plan's record, else the middle of the liver or, without one,
    of its first segment; None if that is empty."""
    regions = plan_record(segmentation).get("regions") or []
    if regions:
        return tuple(max(regions, key=lambda r: r["ml"])["centroid_ras"])
    keys = segment_keys(segmentation)
    return _middle_of(segmentation, next(filter(_is_liver(segmentation), keys), keys[0])) if keys else None


def _is_liver(segmentation: Any) -> Callable[[str], bool]:
    from LiverPlannerLib.scene.segments import structure_of_segment

    def is_liver(key: str) -> bool:
        known = structure_of_segment(segmentation.GetSegmentation().GetSegment(key))
        return known is not None and known.key == "liver"

    return is_liver


def _middle_of(segmentation: Any, key: str) -> tuple[float, float, float] | None:
    surface = segmentation.GetSegmentation().GetSegment(key).GetRepresentation(plan_nodes.SURFACE)
    if surface is None:
        center = segmentation.GetSegmentCenterRAS(key)  # looks at every voxel
        return tuple(center) if center is not None else None
    middle = [0.0, 0.0, 0.0]
    segmentation.TransformPointToWorld(surface.GetCenter(), middle)
    return tuple(middle)


def volume_of(segmentation: Any) -> Any | None:
    """The volume that a segmentation was made on, or None."""
    import slicer

    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentation.GetNodeReference(role)


def mismatch_problem(segmentation: Any, volume: Any) -> str:
    """Why a segmentation does not belong to a volume, in two sentences; empty if it does or its volume is unknown.

    What was made on other voxels at the same places, e.g. on a volume that was deleted and loaded again, is taken
    for one of it. Looks at no voxel.
    """
    from LiverPlannerLib.scene.segments import grid_of

    made_on, name = volume_of(segmentation), segmentation.GetName()
    if made_on is not None and made_on.GetScene() is None:  # it is being deleted
        made_on = None
    if (made_on is None and not plan_record(segmentation)) or inputs.volume_problem(volume):
        return ""
    try:
        if (made_on is not None and made_on.GetID() == volume.GetID()) or grid_of(segmentation).is_of(volume):
            return ""
    except GeometryError:  # said wherever its voxels are asked for
        return ""
    if made_on is None:
        return (
            f"{name} was made on a volume that is no longer in the scene, and not on {volume.GetName()}. "
            "Load that volume again, or press Apply to segment this one."
        )
    return (
        f"{name} was made on {made_on.GetName()}, and not on {volume.GetName()}. "
        f"Choose {made_on.GetName()} in the section Segment, or press Apply to segment this one."
    )


def apart_problem(segmentation: Any, volume: Any | None) -> str:
    """Why voxels of a plan are not those of the volume that it was made on, in two sentences: one of them was moved
    by a transform. Empty where they are, or where it was made on another volume."""
    from LiverPlannerLib.scene.segments import grid_of

    if volume is None or volume_of(segmentation) is not volume or inputs.volume_problem(volume):
        return ""
    try:
        grid = grid_of(segmentation)
    except GeometryError:  # said wherever its voxels are asked for
        return ""
    together = np.allclose(inputs.to_world(segmentation), inputs.to_world(volume), atol=1e-3)
    if together or grid.is_of(volume):
        return ""
    return (
        f"The voxels of {segmentation.GetName()} do not lie where those of {volume.GetName()} do: one was moved "
        "without the other. Put both under the same transform, or none of them."
    )


def unsaved_liver(segmentation: Any, volume: Any) -> Unsaved:
    """`liver_mask` for a request to the worker; raises as that does."""
    from LiverPlannerLib.structures import STRUCTURES, members
    from PreopReviewLib.worker_io import Unsaved, unsaved

    inside = {s.key for s in members("liver")}
    array = _with_liver(segmentation).array_on(volume, {s.key: int(s.key in inside) for s in STRUCTURES})
    if array is not None:  # as nearly always: resampling takes ten times as long
        return Unsaved(array, inputs.world_geometry(volume), "liver")
    return unsaved(liver_mask(segmentation, volume), "liver")


def liver_mask(segmentation: Any, volume: Any) -> Any:
    """The liver of a segmentation, with everything in it, on a volume's grid in world space; sitk.Image, 0 and 1.

    Raises:
        InputError: it has no liver, or an empty one. GeometryError: it has no reference geometry.
    """
    from LiverPlannerLib.structures import mask_of
    from PreopReviewLib import images

    mask = mask_of(_with_liver(segmentation).labels(), "liver")
    return images.onto_grid(mask, inputs.grid_image(volume), "liver", "volume").labels


def _with_liver(segmentation: Any) -> SegmentVoxels:
    from LiverPlannerLib.scene.segments import SegmentVoxels

    voxels = SegmentVoxels(segmentation)
    if not voxels.mask("liver").count:
        raise InputError(
            f"The segmentation {segmentation.GetName()} has no liver, or an empty one",
            "Draw it and name the segment Liver, or keep no liver",
        )
    return voxels
