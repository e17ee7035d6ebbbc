"""Synthetic shoulders: the tear is where and as wide as it says, and the seed says all."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.errors import InputError  # noqa: E402
from PreopReviewLib.phantoms.shoulder import TearDrawing, Tissue, make_shoulder_phantom  # noqa: E402
from PreopReviewLib.phantoms.shoulder_cubes import render_cubes  # noqa: E402
from PreopReviewLib.phantoms.shoulder_tears import class_of, draw_tear  # noqa: E402

SMALL = {"size": (64, 64, 24)}


def test_the_same_seed_gives_the_same_voxels_and_another_one_others():
    first, again, other = (make_shoulder_phantom(s, 3, size=(48, 48, 8), slice_mm=8.0) for s in (5, 5, 6))
    assert np.array_equal(images.array_of(first.image), images.array_of(again.image))
    assert not np.array_equal(images.array_of(first.image), images.array_of(other.image))
    assert first.tear_center_lps == again.tear_center_lps


@pytest.mark.parametrize("side", ["R", "L"])
def test_the_tear_lies_at_its_center_over_the_head(side):
    phantom = make_shoulder_phantom(2, TearDrawing(20, 14, 2.0), side=side, **SMALL)
    labels = images.array_of(phantom.labels)
    torn = np.argwhere(labels == Tissue.TEAR)
    middle = np.array(phantom.labels.TransformContinuousIndexToPhysicalPoint(torn.mean(0)[::-1].tolist()))
    assert np.linalg.norm(middle - phantom.tear_center_lps) < 3
    head, tear = np.array(phantom.head_center_lps), np.array(phantom.tear_center_lps)
    assert 15 < np.linalg.norm(tear - head) < 40
    assert (tear[0] < head[0]) == (side == "R")  # lateral
    assert tear[2] > head[2]


def test_an_intact_shoulder_has_no_tear():
    phantom = make_shoulder_phantom(3, None, **SMALL)
    assert phantom.tear_class == 0
    assert phantom.tear_center_lps is None
    assert not (images.array_of(phantom.labels) == Tissue.TEAR).any()


def test_a_wider_tear_takes_more_room_front_to_back():
    widths = []
    for mm in (8, 20, 38):
        low, high = make_shoulder_phantom(4, TearDrawing(mm, 10, -6.0), side="R", size=(64, 64, 30)).tear_corners_lps
        widths.append(high[1] - low[1])
    assert widths == sorted(widths)
    assert widths[2] > 2 * widths[0]


def test_all_tissues_are_there():
    labels = sitk.GetArrayFromImage(make_shoulder_phantom(7, 4, size=(128, 128, 24)).labels)
    assert set(np.unique(labels)) == {int(t) for t in Tissue}


@pytest.mark.parametrize(("contrast", "brighter"), [("t2", True), ("t2fs", True), ("t1", False)])
def test_fluid_is_brighter_than_fat_on_t2_only(contrast, brighter):
    phantom = make_shoulder_phantom(8, 4, contrast, size=(96, 96, 24))
    image, labels = (images.array_of(i) for i in (phantom.image, phantom.labels))
    assert (image[labels == Tissue.TEAR].mean() > image[labels == Tissue.HUMERUS].mean()) == brighter


@pytest.mark.parametrize("tear_class", range(5))
def test_drawn_tears_belong_to_the_class_they_were_drawn_for(tear_class):
    rng = np.random.default_rng(0)
    assert {class_of(draw_tear(rng, tear_class)) for _ in range(200)} == {tear_class}


def test_cubes_carry_their_classes_and_their_tears():
    rendered = render_cubes(1, np.array([0, 4]))
    assert rendered.cubes.shape == (2, 1, 64, 64, 64)
    assert rendered.classes.tolist() == [0, 4]
    assert float(rendered.torn[0].max()) == 0
    assert float(rendered.torn[1].max()) > 0.9
    assert 0 <= float(rendered.cubes.min()) <= float(rendered.cubes.max()) <= 255


@pytest.mark.parametrize("arguments", [{"contrast": "ct"}, {"plane": "upside"}, {"tear": 9}])
def test_unknown_choices_are_refused(arguments):
    with pytest.raises(InputError):
        make_shoulder_phantom(1, size=(16, 16, 4), **arguments)
