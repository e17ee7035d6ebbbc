"""Liver shapes: procedural ones, and real masks bent into new ones. Masks are (K, J, I): up, back, left."""

from __future__ import annotations

import numpy as np

from PreopReviewLib.phantoms.fields import ellipsoid, grid, smooth_noise, smooth_union


def procedural_liver(rng: np.random.Generator, spacing: float) -> np.ndarray:
    """A liver of 600 to 2600 ml: right and left lobe, oblique visceral cut, uneven surface.

    Args:
        spacing: voxel edge, mm.

    Returns:
        bool array (K, J, I) that just holds the liver with some room around it.
    """

    def about(value: float, share: float = 0.12) -> float:
        return value * (1 + rng.uniform(-share, share)) / spacing

    shape = [int(v / spacing) for v in (215, 215, 250)]
    axes = grid(shape)
    right = np.array([about(105, 0.05), about(112, 0.05), about(86)])
    left = right + np.array([about(22, 0.4), -about(24), about(72)])
    body = ellipsoid(axes, right, (about(80), about(68), about(66)))
    lobe = ellipsoid(axes, left, (about(36, 0.25), about(40), about(66, 0.25)))
    field = smooth_union(body, lobe, 0.35)
    normal = np.array([-1.0, rng.uniform(0.1, 0.5), rng.uniform(0.25, 0.65)])
    normal /= np.linalg.norm(normal)
    center = right - np.array([about(14), 0, 0])
    visceral = sum(n * (axis - c) for n, axis, c in zip(normal, axes, center, strict=True)) / (52 / spacing)
    concave = 0.25 * np.exp(-(((axes[2] - left[2] + 30 / spacing) / (45 / spacing)) ** 2)).astype(np.float32)
    field = np.maximum(field, visceral - rng.uniform(0.2, 0.65) + concave)
    surface = rng.uniform(0.01, 0.05) if rng.random() < 0.25 else 0.015
    field = field + 0.10 * smooth_noise(rng, shape, 5) + surface * smooth_noise(rng, shape, 16)
    return field < 0


def warp_liver(rng: np.random.Generator, mask: np.ndarray, mask_spacing: float, spacing: float) -> np.ndarray:
    """A real liver mask under a random affine and a smooth elastic warp, on a new grid.

    Args:
        mask: bool (K, J, I), isotropic at `mask_spacing` mm, cropped to the liver.
        spacing: voxel edge of the result, mm.
    """
    from scipy import ndimage

    angle = rng.uniform(-0.24, 0.24, 3)
    scale = rng.uniform(0.84, 1.16, 3) * rng.uniform(0.9, 1.12)
    matrix = rotation(angle) @ np.diag(1 / scale) * (spacing / mask_spacing)
    shape = [int(np.ceil(size * mask_spacing * 1.3 / spacing)) + 12 for size in mask.shape]
    middle = np.array(shape) / 2
    offset = np.array(mask.shape) / 2 - matrix @ middle
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 0.8 * max(1.0, spacing / mask_spacing))
    axes = grid(shape)
    points = np.empty((3, *shape), np.float32)
    for row in range(3):
        points[row] = sum(matrix[row, col] * axes[col] for col in range(3)) + offset[row]
        points[row] += smooth_noise(rng, shape, 5) * (rng.uniform(0, 9) / mask_spacing)
    return ndimage.map_coordinates(soft, points, order=1) > 0.5


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest component with its holes filled."""
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        mask = parts == sizes.argmax()
    return ndimage.binary_fill_holes(mask)


def cropped(mask: np.ndarray, margin: int) -> np.ndarray:
    """The mask cut to its bounding box and padded by `margin` voxels of background."""
    where = [np.flatnonzero(mask.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    box = tuple(slice(w[0], w[-1] + 1) for w in where)
    return np.pad(mask[box], margin)


def rotation(angle: np.ndarray) -> np.ndarray:
    (ck, cj, ci), (sk, sj, si) = np.cos(angle), np.sin(angle)
    about_k = np.array([[1, 0, 0], [0, ck, -sk], [0, sk, ck]])
    about_j = np.array([[cj, 0, sj], [0, 1, 0], [-sj, 0, cj]])
    about_i = np.array([[ci, -si, 0], [si, ci, 0], [0, 0, 1]])
    return about_k @ about_j @ about_i
