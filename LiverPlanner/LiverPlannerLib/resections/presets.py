"""Anatomical resections by Couinaud segments (Brisbane 2000 terminology), and those that spare parenchyma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions, numbered_regions
from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.resection.cutting import Resection, resect_by_mask
from LiverPlannerLib.segmentation.morphology import closed, distance
from LiverPlannerLib.territories.liver import LiverTrees
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, NothingFound

PRESETS: dict[str, tuple[int, ...]] = {
    "right hepatectomy": (5, 6, 7, 8),
    "left hepatectomy": (2, 3, 4),
    "extended right hepatectomy": (4, 5, 6, 7, 8),
    "extended left hepatectomy": (2, 3, 4, 5, 8),
    "right trisectionectomy": (4, 5, 6, 7, 8),
    "left trisectionectomy": (2, 3, 4, 5, 8),
    "central hepatectomy": (4, 5, 8),
    "right anterior sectionectomy": (5, 8),
    "right posterior sectionectomy": (6, 7),
    "left medial sectionectomy": (4,),
    "left lateral sectionectomy": (2, 3),
    "caudate resection": (1,),
}
"""Segments taken; 1 is added by naming it (union). Extended hepatectomies and trisectionectomies take the same."""
STEM_SHARE, STEM_ML_SHARE = 0.8, 0.02
"""A vein goes with the specimen if so much of its territory does; else it stays, if so much of the liver needs it."""
SMOOTHING_MM = 6.0


def preset_name(name: str) -> str:
    """The full name of a preset: ``right`` is the right hepatectomy, ``extended right`` the extended one, and so on.

    Raises:
        InputError: there is no such preset.
    """
    words = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    for full in (words, f"{words} hepatectomy", f"{words} sectionectomy", f"{words} resection"):
        if full in PRESETS:
            return full
    raise InputError(f"There is no resection called {name!r}", f"Use one of {', '.join(PRESETS)}")


def resect_by_segments(
    labels: sitk.Image, segments: sitk.Image, numbers: Sequence[int], trees: LiverTrees | None = None
) -> Resection:
    """Takes Couinaud segments.

    Args:
        labels: values of the table of structures.
        segments: 1 to 8 on the grid of the labels.
        numbers: which are taken.
        trees: with them, veins along the border that the remnant lives on stay with it (see `STEM_SHARE`).

    Raises:
        InputError: no number, or one that is not 1 to 8; segments without a voxel; all of the liver.
        GeometryError: the segments lie on another grid.
    """
    wanted = sorted(set(numbers))
    if not wanted or not set(wanted) <= set(range(1, 9)):
        raise InputError(
            f"segments must be numbers from 1 to 8, got {', '.join(map(str, numbers)) or 'none'}", "Use 1 to 8"
        )
    if not images.same_grid(segments, labels):
        raise GeometryError("The segments are not on the grid of the labels", "Resample them to the labels")
    values = images.array_of(segments)
    empty = [n for n in wanted if not (values == n).any()]
    if empty:
        raise InputError(
            f"Segment {', '.join(map(str, empty))} has no voxels in this liver",
            "Divide the liver again, or leave it out",
        )
    taken = np.isin(values, wanted)
    if trees is not None:
        taken = with_border_veins(taken, trees)
    words = "".join(f", S{n}" for n in wanted)[2:]
    return resect_by_mask(labels, taken, f"Couinaud segments {words}", "Choose other segments")


def with_border_veins(taken: np.ndarray, trees: LiverTrees) -> np.ndarray:
    """The mask (K, J, I), with veins that the remnant lives on given to the remnant."""
    taken = taken.copy()
    for territories in trees.territories.values():
        tree = territories.tree
        gone = taken[territories.box][territories.liver]
        unit = images.voxel_ml(territories.grid)
        lost = np.bincount(territories.last[gone], minlength=len(tree.branches) + 1) * unit
        stays = np.zeros(len(tree.branches) + 1, bool)
        for b in reversed(tree.branches):
            if b.parent is not None:
                lost[b.parent] += lost[b.id]
        for b in tree.branches:  # parents first: what stays must be attached to what stays
            left = territories.ml[b.id] - lost[b.id]
            enough = left >= (1 - STEM_SHARE) * territories.ml[b.id] and left >= STEM_ML_SHARE * territories.liver_ml
            stays[b.id] = enough and (b.parent is None or stays[b.parent])
        taken &= ~stays[images.array_of(tree.branch_image)]
    return taken


def resect_sparing(
    labels: sitk.Image,
    margin_mm: float,
    lesions: Sequence[int] = (),
    structure: str = "tumor",
    drawn: DrawnLesions | None = None,
) -> Resection:
    """Takes lesions with a margin of liver around them, smoothed, and nothing more.

    Args:
        labels: values of the table of structures.
        margin_mm: liver around each lesion at least, where there is liver.
        lesions: numbers by decreasing size; all by default.
        structure: key of the lesions.
        drawn: which lesions the file holds apart.

    Raises:
        NothingFound: there is no lesion.
        InputError: a margin below 0, an unknown lesion, all of the liver.
    """
    if not 0 <= margin_mm <= 100:
        raise InputError(f"margin must be between 0 and 100 mm, got {margin_mm:g}", "Give 0 to 100 mm")
    regions = numbered_regions(labels, structure, drawn)
    if not regions:
        raise NothingFound("There is no lesion to resect", "Segment the lesions first")
    wanted = sorted(set(lesions)) or list(range(1, len(regions) + 1))
    unknown = [n for n in wanted if not 1 <= n <= len(regions)]
    if unknown:
        raise InputError(f"There is no lesion {unknown[0]}", f"Lesions are numbered 1 to {len(regions)}")
    mask = np.zeros(labels.GetSize()[::-1], bool)
    for number in wanted:
        box, inside = regions[number - 1]
        mask[box] |= inside
    liver = inside_liver(labels)
    spacing = images.spacing_kji(labels)
    near = _box_around(mask, (margin_mm + 2 * SMOOTHING_MM) / spacing + 2)
    away = distance(~mask[near], spacing)
    taken = np.zeros_like(mask)
    # Distances go from center to center; half a diagonal more makes the margin hold from face to face.
    taken[near] = closed(away <= margin_mm + float(np.linalg.norm(spacing)) / 2, SMOOTHING_MM, spacing)
    which = "all lesions" if len(wanted) == len(regions) else "lesion " + ", ".join(map(str, wanted))
    how = f"{which} with a margin of {margin_mm:g} mm"
    return resect_by_mask(labels, taken & liver, how, "Choose a smaller margin")


def _box_around(mask: np.ndarray, border: np.ndarray) -> tuple[slice, ...]:
    where = np.argwhere(mask)
    low = np.maximum(where.min(0) - np.ceil(border), 0).astype(int)
    high = np.minimum(where.max(0) + 1 + np.ceil(border), mask.shape).astype(int)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def unite(labels: sitk.Image, resections: Sequence[Resection]) -> Resection:
    """Takes what any of several resections takes.

    Raises:
        InputError: fewer than two, or together the whole liver.
        GeometryError: one of them was made on another grid.
    """
    if len(resections) < 2:
        raise InputError("A union needs two resections at least", "Name more of them")
    for resection in resections:
        if not images.same_grid(resection.resected, labels):
            raise GeometryError("The resections lie on different grids", "Make all of them on these labels")
    taken = np.logical_or.reduce([images.array_of(resection.resected) > 0 for resection in resections])
    how = " and ".join(resection.method for resection in resections)
    united = resect_by_mask(labels, taken, how, "Leave one of them out")
    notes = dict.fromkeys(note for resection in resections for note in resection.notes)
    overlap = sum(resection.resected_ml for resection in resections) - united.resected_ml
    if overlap > 0.01 * united.resected_ml:
        notes[f"The resections that were united overlap by {overlap:.0f} ml, which counts once."] = None
    return replace(united, notes=tuple(dict.fromkeys([*united.notes, *notes])))
