"""Smooth random fields and simple implicit shapes on a voxel grid (K, J, I)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], cells: float) -> np.ndarray:
    """A field of unit normal values on `cells` cells along the longest axis, linearly interpolated.

    Returns:
        float32 array of `shape`; values are about normal, less varied between the cells' centers.
    """
    longest = max(shape)
    field = rng.standard_normal(tuple(max(2, round(n / longest * cells)) for n in shape), dtype=np.float32)
    for axis, size in enumerate(shape):
        field = stretch(field, size, axis)
    return field


def stretch(array: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Linear interpolation along one axis to `size` samples (cell centers aligned), as one matrix product."""
    few = array.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * few / size - 0.5, 0, few - 1)
    low = np.minimum(at.astype(int), max(few - 2, 0))
    part = (at - low).astype(np.float32)
    weights = np.zeros((size, few), np.float32)
    weights[np.arange(size), low] = 1 - part
    weights[np.arange(size), np.minimum(low + 1, few - 1)] += part
    if axis == 0:
        return (weights @ array.reshape(few, -1)).reshape(size, *array.shape[1:])
    return weights @ array if axis == 1 else array @ weights.T


def grid(shape: Sequence[int], origin: Sequence[float] = (0.0, 0.0, 0.0)) -> list[np.ndarray]:
    """Open float32 coordinate grids in voxels, shifted by `origin`."""
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    return [(axis + start).astype(np.float32) for axis, start in zip(axes, origin, strict=True)]


def ellipsoid(axes: Sequence[np.ndarray], center: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    """Implicit ellipsoid on open grids: normalized radius minus one, negative inside."""
    squares = [((axis - c) / r) ** 2 for axis, c, r in zip(axes, center, radii, strict=True)]
    return np.sqrt(squares[0] + squares[1] + squares[2]) - 1


def smooth_union(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two implicit shapes whose seam is rounded over `width` (polynomial smooth minimum)."""
    mix = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b * (1 - mix) + a * mix - width * mix * (1 - mix)


def paint_ellipsoid(
    labels: np.ndarray,
    value: int,
    center: Sequence[float],
    radii: Sequence[float],
    noise: np.ndarray | None = None,
    over: np.ndarray | None = None,
) -> None:
    """Write `value` inside an ellipsoid, in place, only where `over` (if given) is true.

    Args:
        labels: tissue map (K, J, I).
        center: voxels, K-J-I.
        radii: voxels, K-J-I.
        noise: field added to the normalized radius, for an uneven surface.
        over: mask of voxels that may be painted.
    """
    box = box_around(labels.shape, center, np.asarray(radii) * 1.4 + 1)
    if any(part.start >= part.stop for part in box):
        return
    axes = grid([part.stop - part.start for part in box], [part.start for part in box])
    inside = ellipsoid(axes, center, radii)
    if noise is not None:
        inside = inside + noise[box]
    chosen = inside < 0
    if over is not None:
        chosen &= over[box]
    labels[box][chosen] = value


def box_around(shape: Sequence[int], center: Sequence[float], reach: Sequence[float]) -> tuple[slice, ...]:
    """The slices of the box `center` ± `reach`, clipped to the grid."""
    return tuple(
        slice(int(max(0, np.floor(c - r))), int(min(size, np.ceil(c + r) + 1)))
        for size, c, r in zip(shape, center, reach, strict=True)
    )
