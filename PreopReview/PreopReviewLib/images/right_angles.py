"""Axes that are not quite at right angles: straightened where that moves next to nothing, else refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import UnsupportedImage
from PreopReviewLib.images.notes import add_notes

ALWAYS_DEGREES = 0.1
"""A deviation that rounding explains; it is straightened however large the image is."""
MAX_DEGREES = 0.5
MAX_VOXELS = 1.0
"""Beyond `ALWAYS_DEGREES`, no corner may move by more."""


def nearest_right_angles(columns: np.ndarray, size: Sequence[int], source: str) -> tuple[np.ndarray, np.ndarray, float]:
    """The axes at right angles that lie nearest.

    Args:
        columns: (3, 3), the steps from voxel to voxel along I, J and K in mm.
        size: voxels, I-J-K.
        source: what errors call the image.

    Returns:
        spacing (mm), axes (columns of length 1), and how far a corner moves, in voxels, about the middle.

    Raises:
        UnsupportedImage: the axes are further off a right angle.
    """
    spacing = np.linalg.norm(columns, axis=0)
    axes = columns / spacing
    cosines = np.abs((axes.T @ axes)[np.triu_indices(3, 1)])
    if cosines.max() < 1e-6:
        return spacing, axes, 0.0
    degrees = float(np.degrees(np.arcsin(min(1.0, float(cosines.max())))))
    left, _, right = np.linalg.svd(axes)
    straight = left @ right
    half = (np.array(size) - 1) / 2
    corners = np.array([half * np.where(c, 1, -1) for c in np.ndindex(2, 2, 2)])
    moved = float((np.linalg.norm(corners @ ((straight - axes) * spacing).T, axis=1) / spacing.min()).max())
    if degrees > MAX_DEGREES or (degrees > ALWAYS_DEGREES and moved > MAX_VOXELS):
        raise UnsupportedImage(
            f"{source} has axes that are {degrees:.1f}° off a right angle",
            "Resample it to a grid of right angles first, in 3D Slicer with Crop Volume",
        )
    return spacing, straight, moved


def at_right_angles(image: sitk.Image, source: str) -> sitk.Image:
    """The image with the nearest axes at right angles, and a note where corners move by a tenth of a voxel or more.

    Raises:
        UnsupportedImage: as `nearest_right_angles`.
    """
    dimension = image.GetDimension()
    if dimension not in (3, 4):
        return image
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)
    columns = direction[:3, :3] * np.array(image.GetSpacing()[:3])
    _, axes, moved = nearest_right_angles(columns, image.GetSize()[:3], source)
    if moved > 0:
        direction[:3, :3] = axes
        image.SetDirection(direction.ravel().tolist())
        if moved > 0.1:
            add_notes(image, [f"its axes are not at right angles; straightening moved corners by {moved:.2f} voxels"])
    return image
