"""The structures of a plan between the panel and the worker process: voxels and surfaces, as plain files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.worker_io import load_surface, save_surface

if TYPE_CHECKING:
    import SimpleITK as sitk

    from LiverPlannerLib.plan.pipeline import LiverPlan
    from LiverPlannerLib.structures import Structure


@dataclass(frozen=True)
class Part:
    """One structure of a plan, ready to become a segment.

    Attributes:
        key: of the structure or Couinaud segment.
        start: first voxel of the box, K-J-I, on the grid of the image.
        voxels: uint8, 0 or 1, of the box; the liver's includes everything counted in it.
        surface: vtkPolyData in RAS mm, or None.
    """

    key: str
    start: tuple[int, int, int]
    voxels: np.ndarray
    surface: Any | None = None


def parts_of(labels: sitk.Image, surfaces: bool = True) -> Iterator[Part]:
    """The structures of a label image that have voxels, in the order of the table."""
    from LiverPlannerLib.liver_extent import counted_mask
    from LiverPlannerLib.structures import STRUCTURES

    near, start = _cropped(labels)
    for s in STRUCTURES:
        yield from _part(s, counted_mask(near, s.key), start, surfaces)


def segment_parts_of(couinaud: sitk.Image, surfaces: bool = True) -> Iterator[Part]:
    """The Couinaud segments, values 1 to 8, that have voxels."""
    from LiverPlannerLib.structures import SEGMENTS

    near, start = _cropped(couinaud)
    for s in SEGMENTS:
        yield from _part(s, near == s.label, start, surfaces)


def _cropped(labels: sitk.Image) -> tuple[sitk.Image, tuple[int, int, int]]:
    """The box that holds all labels, and its first voxel (K, J, I); without any, the image as it is."""
    from PreopReviewLib import images

    if not images.array_of(labels).any():
        return labels, (0, 0, 0)
    box = images.bounding_box(labels)
    return images.crop(labels, box), box.start


def parts_of_plan(plan: LiverPlan) -> Iterator[Part]:
    """All of a plan: its structures, then its Couinaud segments."""
    yield from parts_of(plan.labels)
    if plan.couinaud is not None:
        yield from segment_parts_of(plan.couinaud.labels)


def _part(s: Structure, mask: sitk.Image, start: tuple[int, int, int], surfaces: bool) -> Iterator[Part]:
    from PreopReviewLib import images
    from PreopReviewLib.surfaces import surface_of_mask

    array = images.array_of(mask)
    if array.any():
        box = images.bounding_box(mask)
        surface = surface_of_mask(mask, s.smoothing) if surfaces else None
        place = tuple(a + b for a, b in zip(box.start, start, strict=True))
        yield Part(s.key, place, np.ascontiguousarray(array[box.slices]), surface)  # type: ignore[arg-type]


def save_part(part: Part, folder: Path) -> dict[str, Any]:
    """Writes a part and returns its record."""
    np.save(folder / f"{part.key}.npy", part.voxels, allow_pickle=False)
    record: dict[str, Any] = {"key": part.key, "start": list(part.start), "surface": None}
    if part.surface is not None:
        record["surface"] = save_surface(part.surface, folder, part.key)
    return record


def load_parts(records: Iterable[dict[str, Any]], folder: Path) -> Iterator[Part | None]:
    """The parts of records, and a None after every bit of reading: a panel can answer there."""
    for record in records:
        stored = np.load(folder / f"{record['key']}.npy", mmap_mode="r", allow_pickle=False)
        voxels = np.empty(stored.shape, stored.dtype)
        for some in slabs(stored.shape):
            voxels[some] = stored[some]
            yield None
        del stored  # Windows removes no file that is still mapped
        surface = load_surface(folder, record["surface"]) if record["surface"] else None
        yield Part(record["key"], tuple(record["start"]), voxels, surface)


def slabs(shape: tuple[int, ...], voxels: int = 2**22) -> Iterator[slice]:
    """Slices along the first axis that cover a shape, of about so many voxels: what is done with one is done soon."""
    depth = max(1, voxels // max(1, math.prod(shape[1:])))
    yield from (slice(first, first + depth) for first in range(0, shape[0], depth))
