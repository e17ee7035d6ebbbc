"""A small cyst on the side of a large tumour: too small for the two-component test, found by place.

The core of a tumour is averaged over blocks of 3 x 3 x 3 voxels. Blocks that are as dark as a simple cyst and far
darker than the tumour are looked at closely. A pocket is split off where it lies on the region's surface; a dark
center, as necrosis makes it, is left alone.
"""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.cyst_regions import MIN_CORE, Regions
from LiverPlannerLib.cyst_split import MIN_PART_VOXELS, SMOOTHING

BLOCK = 3  # voxels
MIN_REGION_CORE = 1000  # a smaller tumour with a cyst on it is one for the two-component test
MIN_BLOCK_VOXELS = 8
SIGNIFICANCE = 4.0  # standard errors that a block must lie below the tumour
ON_SURFACE = 0.35  # of a pocket's neighbors, the share outside the region; half for a cyst that just touches


def find_pockets(
    regions: Regions, values: np.ndarray, core: np.ndarray, level: np.ndarray, sd: np.ndarray, dark: float
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Pockets as (region, positions of its voxels in the list of all, which of these are its core).

    Args:
        regions: the regions.
        values, core: (n,) intensity and core flag of every voxel.
        level, sd: (R,) core median and standard deviation; regions with NaN are not searched.
        dark: a pocket's core median is at most this.
    """
    searched = np.isfinite(level)
    chosen = np.flatnonzero(searched[regions.ids] & core) if searched.any() else np.zeros(0, int)
    if not len(chosen):
        return []
    place = np.stack(np.unravel_index(regions.local[chosen], regions.mask.shape))
    grid = tuple(-(-n // BLOCK) for n in regions.mask.shape)
    block = np.ravel_multi_index(tuple(place // BLOCK), grid)
    size = np.bincount(block, minlength=np.prod(grid))
    mean = np.bincount(block, weights=values[chosen], minlength=np.prod(grid)) / np.maximum(size, 1)
    suspicious = np.flatnonzero((size >= MIN_BLOCK_VOXELS) & (mean < dark + BLOCK))
    if not len(suspicious):
        return []
    flag = np.zeros(np.prod(grid), bool)
    flag[suspicious] = True
    seeds = flag[block]
    owner, where = regions.ids[chosen][seeds], place[:, seeds]
    found = []
    for region in np.unique(owner):
        mine = where[:, owner == region]
        blocks = block[seeds][owner == region]
        error = sd[region] / np.sqrt(size[blocks])
        mine = mine[:, mean[blocks] < level[region] - SIGNIFICANCE * error]
        if mine.shape[1]:
            found += [
                (int(region), *p) for p in _pockets(regions, int(region), values, core, mine, level[region], dark)
            ]
    return found


def _pockets(
    regions: Regions,
    region: int,
    values: np.ndarray,
    core: np.ndarray,
    seeds: np.ndarray,
    level: float,
    dark: float,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pockets around the seeds (3, m; places in the mask of all regions) of one region."""
    from scipy import ndimage as ndi

    low = np.maximum(seeds.min(1) - 8, 0)
    box = tuple(slice(a, b) for a, b in zip(low, seeds.max(1) + 9, strict=True))
    shape = regions.mask[box].shape
    chosen = np.flatnonzero(regions.ids == region)
    at = np.stack(np.unravel_index(regions.local[chosen], regions.mask.shape)) - low[:, None]
    near = ((at >= 0) & (at < np.array(shape)[:, None])).all(0)
    chosen, at = chosen[near], tuple(at[:, near])
    number = np.full(shape, -1)
    number[at] = chosen
    whole = number >= 0
    inner = whole & core[number]
    smoothed = ndi.gaussian_filter(np.where(inner, values[number], 0.0), SMOOTHING)
    smoothed /= np.maximum(ndi.gaussian_filter(inner.astype(float), SMOOTHING), 1e-6)
    parts, count = ndi.label(inner & (smoothed < (level + dark) / 2))
    nearest = ndi.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    of_voxel = np.where(whole, parts[tuple(nearest)], 0)
    found = []
    for part in range(1, count + 1):
        pocket, heart = of_voxel == part, parts == part
        if np.count_nonzero(pocket) < MIN_PART_VOXELS or np.count_nonzero(heart) < MIN_CORE:
            continue
        own = heart & ndi.binary_erosion(pocket)
        own = own if np.count_nonzero(own) >= MIN_CORE else heart
        around = ndi.binary_dilation(pocket) & ~pocket
        outside = np.count_nonzero(around & ~whole) / np.count_nonzero(around)
        if np.median(values[number[own]]) <= dark and outside >= ON_SURFACE:
            found.append((number[pocket], own[pocket]))
    return found
