"""Label arrays counted slice by slice: what numpy gives for the whole, without its copies."""

from __future__ import annotations

import numpy as np
import pytest

from PreopReviewLib import images

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_counts_values_and_membership_are_those_of_numpy(kind):
    array = RANDOM.integers(0, 7, (5, 6, 8)).astype(kind)
    if kind is not np.uint8:
        array[2, 3, 4] = 4000
    values, counts = np.unique(array, return_counts=True)
    assert images.label_values(array) == values.tolist()
    counted = images.label_counts(array)
    assert [int(counted[v]) for v in values] == counts.tolist()
    where = array % 2 == 1
    assert images.label_counts(array, where).sum() == where.sum()
    for wanted in ([], [0, 5], [1, 4000], [255]):
        assert np.array_equal(images.among(array, wanted), np.isin(array, wanted))


def test_boxes_hold_each_value_and_nothing_less():
    array = np.zeros((9, 10, 11), np.uint16)
    array[2:5, 3:4, 6:9], array[7, 8, 1] = 3, 700
    assert images.value_boxes(array) == {
        3: (slice(2, 5), slice(3, 4), slice(6, 9)),
        700: (slice(7, 8), slice(8, 9), slice(1, 2)),
    }
    assert images.value_boxes(np.zeros((3, 3, 3), np.uint8)) == {}


def test_the_middle_of_a_mask_is_its_own_voxel_nearest_to_the_centroid():
    for seed in range(5):
        mask = np.random.default_rng(seed).random((7, 8, 9)) > 0.9
        spacing = np.array([3.0, 1.5, 0.7])
        points = np.argwhere(mask)
        assert images.centroid_of(mask) == pytest.approx(points.mean(0))
        away = np.linalg.norm((points - points.mean(0)) * spacing, axis=1)
        place = images.middle_voxel(mask, spacing)
        assert mask[place]
        assert np.linalg.norm((place - points.mean(0)) * spacing) == pytest.approx(away.min())
