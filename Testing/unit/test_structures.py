"""The one table of structures."""

from __future__ import annotations

import colorsys
from itertools import combinations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.structures import (
    SEGMENTS,
    STRUCTURES,
    mask_of,
    members,
    structure,
    structure_of_label,
    unknown_labels,
)
from PreopReviewLib import errors, images


def test_keys_names_and_labels_are_unique_and_labels_start_at_one():
    for attribute in ("key", "name", "label", "color"):
        values = [getattr(s, attribute) for s in STRUCTURES]
        assert len(set(values)) == len(values), attribute
    assert [s.label for s in STRUCTURES] == list(range(1, len(STRUCTURES) + 1))
    assert all(structure(s.key) is s and structure_of_label(s.label) is s for s in STRUCTURES)


def test_the_three_veins_are_far_apart_in_hue():
    hues = [colorsys.rgb_to_hsv(*structure(k).color)[0] for k in ("hepatic_vein", "portal_vein", "inferior_vena_cava")]
    for a, b in combinations(hues, 2):
        assert min(abs(a - b), 1 - abs(a - b)) > 0.08


def test_the_liver_is_the_union_of_what_lies_in_it():
    labels = sitk.GetImageFromArray(np.arange(9, dtype=np.uint8).reshape(1, 3, 3))
    liver = images.array_of(mask_of(labels, "liver")).ravel()
    assert liver.tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert images.array_of(mask_of(labels, "tumor")).sum() == 1
    assert {s.key for s in members("liver")} == {s.key for s in STRUCTURES if s.key == "liver" or s.parent == "liver"}


def test_unknown_keys_and_labels_are_named():
    with pytest.raises(errors.InputError, match=r"Unknown structure: 'heart'.*portal_vein"):
        structure("heart")
    assert unknown_labels(sitk.GetImageFromArray(np.array([[[0, 1, 8, 19, 40]]], np.uint8))) == [19, 40]
    assert structure_of_label(99) is None


def test_couinaud_segments_are_eight_of_a_label_image_of_their_own():
    assert [s.label for s in SEGMENTS] == list(range(1, 9))
    assert [s.key for s in SEGMENTS] == [f"segment_{n}" for n in range(1, 9)]
    assert {s.kind for s in SEGMENTS} == {"segment"}
    assert {s.kind for s in STRUCTURES} == {"organ", "lesion", "candidate", "vessel", "duct"}
    for attribute in ("key", "name", "color", "type"):
        assert len({getattr(s, attribute) for s in (*STRUCTURES, *SEGMENTS)}) == len(STRUCTURES) + 8, attribute
    with pytest.raises(errors.InputError):  # in an image of structures, segment 1 would be the liver
        structure("segment_1")
