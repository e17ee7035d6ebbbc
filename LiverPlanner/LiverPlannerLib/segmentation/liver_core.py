"""Which voxels of a liver network's probability are the liver: the largest piece, without organs that leaked into it.

Chosen on three CTs (two whole livers and a slab): a neighbor that leaks in is doubtful throughout (mean probability
0.63 against 0.96 in the liver's own core, on the one CT with a leak), so it is told by its probability. Where nothing
leaks, nothing is cut.
"""

from __future__ import annotations

import numpy as np

LEVELS = (0.5, 0.6)
"""A neighbor is looked for in what is above these, eroded by a voxel."""
LEAST_NEIGHBOR_ML = 3.0
DOUBT = 0.15
"""A neighbor's mean probability lies at least so much below the liver's."""
SURE = 0.955
"""Mean probability in the core of a liver that a network is sure of; in a slab or a strange contrast it is lower."""
LEAST_THRESHOLD = 0.3


def liver_core(probability: np.ndarray, voxel_ml: float) -> tuple[np.ndarray, float]:
    """The liver (bool, same axes) on the network's grid, and the probability at its surface.

    The probability at the surface is 0.5 where the network is sure of the liver's core, and proportionally lower where
    it is not. Empty where nothing is above 0.5.
    """
    threshold = LEVELS[0]
    core = _guarded(probability, threshold, voxel_ml)
    if core.any():
        threshold = max(LEAST_THRESHOLD, threshold * min(1.0, core_sureness(core, probability) / SURE))
    if threshold < 0.98 * LEVELS[0]:
        core = _guarded(probability, threshold, voxel_ml)
    return core, threshold


def core_sureness(core: np.ndarray, probability: np.ndarray) -> float:
    """Mean probability in the liver without its outermost voxels; 0 without a liver."""
    inner = _eroded(core)
    inner = inner if inner.any() else core
    return float(probability[inner].mean()) if inner.any() else 0.0


def with_rim(core: np.ndarray, probability: np.ndarray, threshold: float) -> np.ndarray:
    """The core and, around it, what is below the threshold, so that the surface can be interpolated."""
    from scipy import ndimage

    return core | (ndimage.binary_dilation(core, _element()) & (probability <= threshold))


def _guarded(probability: np.ndarray, threshold: float, voxel_ml: float) -> np.ndarray:
    """The largest piece above the threshold without the doubtful neighbors that are attached to it."""
    from scipy import ndimage

    piece = _largest(probability > threshold)
    own, foreign = np.zeros(piece.shape, bool), np.zeros(piece.shape, bool)
    for level in sorted({threshold, *(v for v in LEVELS if v > threshold)}):
        liver, others = _seeds(piece, probability, level, voxel_ml)
        own |= liver
        foreign |= others
    own &= ~foreign
    if not foreign.any() or not own.any():
        return piece
    # Each voxel goes to the seed that it is nearest to.
    nearest = ndimage.distance_transform_edt(~(own | foreign), return_distances=False, return_indices=True)
    return _largest(piece & own[tuple(nearest)])


def _seeds(piece: np.ndarray, probability: np.ndarray, level: float, voxel_ml: float) -> tuple[np.ndarray, np.ndarray]:
    """Cores of the liver and of its doubtful neighbors in what is above a level."""
    import cc3d
    from scipy import ndimage

    cores, count = cc3d.connected_components(_eroded(piece & (probability > level)), connectivity=6, return_N=True)
    if count == 0:
        return np.zeros(piece.shape, bool), np.zeros(piece.shape, bool)
    sizes = np.bincount(cores.ravel(), minlength=count + 1)
    sizes[0] = 0
    means = np.nan_to_num(np.asarray(ndimage.mean(probability, cores, np.arange(count + 1))))
    liver = int(sizes.argmax())
    doubtful = (means < means[liver] - DOUBT) & (sizes * voxel_ml >= LEAST_NEIGHBOR_ML)
    doubtful[0] = False
    foreign = doubtful[cores]
    return (cores > 0) & ~foreign, foreign


def _largest(mask: np.ndarray) -> np.ndarray:
    import cc3d

    return cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=6) > 0 if mask.any() else mask


def _eroded(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_erosion(mask, _element())


def _element() -> np.ndarray:
    from scipy import ndimage

    return ndimage.generate_binary_structure(3, 2)
