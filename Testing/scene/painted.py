"""A CT painted on a label image, for the tests of pictures."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images


def make_image(labels: sitk.Image) -> sitk.Image:
    """A CT of the label image, int16 HU."""
    values = np.array([-90, 105, 60, 10, 150, 170, 15, 140, 12])[images.array_of(labels)]
    noise = np.random.default_rng(0).normal(0, 8, values.shape)
    return images.image_like((values + noise).astype(np.int16), labels)


DRAWN = ("liver", "tumor", "cyst", "hepatic_vein", "portal_vein", "bile_duct", "gallbladder")
"""Structures of the label images of `conftest.make_labels`."""
