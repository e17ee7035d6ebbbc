"""Training samples of whole abdomens in random contrasts."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.any_contrast import bent, body_of_scan, paint_body
from PreopReviewLib.phantoms.shape_files import liver_shapes
from PreopReviewLib.phantoms.tissues import Tissue
from PreopReviewLib.training.painted_data import PaintedSource, labeled_scan, value_range


def scan() -> tuple[np.ndarray, np.ndarray]:
    """HU and labels (liver 5, spleen 1) of a block of a body."""
    values = np.full((24, 30, 36), -1000, np.float32)
    values[:, 4:26, 4:32] = -90
    labels = np.zeros(values.shape, np.uint8)
    labels[4:20, 8:22, 6:18], labels[6:14, 10:20, 24:30] = 5, 1
    values[labels > 0] = 60
    return values, labels


def source(**changes) -> PaintedSource:
    values, labels = scan()
    body = body_of_scan(values, np.where(labels == 5, 0, labels), labels == 5, 6.0)
    given = {"seed": 3, "patch": (32, 32, 32), "spacing": 6.0, "intensity": {"kind": "zscore"}, "scans": [body]}
    return PaintedSource(**{**given, **changes})


def test_the_same_number_gives_the_same_sample_and_another_one_another_contrast() -> None:
    samples = source()
    first, again, other = samples.sample(4), samples.sample(4), samples.sample(5)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first[0].shape == (1, 32, 32, 32)
    assert first[1].shape == (32, 32, 32)
    assert set(np.unique(first[1])) == {0, 1}
    assert not np.array_equal(first[0], other[0])


def test_liver_and_neighbor_look_different_from_image_to_image_and_air_stays_dark() -> None:
    values, labels = scan()
    body = body_of_scan(values, np.where(labels == 5, 0, labels), labels == 5, 4.0)
    assert (body.codes[values < -400] == Tissue.AIR).all()
    ratios = []
    for seed in range(8):
        image = paint_body(np.random.default_rng(seed), body)
        assert image.shape == values.shape
        assert np.isfinite(image).all()
        ratios.append(np.median(image[labels == 5]) / np.median(image[labels == 1]))
        assert np.median(image[values < -400]) < np.median(image[labels == 5])
    assert min(ratios) < 0.9
    assert max(ratios) > 1.1


def test_a_bent_body_keeps_its_liver_where_its_codes_are() -> None:
    values, labels = scan()
    body = body_of_scan(values, np.where(labels == 5, 0, labels), labels == 5, 4.0)
    other = bent(np.random.default_rng(1), body)
    liver = other.codes == Tissue.LIVER
    assert 2 * (liver & other.liver).sum() / (liver.sum() + other.liver.sum()) > 0.95
    assert not np.array_equal(other.liver, body.liver)


def test_a_labeled_ct_is_read_by_its_values_and_a_value_that_is_not_there_is_named(tmp_path) -> None:
    values, labels = scan()
    for name, array in (("ct.nii.gz", values.astype(np.int16)), ("labels.nii.gz", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((4.0, 4.0, 4.0))
        sitk.WriteImage(image, str(tmp_path / name))
    body = labeled_scan(f"{tmp_path}/ct.nii.gz:{tmp_path}/labels.nii.gz:4-6", 4.0)
    assert body.liver.sum() == (labels == 5).sum()
    with pytest.raises(InputError, match="no voxel of 9"):
        labeled_scan(f"{tmp_path}/ct.nii.gz:{tmp_path}/labels.nii.gz:9", 4.0)
    with pytest.raises(InputError, match="IMAGE:LABELS:VALUES"):
        labeled_scan("ct.nii.gz", 4.0)
    with pytest.raises(InputError, match="not a label value"):
        value_range("liver")
    shapes = liver_shapes([f"{tmp_path}/lab*.nii.gz:4-5"])
    assert len(shapes) == 1
    with pytest.raises(InputError, match="No file"):
        liver_shapes([f"{tmp_path}/nothing*.nii.gz:1"])
