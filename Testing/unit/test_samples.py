"""The sample that comes with PreopReview: a whole liver in contrast, its segments, and whose they are."""

from __future__ import annotations

import numpy as np
import pytest

from PreopReviewLib import images
from PreopReviewLib.samples import sample_ct


def test_the_sample_is_a_whole_liver_in_contrast():
    sample = sample_ct()
    image, segments = images.read_image(sample.path), images.read_labels(sample.segments)
    assert image.GetSpacing() == pytest.approx((1.40625, 1.40625, 5.0))
    assert images.guess_modality(image) == "CT"
    assert images.check_image(image, "CT") == []
    hu = images.array_of(image)
    assert (hu.min(), hu.max()) == (-200, 400)
    assert images.same_grid(image, segments)
    inside = images.array_of(segments)
    assert set(np.unique(inside)) == set(range(9))
    assert 110 < np.median(hu[inside > 0]) < 135
    assert (inside > 0).sum() * images.voxel_ml(image) == pytest.approx(1365.5, abs=1)
    assert not inside[0].any()
    assert not inside[-1].any()


def test_its_license_says_source_license_and_changes_and_it_is_small():
    folder = sample_ct().path.parent
    text = (folder / "LICENSE").read_text(encoding="utf-8")
    for words in ("Medical Segmentation Decathlon", "CC BY-SA 4.0", "Changed:", "MIT License", "xukun"):
        assert words in text
    assert sum(p.stat().st_size for p in folder.iterdir()) < 3e6
