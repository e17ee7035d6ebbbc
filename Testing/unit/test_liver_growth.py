"""A bright liver that a network has cut short."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.segmentation.liver_growth import grown_liver
from PreopReviewLib import images
from PreopReviewLib.evaluation.overlap import dice

SHAPE, SPACING = (50, 70, 80), (2.0, 1.5, 2.5)


def part(low: tuple[int, int, int], high: tuple[int, int, int]) -> np.ndarray:
    out = np.zeros(SHAPE, bool)
    out[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return out


LIVER = part((10, 15, 10), (40, 60, 45))


def as_image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin((30, -20, 55))
    return image


def scan(bright: np.ndarray, around: float = 50.0, low: float = 100.0) -> sitk.Image:
    """The bright parts at 100 with a field that rises by a tenth from front to back, in a body of `around`."""
    field = 1 + np.linspace(0, 0.1, SHAPE[1])[:, None]
    noise = np.random.default_rng(2).normal(0, 12, SHAPE)
    return as_image((np.where(bright, low, around) * field + noise).astype(np.float32))


def grown(image: sitk.Image, mask: np.ndarray) -> tuple[np.ndarray, float]:
    out, milliliters = grown_liver(image, as_image(mask.astype(np.uint8)))
    assert images.same_grid(out, image)
    return images.array_of(out) > 0, milliliters


def test_a_part_that_was_cut_off_comes_back_and_holes_are_filled():
    cut = LIVER & ~part((10, 45, 10), (40, 60, 45)) & ~part((20, 25, 20), (26, 31, 26))
    out, milliliters = grown(scan(LIVER), cut)
    assert dice(cut, LIVER) < 0.85
    assert dice(out, LIVER) > 0.96
    assert (out | ~cut).all(), "nothing of the mask is lost"
    assert milliliters == pytest.approx((out & ~cut).sum() * np.prod(SPACING) / 1000)


def test_what_hangs_on_a_thin_bridge_is_another_organ():
    kidney, bridge = part((15, 20, 58), (35, 50, 72)), part((24, 34, 45), (27, 37, 58))
    cut = LIVER & ~part((10, 50, 10), (40, 60, 45))
    out, milliliters = grown(scan(LIVER | kidney | bridge), cut)
    assert milliliters > 0
    assert not (out & kidney).any()


@pytest.mark.parametrize("around", [85.0, 100.0, 190.0])
def test_a_liver_that_does_not_stand_out_is_left_alone(around):
    cut = LIVER & ~part((10, 45, 10), (40, 60, 45))
    out, milliliters = grown(scan(LIVER, around), cut)
    assert milliliters == 0
    assert (out == cut).all()


def test_a_good_mask_is_left_alone():
    out, milliliters = grown(scan(LIVER), LIVER)
    assert milliliters == 0
    assert (out == LIVER).all()


def test_a_mask_too_small_to_judge_is_left_alone():
    assert grown(scan(LIVER), part((20, 30, 30), (22, 32, 32)))[1] == 0
