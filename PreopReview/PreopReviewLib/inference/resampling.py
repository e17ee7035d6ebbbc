"""Zooming as the KU Leuven networks were trained with: linear when enlarging, area mean when reducing.

Both keep the field of view: the outer faces of the first and last voxel stay where they are (up to the rounding of
the number of voxels, centered). It is what `pymirc.image_operations.zoom3d` does, but without mixing a fill value
into the outermost voxels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def zoom_matrix(size: int, zoom: float) -> np.ndarray:
    """The (new, old) weights along one axis, float32; each row sums to 1."""
    new = max(int(np.ceil(size * zoom - 1e-6)), 1)
    width = 1.0 / zoom  # of a new voxel, in old voxels
    centers = width * (np.arange(new) - 0.5 * (new - 1)) + 0.5 * (size - 1)
    old = np.arange(size)
    if zoom >= 1:
        centers = centers.clip(0, size - 1)
        weights = np.maximum(1 - np.abs(old[None] - centers[:, None]), 0)
    else:
        low, high = centers[:, None] - width / 2, centers[:, None] + width / 2
        weights = np.maximum(np.minimum(high, old[None] + 0.5) - np.maximum(low, old[None] - 0.5), 0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def zoom_kji(array: np.ndarray, zoom: Sequence[float]) -> np.ndarray:
    """A K-J-I array zoomed along each axis (factors in K-J-I order), float32.

    In-plane slice by slice, so that no float copy of the whole input is made.
    """
    from scipy import sparse

    # Each new voxel is made of two or three old ones, so the matrices are nearly empty.
    along_k, along_j, along_i = (
        sparse.csr_array(zoom_matrix(n, float(z))) for n, z in zip(array.shape, zoom, strict=True)
    )
    plane = np.empty((array.shape[0], along_j.shape[0], along_i.shape[0]), np.float32)
    for k in range(array.shape[0]):
        rows = along_j @ array[k].astype(np.float32)
        plane[k] = (along_i @ np.ascontiguousarray(rows.T)).T
    if zoom[0] == 1:
        return plane
    return (along_k @ plane.reshape(len(plane), -1)).reshape(along_k.shape[0], *plane.shape[1:])
