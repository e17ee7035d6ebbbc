"""The "expansion and corrosion" step of Lin 2024, apart from the filter."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError


def clinical_contour(
    mask: sitk.Image, liver_mask: sitk.Image | None = None, closing_mm: float = 2.0, dilation_mm: float = 1.0
) -> sitk.Image:
    """The "expansion and corrosion" of Lin 2024: outlines a little larger, as clinicians draw them.

    The paper states neither element nor order. Here: closing with a ball of 2 mm, then dilation by 1 mm, clipped
    to the liver. A step of its own, never part of the filter; a radius below half a voxel changes nothing.

    Args:
        mask: 0 and 1, usually `CystResult.tumor`.
        liver_mask: on the same grid; the result stays inside it.
        closing_mm, dilation_mm: radii in mm.

    Raises:
        InputError: a negative radius.
        GeometryError: the liver is on another grid.
    """
    from scipy.ndimage import distance_transform_edt

    if closing_mm < 0 or dilation_mm < 0:
        raise InputError("radius must not be negative", "Give 0 to leave a step out")
    if liver_mask is not None and not images.same_grid(mask, liver_mask):
        raise GeometryError("The liver mask is not on the grid of the lesion mask", "Resample it first")
    array = images.array_of(mask) != 0
    if not array.any():
        return images.image_like(array, mask)
    spacing = images.spacing_kji(mask)
    pad = np.ceil((closing_mm + dilation_mm) / spacing).astype(int) + 1
    box = images.bounding_box(mask)
    padded = np.pad(array[box.slices], [(p, p) for p in pad])
    grown = distance_transform_edt(~padded, sampling=spacing) <= closing_mm + 1e-6
    closed = (distance_transform_edt(grown, sampling=spacing) > closing_mm + 1e-6) | padded
    larger = distance_transform_edt(~closed, sampling=spacing) <= dilation_mm + 1e-6
    places = np.argwhere(larger) + np.array(box.start) - pad
    places = places[((places >= 0) & (places < array.shape)).all(1)]
    result = np.zeros(array.shape, bool)
    result[tuple(places.T)] = True
    if liver_mask is not None:
        result &= (images.array_of(liver_mask) != 0) | array
    return images.image_like(result, mask)
