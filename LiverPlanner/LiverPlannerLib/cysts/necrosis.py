"""A dark center inside a brighter wall: necrosis, as tumors have it, and no cyst."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.cysts.regions import MIN_CORE, Regions


def outside_share(regions: Regions, chosen: np.ndarray, part: np.ndarray) -> float:
    """Of the voxels around a part of a region's core, the share outside the core: 0 for an enclosed part, and for one
    of which opening (which takes noise away) leaves nothing.

    Args:
        chosen: (m,) positions of the core's voxels in the list of all.
        part: (m,) bool, the part.
    """
    from scipy import ndimage as ndi

    whole, dark = _dense(regions, chosen, np.ones(len(chosen), bool)), _dense(regions, chosen, part)
    dark = ndi.binary_opening(dark)
    around = ndi.binary_dilation(dark) & ~dark
    return float(np.count_nonzero(around & ~whole) / max(np.count_nonzero(around), 1))


def rim_level(regions: Regions, chosen: np.ndarray, values: np.ndarray, core: np.ndarray, least: float) -> float | None:
    """Median of the outermost layer of a region's core, where it is brighter than `least` and what lies in it is not.

    The layer above, the region's surface, is partial volume or an outline drawn too large, and is not asked.

    Args:
        chosen: (m,) positions of the region's voxels in the list of all.
        values, core: (n,) of all voxels.
    """
    from scipy import ndimage as ndi

    inner = _dense(regions, chosen, core[chosen])
    deep = ndi.binary_erosion(inner)
    level = np.zeros(inner.shape)
    level[_places(regions, chosen)] = values[chosen]
    layer = level[inner & ~deep]
    if np.count_nonzero(deep) < MIN_CORE or len(layer) < MIN_CORE:
        return None
    rim = float(np.median(layer))
    return rim if rim > least > float(np.median(level[deep])) else None


def _places(regions: Regions, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    at = np.stack(np.unravel_index(regions.local[chosen], regions.mask.shape))
    return tuple(at - at.min(axis=1, keepdims=True) + 1)


def _dense(regions: Regions, chosen: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The part in a box around the region, with an empty layer."""
    at = _places(regions, chosen)
    mask = np.zeros([int(a.max()) + 2 for a in at], bool)
    mask[at] = part
    return mask
