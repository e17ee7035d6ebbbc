"""Bent copies of a patient's map: rotation, shear, size, elastic bends, and sometimes a part cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from LiverPlannerLib.couinaud.channels import MARGIN, SPACING
from LiverPlannerLib.couinaud.maps import MAP_SPACING
from PreopReviewLib.images.geometry import box_of


@dataclass(frozen=True)
class Bending:
    """How much a map is changed (standard deviations, except where stated).

    Attributes:
        degrees: rotation about each axis.
        size, stretch: logarithm of the size, common and along each axis.
        shear: of each axis by each other.
        bend_mm: elastic displacement at the nodes of a coarse lattice.
        cut: chance that up to a seventh of the height is cut off at the top or bottom.
    """

    degrees: float = 7.0
    size: float = 0.07
    stretch: float = 0.07
    shear: float = 0.06
    bend_mm: float = 7.0
    cut: float = 0.08


def on_network_grid(labels: np.ndarray) -> np.ndarray:
    """A 2 mm map (K, J, I) at the network's spacing, cropped to the liver with a free margin, unchanged otherwise."""
    return _cropped(bent(labels, np.eye(3), None))


def bent_map(labels: np.ndarray, rng: np.random.Generator, how: Bending | None = None) -> np.ndarray:
    """A random copy (K, J, I) uint8 of a 2 mm map at the network's spacing, cropped with a free margin."""
    how = how or Bending()
    matrix = _rotation(np.radians(rng.normal(0, how.degrees, 3)))
    matrix = matrix @ (np.eye(3) + rng.normal(0, how.shear, (3, 3)) * (1 - np.eye(3)))
    matrix = matrix @ np.diag(np.exp(rng.normal(0, how.size) + rng.normal(0, how.stretch, 3)))
    lattice = rng.normal(0, how.bend_mm / MAP_SPACING, (3, *rng.integers(4, 7, 3)))
    out = _cropped(bent(labels, matrix, lattice))
    if rng.random() < how.cut:
        used = out.shape[0] - 2 * MARGIN
        gone = int(used * rng.uniform(0.02, 1 / 7))
        out = out.copy()
        if rng.random() < 0.5:
            out[: MARGIN + gone] = 0
        else:
            out[out.shape[0] - MARGIN - gone :] = 0
        out = _cropped(out)
    return out


def bent(labels: np.ndarray, matrix: np.ndarray, lattice: np.ndarray | None) -> np.ndarray:
    """The map (K, J, I) seen through a matrix about its center and a lattice of displacements (voxels of the map)."""
    step = SPACING / MAP_SPACING
    reach = np.abs(np.linalg.inv(matrix)) @ (np.array(labels.shape) / 2 + 8)
    shape = (np.ceil(2 * reach / step).astype(int) + 2 * MARGIN + 1).tolist()
    axes = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * step for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    center = (np.array(labels.shape) - 1) / 2
    places = np.tensordot(matrix.astype(np.float32), grid, 1) + center[:, None, None, None].astype(np.float32)
    if lattice is not None:
        places += np.stack([_spread(part, shape) for part in lattice])
    index = np.rint(places).astype(np.int32)
    size = np.array(labels.shape).reshape(3, 1, 1, 1)
    valid = ((index >= 0) & (index < size)).all(0)
    index = np.clip(index, 0, size - 1)
    return np.where(valid, labels[tuple(index)], 0).astype(np.uint8)


def _spread(values: np.ndarray, shape: list[int]) -> np.ndarray:
    """A coarse lattice smoothly over the grid, one axis after the other (cubic)."""
    out = values.astype(np.float32)
    for axis, n in enumerate(shape):
        places = np.linspace(0, out.shape[axis] - 1, n)
        weights = ndimage.map_coordinates(
            np.eye(out.shape[axis]), np.stack(np.meshgrid(np.arange(out.shape[axis]), places, indexing="ij")),
            order=1,
        ).astype(np.float32)  # fmt: skip
        smooth = ndimage.gaussian_filter1d(weights, n / out.shape[axis] / 2.5, axis=1, mode="nearest")
        out = np.moveaxis(np.tensordot(out, smooth, (axis, 0)), -1, axis)
    return out


def _rotation(angles: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _cropped(labels: np.ndarray) -> np.ndarray:
    return np.pad(labels[box_of(labels > 0)], MARGIN)
