"""Two label images on one grid: what is a label image, and how one comes onto the grid of the other."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import unknown_labels
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError


def to_grid_of(labels: sitk.Image, reference: sitk.Image) -> tuple[sitk.Image, list[str]]:
    """A label image on the reference's grid, and notes saying what that took.

    Raises:
        GeometryError: the two fields of view do not overlap.
    """
    if images.same_grid(labels, reference):
        return labels, []
    covered = images.array_of(
        images.resample_to(images.image_like(np.ones(labels.GetSize()[::-1], np.uint8), labels), reference, "nearest")
    )
    if not covered.any():
        raise GeometryError(
            "The two label images do not overlap in space",
            "Check that they belong to the same image; masks of different examinations must be registered first",
        )
    notes = [
        f"The prediction ({_grid(labels)}) was resampled to the grid of the reference ({_grid(reference)}); "
        "numbers within about half a voxel of the coarser grid come from that."
    ]
    array = images.array_of(reference)
    outside = np.count_nonzero(array[covered == 0])
    if outside:
        share = outside / max(np.count_nonzero(array), 1)
        notes.append(
            f"{share:.1%} of the labeled reference lies outside the prediction's field of view and counts as missed."
        )
    return images.resample_to(labels, reference, "label"), notes


def checked_labels(image: sitk.Image, name: str, notes: list[str]) -> sitk.Image:
    """The image with whole numbers; a note is added on values that the table of structures does not know.

    Raises:
        InputError: not 3-D, several values a voxel, or values between whole numbers.
    """
    dimension, components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if dimension != 3 or components != 1:
        raise InputError(
            f"The {name} has {dimension} dimensions and {components} values a voxel",
            "Give one 3-D label image; read segmentations with several layers as label files",
        )
    if image.GetPixelID() >= sitk.sitkFloat32:
        array = images.array_of(image)
        if not (np.isfinite(array).all() and (array == np.round(array)).all()):
            raise InputError(
                f"The {name} is no label image: it has values between whole numbers", "Threshold probabilities first"
            )
        image = sitk.Cast(image, sitk.sitkInt32)
    unknown = unknown_labels(image)
    if unknown:
        notes.append(
            f"The {name} has label values that the table of structures does not know, which were ignored: "
            f"{', '.join(map(str, unknown))}."
        )
    return image


def _grid(image: sitk.Image) -> str:
    size = "×".join(str(n) for n in image.GetSize())
    spacing = "×".join(f"{s:.3g}" for s in image.GetSpacing())
    return f"{size} voxels of {spacing} mm"
