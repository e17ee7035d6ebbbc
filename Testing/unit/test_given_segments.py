"""Couinaud segments that somebody has drawn or corrected: read from files, and believed instead of the network's."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.couinaud.volumes import divide
from LiverPlannerLib.labels import read_segments
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError


def grid(array) -> sitk.Image:
    image = sitk.GetImageFromArray(np.asarray(array, np.uint8))
    image.SetSpacing((3.0, 3.0, 3.0))
    image.SetOrigin((-20.0, 5.0, 30.0))
    return image


def eight() -> np.ndarray:
    """Eight slabs of a block of liver."""
    array = np.zeros((12, 20, 40), np.uint8)
    array[2:10, 3:17, 4:36] = np.repeat(np.arange(1, 9), 4)
    return array


def test_numbers_one_to_eight_are_segments_and_others_are_left_out(tmp_path):
    array = eight()
    array[0, 0, :5] = 9
    path = images.write_image(grid(array), tmp_path / "segments.nii.gz")
    assert np.array_equal(images.array_of(read_segments(path)), eight())


def test_names_beside_a_file_say_which_segment_a_value_is(tmp_path):
    array = np.where(eight() > 0, 19 - eight(), 0)
    path = images.write_image(grid(array), tmp_path / "mine.nii.gz")
    roman = ("", "I", "II", "III", "IVa", "V", "VI", "VII", "VIII")
    lines = [f"{19 - n} Segment_{roman[n]} 10 20 30 255" for n in range(1, 9)]
    (tmp_path / "mine.ctbl").write_text("\n".join(lines))
    assert np.array_equal(images.array_of(read_segments(path)), eight())


def test_a_file_of_structures_is_refused(tmp_path):
    array = np.where(eight() > 0, 1, 0)
    array[4:6, 6:8, 6:8] = 2
    path = images.write_image(grid(array), tmp_path / "labels.nii.gz")
    with pytest.raises(InputError, match="does not hold Couinaud segments: segment 1 would be 100%"):
        read_segments(path)
    empty = images.write_image(grid(eight() * 0), tmp_path / "empty.nii.gz")
    with pytest.raises(InputError, match="has no Couinaud segments"):
        read_segments(empty)


def test_given_segments_are_believed_on_whatever_grid_they_come():
    labels = grid(np.where(eight() > 0, 1, 0))
    turned = images.crop(sitk.Flip(grid(eight()), (True, False, True)), images.bounding_box(grid(eight())[::-1]))
    division = divide(labels, given=turned)
    assert np.array_equal(images.array_of(division.labels), eight())
    assert division.warnings == []
    assert division.model == "the segmentation given"


def test_what_given_segments_leave_out_of_the_liver_goes_to_the_nearest_and_is_told():
    labels = grid(np.where(eight() > 0, 1, 0))
    given = eight()
    given[given == 8] = 0
    division = divide(labels, given=grid(given))
    array = images.array_of(division.labels)
    assert (array[eight() == 8] == 7).all()
    assert "has no segment 8." in division.warnings[0]
    assert "gives 12% of the liver to no segment" in division.warnings[1]


def test_segments_of_another_patient_are_refused():
    labels = grid(np.where(eight() > 0, 1, 0))
    elsewhere = grid(eight())
    elsewhere.SetOrigin((900.0, 900.0, 900.0))
    with pytest.raises(GeometryError, match="overlap"):
        divide(labels, given=elsewhere)
