"""Label maps of real livers to learn from: reading, undivided vessels, and checks for maps that are cut wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from PreopReviewLib.errors import InputError
from PreopReviewLib.images.geometry import box_of
from PreopReviewLib.progress import Progress, silent

SEGMENTS = tuple(range(1, 9))
VESSEL = 9
MAP_SPACING = 2.0
"""mm, of the maps in memory."""


@dataclass(frozen=True)
class SegmentMap:
    """One patient.

    Attributes:
        name: the file's, without its ending.
        labels: (K, J, I) uint8, 0 outside, 1 to 8; axis-aligned LPS at 2 mm, cropped to the liver.
    """

    name: str
    labels: np.ndarray


def fill_nearest(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A copy of labels (K, J, I) with the voxels of `where` given the value of the nearest labeled voxel outside it."""
    known = (labels > 0) & ~where
    out = labels.copy()
    if where.any() and known.any():
        nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        out[where] = labels[tuple(nearest[:, where])]
    return out


def read_map(path: Path) -> SegmentMap:
    """A map on the canonical grid; the undivided vessel (9) goes to the nearest segment.

    Raises:
        InputError: unreadable, other values than 0 to 9, or none of the segments.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as an image", "Check the file") from error
    array = sitk.GetArrayViewFromImage(image)
    values = set(np.unique(array).tolist())
    if values - set(range(VESSEL + 1)) or not values & set(SEGMENTS):
        raise InputError(
            f"{path} holds other values than the Couinaud segments", "Use 1 to 8 for segments and 9 for vessels"
        )
    image = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkUInt8), "LPS")
    if not np.allclose(image.GetSpacing(), MAP_SPACING, atol=0.01):
        size = [max(1, round(n * s / MAP_SPACING)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
        image = sitk.Resample(
            image, size, sitk.Transform(), sitk.sitkNearestNeighbor, image.GetOrigin(), [MAP_SPACING] * 3,
            image.GetDirection(), 0,
        )  # fmt: skip
    labels = sitk.GetArrayFromImage(image)
    labels = labels[box_of(labels > 0)]
    return SegmentMap(path.name.split(".")[0], fill_nearest(labels, labels == VESSEL))


def read_maps(folder: Path, progress: Progress = silent) -> list[SegmentMap]:
    """The maps of a folder (*.nii.gz), by name.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    paths = sorted(folder.glob("*.nii.gz"))
    if not paths:
        raise InputError(f"{folder} holds no label maps", "Name a folder of .nii.gz files with values 1 to 8")
    maps = []
    for count, path in enumerate(paths):
        progress(count / len(paths), f"Reading {path.name}")
        maps.append(read_map(path))
    return maps


def folds_of(names: Sequence[str], folds: int, seed: int = 17) -> list[list[str]]:
    """Patients in `folds` parts of equal size, at random from the seed."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [sorted(names[i] for i in order[part::folds]) for part in range(folds)]


def shape_of_segments(case: SegmentMap) -> np.ndarray:
    """(8, 4): share of the liver, and center in the liver's box (z, y, x; 0 to 1), of each segment; NaN if absent."""
    size = np.array(case.labels.shape)
    counts = np.bincount(case.labels.ravel(), minlength=9)[1:9]
    out = np.full((8, 4), np.nan)
    out[:, 0] = counts / counts.sum()
    for value in SEGMENTS:
        if counts[value - 1]:
            out[value - 1, 1:] = np.array(ndimage.center_of_mass(case.labels == value)) / size
    return out


def odd_maps(cases: Sequence[SegmentMap], limit: float = 5.0) -> dict[str, str]:
    """Maps whose segments are missing, tiny or far from where those of the other patients are.

    A center is odd where it is more than `limit` robust standard deviations (1.48 median absolute deviations) from
    the median of all maps.

    Returns:
        What is odd, by name.
    """
    tables = np.stack([shape_of_segments(case) for case in cases])
    middle = np.nanmedian(tables, 0)
    spread = np.maximum(1.4826 * np.nanmedian(np.abs(tables - middle), 0), 0.01)
    odd = {}
    for case, table in zip(cases, tables, strict=True):
        oddities = [f"no segment {v}" for v in SEGMENTS if not table[v - 1, 0] > 0]
        oddities += [
            f"segment {v} is {table[v - 1, 0]:.2%} of the liver" for v in SEGMENTS if 0 < table[v - 1, 0] < 0.003
        ]
        away = np.abs(table - middle) / spread
        for v, axis in zip(*np.nonzero(away[:, 1:] > limit), strict=True):
            oddities.append(f"segment {v + 1} lies {away[v, axis + 1]:.1f} SD off along {'zyx'[axis]}")
        if oddities:
            odd[case.name] = "; ".join(oddities)
    return odd
