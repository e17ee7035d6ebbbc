"""What a segmentation node says, as structures of our table: who is who, voxels without copies, label images.

Slicer keeps segments as cropped label maps, several segments to one map where they exclude each other. They are read
there directly: asking for each segment on the whole reference grid copies and resamples it, which takes a hundred
times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.names import match_terminology
from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, Structure, members, structure
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.voxel_boxes import EMPTY, BoxedMask, boxed, hull, paint, union
from PreopReviewLib.errors import GeometryError, InputError, NothingFound
from PreopReviewLib.images.vtk_images import array_of_matrix, array_of_vtk, set_geometry
from PreopReviewLib.scene import inputs, nodes

if TYPE_CHECKING:
    from LiverPlannerLib.lesions import DrawnLesions

PAINTED = tuple(s.key for s in sorted(STRUCTURES, key=lambda s: s.paint))
"""In this order structures are put into a label image: where segments overlap, lesions win."""
SAME_MM = 1e-2
_LABELS = {s.key: s.label for s in STRUCTURES}
_HARDEN = "Harden the transform on the segmentation (Data module, right click), or remove it"


@dataclass(frozen=True)
class Grid:
    """The voxel lattice of a segmentation.

    Attributes:
        to_ras: 4×4, from lattice indices (I, J, K) to RAS mm; a linear transform on the node is in it.
        to_node: the same without that transform.
        start, shape: first index and size (K, J, I) of the reference image.
    """

    to_ras: np.ndarray = field(repr=False)
    to_node: np.ndarray = field(repr=False)
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    @property
    def voxel_ml(self) -> float:
        return abs(float(np.linalg.det(self.to_ras[:3, :3]))) / 1000.0

    def image(self, array: np.ndarray, start: Sequence[int], world: bool = True) -> sitk.Image:
        """An image of a K-J-I array whose first voxel lies at lattice index `start`.

        Args:
            world: where it is in RAS; else in the node's own coordinates, without the transform that it is under.
        """
        import vtk

        moved = (self.to_ras if world else self.to_node).copy()
        moved[:3, 3] = (moved @ [*np.asarray(start, float)[::-1], 1.0])[:3]
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(moved.ravel())
        return set_geometry(sitk.GetImageFromArray(array), matrix)

    def index_of(self, image: sitk.Image) -> tuple[int, ...]:
        """The lattice index (K, J, I) at which an image of `image` starts."""
        x, y, z = image.GetOrigin()
        first = np.linalg.solve(self.to_ras, [-x, -y, z, 1.0])[:3]
        return tuple(int(n) for n in np.round(first[::-1]))

    def same_lattice(self, other: Grid) -> bool:
        """Whether voxels of both with the same index are at the same place."""
        return np.allclose(self.to_ras, other.to_ras, atol=1e-3)

    def is_of(self, volume: Any) -> bool:
        """Whether voxels of the same index are at the same place in a volume node."""
        far = np.array([[0.0, 0.0, 0.0, 1.0], [*volume.GetImageData().GetDimensions(), 1.0]]).T
        return float(np.abs((inputs.ijk_to_world(volume) - self.to_ras) @ far).max()) < SAME_MM


def segment_specs() -> list[nodes.SegmentSpec]:
    """How each structure of the table becomes a segment of a label image's values; the liver is the union."""
    return [
        nodes.SegmentSpec(
            s.key, s.name, s.color, tuple(m.label for m in members(s.key)), terminology_entry(s), s.opacity
        )
        for s in STRUCTURES
    ]


MEANING = "PreopReview.Structure"
"""Tag of a segment whose structure someone has chosen; its value is the key, or `NO_STRUCTURE`."""
NO_STRUCTURE = "none"


