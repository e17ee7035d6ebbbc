"""What the cyst filter refuses and what it warns of: units, phase, grids, options."""

from __future__ import annotations

from typing import get_args

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.cysts import LIN_2024_HU, THRESHOLD_RANGE_HU
from LiverPlannerLib.cysts.rules import PHASE_MEDIAN, SIMPLE_CYST, LiverLevel, Rule
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ImplausibleImage, InputError

LIVER_RANGE = (-20.0, 250.0)  # HU; a liver outside this range is not given in HU
_LIVER_SAMPLE = 5000  # voxels that fix the liver's median to a fraction of a HU


def require_options(rule: str, threshold: float, modality: str, relative_threshold: float | None) -> None:
    if rule not in get_args(Rule):
        raise InputError(f"Unknown cyst rule: {rule!r}", f"Use one of {', '.join(get_args(Rule))}")
    if modality not in ("CT", "MR"):
        raise InputError(f"The cyst filter does not support the modality {modality!r}", "Use CT or MR")
    if modality == "CT":
        _require_threshold(threshold)
    elif relative_threshold is None:
        raise InputError(
            "The threshold in HU is for CT; an MRI has no Hounsfield units",
            "Use a CT or a relative threshold in liver MADs (no value is published), or tell cysts from tumors by hand",
        )
    elif not 0.5 <= abs(relative_threshold) <= 40:
        raise InputError(
            f"The relative threshold of {relative_threshold:g} liver MADs is out of range",
            "Give one from 0.5 to 40, negative if cysts are darker than the liver",
        )


def require_lesions(voxels: int, size: int) -> None:
    """Raises where a mask fills more than half of an image of `size` voxels: these are not lesions."""
    if voxels > 0.5 * size:
        raise InputError(
            f"The lesion mask fills {100 * voxels / size:.0f} % of the image",
            "Check that it is a mask of lesions and not of the body or of everything",
        )


def require_images(
    image: sitk.Image, lesions: sitk.Image, liver_mask: sitk.Image | None
) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of the image and of the lesions, the latter of an integer type."""
    for name, other in (("lesion mask", lesions), ("liver mask", liver_mask)):
        if other is not None and not images.same_grid(image, other):
            raise GeometryError(
                f"The {name} ({' × '.join(map(str, other.GetSize()))} voxels) is not on the grid of the image "
                f"({' × '.join(map(str, image.GetSize()))} voxels)",
                "Resample it to the image first",
            )
    labels = images.array_of(lesions)
    if np.issubdtype(labels.dtype, np.floating):
        whole = labels.astype(np.uint8)
        if not np.array_equal(whole, labels):
            raise InputError(
                "The lesion mask has fractions, negative values or values above 255",
                "Give a mask of 0 and 1 or a label image",
            )
        labels = whole
    return images.array_of(image), labels


def liver_level(
    array: np.ndarray, labels: np.ndarray, is_labels: bool, liver_mask: sitk.Image | None
) -> LiverLevel | None:
    """Level of the parenchyma in (K, J, I), from every twelfth voxel per axis if they suffice; None without a liver."""
    if liver_mask is None and not is_labels:
        return None
    parenchyma = structure("liver").label
    for step in (12, 6, 2, 1):
        coarse = (slice(None, None, step),) * 3
        part = labels[coarse]
        if liver_mask is None:
            inside = part == parenchyma
        else:
            inside = images.array_of(liver_mask)[coarse] != 0
            inside &= part <= parenchyma if is_labels else part == 0
        if np.count_nonzero(inside) >= _LIVER_SAMPLE:
            break
    values = array[coarse][inside]
    if not len(values):
        return None
    median = float(np.median(values))
    return LiverLevel(median, float(np.median(np.abs(values - median))), len(values))


def require_liver_spread(liver: LiverLevel | None) -> LiverLevel:
    if liver is None:
        raise InputError("Relative intensities need the liver", "Give a liver mask or a label image with the liver")
    if not liver.mad > 0:
        raise ImplausibleImage("The liver has only one value, so nothing can be measured relative to it")
    return liver


def _require_threshold(threshold: float) -> None:
    """Raises InputError where a threshold in HU is out of range."""
    low, high = THRESHOLD_RANGE_HU
    if not low <= threshold <= high:
        raise InputError(
            f"The cyst threshold of {threshold:g} HU is out of range",
            f"Give a value from {low:g} to {high:g} HU; Lin 2024 uses {LIN_2024_HU:g}",
        )


def require_finite(values: np.ndarray) -> None:
    """Raises ImplausibleImage where a lesion's values, of any shape, hold NaN or infinite values."""
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise ImplausibleImage("The image has NaN or infinite values inside a lesion", "Repair the image first")


def require_hounsfield(array: np.ndarray, liver: LiverLevel | None) -> None:
    """Refuses intensities that cannot be Hounsfield units: MRI, windowed or normalized CT, raw CT.

    Args:
        array: the image, K-J-I; large ones are sampled.
        liver: the parenchyma's level, where a liver is known.

    Raises:
        ImplausibleImage: with what gave it away.
    """
    remedy = "Give the CT itself, in Hounsfield units; for an MRI use the relative mode"
    step = 12 if array.size > 20_000_000 else 8 if array.size > 4_000_000 else 1
    sample = array[::step, ::step, ::step]
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        raise ImplausibleImage("The image has no finite value", "Repair the image first")
    low, high = (float(v) for v in np.quantile(sample, (0.005, 0.995)))
    if high - low < 60:
        raise ImplausibleImage(
            f"The image spans only {low:.3g} to {high:.3g}, so it is not a CT in Hounsfield units "
            "(normalized or scaled?)",
            remedy,
        )
    if low > -10:  # resampling leaves some voxels of an MRI a little below 0
        raise ImplausibleImage(
            "The image has next to no value below 0, neither air nor fat, so it is not a CT in Hounsfield units", remedy
        )
    if liver is not None and not LIVER_RANGE[0] <= liver.median <= LIVER_RANGE[1]:
        raise ImplausibleImage(
            f"The liver's median is {liver.median:.0f}, which no liver has in Hounsfield units", remedy
        )


def phase_warning(liver: LiverLevel | None) -> str | None:
    """What to tell people about the contrast phase; None where the liver enhances as it should."""
    if liver is None:
        return "No liver was given, so the phase was not checked; the threshold holds for the portal-venous phase"
    if liver.median < PHASE_MEDIAN:
        return (
            f"The liver's median is {liver.median:.0f} HU, which is not a portal-venous phase: the threshold was "
            f"made for that phase, so with the robust rule regions above {SIMPLE_CYST:g} HU stay undecided"
        )
    return None
