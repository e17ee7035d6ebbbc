"""Which voxels of a liver network's probability are the liver: the largest piece, without organs that leaked into it.

A neighbor that leaks in is doubtful as a whole and hangs on the liver by a neck; a doubtful part of the liver itself,
a tumor at its surface for one, lies against it broadly. So a doubtful part is cut off where little of its surface
touches what the network is sure of. Chosen on three CTs (two whole livers and a slab), each on nine grids and noises,
with a T1 slab and with twelve tumors of 15 to 45 mm painted at the surface of the two whole livers: of the surface of
what leaked in, 2 to 8 % touched the liver; of parts of the liver, 25 % and more.
"""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.5
SURE_SHARE = 0.85
"""Of the mean probability in the core: what is above is surely liver, and what is below this on average is doubtful."""
RIM_CELLS = 2
"""A part is doubtful only deeper than this below what is sure; the rim of every liver is."""
NECK = 0.15
"""Share of a doubtful part's surface that touches the liver below which it does not belong to it."""
LEAST_PART_ML = 3.0
SURE = 0.955
"""Mean probability in the core of a liver that a network is sure of; in a slab or a strange contrast it is lower."""
LEAST_THRESHOLD = 0.3


def liver_core(probability: np.ndarray, voxel_ml: float) -> tuple[np.ndarray, float]:
    """The liver (K, J, I), bool, on the network's grid, and the probability at its surface.

    The probability at the surface is 0.5 where the network is sure of the liver's core, and proportionally lower where
    it is not. Empty where nothing is above 0.5.
    """
    threshold = THRESHOLD
    core = _without_leaks(largest(probability > threshold), probability, voxel_ml)
    if core.any():
        threshold = max(LEAST_THRESHOLD, threshold * min(1.0, core_sureness(core, probability) / SURE))
    if threshold < 0.98 * THRESHOLD:
        core = _without_leaks(largest(probability > threshold), probability, voxel_ml)
    return core, threshold


def core_sureness(core: np.ndarray, probability: np.ndarray) -> float:
    """Mean probability (K, J, I) in the liver without its outermost voxels; 0 without a liver."""
    inner = _eroded(core)
    inner = inner if inner.any() else core
    return float(probability[inner].mean()) if inner.any() else 0.0


def with_rim(core: np.ndarray, probability: np.ndarray, threshold: float) -> np.ndarray:
    """The core (K, J, I) and, around it, what is below the threshold, so that the surface can be interpolated."""
    from scipy import ndimage

    return core | (ndimage.binary_dilation(core, _element()) & (probability <= threshold))


def _without_leaks(piece: np.ndarray, probability: np.ndarray, voxel_ml: float) -> np.ndarray:
    """The piece without the doubtful parts that hang on it by a neck."""
    import cc3d
    from scipy import ndimage

    least = SURE_SHARE * core_sureness(piece, probability)
    sure = largest(piece & (probability > least))
    if not sure.any():
        return piece
    liver = ndimage.binary_dilation(sure, _element(), iterations=RIM_CELLS, mask=piece)
    parts, count = cc3d.connected_components(piece & ~liver, connectivity=6, return_N=True)
    if count == 0:
        return piece
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    means = np.bincount(parts.ravel(), probability.ravel(), minlength=count + 1) / np.maximum(sizes, 1)
    leaks = (sizes * voxel_ml >= LEAST_PART_ML) & (means < least) & (_contact_shares(parts, count, liver) < NECK)
    leaks[0] = False
    return largest(piece & ~leaks[parts])


def _contact_shares(parts: np.ndarray, count: int, liver: np.ndarray) -> np.ndarray:
    """Of each part's surface in faces of voxels, the share that lies against the liver; 0 for the background."""
    faces, touching = np.zeros(count + 1), np.zeros(count + 1)
    for axis in range(parts.ndim):
        low, high = [slice(None)] * parts.ndim, [slice(None)] * parts.ndim
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        for here, there in ((tuple(low), tuple(high)), (tuple(high), tuple(low))):
            own = parts[here]
            faces += np.bincount(own[own != parts[there]], minlength=count + 1)
            touching += np.bincount(own[liver[there]], minlength=count + 1)
    shares = touching / np.maximum(faces, 1)
    shares[0] = 0.0
    return shares


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece (6-connected) of a mask (K, J, I)."""
    import cc3d

    return cc3d.largest_k(np.require(mask, requirements="CW"), k=1, connectivity=6) > 0 if mask.any() else mask


def _eroded(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_erosion(mask, _element())


def _element() -> np.ndarray:
    from scipy import ndimage

    return ndimage.generate_binary_structure(3, 2)
