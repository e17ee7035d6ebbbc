"""What follows an edit: volumes, what a human changed in the model output, and the edited structure's surface.

Only what has changed is read and computed again (`scene_segments.SegmentVoxels`), so that the numbers are there within
a second of the last stroke on a large CT.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.resection.volumetry import Volumetry
from LiverPlannerLib.scene.segments import SegmentVoxels, keys_in
from LiverPlannerLib.scene.tables import Column
from LiverPlannerLib.structures import structure
from LiverPlannerLib.voxel_boxes import BoxedMask, both, dice, union, without
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, NothingFound
from PreopReviewLib.images.vtk_images import fill, ijk_to_ras
from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import nodes
from PreopReviewLib.surfaces import surface_steps

CHANGE_COLUMNS = (
    Column("structure", "Structure", "text"),
    Column("now_ml", "Now (ml)", "number", 1),
    Column("model_ml", "Model (ml)", "number", 1, "In the untouched output of the model."),
    Column("added_ml", "+ ml", "number", 2, "Added: in the plan and not in the model output."),
    Column("removed_ml", "− ml", "number", 2, "Removed: in the model output and not in the plan."),
    Column("dsc", "DSC", "number", 3, "Dice of plan and model output: 1 is untouched."),
)


@dataclass(frozen=True)
class Change:
    """One structure of the plan, and against the model output where there is one.

    Attributes:
        key: of the structure; the liver is the union of all that it contains.
        now_ml: in the plan.
        model_ml, added_ml, removed_ml: None without a model output.
        dsc: of plan and model output, None without one.
    """

    key: str
    now_ml: float
    model_ml: float | None = None
    added_ml: float | None = None
    removed_ml: float | None = None
    dsc: float | None = None

    def as_row(self) -> dict[str, Any]:
        """A row with the keys of `CHANGE_COLUMNS`."""
        row = {c.key: getattr(self, c.key, None) for c in CHANGE_COLUMNS}
        return row | {"structure": structure(self.key).name}


class LiveMeasures:
    """Volumes and changes of a segmentation, kept up to date.

    Args:
        node: the plan.
        model: the untouched model output beside it, or None.

    Raises:
        GeometryError: a segmentation without reference geometry, or the two lie on different grids.
    """

    def __init__(self, node: Any, model: Any | None = None) -> None:
        self.node, self.model_node = node, model
        self.plan = SegmentVoxels(node)
        self.model = SegmentVoxels(model) if model is not None else None
        self._changes: dict[str, Change] = {}
        content = node.GetSegmentation()
        ours = {i: nodes.is_made_here(content.GetSegment(i).GetRepresentation(nodes.SURFACE)) for i in self.plan.masks}
        self._surface_of: dict[str, Any] = {i: mask for i, mask in self.plan.masks.items() if ours[i]}
        self._compute(self._keys())

    def update(self) -> set[str]:
        """Measures again what has changed since the last time, and returns the keys of those structures.

        Raises:
            GeometryError: as for the constructor.
        """
        changed = self.plan.update()
        if self.model is not None:
            changed |= self.model.update()
        keys = self._keys()
        for gone in set(self._changes) - set(keys):
            del self._changes[gone]
        self._compute(changed | (set(keys) - set(self._changes)))
        return changed

    @property
    def changes(self) -> list[Change]:
        """One for each structure, in the order of the table of structures."""
        return [self._changes[key] for key in self._keys()]

    def _keys(self) -> list[str]:
        return keys_in([one for one in (self.plan, self.model) if one is not None])

    def _compute(self, keys: Iterable[str]) -> None:
        if self.model is not None:
            self._require_one_lattice(self.model)
        for key in keys:
            now, ml = self.plan.mask(key), self.plan.grid.voxel_ml
            if self.model is None:
                self._changes[key] = Change(key, now.count * ml)
                continue
            was = self.model.mask(key)
            added, removed = without(now, was).count, without(was, now).count
            figures = (now.count * ml, was.count * ml, added * ml, removed * ml)
            self._changes[key] = Change(key, *figures, dice(now, was))

    def _require_one_lattice(self, model: SegmentVoxels) -> None:
        if not self.plan.grid.same_lattice(model.grid):
            raise GeometryError(
                "The plan and the model output lie on different grids, so what was edited cannot be counted",
                "Compare them in the section Compare, which resamples",
            )

    def refresh_surfaces(self, keys: Iterable[str]) -> list[str]:
        """Remakes the surfaces of structures where the plan is shown in 3D, and returns their segments."""
        stale = self.stale_surfaces(keys)
        for segment_id in stale:
            self.make_surface(segment_id)
        return stale

    def stale_surfaces(self, keys: Iterable[str]) -> list[str]:
        """The segments of structures whose surfaces are not those of their voxels, the smallest first.

        Slicer's own surface of an edited segment is smoothed as all others are, which thins vessels away.
        """
        if not self.node.GetSegmentation().ContainsRepresentation(nodes.SURFACE) or find_spec("edt") is None:
            return []  # without edt, which Apply installs, Slicer's own surface stays
        wanted, masks = set(keys), self.plan.masks
        stale = [
            i for i, key in self.plan.structures.items() if key in wanted and self._surface_of.get(i) is not masks[i]
        ]
        return sorted(stale, key=lambda i: masks[i].count)

    def make_surface(self, segment_id: str) -> None:
        """Remakes the surface of a segment."""
        at_once(self.surface_steps(segment_id))()

    def surface_steps(self, segment_id: str) -> Generator[None, None, Callable[[], None]]:
        """As `make_surface`, in steps that change nothing; what they return puts the surface into its place."""
        mask, surface = self.plan.masks[segment_id], _no_surface()
        if mask.count:
            # In the node's own coordinates: a transform on it moves its surfaces by itself.
            image = self.plan.grid.image(mask.mask.view("uint8"), mask.start, world=False)
            surface = yield from surface_steps(image, structure(self.plan.structures[segment_id]).smoothing)

        def put() -> None:
            self._surface_of[segment_id] = mask
            _put_surface(self.node.GetSegmentation(), segment_id, surface)

        return put


def _put_surface(segmentation: Any, segment_id: str, surface: Any) -> None:
    """Puts a surface into the one that is there: adding one is an edit, after which nothing can be redone."""
    segment, surface = segmentation.GetSegment(segment_id), nodes.made_here(surface)
    there = segment.GetRepresentation(nodes.SURFACE)
    if there is None:
        segment.AddRepresentation(nodes.SURFACE, surface)
        return
    there.ShallowCopy(surface)
    there.Modified()
    segmentation.InvokeEvent(segmentation.RepresentationModified, segment_id)


def _no_surface() -> Any:
    import vtk

    return vtk.vtkPolyData()


def volume_rows(result: Volumetry) -> list[dict[str, Any]]:
    """Rows with the keys of `VOLUME_COLUMNS`."""
    return result.as_rows()


def fill_liver(plan: SegmentVoxels, before: BoxedMask) -> bool:
    """Gives the liver segment back what painting something inside it has cut out.

    Where it may overwrite, the Segment Editor takes a voxel from every other segment when it is painted. The liver
    contains its lesions and vessels, so a tumor that was painted, or erased again, must not leave a hole in it.

    Args:
        before: the liver segment as it was.

    Returns:
        whether voxels were added.
    """
    import slicer

    livers = [segment_id for segment_id, key in plan.structures.items() if key == "liver"]
    if not livers:
        return False
    own = union([plan.masks[segment_id] for segment_id in livers])
    missing = without(both(before, plan.mask("liver")), own)
    if not own.count or not missing.count:
        return False
    image = plan.grid.image(missing.mask.view("uint8"), missing.start, world=False)
    content = fill(slicer.vtkOrientedImageData(), images.array_of(image))
    content.SetGeometryFromImageToWorldMatrix(ijk_to_ras(image))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return bool(logic.SetBinaryLabelmapToSegment(content, plan.node, livers[0], logic.MODE_MERGE_MAX))


def restore_structure(plan: Any, model: Any, key: str) -> None:
    """Puts the segments of a structure back to what the model had drawn, also where they were deleted.

    Raises:
        NothingFound: neither node has the structure.
    """
    import slicer

    now, was = SegmentVoxels(plan), SegmentVoxels(model)
    own = [i for i, k in now.structures.items() if k == key]
    old = [i for i, k in was.structures.items() if k == key]
    if not own and not old:
        raise NothingFound(f"There is no {structure(key).name.lower()} to restore", "Choose another structure")
    segmentation = plan.GetSegmentation()
    for segment_id in old:
        source = model.GetSegmentation().GetSegment(segment_id)
        if segment_id not in own:
            added = slicer.vtkSegment()
            added.DeepCopy(source)
            segmentation.AddSegment(added, segment_id)
            continue
        mask = was.masks[segment_id]
        replace_voxels(plan, segment_id, was.grid.image(mask.mask.view("uint8"), mask.start, world=False))
    for segment_id in set(own) - set(old):
        segmentation.RemoveSegment(segment_id)


def replace_voxels(node: Any, segment_id: str, image: sitk.Image) -> None:
    """Gives a segment other voxels: those of an image in the coordinates of its node."""
    import slicer

    content = fill(slicer.vtkOrientedImageData(), images.array_of(image))
    content.SetGeometryFromImageToWorldMatrix(ijk_to_ras(image))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(content, node, segment_id, logic.MODE_REPLACE)
    if not images.array_of(image).any():  # of a segment that became empty no one is told, and it could not be undone
        segmentation = node.GetSegmentation()
        segmentation.InvokeEvent(segmentation.SourceRepresentationModified, segment_id)
