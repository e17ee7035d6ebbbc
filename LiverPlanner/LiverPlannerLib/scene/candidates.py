"""Lesion candidates of a segmentation node: listed, accepted as tumors, dismissed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from LiverPlannerLib.scene import cyst_segments
from LiverPlannerLib.scene.lattice import Start, painted
from LiverPlannerLib.scene.tables import Column
from PreopReviewLib.errors import InputError

if TYPE_CHECKING:
    from LiverPlannerLib.scene.segments import SegmentVoxels

KEY = "candidate"
COLUMNS = (
    Column("number", "#", "number", 0, "By decreasing volume."),
    Column("ml", "ml", "number", 2),
    *(Column(axis, f"{axis} (mm)", "number", 0, "Where its middle is.") for axis in "RAS"),
)


@dataclass(frozen=True)
class SceneCandidate:
    """One connected region (26) of the segments of candidates.

    Attributes:
        number: 1, 2, …, by decreasing volume.
        ml: its volume.
        center_ras: mm.
    """

    number: int
    ml: float
    center_ras: tuple[float, float, float]

    def as_row(self) -> dict[str, float]:
        """A row with the keys of `COLUMNS`."""
        return {"number": self.number, "ml": self.ml, **dict(zip("RAS", self.center_ras, strict=True))}


def candidates_of(voxels: SegmentVoxels) -> list[SceneCandidate]:
    """The candidates of a plan, up to date, the largest first."""
    start, regions = _regions(voxels)
    candidates = []
    for number in range(1, int(regions.max(initial=0)) + 1):
        points = np.argwhere(regions == number)
        index = (points.mean(0) + start)[::-1]
        center = (voxels.grid.to_ras @ [*index, 1.0])[:3]
        ml = len(points) * voxels.grid.voxel_ml
        candidates.append(SceneCandidate(number, ml, tuple(round(float(v), 2) for v in center)))  # type: ignore[arg-type]
    return candidates


def decide(voxels: SegmentVoxels, number: int, accepted: bool, surfaces: bool = True) -> None:
    """Makes a candidate a tumor, or takes it out of the candidates: it is then what the liver holds there.

    Args:
        voxels: of the plan, up to date; its segments are changed.
        surfaces: as for `cyst_segments.put`.

    Raises:
        InputError: there is no candidate of that number.
    """
    segmentation = voxels.node
    start, regions = _regions(voxels)
    own = regions == number
    if number < 1 or not own.any():
        raise InputError(f"There is no lesion candidate {number}", "Choose one of the list")
    masks = {}
    for identifier, key in list(voxels.structures.items()):
        if key == KEY:
            before = painted(voxels.masks[identifier], start, regions.shape)
            masks[identifier] = (before & ~own, before & ~own)
    if accepted:
        tumor = next((i for i, key in voxels.structures.items() if key == "tumor"), None)
        tumor = tumor or cyst_segments.add_segment(segmentation, "tumor")
        before = painted(voxels.masks[tumor], start, regions.shape) if tumor in voxels.masks else np.zeros_like(own)
        masks[tumor] = (before, before | own)
    cyst_segments.put(segmentation, masks, start, voxels, surfaces)


def _regions(voxels: SegmentVoxels) -> tuple[Start, np.ndarray]:
    """The start of the box of candidates and tumors, and its numbered candidates (K, J, I)."""
    from LiverPlannerLib.voxel_boxes import hull
    from PreopReviewLib.evaluation.regions import number_regions

    masks = [m for key in (KEY, "tumor") for m in voxels.of(key) if m.count]
    if not any(m.count for m in voxels.of(KEY)):
        return (0, 0, 0), np.zeros((0, 0, 0), np.int32)
    low, high = hull(masks)
    shape = tuple(int(n) for n in np.subtract(high, low))
    candidate = np.logical_or.reduce([painted(m, low, shape) for m in voxels.of(KEY)])
    numbered = number_regions(candidate)
    regions = np.zeros(shape, np.int32)
    if numbered.box is not None:
        regions[numbered.box] = numbered.numbers
    return low, regions