def structure_of_segment(segment: Any) -> Structure | None:
    """The structure that a vtkSegment is; None if it is not in the table.

    By what someone has chosen (`set_structure`), else by its terminology, else by its name ("Tumor 2" is a tumor).
    """
    chosen = _tag(segment, MEANING)
    if chosen:
        return None if chosen == NO_STRUCTURE else structure(chosen)
    return match_terminology(segment.GetTerminology() or "", segment.GetName() or "")


def structures_of(segments: Sequence[Any]) -> list[Structure | None]:
    """The structures of the vtkSegments of one node. Where none is the liver, Couinaud segments together are."""
    structures = [structure_of_segment(segment) for segment in segments]
    if any(one is not None and one.key == "liver" for one in structures):
        return structures
    return [
        structure("liver") if one is None and is_couinaud(segment) else one
        for one, segment in zip(structures, segments, strict=True)
    ]


def is_couinaud(segment: Any) -> bool:
    """Whether the terminology of a vtkSegment names a Couinaud segment, and no one has chosen something else."""
    entry = segment.GetTerminology() or ""
    return not _tag(segment, MEANING) and any(f"^{s.type.value}^" in entry for s in SEGMENTS)


def _tag(segment: Any, name: str) -> str:
    import vtk

    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def set_structure(segment: Any, key: str | None) -> None:
    """Takes a segment for a structure from now on, whatever its name says; None for no structure of the table.

    Its terminology becomes that of the structure, so that other programs read it, too.
    """
    segment.SetTag(MEANING, key or NO_STRUCTURE)
    if key is not None:
        segment.SetTerminology(terminology_entry(structure(key)))


