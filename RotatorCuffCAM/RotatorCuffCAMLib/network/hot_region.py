"""The part of an activation map that stands out: where, how much and how wide.

A map's voxel is 5 to 6 mm wide, so these are the measures of a map, not of a tear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from RotatorCuffCAMLib.network.activation import on_grid

FINER = 3
"""Voxels of the grid on which a map is shown for each of the map's: about 2 mm, which linear interpolation fills."""


@dataclass(frozen=True)
class HotRegion:
    """Where a map is at least `share` of its maximum, connected to the maximum.

    Attributes:
        mask: uint8 on the map's grid.
        share: of the maximum.
        ml: volume.
        extent_mm: width along the grid's axes I, J, K.
        center_lps: centroid weighted by the map.
        elsewhere_ml: what reaches the share without being connected.
    """

    mask: sitk.Image
    share: float
    ml: float
    extent_mm: tuple[float, float, float]
    center_lps: tuple[float, float, float]
    elsewhere_ml: float


def display_grid(cube: sitk.Image, finer: int = FINER, edge: int = 16) -> sitk.Image:
    """An empty right-handed grid over the cube, for scenes: a left shoulder's cube is mirrored, this is not.

    Every `finer`-th voxel lies on one of the map's, so that nothing of its maximum is lost between them.

    Args:
        cube: what the network saw, or a map of it: both begin at one corner and end at another.
        edge: voxels along the map's edges.
    """
    direction = np.array(cube.GetDirection()).reshape(3, 3)
    voxels = edge * finer
    step = np.array(cube.GetSpacing()) * (cube.GetSize()[0] / voxels)
    origin = np.array(cube.GetOrigin())
    if np.linalg.det(direction) < 0:
        origin = origin + direction[:, 0] * step[0] * (voxels - 1)
        direction[:, 0] *= -1
    grid = sitk.Image([voxels] * 3, sitk.sitkFloat32)
    grid.SetSpacing(step.tolist())
    grid.SetDirection(direction.ravel().tolist())
    grid.SetOrigin(origin.tolist())
    return grid


def percent_map(activation: sitk.Image) -> tuple[sitk.Image, float]:
    """The positive part of a map in percent of its maximum on a right-handed grid, and the maximum."""
    top = float(sitk.GetArrayViewFromImage(activation).max())
    placed = on_grid(activation, display_grid(activation, edge=activation.GetSize()[0]))
    values = np.clip(sitk.GetArrayFromImage(placed), 0, None)
    scaled = np.clip(values * (100 / top), 0, 100) if top > 0 else values
    return images.image_like(scaled.astype(np.float32), placed), top


def hot_region(percent: sitk.Image, share: float = 0.5) -> HotRegion | None:
    """The region around the maximum; None where nothing is positive.

    Args:
        percent: as `percent_map` gives it.
        share: of the maximum, above 0 to 1.

    Raises:
        InputError: an invalid share.
    """
    import cc3d

    if not 0 < share <= 1:
        raise InputError(f"The share of the maximum must be above 0 and at most 1, got {share}", "Use for example 0.5")
    values = sitk.GetArrayFromImage(percent)
    if not values.max() > 0:
        return None
    hot = values >= share * values.max()
    parts = cc3d.connected_components(hot, connectivity=26)
    peak = np.unravel_index(int(values.argmax()), values.shape)
    own = parts == parts[peak]
    where = np.argwhere(own)
    spacing = images.spacing_kji(percent)
    extent = ((where.max(0) - where.min(0) + 1) * spacing)[::-1]
    middle = np.average(where, axis=0, weights=values[own])[::-1]
    center = percent.TransformContinuousIndexToPhysicalPoint([float(v) for v in middle])
    voxel = images.voxel_ml(percent)
    return HotRegion(
        images.image_like(own.astype(np.uint8), percent),
        share,
        float(own.sum() * voxel),
        tuple(map(float, extent)),  # type: ignore[arg-type]
        center,
        float((hot & ~own).sum() * voxel),
    )
