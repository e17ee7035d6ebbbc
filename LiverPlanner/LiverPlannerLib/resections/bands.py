"""The cut surface by its distance to the tumor: safety bands of, by default, below 5, 5 to 10 and above 10 mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.resection.margins import cut_surface
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

BANDS_MM = (5.0, 10.0)
BAND_COLORS = ((0.85, 0.20, 0.15), (0.95, 0.75, 0.15), (0.30, 0.65, 0.30))
"""Near, between, far; sRGB, 0 to 1."""


@dataclass(frozen=True)
class Band:
    """One band of the cut surface.

    Attributes:
        name: ``below_5_mm``, ``5_to_10_mm``, ``above_10_mm``.
        cm2: its area.
        share: of the cut surface, 0 to 1.
    """

    name: str
    cm2: float
    share: float


def check_limits(limits_mm: tuple[float, float]) -> tuple[float, float]:
    """The limits as numbers.

    Raises:
        InputError: they do not rise, or are not above 0.
    """
    low, high = (float(v) for v in limits_mm)
    if not 0 < low < high < 1000:
        raise InputError(
            f"Safety bands need two increasing distances, got {low:g} and {high:g} mm", "Give the smaller one first"
        )
    return low, high


def band_names(limits_mm: tuple[float, float] = BANDS_MM) -> tuple[str, str, str]:
    """Names of the three bands, for columns."""
    low, high = check_limits(limits_mm)
    return f"below_{low:g}_mm", f"{low:g}_to_{high:g}_mm", f"above_{high:g}_mm"


def safety_bands(
    labels: sitk.Image, resection: Resection, limits_mm: tuple[float, float] = BANDS_MM, lesions: str = "tumor"
) -> tuple[Band, ...]:
    """Areas of the cut surface by distance to the nearest lesion.

    The area of voxel faces is larger than that of the smooth surface (up to 1.7 times for a plane through corners), so
    shares are what to compare.

    Raises:
        NothingFound: there is no lesion.
        InputError: limits that are not possible.
    """
    low, high = check_limits(limits_mm)
    points, distance = cut_surface(labels, resection, lesions)
    mm = images.spacing_kji(labels)
    faces = images.ras_to_kji(points, labels)
    axis = np.abs(faces % 1 - 0.5).argmin(axis=1)  # a face lies at a half along the axis that it is normal to
    area = (mm.prod() / mm)[axis] / 100
    band = (distance >= low).astype(int) + (distance >= high)
    total = float(area.sum())
    sums = np.bincount(band, weights=area, minlength=3)
    return tuple(
        Band(name, float(cm2), float(cm2 / total) if total else 0.0)
        for name, cm2 in zip(band_names(limits_mm), sums, strict=True)
    )
