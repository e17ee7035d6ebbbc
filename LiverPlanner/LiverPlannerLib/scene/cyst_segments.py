"""Regions of the cyst filter moved between the segments of tumor and cyst, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from LiverPlannerLib.scene.cysts import ORIGINS, REGIONS, SEGMENTATION, regions_of, state_of, write_state
from LiverPlannerLib.scene.lattice import Start, painted, place
from LiverPlannerLib.voxel_boxes import paint
from PreopReviewLib.errors import InputError

SURFACE = "Closed surface"
CONTOUR_REACH_MM = 3.0
"""How far an outline grows at most: 2 mm of closing and 1 mm of growth."""


def apply(node: Any) -> list[str]:
    """Moves the regions to the segments that they were decided to belong to; see `move`."""
    changed = move(node)
    write_state(node, state_of(node) | {"applied": True})
    return changed


def revert(node: Any) -> list[str]:
    """Moves the regions back to where they were found; see `move`."""
    changed = move(node, back=True)
    write_state(node, state_of(node) | {"applied": False})
    return changed


def move(node: Any, back: bool = False) -> list[str]:
    """Moves regions between the segments of tumor and cyst as decided, or back to where they were found.

    Only voxels that are still tumor or cyst move: what was erased since stays erased.

    Args:
        node: the table node.
        back: undo: every voxel of a region into the segment that it was measured in.

    Returns:
        identifiers of the segments that changed.

    Raises:
        InputError: the segmentation or the regions are gone.
    """
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from PreopReviewLib.scene.nodes import image_of_volume

    segmentation = node.GetNodeReference(SEGMENTATION)
    kept = [node.GetNodeReference(role) for role in (REGIONS, ORIGINS)]
    if segmentation is None or None in kept:
        raise InputError("The segmentation of this table no longer exists", "Find the cysts again")
    voxels = SegmentVoxels(segmentation)
    ours = [i for i, key in voxels.structures.items() if key in ("tumor", "cyst")]
    start, (regions, origins) = _enlarged(
        [place(image_of_volume(k), voxels.grid.to_node) for k in kept], [voxels.masks[i] for i in ours]
    )
    masks = {i: painted(voxels.masks[i], start, regions.shape) for i in ours}
    there = np.logical_or.reduce(list(masks.values())) if masks else np.zeros(regions.shape, bool)
    wanted = {i: m & (regions == 0) for i, m in masks.items()}
    for target, own in _moves(node, segmentation, voxels, regions, origins, back):
        wanted[target] = wanted.get(target, np.zeros(regions.shape, bool)) | (own & there)
        masks.setdefault(target, np.zeros(regions.shape, bool))
    changed = [i for i, mask in wanted.items() if not np.array_equal(mask, masks[i])]
    put(segmentation, {i: (masks[i] & wanted[i], wanted[i]) for i in changed}, start, voxels)
    return changed


def _moves(
    node: Any, segmentation: Any, voxels: Any, regions: np.ndarray, origins: np.ndarray, back: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """(segment, voxels that belong to it): by origin if `back`, else by the decision on each region."""
    segments = state_of(node)["segments"]
    if back:
        for number, (identifier, kind) in enumerate(segments.items(), 1):
            yield _target(segmentation, voxels, identifier, kind), (origins == number) & (regions > 0)
        return
    names = list(segments)
    for region in regions_of(node):
        own = regions == region.id
        votes = np.bincount(origins[own], minlength=len(names) + 1)[1:]
        yield _target(segmentation, voxels, names[int(votes.argmax())], region.decision), own


def _enlarged(placed: list[tuple[Start, np.ndarray]], masks: list[Any]) -> tuple[Start, list[np.ndarray]]:
    """The kept images in a box that also holds what was drawn outside them since; 0 there."""
    from LiverPlannerLib.voxel_boxes import hull

    start, arrays = placed[0][0], [array for _start, array in placed]
    filled = [m for m in masks if m.count]
    if not filled:
        return start, arrays
    low, high = hull(filled)
    first = np.minimum(low, start)
    last = np.maximum(high, np.add(start, arrays[0].shape))
    before, after = np.subtract(start, first), last - np.add(start, arrays[0].shape)
    return tuple(first.tolist()), [np.pad(a, list(zip(before, after, strict=True))) for a in arrays]


def _target(segmentation: Any, voxels: Any, home: str, decision: str) -> str:
    """The segment that a region belongs to: where it is, if that fits its decision, else the first that fits."""
    wanted = "cyst" if decision == "cyst" else "tumor"
    if voxels.structures.get(home) == wanted:
        return home
    fitting = [i for i, key in voxels.structures.items() if key == wanted]
    if fitting:
        return fitting[0]
    identifier = add_segment(segmentation, wanted)
    voxels.structures[identifier] = wanted
    return identifier


def add_segment(segmentation: Any, key: str) -> str:
    """A new, empty segment of a structure of the table; its identifier."""
    from LiverPlannerLib.structures import structure
    from LiverPlannerLib.terminology_files import terminology_entry

    s = structure(key)
    content = segmentation.GetSegmentation()
    identifier = content.AddEmptySegment(content.GenerateUniqueSegmentID(key), s.name, s.color)
    content.GetSegment(identifier).SetTerminology(terminology_entry(s))
    return identifier


def put(
    segmentation: Any,
    masks: Mapping[str, tuple[np.ndarray, np.ndarray]],
    start: tuple[int, ...],
    voxels: Any,
    surfaces: bool = True,
) -> None:
    """Writes (first what stays, then the whole) of each segment, so that no two ever overlap.

    Args:
        surfaces: whether their surfaces are made; else they have none until whoever follows the plan makes them.
    """
    content = segmentation.GetSegmentation()
    surfaces = surfaces and content.ContainsRepresentation(SURFACE)
    for identifier in masks:  # else Slicer makes its own surface at every step
        content.GetSegment(identifier).RemoveRepresentation(SURFACE)
    for step in (0, 1):
        for identifier, pair in masks.items():
            _set_mask(segmentation, identifier, pair[step], start, voxels.grid)
    if surfaces:
        for identifier, pair in masks.items():
            _set_surface(segmentation, identifier, voxels.grid.image(pair[1].astype(np.uint8), start, world=False))


def _set_mask(segmentation: Any, identifier: str, mask: np.ndarray, start: tuple[int, ...], grid: Any) -> None:
    import slicer
    import vtk

    from PreopReviewLib.images.vtk_images import fill

    labelmap = fill(slicer.vtkOrientedImageData(), mask.astype(np.uint8), start[::-1])
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(grid.to_node.ravel())
    labelmap.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(labelmap, segmentation, identifier, logic.MODE_REPLACE)
    if not mask.any():  # of a segment that became empty no one is told, and it could not be undone
        content = segmentation.GetSegmentation()
        content.InvokeEvent(content.SourceRepresentationModified, identifier)


def _set_surface(segmentation: Any, identifier: str, mask: Any) -> None:
    import vtk

    from PreopReviewLib import images
    from PreopReviewLib.scene.nodes import made_here
    from PreopReviewLib.surfaces import surface_of_mask

    surface = made_here(surface_of_mask(mask, 0.5) if images.array_of(mask).any() else vtk.vtkPolyData())
    segmentation.GetSegmentation().GetSegment(identifier).AddRepresentation(SURFACE, surface)
    segmentation.GetSegmentation().Modified()


def contour_tumors(segmentation: Any) -> tuple[float, float]:
    """Closes and grows every tumor segment inside the liver, as clinicians draw them (`cysts.contour`).

    What grows stays out of cysts, and out of the other tumors' segments.

    Returns:
        ml of all tumors before and after.

    Raises:
        NothingFound: there is no tumor.
    """
    from LiverPlannerLib.cysts.contour import clinical_contour
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from LiverPlannerLib.voxel_boxes import boxed, union, without
    from PreopReviewLib import images
    from PreopReviewLib.errors import NothingFound

    plan = SegmentVoxels(segmentation)
    keys = [i for i, key in plan.structures.items() if key == "tumor" and plan.masks[i].count]
    if not keys:
        raise NothingFound("There is no tumor in the segmentation", "Draw one, or segment the liver first")
    liver, taken, before, after = plan.mask("liver"), plan.mask("cyst"), 0, 0
    spacing = np.linalg.norm(plan.grid.to_node[:3, :3], axis=0)[::-1]
    pad = np.ceil(CONTOUR_REACH_MM / spacing).astype(int) + 1
    for identifier in keys:
        mask = plan.masks[identifier]
        start = tuple(int(s - p) for s, p in zip(mask.start, pad, strict=True))
        own = np.pad(mask.mask, [(p, p) for p in pad])
        inside = np.zeros(own.shape, bool)
        paint(inside, start, liver, True)
        grown = clinical_contour(plan.grid.image(own.astype(np.uint8), start, world=False),
                                 plan.grid.image(inside.astype(np.uint8), start, world=False))  # fmt: skip
        others = union([taken, *(plan.masks[k] for k in keys if k != identifier)])
        larger = without(boxed(images.array_of(grown) != 0, start), without(others, mask))
        content = segmentation.GetSegmentation()
        surfaces = content.ContainsRepresentation(SURFACE)
        _set_mask(segmentation, identifier, larger.mask, larger.start, plan.grid)
        if surfaces:
            image = plan.grid.image(larger.mask.astype(np.uint8), larger.start, world=False)
            _set_surface(segmentation, identifier, image)
        before, after = before + mask.count, after + larger.count
        taken = union([taken, larger])
    return before * plan.grid.voxel_ml, after * plan.grid.voxel_ml
