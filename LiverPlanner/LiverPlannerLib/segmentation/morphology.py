"""Opening and closing of masks (K, J, I) by balls of a radius in mm, by exact distances: large radii cost no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def distance(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance (mm) of each voxel (K, J, I) of the mask to the nearest outside; the array's border is not outside."""
    import edt

    return edt.edt(np.require(mask, requirements="CW").view(np.uint8), anisotropy=tuple(spacing), parallel=1)


def opened(mask: np.ndarray, radius: float, spacing: Sequence[float]) -> np.ndarray:
    """What balls of this radius inside the mask cover; what lies beyond the array is outside."""
    inner = distance(np.pad(mask, 1), spacing)[1:-1, 1:-1, 1:-1] > radius
    return distance(~inner, spacing) <= radius if inner.any() else inner


def closed(mask: np.ndarray, radius: float, spacing: Sequence[float]) -> np.ndarray:
    """The mask with what balls of this radius outside it cannot reach."""
    if not mask.any():
        return mask.copy()
    border = int(np.ceil(radius / min(spacing))) + 2
    near = distance(~np.pad(mask, border), spacing) <= radius
    core = tuple(slice(border, -border) for _ in range(3))
    return (distance(near, spacing) > radius)[core] | mask
