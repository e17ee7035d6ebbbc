"""Boxed masks against plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib import voxel_boxes as vb

SHAPE = (9, 10, 11)


def random_mask(seed: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE) < share


def whole(mask: vb.BoxedMask) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    vb.paint(array, (0, 0, 0), mask, 1)
    return array > 0


PAIRS = [(random_mask(n, a), random_mask(n + 50, b)) for n, (a, b) in enumerate([(0.3, 0.2), (0.01, 0.02), (0, 0.1)])]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_boxed_masks_do_what_arrays_do(a, b):
    one, two = vb.boxed(a), vb.boxed(b)
    assert np.array_equal(whole(one), a)
    assert one.count == a.sum()
    assert vb.common(one, two) == (a & b).sum()
    assert np.array_equal(whole(vb.union([one, two])), a | b)
    assert np.array_equal(whole(vb.without(one, two)), a & ~b)
    assert np.array_equal(whole(vb.without(two, one)), b & ~a)
    total = a.sum() + b.sum()
    assert vb.dice(one, two) == pytest.approx(2 * (a & b).sum() / total)


def test_a_box_is_as_small_as_its_mask_and_keeps_its_place():
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 3, 5:9] = True
    box = vb.boxed(mask, (10, -20, 30))
    assert box.start == (12, -17, 35)
    assert box.stop == (14, -16, 39)
    assert box.mask.shape == (2, 1, 4)


def test_two_empty_masks_are_the_same_and_have_dsc_one():
    assert vb.boxed(np.zeros(SHAPE, bool)).same_as(vb.EMPTY)
    assert vb.dice(vb.EMPTY, vb.EMPTY) == 1.0
    assert vb.union([]).count == 0


def test_masks_far_apart_share_nothing():
    a, b = vb.boxed(np.ones((2, 2, 2), bool)), vb.boxed(np.ones((2, 2, 2), bool), (100, 0, 0))
    assert vb.common(a, b) == 0
    assert vb.without(a, b) is a
    assert vb.union([a, b]).count == 16


def test_the_same_voxels_elsewhere_are_another_mask():
    a, b = vb.boxed(np.ones((2, 2, 2), bool)), vb.boxed(np.ones((2, 2, 2), bool), (1, 0, 0))
    assert not a.same_as(b)
    assert a.same_as(vb.boxed(np.ones((2, 2, 2), bool)))


def test_what_lies_outside_an_array_is_not_painted():
    array = np.zeros((3, 3, 3), np.uint8)
    vb.paint(array, (0, 0, 0), vb.boxed(np.ones((2, 2, 2), bool), (2, -1, 2)), 5)
    assert array.sum() == 5
    assert array[2, 0, 2] == 5
