"""What an image goes through before a network sees it, in training and in use: one grid rule, one intensity rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import TrainingError

_SAMPLED = 200_000
"""Voxels that are enough for a histogram."""
_LEAST_TISSUE = 0.01
_AIR_SHARE = 0.4
"""Chosen on simulated scans of the two simulated MR contrasts; no patient's scan was looked at."""


def spacing_of(value: float | Sequence[float]) -> tuple[float, float, float]:
    """The spacing (mm, I-J-K) that a recipe or a package names by one number or by three."""
    if isinstance(value, Sequence):
        return tuple(float(v) for v in value)  # type: ignore[return-value]
    return (float(value),) * 3


def network_grid(image: sitk.Image, spacing: float | Sequence[float], axes: str = "LPS") -> sitk.Image:
    """The image, float32, with axes toward left, back and head (LPS) and at a network's spacing (mm, I-J-K).

    Args:
        axes: others, for networks trained elsewhere; empty leaves them as they are.
    """
    turned = sitk.Cast(sitk.DICOMOrient(image, axes) if axes else image, sitk.sitkFloat32)
    return images.resample_spacing(turned, spacing_of(spacing), "linear")


def normalize(values: np.ndarray, rule: Mapping[str, Any]) -> np.ndarray:
    """Intensities (any shape) by a recipe's rule.

    Kinds: `zscore` (after clipping to the percentiles `clip_percent`, if given; with `without_air`, percentiles, mean
    and deviation are those of the voxels above `air_threshold`), `fixed` (clip to `clip`, subtract `mean`, divide by
    `deviation`), `quartiles` (percentiles 25 and 75 to -0.5 and 0.5, no clipping); and, as MONAI's bundles have them,
    `zscore_nonzero` (of what is not 0 alone), `minmax` and `percentiles` (``percent``), both ``to`` two values.

    Raises:
        TrainingError: unknown kind.
    """
    kind = rule.get("kind")
    if kind == "zscore":
        counted = values[values > air_threshold(values)] if rule.get("without_air") else values
        if "clip_percent" in rule:
            low, high = np.percentile(counted, rule["clip_percent"])
            values, counted = np.clip(values, low, high), np.clip(counted, low, high)
        return (values - counted.mean()) / max(float(counted.std()), 1e-6)
    if kind == "fixed":
        return (np.clip(values, *rule["clip"]) - rule["mean"]) / rule["deviation"]
    if kind == "zscore_nonzero":
        seen = values[values != 0] if (values != 0).any() else values
        return np.where(values != 0, (values - seen.mean()) / max(float(seen.std()), 1e-6), 0)
    if kind == "minmax":
        return _onto(values, float(values.min()), float(values.max()), rule["to"])
    if kind == "percentiles":
        mapped = _onto(values, *(float(v) for v in np.percentile(values, rule["percent"])), rule["to"])
        return np.clip(mapped, *rule["to"]) if rule.get("clip") else mapped
    if kind == "quartiles":
        low, high = np.percentile(values, [25, 75])
        return (values - low) / max(float(high - low), 1e-6) - 0.5
    raise TrainingError(f"Unknown intensity rule: {kind!r}", "Use zscore, fixed or quartiles")


def _onto(values: np.ndarray, low: float, high: float, to: Sequence[float]) -> np.ndarray:
    return (values - low) / max(high - low, 1e-6) * (float(to[1]) - float(to[0])) + float(to[0])


def air_threshold(values: np.ndarray) -> float:
    """An intensity between air and tissue: `_AIR_SHARE` of the way from the darkest to Otsu's threshold; of any shape.

    Otsu's own threshold of a hepatobiliary phase lies between the bright liver and everything else, muscle included.
    """
    from skimage.filters import threshold_otsu

    sample = values.ravel()[:: max(1, values.size // _SAMPLED)]
    low, high = np.percentile(sample, [0.5, 99.5])
    if low == high:
        return float(values.min()) - 1.0  # nothing to part: nothing is air
    return float(low + _AIR_SHARE * (threshold_otsu(np.clip(sample, low, high), nbins=128) - low))


def body_box(values: np.ndarray, crop: str | None) -> images.Box:
    """What is kept of a scan (K, J, I): all of it, or with `crop` "body" the planes that are not just air.

    A plane counts where a hundredth of it is above `air_threshold`.
    """
    whole = images.Box((0, 0, 0), values.shape)  # type: ignore[arg-type]
    if crop is None:
        return whole
    tissue = values > air_threshold(values)
    ends = []
    for axis in range(3):
        share = tissue.mean(axis=tuple(a for a in range(3) if a != axis))
        body = np.flatnonzero(share > _LEAST_TISSUE)
        if not len(body):
            return whole
        ends.append((int(body[0]), int(body[-1]) + 1))
    return images.Box(*zip(*ends, strict=True))  # type: ignore[arg-type]
