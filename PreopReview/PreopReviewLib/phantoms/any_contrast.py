"""Bodies painted in contrasts that no scanner need have made, so that a network learns shapes and not intensities.

After Billot et al., SynthSeg (Med Image Anal 86, 2023): every tissue gets a random mean and texture. A body is a
phantom (`phantoms.anatomy`), or a real CT with labels, whose unlabeled voxels get a random function of their HU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from PreopReviewLib.phantoms.anatomy import Anatomy
from PreopReviewLib.phantoms.contrast import thick_slices
from PreopReviewLib.phantoms.fields import grid, smooth_noise
from PreopReviewLib.phantoms.tissues import TISSUES, Tissue

BY_VALUE = 255
"""Code of voxels whose intensity is a function of their HU."""
_VESSEL = 40
_ORGAN = 60
AIR_HU = -400.0


@dataclass(frozen=True)
class Body:
    """Tissues on an isotropic grid; axes K (up), J (back), I (left).

    Attributes:
        codes: uint8, a tissue each; 0 is air around the body.
        liver: bool, with its vessels and lesions.
        values: float32 HU of a real CT, or None.
        spacing: voxel edge, mm.
    """

    codes: np.ndarray
    liver: np.ndarray
    values: np.ndarray | None
    spacing: float


def body_of_anatomy(anatomy: Anatomy) -> Body:
    """A phantom's body; its vessels are tissues of their own."""
    codes = anatomy.tissues.copy()
    for number, share in enumerate(anatomy.fractions):
        codes[share > 127] = _VESSEL + number
    return Body(codes, anatomy.liver, None, anatomy.spacing)


def body_of_scan(values: np.ndarray, labels: np.ndarray, liver: np.ndarray, spacing: float) -> Body:
    """The body of a labeled CT.

    Args:
        values: HU (K, J, I).
        labels: whole numbers of the same shape, 0 where nothing is labeled.
        liver: bool.
    """
    from scipy import ndimage

    outside = ndimage.binary_fill_holes(values > AIR_HU, np.ones((1, 3, 3))) == 0
    codes = np.full(values.shape, BY_VALUE, np.uint8)
    for number, value in enumerate(np.unique(labels[labels > 0])[: BY_VALUE - _ORGAN - 1]):
        codes[labels == value] = _ORGAN + number
    codes[liver] = Tissue.LIVER
    codes[outside] = Tissue.AIR
    return Body(codes, liver, values.astype(np.float32), spacing)


def bent(rng: np.random.Generator, body: Body) -> Body:
    """The body turned, scaled and bent at random, on a grid of the same shape."""
    from scipy import ndimage

    from PreopReviewLib.phantoms.shape import rotation

    shape = body.codes.shape
    matrix = rotation(rng.uniform(-0.2, 0.2, 3)) @ np.diag(1 / rng.uniform(0.82, 1.18, 3))
    middle = np.array(shape) / 2
    offset = middle - matrix @ middle + rng.uniform(-6, 6, 3)
    axes = grid(shape)
    points = np.empty((3, *shape), np.float32)
    for row in range(3):
        points[row] = sum(matrix[row, column] * axes[column] for column in range(3)) + offset[row]
        points[row] += smooth_noise(rng, shape, 5) * (rng.uniform(0, 11) / body.spacing)
    codes = ndimage.map_coordinates(body.codes, points, order=0, mode="nearest")
    liver = ndimage.map_coordinates(body.liver.astype(np.float32), points, order=1) > 0.5
    values = None if body.values is None else ndimage.map_coordinates(body.values, points, order=1, mode="nearest")
    return Body(codes, liver, values, body.spacing)


def paint_body(rng: np.random.Generator, body: Body) -> np.ndarray:
    """An image (float32, K-J-I, arbitrary units) in a random contrast, with coil shading, thick slices and noise."""
    from scipy import ndimage

    means = _means(rng)
    image = means[body.codes]
    if body.values is not None:
        free = body.codes == BY_VALUE
        image[free] = _curve(rng, body.values[free])
        own = body.values - (float(np.median(body.values[body.liver])) if body.liver.any() else 0.0)
        image += ~free * np.clip(own / 200, -0.5, 0.5) * rng.normal(0, 0.25) * (body.codes != Tissue.AIR)
    solid = body.codes != Tissue.AIR
    image += solid * (smooth_noise(rng, image.shape, 30) * rng.uniform(0, 0.06))
    image += solid * (smooth_noise(rng, image.shape, 10) * rng.uniform(0, 0.05))
    image = ndimage.gaussian_filter(image, rng.uniform(0.2, 0.9, 3), truncate=3)
    image = np.maximum(image, 0)
    image *= np.exp(smooth_noise(rng, image.shape, rng.uniform(2, 4)) * rng.uniform(0, 0.45))
    if rng.random() < 0.6:
        image = thick_slices(rng, image, body.spacing, rng.uniform(4, 9))
    noise = rng.uniform(0, 0.07)
    image = np.hypot(image + rng.standard_normal(image.shape, dtype=np.float32) * noise, noise * rng.uniform(0, 1))
    if rng.random() < 0.3:  # clipped at the top, as some scanners store it
        image = np.minimum(image, np.percentile(image, rng.uniform(85, 99)))
    if rng.random() < 0.25:
        image = (image / max(float(image.max()), 1e-6)) ** rng.uniform(0.5, 1.8)
    return image.astype(np.float32)


def _means(rng: np.random.Generator) -> np.ndarray:
    """(256,) mean of each code. In half of the images some tissues look much like the liver."""
    means = rng.uniform(0, 1, 256).astype(np.float32)
    liver = means[Tissue.LIVER] = rng.uniform(0.12, 0.9)
    alike = rng.random(256) < (rng.uniform(0.05, 0.35) if rng.random() < 0.5 else 0)
    means[alike] = np.clip(liver + rng.uniform(0.04, 0.15) * rng.choice([-1, 1], 256), 0, 1)[alike]
    if rng.random() < 0.85:
        for code in (Tissue.LUNG, Tissue.GAS):
            means[code] = rng.uniform(0, 0.12)
    vein = rng.uniform(0, 1)
    means[_VESSEL : _VESSEL + 4] = vein + rng.uniform(-0.1, 0.1, 4)
    means[Tissue.FISSURE] = 0.5 * (liver + means[Tissue.FAT])
    means[Tissue.STEATOSIS] = liver + rng.uniform(-0.12, 0.12)
    means[Tissue.LIVER] = liver
    means[Tissue.AIR] = rng.uniform(0, 0.05)
    return np.clip(means, 0, 1)


def _curve(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """A random function of HU: air and bone dark or not, fat, water, tissue and vessels each anywhere."""
    knots = np.array([-1000, -300, -110, -40, 5, 40, 60, 90, 130, 200, 500])
    heights = rng.uniform(0, 1, len(knots))
    if rng.random() < 0.85:
        heights[:2] = rng.uniform(0, 0.12)
        heights[-1] = rng.uniform(0, 0.3)
    return np.interp(values, knots, heights).astype(np.float32)


assert TISSUES <= _VESSEL
