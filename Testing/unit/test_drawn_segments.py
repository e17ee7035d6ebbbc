"""Couinaud segments, trunks and several images of models that were chosen for a plan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.couinaud.volumes import drawn_division
from LiverPlannerLib.plan.chosen_models import ChosenModels, drawn_by
from LiverPlannerLib.plan.pipeline import together
from PreopReviewLib.errors import NothingFound
from PreopReviewLib.models.segmenter import SegmenterResult


def image_of(array) -> sitk.Image:
    image = sitk.GetImageFromArray(np.asarray(array, np.uint8))
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def halves(gap=0):
    """A liver with a tumor, and a model's segments 2 and 7 in it, a gap between them."""
    labels = np.zeros((10, 20, 20), np.uint8)
    labels[2:8, 4:16, 4:16] = 1
    labels[4:6, 6:8, 6:8] = 2
    drawn = np.zeros(labels.shape, np.uint8)
    drawn[:, :, : 10 - gap] = 3
    drawn[:, :, 10 + gap :] = 5
    values = {"segment_2": 3, "segment_7": 5}
    return image_of(labels), SegmenterResult(image_of(drawn), values, "mine 1")


def test_drawn_segments_fill_the_liver_and_name_the_place_of_a_lesion():
    labels, drawn = halves(gap=1)
    division = drawn_division(labels, drawn)
    segments = sitk.GetArrayFromImage(division.labels)
    liver = sitk.GetArrayFromImage(labels) > 0
    assert set(np.unique(segments[liver])) == {2, 7}
    assert not segments[~liver].any()
    assert division.places == {("tumor", 1): "S2"}
    assert division.model == "mine 1"
    assert sum(v.ml for v in division.volumes) == pytest.approx(liver.sum() * 0.008)


def test_what_a_model_leaves_out_is_told():
    warnings = drawn_division(*halves(gap=3)).warnings
    assert warnings[0] == "mine 1 has no segment 1, 3, 4, 5, 6, 8."
    assert warnings[1] == "mine 1 gives 50% of the liver to no segment; that went to the nearest."


def test_segments_that_lie_elsewhere_are_none():
    labels, drawn = halves()
    drawn.labels = image_of(np.zeros((10, 20, 20)))
    with pytest.raises(NothingFound, match="no Couinaud segment in the liver"):
        drawn_division(labels, drawn)


def test_a_model_of_segments_draws_a_liver_too():
    segments = [f"segment_{n}" for n in range(1, 9)]
    assert drawn_by(segments) == ["liver", "segments"]
    assert drawn_by(["liver", *segments]) == ["liver", "segments"]
    assert drawn_by(["spleen"]) == []


class OfPart:
    """A model that draws the portal trunk only, of two images."""

    structures, partly, channels = ("portal_vein",), ("portal_vein",), ("T1 native", "T1 portal")


def test_a_trunk_leaves_the_branches_to_the_default_model():
    chosen = ChosenModels({"portal_vein": OfPart()})
    assert chosen.adds("portal_vein")
    assert "portal_vein" in chosen.rest()
    assert chosen.channels() == ("T1 native", "T1 portal")


def test_several_images_are_components_of_one():
    made = together([image_of(np.full((2, 2, 2), v)) for v in (3, 5)])
    assert made.GetNumberOfComponentsPerPixel() == 2
    assert made[0, 0, 0] == (3.0, 5.0)
