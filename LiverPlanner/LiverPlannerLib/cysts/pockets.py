"""A small cyst on the side of a large tumor: too small for the two-component test, found by place.

The voxels of a tumor's core that are as dark as a simple cyst are counted in blocks of 3 x 3 x 3. Where a block
has far more of them than noise explains, the surroundings are looked at closely. A pocket is split off where it
lies on the region's surface; a dark center, as necrosis makes it, is left alone.
"""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.cysts.regions import MIN_CORE, Regions
from LiverPlannerLib.cysts.split import MIN_PART_VOXELS, SMOOTHING

BLOCK = 3  # voxels
MIN_REGION_CORE = 1000  # a smaller tumor with a cyst on it is one for the two-component test
MIN_DARK = 5  # voxels in a block
CHANCE = 1e-6  # that noise makes a block of so many dark voxels (Poisson); a large tumor has some thousand blocks
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
    from scipy.special import ndtr, pdtrc

    chosen = np.flatnonzero((values < dark) & core)
    chosen = chosen[np.isfinite(level)[regions.ids[chosen]]]
    place = np.stack(np.unravel_index(regions.local[chosen], regions.mask.shape))
    grid = tuple(-(-n // BLOCK) for n in regions.mask.shape)
    block = np.ravel_multi_index(tuple(place // BLOCK), grid)
    owner = regions.ids[chosen]
    expected = BLOCK**3 * ndtr((dark - level) / np.maximum(sd, 1e-6))
    possible = np.arange(MIN_DARK, BLOCK**3 + 2)
    unlikely = pdtrc(possible - 1, expected[:, None]) < CHANCE
    unlikely[:, -1] = True  # more than a block holds
    seeds = np.bincount(block, minlength=1)[block] >= possible[unlikely.argmax(1)][owner]
    in_regions = []
    for region in np.unique(owner[seeds]):
        mine = place[:, seeds & (owner == region)]
        pockets = _pockets(regions, int(region), values, core, mine, float(level[region]), dark)
        in_regions += [(int(region), *pocket) for pocket in pockets]
    return in_regions


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
    kept = []
    for part in range(1, count + 1):
        pocket, heart = of_voxel == part, parts == part
        if np.count_nonzero(pocket) < MIN_PART_VOXELS or np.count_nonzero(heart) < MIN_CORE:
            continue
        own = heart & ndi.binary_erosion(pocket)
        own = own if np.count_nonzero(own) >= MIN_CORE else heart
        around = ndi.binary_dilation(pocket) & ~pocket
        outside = np.count_nonzero(around & ~whole) / np.count_nonzero(around)
        if np.median(values[number[own]]) <= dark and outside >= ON_SURFACE:
            kept.append((number[pocket], own[pocket]))
    return kept
