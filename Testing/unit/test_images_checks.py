"""What is wrong with an image, and what it is."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import errors, images


def ct(size=(20, 20, 20), spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    rng = np.random.default_rng(0)
    array = rng.normal(60, 10, size[::-1]).astype(np.float32)
    array[:, :4] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def codes(image, modality=None):
    return [f.code for f in images.check_image(image, modality)]


def test_a_good_image_has_no_findings():
    assert codes(ct(), "CT") == []
    assert codes(sitk.Abs(ct()), "MR") == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(bad):
    array = images.array_of(ct()).copy()
    array[3, 4, 5] = bad
    image = sitk.GetImageFromArray(array)
    assert codes(image) == ["not-finite"]
    with pytest.raises(errors.ImplausibleImage, match=r"case\.nrrd has 1 voxels that are NaN"):
        images.require_usable(image, "case.nrrd")


def test_a_constant_image():
    assert codes(ct() * 0) == ["constant"]


@pytest.mark.parametrize("spacing", [(0.1, 0.1, 0.1), (1.0, 1.0, 50.0)])
def test_impossible_spacing(spacing):
    assert codes(ct(spacing=spacing)) == ["spacing"]


def test_thick_slices_are_a_warning_only():
    image = ct(spacing=(0.7, 0.7, 10.0))
    assert codes(image) == ["anisotropy"]
    assert [f.severity for f in images.require_usable(image, "x")] == ["warning"]


def test_three_slices_are_too_few():
    assert codes(ct((20, 20, 3))) == ["few-slices"]


def test_dimension_and_color():
    assert codes(ct()[:, :, 0]) == ["one-slice"]
    assert codes(sitk.JoinSeries([ct(), ct()])) == ["four-dimensional"]
    assert codes(sitk.Compose([ct()] * 3)) == ["color"]


def test_mr_given_as_ct_and_ct_given_as_mr():
    mr = sitk.Abs(ct()) * 3
    with pytest.raises(errors.ImplausibleImage, match="not a CT in Hounsfield units.*choose MRI as its modality"):
        images.require_usable(mr, "case", "CT")
    with pytest.raises(errors.ImplausibleImage, match="not an MRI.*CT as its modality"):
        images.require_usable(ct(), "case", "MR")


def test_a_clipped_ct_is_a_ct_and_an_mri_with_negative_values_is_not():
    values = images.array_of(ct()).astype(float)
    clipped = images.image_like(np.clip(values, -200, 400), ct())
    assert images.guess_modality(clipped) == "CT"
    rng = np.random.default_rng(3)
    centered = images.image_like(rng.normal(0, 80, values.shape), ct())
    assert images.guess_modality(centered) == "MR"


def test_a_ct_without_rescale_is_told_so():
    unscaled = ct() + 1024
    finding = images.check_image(unscaled, "CT")[0]
    assert finding.code == "not-hounsfield"
    assert "rescale" in finding.remedy


def test_a_ct_without_rescale_beside_padding_is_told_so() -> None:
    array = images.array_of(ct()) + 1024
    array[:, :, 17:] = -2000  # outside the scanner's circle, as some scanners store it
    with pytest.raises(errors.ImplausibleImage, match="body near 1050, beside padding of -2000"):
        images.require_usable(sitk.GetImageFromArray(array), "case", "CT")
    array = images.array_of(ct()).copy()
    array[:, :, 17:] = -3024
    assert codes(sitk.GetImageFromArray(array), "CT") == []


def test_modality_is_guessed_from_dicom_first_and_from_air_second():
    assert images.guess_modality(ct()) == "CT"
    assert images.guess_modality(sitk.Abs(ct())) == "MR"
    tagged = ct()
    tagged.SetMetaData("0008|0060", "MR")
    assert images.guess_modality(tagged) == "MR"


def test_the_real_scans_are_told_apart(shared_data):
    folder = shared_data / "totalsegmentator"
    for name, modality in (("ct_3mm.nii.gz", "CT"), ("mr_3mm_slab.nii.gz", "MR")):
        image = images.read_image(folder / name)
        assert images.guess_modality(image) == modality
        assert codes(image, modality) == []
