"""Blocks of liver with tubes for veins, whose territories can be counted by hand."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

MM = 2.0
SHAPE = (40, 50, 80)
PLACE = np.stack(np.meshgrid(*(np.arange(n) * MM for n in SHAPE), indexing="ij"), -1)[..., ::-1]  # x, y, z

STEM = ((79, 50, 0), (79, 50, 40), 5.0)
RIGHT = ((79, 50, 40), (20, 50, 40), 4.0)
LEFT = ((79, 50, 40), (140, 50, 40), 4.0)
TWIGS = (
    ((40, 50, 40), (30, 15, 40), 3.0),
    ((40, 50, 40), (30, 85, 40), 3.0),
    ((120, 50, 40), (130, 15, 40), 3.0),
    ((120, 50, 40), (130, 85, 40), 3.0),
)
PORTAL = (STEM, RIGHT, LEFT, *TWIGS)


def tube(start, stop, radius) -> np.ndarray:
    a, way = np.array(start, float), np.subtract(stop, start)
    along = np.clip((PLACE - a) @ way / (way @ way), 0, 1)
    return np.linalg.norm(PLACE - (a + along[..., None] * way), axis=-1) <= radius


def block(tubes=PORTAL, gap=None, value=5) -> sitk.Image:
    """A liver block of 146 x 86 x 62 mm with a vein in it, of which `gap` (x from, to) is missing."""
    x, y, z = np.moveaxis(PLACE, -1, 0)
    labels = ((x > 6) & (x < 152) & (y > 6) & (y < 92) & (z > 10) & (z < 72)).astype(np.uint8)
    vein = np.any([tube(*t) for t in tubes], axis=0)
    if gap is not None:
        vein &= ~((x >= gap[0]) & (x <= gap[1]))
    labels[vein] = value
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((MM,) * 3)
    return image


def sections(labels) -> sitk.Image:
    """Couinaud segments of the block: the patient's right is at small x; anterior at small y (LPS)."""
    x, y, _z = np.moveaxis(PLACE, -1, 0)
    front = y < 50
    value = np.where(x < 79, np.where(front, 5, 6), np.where(front, 4, 2))
    inside = images.array_of(labels) > 0
    return images.image_like(np.where(inside, value, 0).astype(np.uint8), labels)
