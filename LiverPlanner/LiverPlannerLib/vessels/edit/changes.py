"""What a click changes: voxels with their new values, to be applied to labels, and taken back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import structure_of_label
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

NEAR_MM = 4.0
"""A click hits a vessel or lesion that is so near: a finger's width on the screen, not in the patient."""


@dataclass(frozen=True)
class Edit:
    """A change of labels.

    Attributes:
        words: what was done, e.g. ``portal vein, 12.3 ml, renamed to hepatic vein``.
        index: flat indices (K-J-I order) of the voxels that change.
        old, new: their values before and after.
        line, radii: center line (n, 3) K-J-I and radii (mm) of a vessel that was drawn; else None.
    """

    words: str
    index: np.ndarray = field(repr=False)
    old: np.ndarray = field(repr=False)
    new: np.ndarray = field(repr=False)
    line: np.ndarray | None = field(default=None, repr=False)
    radii: np.ndarray | None = field(default=None, repr=False)

    def apply(self, array: np.ndarray) -> None:
        """Changes a label array (K, J, I) in place."""
        array.reshape(-1)[self.index] = self.new

    def undo(self, array: np.ndarray) -> None:
        """Takes the change back, in place."""
        array.reshape(-1)[self.index] = self.old

    def applied(self, labels: sitk.Image) -> sitk.Image:
        """New labels."""
        array = images.array_of(labels).copy()
        self.apply(array)
        return images.image_like(array, labels)


def edit_of(array: np.ndarray, index: np.ndarray, new: np.ndarray | int, words: str) -> Edit:
    """The edit that gives voxels, by flat index, new values; those that have them already are left out."""
    old = array.reshape(-1)[index]
    values = np.broadcast_to(np.asarray(new, array.dtype), old.shape)
    changes = old != values
    return Edit(words, index[changes], old[changes], np.ascontiguousarray(values[changes]))


def voxel_at(point_ras: np.ndarray, labels: sitk.Image) -> np.ndarray:
    """The voxel (K, J, I) at a place.

    Raises:
        InputError: it lies outside the image.
    """
    place = np.rint(images.ras_to_kji(np.asarray(point_ras, float)[None], labels)[0])
    if not (np.isfinite(place).all() and (place >= 0).all() and (place < labels.GetSize()[::-1]).all()):
        raise InputError("The click lies outside the image", "Click in the image")
    return place.astype(int)


def nearest_labeled(
    point_ras: np.ndarray, labels: sitk.Image, values: set[int], array: np.ndarray | None = None
) -> np.ndarray:
    """The voxel (K, J, I) of any of the values that is nearest to a place.

    Args:
        array: the labels as they are now, where `labels` only gives the grid.

    Raises:
        InputError: none within 4 mm (a click on air), or outside the image.
    """
    at = voxel_at(point_ras, labels)
    mm = images.spacing_kji(labels)
    array = images.array_of(labels) if array is None else array
    reach = np.ceil(NEAR_MM / mm).astype(int)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, array.shape)
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    places = np.argwhere(np.isin(part, list(values)))
    if len(places):
        away = np.linalg.norm((places + low - at) * mm, axis=1)
        if away.min() <= NEAR_MM:
            return places[away.argmin()] + low
    names = ", ".join(s.name.lower() for v in sorted(values) if (s := structure_of_label(v)) is not None)
    raise InputError(f"There is nothing to correct within {NEAR_MM:g} mm of the click", f"Click on: {names}")


def beneath(array: np.ndarray, mask: np.ndarray, low: np.ndarray) -> np.ndarray:
    """What lies under voxels that are erased: liver where liver surrounds them, else background.

    Args:
        array: (K, J, I) labels.
        mask: the erased voxels, in a box that begins at `low`.

    Returns:
        One value for each voxel of the mask, in the order of `np.argwhere(mask)`.
    """
    from scipy.ndimage import distance_transform_edt

    border = 3
    start = np.maximum(low - border, 0)
    stop = np.minimum(low + np.array(mask.shape) + border, array.shape)
    part = array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    erased = np.zeros(part.shape, bool)
    erased[tuple(slice(a, a + n) for a, n in zip(low - start, mask.shape, strict=True))] = mask
    ground = ~erased & ((part == 0) | (part == 1))  # other vessels and lesions say nothing about what lies under this
    if not ground.any():
        return np.ones(int(mask.sum()), array.dtype)
    nearest = distance_transform_edt(~ground, return_distances=False, return_indices=True)
    return part[tuple(n[erased] for n in nearest)]


def box_of_index(index: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The mask of flat indices in the box around them, and where the box begins (K, J, I)."""
    places = np.stack(np.unravel_index(index, shape), 1)
    low = places.min(0)
    mask = np.zeros(places.max(0) - low + 1, bool)
    mask[tuple((places - low).T)] = True
    return mask, low
