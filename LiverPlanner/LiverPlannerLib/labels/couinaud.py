"""Files of Couinaud segments: a label image of 1 to 8, or segments that are named so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.labels.names import couinaud_names, match_segment
from LiverPlannerLib.labels.reading import names_of_values
from LiverPlannerLib.labels.segments import label_file, segments_of
from LiverPlannerLib.structures import SEGMENTS
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

MOST = 0.7
"""No Couinaud segment holds so much of a liver: such a file holds structures, in whose table 1 is the liver."""
_REMEDY = "Give segments.nii.gz of a plan, or segments named Segment 1 to Segment 8"


def write_segments(segments: sitk.Image, path: Path) -> None:
    """Couinaud segments (1 to 8) as a label file (.nii.gz) whose header names them.

    Raises:
        OutputError: it cannot be written.
    """
    images.name_nifti_values(images.write_image(segments, path), {s.label: s.name.split(" (")[0] for s in SEGMENTS})


def read_segments(path: str | Path) -> sitk.Image:
    """Couinaud segments (uint8, 1 to 8) on the file's own grid.

    By the names of the segments of a DICOM SEG or Slicer segmentation, by names in or beside a label image ("Segment
    4", "liver_segment_4a", "S VIII"), else by its values 1 to 8. Other values and names are left out.

    Raises:
        FileMissing, UnreadableImage: as `images.read_image`.
        InputError: none of them is a Couinaud segment.
    """
    path = label_file(path)
    parts_of_file = segments_of(path)
    if parts_of_file is not None:
        reference, parts, _how = parts_of_file
        array = np.zeros(reference.GetSize()[::-1], np.uint8)
        numbers = _numbers({n: part.name.split(" (")[0] for n, part in enumerate(parts)})
        for n, number in numbers.items():
            array[parts[n].voxels(array.shape) > 0] = number
    else:
        reference = images.read_labels(path)
        names, _how = names_of_values(path)
        numbers = _numbers(names) if names is not None else {s.label: s.label for s in SEGMENTS}
        array = np.zeros(reference.GetSize()[::-1], np.uint8)
        for value, number in numbers.items():
            array[images.array_of(reference) == value] = number
    counts = np.bincount(array.ravel(), minlength=len(SEGMENTS) + 1)[1:]
    if not counts.any():
        raise InputError(f"{path} has no Couinaud segments", _REMEDY)
    if counts.max() > MOST * counts.sum():
        raise InputError(
            f"{path} does not hold Couinaud segments: segment {counts.argmax() + 1} would be "
            f"{counts.max() / counts.sum():.0%} of the liver",
            _REMEDY,
        )
    return images.image_like(array, reference)


def _numbers(names: Mapping[int, str]) -> dict[int, int]:
    """The numbers of the segments that names mean, by their place."""
    meant = couinaud_names(names.values())
    return {n: number for n, name in names.items() if name in meant and (number := match_segment(name))}
