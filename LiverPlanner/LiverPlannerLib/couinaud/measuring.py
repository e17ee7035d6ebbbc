"""How well a network divides maps that it has not seen: Dice of each segment, and how far the borders are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverPlannerLib.couinaud.maps import MAP_SPACING, SEGMENTS, SegmentMap
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage

WANTED_MEAN, WANTED_EACH = 0.83, 0.75
MARGIN = 3


@dataclass(frozen=True)
class Figures:
    """Agreement with the maps of unseen patients.

    Attributes:
        what, remark: words on which patients these are.
        names: of the patients.
        dice: (patients, 8), NaN where neither has the segment.
        border_mm: by patient, median distance between the borders of the segments inside the liver.
        seconds: by patient.
    """

    what: str
    remark: str
    names: tuple[str, ...]
    dice: np.ndarray
    border_mm: np.ndarray
    seconds: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        of_case = np.nanmean(self.dice, 1)
        order = np.argsort(of_case)[:5]
        means = np.nanmean(self.dice, 0)
        lacking = [f"segment {n}" for n, m in zip(SEGMENTS, means, strict=True) if m < WANTED_EACH]
        lacking = (["the mean"] if of_case.mean() < WANTED_MEAN else []) + lacking
        rows = zip(SEGMENTS, means, np.nanstd(self.dice, 0, ddof=1), np.nanmin(self.dice, 0), strict=True)
        return {
            "what": self.what,
            "remark": self.remark,
            "cases": len(self.names),
            "segments": {str(n): {"mean": _r(m), "sd": _r(s), "lowest": _r(low)} for n, m, s, low in rows},
            "mean": _r(of_case.mean()),
            "sd": _r(of_case.std(ddof=1)),
            "lowest": _r(of_case.min()),
            "border_mm": round(float(np.median(self.border_mm)), 2),
            "seconds": round(float(np.median(self.seconds)), 2),
            "targets": f"not reached by {', '.join(lacking)}" if lacking else "reached",
            "worst": {self.names[i]: _r(of_case[i]) for i in order},
        }


def _r(value: float) -> float:
    return round(float(value), 4)


def image_of(labels: np.ndarray) -> sitk.Image:
    """A map's array (K, J, I) as an image with a free margin."""
    image = sitk.GetImageFromArray(np.pad(labels, MARGIN))
    image.SetSpacing([MAP_SPACING] * 3)
    return image


def measure(
    cases: Sequence[SegmentMap], package: ModelPackage, what: str, remark: str, progress: Progress = silent
) -> Figures:
    """Divides the liver of each map and compares."""
    from LiverPlannerLib.couinaud.segments import find_segments

    dice, border, seconds = [], [], []
    for count, case in enumerate(cases):
        progress(count / len(cases), f"Measuring {case.name}")
        predicted = find_segments(image_of((case.labels > 0).astype(np.uint8)), package=package)
        labels = sitk.GetArrayFromImage(predicted.labels)[(slice(MARGIN, -MARGIN),) * 3]
        dice.append(segment_dice(labels, case.labels))
        border.append(border_distance(labels, case.labels))
        seconds.append(predicted.seconds)
    return Figures(what, remark, tuple(c.name for c in cases), np.array(dice), np.array(border), np.array(seconds))


def together(figures: Sequence[Figures]) -> Figures:
    """The patients of several folds, each measured by the network that has not seen it."""
    return Figures(
        f"{len(figures)} folds, each patient by the network that has not seen it",
        "Maps left out as wrong are not counted.",
        tuple(name for f in figures for name in f.names),
        np.concatenate([f.dice for f in figures]),
        np.concatenate([f.border_mm for f in figures]),
        np.concatenate([f.seconds for f in figures]),
    )


def segment_dice(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Dice of the segments 1 to 8 of label arrays (K, J, I); NaN where neither has a voxel."""
    out = []
    for n in SEGMENTS:
        one, two = a == n, b == n
        both = one.sum() + two.sum()
        out.append(float(2 * (one & two).sum() / both) if both else np.nan)
    return out


def border_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Median distance (mm) between the segments' borders in two divisions (K, J, I) of one liver, both ways."""
    first, second = _borders(a), _borders(b)
    if not first.any() or not second.any():
        return float("inf")
    to_second = ndimage.distance_transform_edt(~second, sampling=MAP_SPACING)[first]
    to_first = ndimage.distance_transform_edt(~first, sampling=MAP_SPACING)[second]
    return float(np.median(np.concatenate([to_second, to_first])))


def _borders(labels: np.ndarray) -> np.ndarray:
    """Voxels with a face neighbor of another segment."""
    borders = np.zeros(labels.shape, bool)
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        differ = (labels[low] != labels[high]) & (labels[low] > 0) & (labels[high] > 0)
        borders[low] |= differ
        borders[high] |= differ
    return borders
