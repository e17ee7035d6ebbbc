"""Padding of a CT with another value than air."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan import pipeline as plan
from PreopReviewLib import images


def ct(fill: float | None = None, kind: type = np.int16) -> sitk.Image:
    """Noisy tissue in air, and around it, where wanted, what a resampling has filled in."""
    array = np.random.default_rng(4).normal(40, 12, (40, 60, 60))
    array[:, :6] = array[:, -6:] = -1000
    array[:, :, :6] = array[:, :, -6:] = -1000
    if fill is not None:
        array = np.pad(array, ((0, 0), (14, 14), (14, 14)), constant_values=fill)
    image = sitk.GetImageFromArray(array.astype(kind))
    image.SetSpacing((3, 3, 3))
    return image


@pytest.mark.parametrize("fill", [0, 3071, -100])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_value_up_to_the_border_is_read_as_air_and_named(fill: int, kind: type) -> None:
    filled, said = images.without_padding(ct(fill, kind))
    assert said == f"54 % of the image are filled with {fill} HU up to its border; this was read as air."
    assert np.array_equal(images.array_of(filled), images.array_of(ct(-1000, kind)))
    assert images.same_grid(filled, ct(fill, kind))


@pytest.mark.parametrize("image", [ct(), ct(-1000), ct(-3024)], ids=["none", "air", "beyond the scanner"])
def test_an_image_without_such_padding_stays_as_it_is(image: sitk.Image) -> None:
    assert images.without_padding(image) == (image, "")


def test_corners_that_a_turn_has_left_are_found_and_tissue_of_the_same_value_is_not() -> None:
    scan = ct()
    turn = sitk.Euler3DTransform()
    turn.SetCenter(scan.TransformContinuousIndexToPhysicalPoint([30, 30, 20]))
    turn.SetRotation(0, 0, 0.2)
    array = images.array_of(scan).copy()
    array[15:25, 25:35, 25:35] = 0  # a cyst of one value, within
    turned = sitk.Resample(images.image_like(array, scan), scan, turn, sitk.sitkLinear, 0)
    filled, said = images.without_padding(turned)
    assert "0 HU" in said
    changed = images.array_of(filled) != images.array_of(turned)
    assert changed[:, 0, 0].all()
    assert not changed[:, 20:40, 20:40].any()


def test_a_plan_of_a_padded_ct_says_so() -> None:
    image = ct(0)
    liver = np.zeros(images.array_of(image).shape, np.uint8)
    liver[5:35, 25:55, 25:55] = 1
    options = plan.PlanOptions(lesions=False, structures=False, segments=False)
    made = plan.make_plan(image, options, liver_mask=images.image_like(liver, image))
    assert any("filled with 0 HU up to its border" in w for w in made.warnings)
    assert made.image is image
