"""Opening and closing by balls, against SimpleITK's."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverPlannerLib.segmentation.morphology import closed, opened

SHAPE, ONE = (30, 32, 34), (1.0, 1.0, 1.0)
BLOBS = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(SHAPE), 2.5) > 0


def by_itk(kind: type, mask: np.ndarray, radius: int) -> np.ndarray:
    """Off the border, where the two differ in what they take for outside."""
    filter_ = kind()
    filter_.SetKernelType(sitk.sitkBall)
    filter_.SetKernelRadius(radius)
    return sitk.GetArrayFromImage(filter_.Execute(sitk.GetImageFromArray(mask.astype(np.uint8)))) > 0


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    core = (slice(6, -6),) * 3
    return float((a == b)[core].mean())


def test_they_are_those_of_simpleitk_but_for_the_balls_edge():
    for own, kind in (
        (opened, sitk.BinaryMorphologicalOpeningImageFilter),
        (closed, sitk.BinaryMorphologicalClosingImageFilter),
    ):
        theirs = by_itk(kind, BLOBS, 2)
        assert agreement(own(BLOBS, 2.0, ONE), theirs) > 0.97
        assert agreement(BLOBS, theirs) < 0.97


def test_the_radius_is_in_mm_along_every_axis():
    gap = np.ones((20, 20, 20), bool)
    gap[10] = False
    assert closed(gap, 2.0, (2.0, 1.0, 1.0))[:, 5:-5, 5:-5].all()
    assert not closed(gap, 1.5, (2.0, 1.0, 1.0))[10].any()
    wide = np.ones((20, 20, 20), bool)
    wide[8:12] = False
    assert not closed(wide, 3.0, (2.0, 1.0, 1.0))[9:11].any()


def test_nothing_stays_nothing():
    empty = np.zeros((5, 6, 7), bool)
    assert not closed(empty, 3.0, ONE).any()
    assert not opened(empty, 3.0, ONE).any()
