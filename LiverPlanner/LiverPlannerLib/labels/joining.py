"""The segments or values of a file put together: one label image, lesions apart, and notes on what that cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.names import PART_WORDS, plain
from LiverPlannerLib.labels.tables import OURS, doubts, measure_shapes
from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.structures import STRUCTURES, Structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.images.geometry import Slices, box_of

BY_CODES, BY_SEGMENTS = "by the codes of the DICOM segmentation", "by the names and codes of its segments"
BY_OUR_NUMBERS = f"by its values, which match {OURS}"
_LIVER_STRUCTURES = ", ".join(s.name for s in STRUCTURES)


@dataclass
class Labels:
    """A label file, read.

    Attributes:
        labels: uint8 with the values of our table, on the file's own grid.
        how: one sentence: how it is known what the values are.
        unknown: names or values in the file that are not structures of the liver, with their ml; left out of `labels`.
        notes: sentences for the reader: what was left out, what overlapped, what is hardly plausible.
        source: by structure key, the names or values that it had in the file.
        lesions: which lesion a voxel belongs to, where the file holds tumors or cysts as several segments or values.
        path: of the file.
        couinaud: segments 1 to 8 (uint8) that were given with the labels, on a grid of their own; else they are found
            by the liver's shape where they are needed.
    """

    labels: sitk.Image
    how: str = ""
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: dict[str, list[str]] = field(default_factory=dict)
    lesions: DrawnLesions | None = None
    path: Path = Path()
    couinaud: sitk.Image | None = None

    @property
    def named(self) -> bool:
        """Whether the file, or a mapping, says what its values are; else numbers and shapes told it."""
        return bool(self.how) and not self.how.startswith(("by its values", "it is empty"))

    @property
    def sentences(self) -> list[str]:
        """Everything that a reader must know of the file: how it is known what its values are, and the notes."""
        words = list(self.notes)
        if self.how and self.how != BY_OUR_NUMBERS:
            words.insert(0, f"The structures of {self.path.name} are known {self.how}.")
        if self.unknown:
            listed = ", ".join(self.unknown)
            words.append(f"{self.path.name} has labels that are not liver structures, and were ignored: {listed}.")
        return words

    @cached_property
    def inside(self) -> np.ndarray:
        """What of the labels is liver (K, J, I): `liver_extent.inside_liver`, which takes seconds on a large scan."""
        return inside_liver(self.labels)

    def onto(self, target: sitk.Image, what: str = "labels", onto: str = "image") -> Labels:
        """The same on the grid of another image, by the one rule of `images.onto_grid`; its notes are added.

        Args:
            what, onto: what notes and errors call the two.

        Raises:
            GeometryError: the two fields of view do not overlap.
        """
        named = {s.label: s.name.lower() for s in STRUCTURES}
        if self.lesions is None:
            moved = images.onto_grid(self.labels, target, what, onto, named)
            return replace(self, labels=moved.labels, notes=[*self.notes, *moved.notes])
        moved = images.onto_grid(self.labels, target, what, onto, named)
        if moved.exact and not moved.outside_ml:
            numbers = images.onto_grid(self.lesions.numbers, target, what, onto).labels
            lesions = replace(self.lesions, numbers=numbers)
            return replace(self, labels=moved.labels, lesions=lesions, notes=[*self.notes, *moved.notes])
        # Labels and lesions in one number, so that both give a voxel to the same lesion where grids differ.
        both = images.array_of(self.labels) + 256 * self.lesions.array.astype(np.uint32)
        kinds = {v: self.lesions.names.get(v // 256) or named.get(v % 256, "") for v in images.label_values(both)}
        moved = images.onto_grid(images.image_like(both, self.labels), target, what, onto, kinds)
        array = images.array_of(moved.labels)
        lesions = replace(self.lesions, numbers=images.image_like((array // 256).astype(np.uint16), target))
        labels = images.image_like((array % 256).astype(np.uint8), target)
        return replace(self, labels=labels, lesions=lesions, notes=[*self.notes, *moved.notes])


@dataclass
class Part:
    """One segment or value of a file, held in its own box: a file of 200 lesions has 200 of them.

    Attributes:
        name: what it is called.
        box: where it lies (K, J, I); an empty one at the origin if it has no voxel.
        mask: bool, of the box.
        structure: that it is, or None.
        number: of the segment, or its label value.
        plain: whether the file is one label image, in which that value says all.
    """

    name: str
    box: Slices
    mask: np.ndarray
    structure: Structure | None
    number: int | None = None
    plain: bool = False

    @classmethod
    def of(cls, name: str, voxels: np.ndarray, structure: Structure | None, number: int | None = None) -> Part:
        """The part that is true in an array (K, J, I) of the whole grid."""
        box = box_of(voxels) or _NOWHERE
        return cls(name, box, voxels[box].copy(), structure, number)

    @classmethod
    def of_value(
        cls,
        name: str,
        array: np.ndarray,
        value: int,
        boxes: Mapping[int, Slices],
        structure: Structure | None,
        plain: bool,
    ) -> Part:
        """The part that has a value in an array; `boxes` as `images.value_boxes` gives them of that array."""
        box = boxes.get(value, _NOWHERE)
        return cls(name, box, array[box] == value, structure, value, plain)

    @property
    def count(self) -> int:
        """Voxels."""
        return int(np.count_nonzero(self.mask))

    def voxels(self, shape: tuple[int, ...]) -> np.ndarray:
        """As an array (K, J, I) of the whole grid."""
        array = np.zeros(shape, bool)
        array[self.box] = self.mask
        return array


_NOWHERE = (slice(0, 0), slice(0, 0), slice(0, 0))


def joined(path: Path, reference: sitk.Image, parts: list[Part], how: str) -> Labels:
    """The parts painted into one label image, in the order of the table; notes say what that cost.

    Args:
        path: of the file, for words.
        reference: any image on its grid.

    Raises:
        InputError: none of the parts is a structure of the liver.
    """
    ml = images.voxel_ml(reference)
    reference, parts = with_rim(reference, parts, sparse=how == BY_CODES)
    array = np.zeros(reference.GetSize()[::-1], np.uint8)
    known = [p for p in parts if p.structure is not None]
    for part in sorted(known, key=_order):
        array[part.box][part.mask] = part.structure.label  # type: ignore[union-attr]
    labels = Labels(images.image_like(array, reference), how)
    for part in known:
        labels.source.setdefault(part.structure.key, []).append(part.name)  # type: ignore[union-attr]
    labels.unknown = [f"{p.name} ({p.count * ml:.1f} ml)" for p in parts if p.structure is None]
    if not known or not array.any():
        if labels.unknown:
            raise InputError(
                f"{path} contains none of the liver structures, only {shortened(', '.join(labels.unknown))}",
                f"Known: {_LIVER_STRUCTURES}",
            )
        return labels
    labels.notes += _overlaps(known, array, ml)
    labels.lesions, shared = _drawn_lesions(known, labels.labels)
    labels.notes += shared
    table = {s.label: s.key for s in STRUCTURES}
    labels.notes += [
        f"{path.name} has {doubt}: check that its labels match their names."
        for doubt in doubts(labels.labels, table, measure_shapes(labels.labels))
    ]
    return labels


def shortened(text: str, limit: int = 300) -> str:
    """A list in words, cut at a comma."""
    return text if len(text) <= limit else text[:limit].rsplit(",", 1)[0] + ", …"


def _order(part: Part) -> tuple[int, int]:
    """By the table; of one structure the larger first, so that a lesion in a larger one is not lost."""
    return part.structure.paint, -part.count  # type: ignore[union-attr]


def with_rim(reference: sitk.Image, parts: list[Part], sparse: bool) -> tuple[sitk.Image, list[Part]]:
    """An empty voxel around labels that touch the ends of their grid where it was cropped.

    That is where they touch all six sides, which no liver in a scan does; a DICOM SEG (`sparse`) may lack empty frames
    at both ends.
    """
    filled = [p.box for p in parts if p.mask.any()]
    touched = [
        any(end in (box[axis].start, box[axis].stop) for box in filled)
        for axis, size in enumerate(reference.GetSize()[::-1])
        for end in (0, size)
    ]
    if not (all(touched) or (sparse and all(touched[:2]))):
        return reference, parts
    rim = [1, 1, 1] if all(touched) else [0, 0, 1]  # I, J, K
    padded = sitk.ConstantPad(sitk.Cast(reference, sitk.sitkUInt8), rim, rim, 0)
    moved = [tuple(slice(s.start + n, s.stop + n) for s, n in zip(p.box, rim[::-1], strict=True)) for p in parts]
    return padded, [replace(p, box=box) for p, box in zip(parts, moved, strict=True)]


def _overlaps(known: list[Part], array: np.ndarray, ml: float) -> list[str]:
    """How many ml of each structure went to another one that is painted over it (the liver includes the rest)."""
    notes = []
    for s in STRUCTURES:
        own = [p for p in known if p.structure == s]
        if s.key == "liver" or not own:
            continue
        counts = np.zeros(256, np.int64)
        seen = np.zeros(array.shape, bool) if len(own) > 1 else None
        for part in own:
            lost = part.mask & (array[part.box] != s.label)
            if seen is not None:
                lost &= ~seen[part.box]
                seen[part.box] |= lost
            counts += np.bincount(array[part.box][lost], minlength=256)
        notes += [
            f"{counts[o.label] * ml:.3g} ml are both {s.name.lower()} and {o.name.lower()}, and count as the latter."
            for o in STRUCTURES
            if o.paint > s.paint and counts[o.label]
        ]
    return notes


def _drawn_lesions(known: list[Part], labels: sitk.Image) -> tuple[DrawnLesions | None, list[str]]:
    """The lesions of a file that has several of a kind, and what two of them share."""
    lesions = [p for p in known if p.structure.kind == "lesion" and p.mask.any()]  # type: ignore[union-attr]
    together = _of_one_lesion(lesions)
    kinds = [lesions[members[0]].structure.key for members in together]  # type: ignore[union-attr]
    if len(kinds) == len(set(kinds)):
        return None, []
    array, ml, notes = images.array_of(labels), images.voxel_ml(labels), []
    numbers = np.zeros(array.shape, np.uint16)
    names = {n: ", ".join(lesions[m].name for m in members) for n, members in enumerate(together, 1)}
    number_of = {member: number for number, members in enumerate(together, 1) for member in members}
    for index in sorted(range(len(lesions)), key=lambda i: _order(lesions[i])):
        part, number = lesions[index], number_of[index]
        own = part.mask & (array[part.box] == part.structure.label)  # type: ignore[union-attr]
        for other, count in enumerate(np.bincount(numbers[part.box][own])):
            if other not in (0, number) and count:
                notes.append(f"{count * ml:.3g} ml are both {names[other]} and {part.name}, and count as the latter.")
        numbers[part.box][own] = number
    return DrawnLesions(images.image_like(numbers, labels), names), notes


def _of_one_lesion(lesions: list[Part]) -> list[list[int]]:
    """Indices of the parts by lesion: "viable tumor 1" and "tumor 1 necrosis" are one."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, part in enumerate(lesions):
        words = plain(re.sub(r" \(\d+\)$", "", part.name)).split()
        whole = " ".join(w for w in words if w not in PART_WORDS)
        groups.setdefault((part.structure.key, whole), []).append(index)  # type: ignore[union-attr]
    clusters = []
    for (_, whole), members in groups.items():
        names = [plain(re.sub(r" \(\d+\)$", "", lesions[m].name)) for m in members]
        one = sum(name == whole for name in names) <= 1 < len(set(names)) == len(names)
        clusters += [members] if one else [[m] for m in members]
    return sorted(clusters)
