"""Overlap of masks: identities, brute force, and every empty case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.evaluation.overlap import dice, overlap
from PreopReviewLib.images.geometry import box_of, union_box

EMPTY = np.zeros((4, 5, 6), bool)
WHOLE = np.ones((4, 5, 6), bool)
BOX = (slice(0, 4), slice(0, 5), slice(0, 6))


def cube(start: int) -> np.ndarray:
    mask = np.zeros((12, 12, 12), bool)
    mask[start : start + 6, 2:8, 2:8] = True
    return mask


def test_a_cube_shifted_by_a_third_has_the_dsc_of_the_formula():
    result = overlap(cube(2), cube(4))
    assert (result.true_positive, result.false_positive, result.false_negative) == (144, 72, 72)
    assert result.dsc == pytest.approx(2 / 3)
    assert result.sensitivity == pytest.approx(2 / 3)
    assert result.relative_volume_difference == 0.0


def test_specificity_is_counted_in_the_box_only():
    box = (slice(0, 12), slice(2, 8), slice(2, 8))
    result = overlap(cube(2), cube(4), box)
    assert result.box_voxels == 432
    assert result.specificity == pytest.approx((432 - 216 - 72) / (432 - 216))
    assert overlap(cube(2), cube(4)).specificity is None


def test_false_positives_outside_the_box_count_for_dsc_and_not_for_specificity():
    box = (slice(4, 12), slice(0, 12), slice(0, 12))
    result = overlap(cube(2), cube(4), box)
    assert result.false_positive == 72
    assert result.specificity == 1.0


def test_two_empty_masks_have_dsc_one_and_nothing_else():
    result = overlap(EMPTY, EMPTY, BOX)
    assert (result.state, result.dsc) == ("both empty", 1.0)
    assert (result.sensitivity, result.precision, result.relative_volume_difference) == (None, None, None)
    assert result.specificity == 1.0


def test_one_empty_mask_has_dsc_zero_and_says_which():
    missed = overlap(EMPTY, WHOLE, BOX)
    assert (missed.state, missed.dsc, missed.sensitivity, missed.precision) == ("missed", 0.0, 0.0, None)
    assert missed.specificity is None  # the reference fills the box: there is no negative
    false = overlap(WHOLE, EMPTY, BOX)
    assert (false.state, false.dsc, false.sensitivity, false.precision) == ("false positive", 0.0, None, 0.0)
    assert (false.specificity, false.relative_volume_difference) == (0.0, None)


def test_masks_that_fill_the_image_agree_fully():
    result = overlap(WHOLE, WHOLE, BOX)
    assert (result.dsc, result.sensitivity, result.precision, result.specificity) == (1.0, 1.0, 1.0, None)


def test_zeros_and_ones_of_any_type_are_a_mask():
    assert dice(cube(2).astype(np.float32), cube(2).astype(np.uint16)) == 1.0


@pytest.mark.parametrize("bad", [np.full((4, 5, 6), 0.5), np.full((4, 5, 6), 2), np.full((4, 5, 6), np.nan)])
def test_what_is_no_binary_mask_is_refused(bad):
    with pytest.raises(InputError, match="prediction is not a binary mask"):
        overlap(bad, EMPTY)


def test_a_mask_with_components_or_of_another_size_is_refused():
    with pytest.raises(InputError, match="4 dimensions"):
        overlap(np.zeros((4, 5, 6, 2), bool), np.zeros((4, 5, 6, 2), bool))
    with pytest.raises(GeometryError, match="different sizes"):
        overlap(np.zeros((4, 5, 7), bool), EMPTY)


@settings(max_examples=100, deadline=None)
@given(
    arrays(bool, (3, 4, 5), elements=st.booleans()),
    arrays(bool, (3, 4, 5), elements=st.booleans()),
)
def test_counts_are_those_of_a_plain_loop(prediction, reference):
    result = overlap(prediction, reference, (slice(0, 3), slice(1, 4), slice(0, 4)))
    pairs = list(zip(prediction.ravel().tolist(), reference.ravel().tolist(), strict=True))
    assert result.true_positive == pairs.count((True, True))
    assert result.false_positive == pairs.count((True, False))
    assert result.false_negative == pairs.count((False, True))
    assert result.box_true_negative == int((~(prediction | reference))[0:3, 1:4, 0:4].sum())
    assert result.box_false_positive == int((prediction & ~reference)[0:3, 1:4, 0:4].sum())


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (4, 5, 6), elements=st.booleans()))
def test_the_box_is_the_smallest_around_the_mask(mask):
    box = box_of(mask)
    if not mask.any():
        assert box is None
        return
    voxels = np.argwhere(mask)
    assert [s.start for s in box] == voxels.min(axis=0).tolist()
    assert [s.stop for s in box] == (voxels.max(axis=0) + 1).tolist()
    assert box_of(mask.transpose(2, 0, 1)[::-1]) is not None  # any memory layout
    assert union_box(mask, np.zeros_like(mask)) == box