def grid_of(node: Any) -> Grid:
    """The lattice of a segmentation node.

    Raises:
        GeometryError: no reference geometry, or a transform that bends or shears.
    """
    import vtk

    reference = nodes.reference_grid(node)
    matrix = vtk.vtkMatrix4x4()
    reference.GetImageToWorldMatrix(matrix)
    own = array_of_matrix(matrix)
    world = _parent_matrix(node) @ own
    axes = world[:3, :3] / np.linalg.norm(world[:3, :3], axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise GeometryError(f"The segmentation {node.GetName()!r} is under a transform that shears it", _HARDEN)
    extent = reference.GetExtent()
    shape = tuple(extent[2 * a + 1] - extent[2 * a] + 1 for a in (2, 1, 0))
    return Grid(world, own, tuple(extent[::2][::-1]), shape)  # type: ignore[arg-type]


def _parent_matrix(node: Any) -> np.ndarray:
    import vtk

    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise GeometryError(f"The segmentation {node.GetName()!r} is under a transform that bends space", _HARDEN)
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return array_of_matrix(matrix)


class SegmentVoxels:
    """The voxels of the segments of one node, kept, and read again where they have changed.

    Attributes:
        node: vtkMRMLSegmentationNode.
        grid: its lattice.
        masks: by segment identifier.
        structures: structure key by segment identifier, for the segments that are of our table.
        unknown: names of the other segments.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.masks: dict[str, BoxedMask] = {}
        self.structures: dict[str, str] = {}
        self.unknown: list[str] = []
        self._sources: dict[str, tuple[Any, int, int]] = {}
        self.grid = grid_of(node)
        self.update()

    def update(self) -> set[str]:
        """Reads what has changed since the last time.

        Returns:
            keys of the structures whose voxels or place changed; with a nested one also ``liver``.

        Raises:
            GeometryError: the reference geometry is gone, or a segment cannot be made into voxels.
        """
        old, self.grid = self.grid, grid_of(self.node)
        before = {key: self.of(key) for key in set(self.structures.values())}
        if not np.allclose(self.grid.to_ras, old.to_ras, atol=1e-6):
            self._sources.clear()
            self.masks.clear()
        self._read()
        touched = {key for key in {*before, *self.structures.values()} if not self._same(before.get(key, []), key)}
        return touched | {"liver" for key in touched if structure(key).parent == "liver"}

    def _read(self) -> None:
        segmentation = self.node.GetSegmentation()
        ids = nodes.segment_keys(self.node)
        self.structures, self.unknown = {}, []
        known = structures_of([segmentation.GetSegment(segment_id) for segment_id in ids])
        for segment_id, meaning in zip(ids, known, strict=True):
            segment = segmentation.GetSegment(segment_id)
            if meaning is None:
                self.unknown.append(segment.GetName())
                continue
            self.structures[segment_id] = meaning.key
            source = _source(self.node, segment_id)
            if self._sources.get(segment_id) != source:
                self._sources[segment_id] = source
                mask = _read_mask(source[0], segment.GetLabelValue(), self.grid, self.node)
                old = self.masks.get(segment_id)
                self.masks[segment_id] = old if old is not None and old.same_as(mask) else mask
        for gone in set(self.masks) - set(self.structures):
            del self.masks[gone]
            self._sources.pop(gone, None)

    def _same(self, before: list[BoxedMask], key: str) -> bool:
        now = self.of(key)
        return len(now) == len(before) and all(a is b for a, b in zip(before, now, strict=True))

    def of(self, key: str) -> list[BoxedMask]:
        """The masks of all segments of a structure."""
        return [self.masks[segment_id] for segment_id, own in self.structures.items() if own == key]

    def mask(self, key: str) -> BoxedMask:
        """A structure with all that is counted in it."""
        return union([m for member in members(key) for m in self.of(member.key)])

    @property
    def keys(self) -> list[str]:
        """Structures that have a segment, empty or not, in the order of the table; ``liver`` if any is inside it."""
        own = set(self.structures.values())
        inside = any(structure(key).parent == "liver" for key in own)
        return [s.key for s in STRUCTURES if s.key in own or (s.key == "liver" and inside)]

    def volume_ml(self, key: str) -> float:
        """Volume of a structure with all that is counted in it; overlapping voxels count once."""
        return self.mask(key).count * self.grid.voxel_ml

    def require(self) -> None:
        """Nothing if a structure has a voxel.

        Raises:
            NothingFound, InputError: no segment at all, none of our table, or all of them empty.
        """
        name = self.node.GetName()
        if not self.structures and not self.unknown:
            raise NothingFound(f"The segmentation {name!r} has no segments", "Segment the liver first")
        if not self.structures:
            raise InputError(
                f"No segment of {name!r} is known here, only {', '.join(self.unknown)}",
                "Give segments a liver terminology, or names such as Liver, Tumor, Hepatic vein",
            )
        if not any(m.count for m in self.masks.values()):
            raise NothingFound(f"All segments of {name!r} are empty", "Segment the liver first, or undo")

    def labels(self, margin: int | None = 2) -> sitk.Image:
        """A label image (uint8) with the values of the table of structures.

        Args:
            margin: voxels around everything, inside the reference image; None gives the whole reference image.

        Raises:
            NothingFound, InputError: as `require`.
        """
        self.require()
        start, stop = np.array(self.grid.start), np.add(self.grid.start, self.grid.shape)
        if margin is not None:
            low, high = hull(list(self.masks.values()))
            start, stop = np.maximum(np.subtract(low, margin), start), np.minimum(np.add(high, margin), stop)
        if (stop <= start).any():
            raise GeometryError(
                f"The segments of {self.node.GetName()!r} lie outside its own image",
                "Set the source volume of the segmentation again",
            )
        return self.labels_in(start, stop)

    def lesions_on(self, labels: sitk.Image) -> DrawnLesions | None:
        """Which lesion's segment a voxel of `labels` or `labels_in` belongs to; None unless a kind has several.

        Where two share a voxel, it is the smaller one's.
        """
        from LiverPlannerLib.lesions import DrawnLesions
        from PreopReviewLib import images

        ids = [i for i, key in self.structures.items() if structure(key).kind == "lesion" and self.masks[i].count]
        if len({self.structures[i] for i in ids}) == len(ids):
            return None
        array, start = images.array_of(labels), self.grid.index_of(labels)
        numbers = np.zeros(array.shape, np.uint16)
        for key in {self.structures[i] for i in ids}:
            own = np.zeros_like(numbers)
            for number, i in sorted(enumerate(ids, 1), key=lambda entry: -self.masks[entry[1]].count):
                if self.structures[i] == key:
                    paint(own, start, self.masks[i], number)
            np.copyto(numbers, own, where=array == structure(key).label)
        content = self.node.GetSegmentation()
        names = {number: content.GetSegment(i).GetName() for number, i in enumerate(ids, 1)}
        return DrawnLesions(images.image_like(numbers, labels), names)

    def labels_in(self, start: Sequence[int], stop: Sequence[int]) -> sitk.Image:
        """The label image of the box from lattice index `start` up to `stop` (K, J, I)."""
        return self.grid.image(self._painted(start, np.subtract(stop, start), _LABELS), start)

    def array_on(self, volume: Any, values: Mapping[str, int] = _LABELS) -> np.ndarray | None:
        """A label array (K, J, I), uint8, of all voxels of a volume; None where this segmentation has others.

        Args:
            values: of the structures.
        """
        if not self.grid.is_of(volume):
            return None
        return self._painted((0, 0, 0), volume.GetImageData().GetDimensions()[::-1], values)

    def _painted(self, start: Sequence[int], shape: Sequence[int], values: Mapping[str, int]) -> np.ndarray:
        array = np.zeros(shape, np.uint8)
        for key in PAINTED:
            for mask in self.of(key):
                paint(array, start, mask, values[key])
        return array

    def overlaps(self) -> list[str]:
        """Sentences on voxels that two structures inside the liver share."""
        from LiverPlannerLib.voxel_boxes import common

        inside = [key for key in PAINTED if structure(key).parent == "liver" and self.mask(key).count]
        notes = []
        for n, winner in enumerate(inside):
            for loser in inside[:n]:
                shared = common(self.mask(winner), self.mask(loser)) * self.grid.voxel_ml
                if shared:
                    words = f"{structure(winner).name} and {structure(loser).name.lower()}"
                    notes.append(f"{words} share {shared:.2g} ml, which counts as {structure(winner).name.lower()}.")
        return notes


def _source(node: Any, segment_id: str) -> tuple[Any, int, int]:
    """What a segment's voxels come from: the label map, when it was modified, and the segment's value in it."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    labelmap = segment.GetRepresentation(nodes.LABELMAP)
    if labelmap is None:
        if not node.GetSegmentation().CreateRepresentation(nodes.LABELMAP):
            raise GeometryError(
                f"The segment {segment.GetName()!r} cannot be made into voxels", "Set the source volume in Slicer"
            )
        labelmap = segment.GetRepresentation(nodes.LABELMAP)
    return labelmap, labelmap.GetMTime(), segment.GetLabelValue()


def _read_mask(labelmap: Any, value: int, grid: Grid, node: Any) -> BoxedMask:
    import slicer
    import vtk

    extent = labelmap.GetExtent()
    if extent[1] < extent[0] or labelmap.GetPointData().GetScalars() is None:
        return EMPTY
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    step = np.linalg.inv(grid.to_node) @ array_of_matrix(matrix)
    shift = np.round(step[:3, 3])
    if np.allclose(step[:3, :3], np.eye(3), atol=1e-4) and np.allclose(step[:3, 3], shift, atol=1e-2):
        first = (np.array(extent[::2]) + shift.astype(int))[::-1]
        return boxed(array_of_vtk(labelmap) == value, first.tolist())
    own = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, nodes.reference_grid(node), own, False, False
    )
    return boxed(array_of_vtk(own) == value, grid.start)


def keys_in(voxels: Iterable[SegmentVoxels]) -> list[str]:
    """Structures that any of several segmentations has, in the order of the table."""
    present = {key for one in voxels for key in one.keys}
    return [s.key for s in STRUCTURES if s.key in present]
