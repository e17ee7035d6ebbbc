"""Lesion-wise detection on drawn boxes: each outcome, thresholds, and empty masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.evaluation.detection import detect

SHAPE = (20, 30, 40)


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """Cubes given by their first corner (K, J, I) and edge."""
    mask = np.zeros(SHAPE, bool)
    for k, j, i, edge in corners:
        mask[k : k + edge, j : j + edge, i : i + edge] = True
    return mask


def test_matched_missed_and_false_lesions_are_told_apart():
    result = detect(boxes((2, 2, 3, 6), (12, 20, 30, 3)), boxes((2, 2, 2, 6), (12, 2, 2, 4)))
    assert (result.found, result.missed, result.false) == (1, 1, 1)
    assert [row.outcome for row in result.lesions] == ["matched", "missed", "false"]
    assert result.sensitivity == 0.5
    assert result.precision == 0.5
    assert result.lesions[0].dsc == pytest.approx(5 / 6)
    assert result.lesions[1].centroid_kji == (13.5, 3.5, 3.5)
    assert result.lesions[1].dsc is None


def test_two_neighbors_drawn_as_one_are_both_found():
    prediction = np.zeros(SHAPE, bool)
    prediction[2:8, 2:8, 2:16] = True
    result = detect(prediction, boxes((2, 2, 2, 6), (2, 2, 10, 6)))
    assert [row.outcome for row in result.lesions] == ["merged"]
    assert (result.found, result.missed, result.false) == (2, 0, 0)
    assert result.lesions[0].reference == (1, 2)


def test_one_lesion_drawn_in_two_parts_is_found_once():
    reference = np.zeros(SHAPE, bool)
    reference[2:8, 2:8, 2:16] = True
    result = detect(boxes((2, 2, 2, 6), (2, 2, 10, 6)), reference)
    assert [row.outcome for row in result.lesions] == ["split"]
    assert (result.found, result.missed, result.false) == (1, 0, 0)


def test_a_prediction_that_floods_the_image_finds_nothing():
    result = detect(np.ones(SHAPE, bool), boxes((2, 2, 2, 4), (12, 20, 30, 4)))
    assert (result.found, result.missed, result.false) == (0, 2, 1)
    assert result.precision == 0.0


def test_a_touch_is_not_a_match():
    result = detect(boxes((2, 2, 7, 6)), boxes((2, 2, 2, 6)), minimum_share=0.2)
    assert (result.found, result.missed, result.false) == (0, 1, 1)


def test_diagonal_neighbors_are_one_lesion():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert detect(mask, mask).found == 1


def test_regions_below_the_smallest_size_are_no_lesions():
    result = detect(boxes((2, 2, 2, 1)), boxes((2, 2, 2, 1), (9, 9, 9, 5)), minimum_voxels=2)
    assert (result.found, result.missed, result.false) == (0, 1, 0)


def test_lesions_are_numbered_by_falling_size():
    result = detect(boxes((2, 2, 2, 2), (9, 9, 9, 5)), boxes((2, 2, 2, 2), (9, 9, 9, 5)))
    assert [row.reference_voxels for row in result.lesions] == [125, 8]
    assert [row.reference for row in result.lesions] == [(1,), (2,)]


def test_without_lesions_the_rates_are_not_available():
    empty = np.zeros(SHAPE, bool)
    result = detect(empty, empty)
    assert (result.found, result.missed, result.false, result.lesions) == (0, 0, 0, ())
    assert result.sensitivity is None
    assert result.precision is None
    only_false = detect(boxes((2, 2, 2, 3)), empty)
    assert (only_false.false, only_false.sensitivity, only_false.precision) == (1, None, 0.0)
    only_missed = detect(empty, boxes((2, 2, 2, 3)))
    assert (only_missed.missed, only_missed.sensitivity, only_missed.precision) == (1, 0.0, None)


def test_masks_of_different_size_or_kind_are_refused():
    with pytest.raises(GeometryError, match="different sizes"):
        detect(np.zeros((3, 3, 3), bool), np.zeros((3, 3, 4), bool))
    with pytest.raises(InputError, match="not a binary mask"):
        detect(np.full((3, 3, 3), 0.4), np.zeros((3, 3, 3), bool))
    with pytest.raises(InputError, match="thresholds"):
        detect(np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), bool), minimum_share=0)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (5, 6, 7)), arrays(bool, (5, 6, 7)))
def test_every_lesion_is_counted_exactly_once(prediction, reference):
    result = detect(prediction, reference)
    numbers = [n for row in result.lesions for n in row.reference]
    assert sorted(numbers) == list(range(1, result.reference_labels.max(initial=0) + 1))
    assert len(numbers) == result.found + result.missed
    predicted = [n for row in result.lesions for n in row.prediction]
    assert sorted(predicted) == list(range(1, result.prediction_labels.max(initial=0) + 1))
    assert sum(row.reference_voxels for row in result.lesions) == reference.sum()


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (5, 6, 7)))
def test_a_mask_against_itself_has_only_matches(mask):
    result = detect(mask, mask)
    assert (result.missed, result.false) == (0, 0)
    assert all(row.outcome == "matched" and row.dsc == 1.0 for row in result.lesions)
