"""Made CTs of a liver with balls in it, for the tests of the cyst filter."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

LIVER_HU = 105.0
CYST, TUMOR = ((20, 18, 18), 6, 10.0), ((20, 40, 40), 8, 80.0)  # center K-J-I, radius in voxels, HU


def ball(shape: tuple[int, ...], center: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2


def image_of(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def scan(
    *balls: tuple[tuple[float, float, float], float, float], liver: float = LIVER_HU, noise: float = 12
) -> tuple[sitk.Image, sitk.Image]:
    """(CT, labels): air, a liver of 105 HU, and balls of given level; noise of 12 HU, seeded."""
    shape = (40, 60, 60)
    rng = np.random.default_rng(1)
    ct, labels = np.full(shape, -1000.0), np.zeros(shape, np.uint8)
    ct[4:36, 4:56, 4:56], labels[4:36, 4:56, 4:56] = liver, 1
    for center, radius, level in balls:
        inside = ball(shape, center, radius)
        ct[inside], labels[inside] = level, 2
    ct += rng.normal(0, noise, shape)
    return image_of(ct.round().astype(np.int16)), image_of(labels)


def mri_scan(cyst: float, tumor: float) -> tuple[sitk.Image, sitk.Image]:
    """(MRI, labels): a liver of 800 with a ball for a cyst and one for a tumor, of these levels."""
    ct, labels = scan((CYST[0], CYST[1], cyst), (TUMOR[0], TUMOR[1], tumor), liver=800.0, noise=30)
    array = np.maximum(sitk.GetArrayFromImage(ct), 0)
    return images.image_like(array, ct), labels
