"""A region in which a tumor and a cyst touch, taken apart by intensity."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.cysts.regions import MIN_CORE, Regions

SMOOTHING = 1.2  # voxels
MIN_PART_VOXELS = 30
MIN_PART_SHARE = 0.05


def split_region(
    regions: Regions, region: int, values: np.ndarray, core: np.ndarray, cut: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Voxels of the dark part of a region and the core voxels of its two parts.

    The core is smoothed (normalized Gaussian, sigma 1.2 voxels), cut at the middle between the two means,
    opened, and freed of crumbs (below 30 voxels or 5 %); the outer layer, partly parenchyma and therefore no
    guide, follows the nearest core voxel.

    Args:
        regions: the regions.
        region: which one, from 0.
        values, core: (n,) intensity and core flag of every voxel of all regions.
        cut: intensity between the two parts.

    Returns:
        (m,) bool, dark or not, and (m,) bool, core of the own part, along the voxels of the region; None where
        one of the parts vanishes.
    """
    from scipy import ndimage as ndi

    chosen = np.flatnonzero(regions.ids == region)
    places = np.stack(np.unravel_index(regions.local[chosen], regions.mask.shape))
    places -= places.min(1, keepdims=True) - 2
    shape, at = tuple(places.max(1) + 3), tuple(places)
    whole, inner = np.zeros(shape, bool), np.zeros(shape, bool)
    whole[at], inner[at] = True, core[chosen]
    level = np.zeros(shape)
    level[at] = np.where(core[chosen], values[chosen], 0)
    weight = ndi.gaussian_filter(inner.astype(float), SMOOTHING)
    smoothed = ndi.gaussian_filter(level, SMOOTHING) / np.maximum(weight, 1e-6)
    dark = ndi.binary_opening(inner & (smoothed < cut))
    dark = _without_crumbs(dark, inner)
    bright = _without_crumbs(inner & ~dark, inner)
    dark = inner & ~bright
    if not dark.any() or not bright.any():
        return None
    nearest = ndi.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    dark = dark[tuple(nearest)] & whole
    own_core = ndi.binary_erosion(dark) | ndi.binary_erosion(whole & ~dark)
    for part in (dark, whole & ~dark):
        if np.count_nonzero(own_core & part) < MIN_CORE:
            own_core |= inner & part
    return dark[at], own_core[at]


def _without_crumbs(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    from scipy import ndimage as ndi

    labels, _ = ndi.label(part)
    least = max(MIN_PART_VOXELS, MIN_PART_SHARE * np.count_nonzero(whole))
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    return large[labels]
