"""What the network sees of a liver: its mask, depth below the surface, and places in the liver's frame."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from PreopReviewLib.images.geometry import box_of

SPACING = 4.0
"""mm, of the network's grid (axis-aligned, LPS)."""
COUNT = 8
"""Channels of the network's input."""
MARGIN = 2
"""Voxels kept free around the liver."""
_DEPTH_MM = 40.0


def liver_channels(mask: np.ndarray) -> np.ndarray:
    """The input of the network.

    Args:
        mask: (K, J, I) bool on an axis-aligned LPS grid of `SPACING` mm; K upwards, J backwards, I to the left.

    Returns:
        (8, K, J, I) float32: mask; signed distance to the surface (40 mm is 1, inside positive); place in the liver's
        bounding box, -1 to 1, of z, y, x; place in mean and standard deviations of the liver's voxels, halved.
    """
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    depth = np.clip((inside - outside) * (SPACING / _DEPTH_MM), -1, 2)
    channels = [mask.astype(np.float32), depth.astype(np.float32)]
    box, index = box_of(mask), np.nonzero(mask)
    standard = []
    for axis in range(3):
        along = np.arange(mask.shape[axis], dtype=np.float32)
        low, high = box[axis].start, box[axis].stop - 1
        boxed = (2 * along - low - high) / max(high - low, 1)
        spread = (along - index[axis].mean()) / (2 * max(index[axis].std(), 1.0))
        shape = [1, 1, 1]
        shape[axis] = -1
        for into, line in ((channels, boxed), (standard, spread)):
            clipped = np.clip(line, -1.5, 1.5).astype(np.float32).reshape(shape)
            into.append(np.broadcast_to(clipped, mask.shape))
    return np.stack([*channels, *standard])


def padded(array: np.ndarray, multiple: int, shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """An array (…, K, J, I), padded at the ends of these axes with the edge's values to a multiple (at least `shape`).

    The mask channel ends in a free margin, so that no liver is made up.
    """
    least = shape or (1, 1, 1)
    wanted = [-(-max(n, m) // multiple) * multiple for n, m in zip(array.shape[-3:], least, strict=True)]
    ends = [(0, 0)] * (array.ndim - 3) + [(0, w - n) for n, w in zip(array.shape[-3:], wanted, strict=True)]
    return np.pad(array, ends, mode="edge")
