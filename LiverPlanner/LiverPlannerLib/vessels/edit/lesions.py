"""Lesions corrected by a click: split, merge, not a lesion, cyst. Each gives an `Edit`; nothing is changed.

Places are RAS, mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import STRUCTURES, label_words, structure
from LiverPlannerLib.vessels.edit.changes import Edit, beneath, edit_of, nearest_labeled
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

LESION_VALUES = frozenset(s.label for s in STRUCTURES if s.kind == "lesion")
MERGE_MM = 30.0


def _lesion_at(labels: sitk.Image, point_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The connected lesion at a place: its mask in a box, where the box begins, its label."""
    import cc3d
    from scipy.ndimage import find_objects

    voxel = nearest_labeled(point_ras, labels, set(LESION_VALUES))
    array = images.array_of(labels)
    value = int(array[tuple(voxel)])
    parts = cc3d.connected_components(np.require(array == value, requirements="CW"), connectivity=26)
    number = int(parts[tuple(voxel)])
    box = find_objects(parts)[number - 1]
    return parts[box] == number, np.array([s.start for s in box]), value


def _index(mask: np.ndarray, low: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.ravel_multi_index(tuple((np.argwhere(mask) + low).T), shape)


def recode(labels: sitk.Image, point_ras: np.ndarray, to: str) -> Edit:
    """Makes the lesion at a place another kind of lesion, e.g. ``cyst``.

    Raises:
        InputError: no lesion there, one of that kind already, or `to` is not a lesion.
    """
    target = structure(to)
    if target.label not in LESION_VALUES:
        raise InputError(f"{target.name} is not a kind of lesion", "Choose tumor or cyst")
    mask, low, value = _lesion_at(labels, point_ras)
    if value == target.label:
        raise InputError(f"This lesion is a {target.name.lower()} already", "Choose another kind")
    array = images.array_of(labels)
    words = f"{label_words(value)}, {mask.sum() * images.voxel_ml(labels):.1f} ml, is now {target.name.lower()}"
    return edit_of(array, _index(mask, low, array.shape), target.label, words)


def not_a_lesion(labels: sitk.Image, point_ras: np.ndarray) -> Edit:
    """Gives the voxels of the lesion at a place back to the liver.

    Raises:
        InputError: no lesion there.
    """
    mask, low, value = _lesion_at(labels, point_ras)
    array = images.array_of(labels)
    words = f"{label_words(value)}, {mask.sum() * images.voxel_ml(labels):.1f} ml, is not a lesion"
    return edit_of(array, _index(mask, low, array.shape), beneath(array, mask, low), words)


def split(labels: sitk.Image, point_ras: np.ndarray) -> Edit:
    """Parts the lesion at a place at its waist: its two deepest places grow towards each other, and a gap of one voxel
    is left where they meet.

    Raises:
        InputError: no lesion there, or one without a waist.
    """
    from scipy.ndimage import maximum_filter
    from skimage.segmentation import watershed

    from LiverPlannerLib.segmentation.morphology import distance

    mask, low, value = _lesion_at(labels, point_ras)
    mm = images.spacing_kji(labels)
    inside = np.pad(mask, 1)
    depth = distance(inside, mm)
    wide = [2 * int(np.ceil(3.0 / s)) + 1 for s in mm]
    peaks = np.argwhere((depth == maximum_filter(depth, wide)) & inside)
    peaks = peaks[np.argsort(-depth[tuple(peaks.T)])]
    first = peaks[0]
    apart = [p for p in peaks[1:] if np.linalg.norm((p - first) * mm) > depth[tuple(first)]]
    if not apart:
        raise InputError("This lesion has no waist to split it at", "Cut it with scissors")
    seeds = np.zeros(inside.shape, np.int32)
    seeds[tuple(first)], seeds[tuple(apart[0])] = 1, 2
    parts = watershed(-depth, seeds, np.ones((3, 3, 3)), mask=inside)[1:-1, 1:-1, 1:-1]
    gap = (parts == 2) & (maximum_filter((parts == 1).astype(np.uint8), 3) > 0)
    left = [int(np.count_nonzero((parts == n) & ~gap)) for n in (1, 2)]
    if min(left) == 0:
        raise InputError("This lesion has no waist to split it at", "Cut it with scissors")
    array = images.array_of(labels)
    ml = [n * images.voxel_ml(labels) for n in left]
    words = f"{label_words(value)} split into {ml[0]:.1f} and {ml[1]:.1f} ml"
    return edit_of(array, _index(gap, low, array.shape), beneath(array, gap, low), words)


def merge(labels: sitk.Image, one_ras: np.ndarray, other_ras: np.ndarray) -> Edit:
    """Makes two lesions one: a bridge as wide as half the smaller one joins them; both take the kind of the first.

    Raises:
        InputError: no lesion at one of the places, twice the same one, or more than 30 mm between them.
    """
    from scipy.spatial import cKDTree

    first, low, value = _lesion_at(labels, one_ras)
    second, other_low, other_value = _lesion_at(labels, other_ras)
    array, mm = images.array_of(labels), images.spacing_kji(labels)
    a, b = np.argwhere(first) + low, np.argwhere(second) + other_low
    if value == other_value and (a == b[0]).all(1).any():
        raise InputError("Both clicks lie in one lesion", "Click in another lesion as well")
    gap, near = cKDTree(a * mm).query(b * mm)
    if gap.min() > MERGE_MM:
        raise InputError(
            f"The lesions are {gap.min():.0f} mm apart", f"Only lesions within {MERGE_MM:g} mm can be merged"
        )
    closest = int(gap.argmin())
    start, end = a[near[closest]], b[closest]
    radius = 0.25 * (6 * min(len(a), len(b)) * mm.prod() / np.pi) ** (1 / 3)
    steps = np.linspace(start, end, max(int(np.ceil(gap.min() / mm.min())), 1) * 2 + 1)
    reach = np.ceil(radius / mm).astype(int) + 1
    lowest = np.maximum(np.floor(steps.min(0)).astype(int) - reach, 0)
    highest = np.minimum(np.ceil(steps.max(0)).astype(int) + reach + 1, array.shape)
    places = np.argwhere(np.ones(highest - lowest, bool)) + lowest
    away = cKDTree(steps * mm).query(places * mm)[0]
    bridge = places[(away <= max(radius, mm.max())) & (array[tuple(places.T)] <= 1)]
    every = np.concatenate([bridge, b])
    index = np.unique(np.ravel_multi_index(tuple(every.T), array.shape))
    return edit_of(array, index, value, f"two lesions merged into one {label_words(value)}")
