"""What the cyst filter refuses: wrong overrides, grids, thresholds, values and units."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from cyst_scans import CYST, TUMOR, mri_scan, scan

from LiverPlannerLib.cysts.filter import filter_cysts
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ImplausibleImage, InputError


@pytest.mark.parametrize("overrides", [{3: "cyst"}, {0: "cyst"}, {1: "benign"}])
def test_an_override_of_an_unknown_region_or_decision_is_refused(overrides):
    with pytest.raises(InputError):
        filter_cysts(*scan(CYST, TUMOR), overrides=overrides)


def test_an_all_true_mask_is_refused():
    ct, labels = scan()
    with pytest.raises(InputError, match="fills 100 %"):
        filter_cysts(ct, labels * 0 + 1)


@pytest.mark.parametrize("change", ["size", "spacing", "origin"])
def test_a_mask_of_other_geometry_is_refused(change):
    ct, labels = scan(CYST)
    if change == "size":
        labels = labels[:, :, 1:]
    elif change == "spacing":
        labels.SetSpacing((1, 1, 2))
    else:
        labels.SetOrigin((5, 0, 0))
    with pytest.raises(GeometryError):
        filter_cysts(ct, labels)


def test_a_liver_mask_of_other_geometry_is_refused():
    ct, labels = scan(CYST)
    with pytest.raises(GeometryError, match="liver mask"):
        filter_cysts(ct, labels, (labels != 0)[:, :, 1:])


@pytest.mark.parametrize("threshold", [-300.0, 4500.0, float("nan"), float("inf")])
def test_an_absurd_threshold_is_refused(threshold):
    with pytest.raises(InputError, match="is out of range"):
        filter_cysts(*scan(CYST), threshold=threshold)


def test_an_unknown_rule_or_modality_is_refused():
    pair = scan(CYST)
    with pytest.raises(InputError, match="rule"):
        filter_cysts(*pair, rule="otsu")
    with pytest.raises(InputError, match="modality"):
        filter_cysts(*pair, modality="PET")


def test_fractions_in_the_mask_are_refused():
    ct, labels = scan(CYST)
    with pytest.raises(InputError, match="fractions"):
        filter_cysts(ct, sitk.Cast(labels, sitk.sitkFloat32) * 0.3)


def test_nan_inside_a_lesion_is_refused():
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    array[20, 18, 18] = np.nan
    with pytest.raises(ImplausibleImage, match="NaN"):
        filter_cysts(images.image_like(array, ct), labels)


def test_normalized_and_rescaled_ct_is_refused():
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    z_scored = (array - array.mean()) / array.std()
    eight_bit = np.clip((array + 160) / 400 * 255, 0, 255).round()
    for wrong in (z_scored, eight_bit, array + 1024, (array + 1024) / 2048):
        with pytest.raises(ImplausibleImage, match="Hounsfield"):
            filter_cysts(images.image_like(wrong.astype(np.float32), ct), labels)


def test_a_raw_ct_whose_air_is_below_zero_is_known_by_its_liver():
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    with pytest.raises(ImplausibleImage, match="liver's median"):
        filter_cysts(images.image_like(array + 500, ct), labels)


def test_an_mri_needs_a_relative_threshold():
    with pytest.raises(InputError, match="no Hounsfield units"):
        filter_cysts(*scan(CYST), modality="MR")


def test_relative_units_need_a_liver_with_some_spread():
    picture, labels = mri_scan(150.0, 650.0)
    with pytest.raises(InputError, match="need the liver"):
        filter_cysts(picture, labels == 2, modality="MR", relative_threshold=-5)
    with pytest.raises(InputError, match="is out of range"):
        filter_cysts(picture, labels, modality="MR", relative_threshold=0)


def test_an_mri_given_as_a_ct_is_refused(shared_data):
    folder = shared_data / "totalsegmentator"
    picture = images.read_image(folder / "mr_3mm_slab.nii.gz")
    liver = images.read_labels(folder / "mr_3mm_slab_seg.nii.gz") == 5
    lesion = sitk.BinaryErode(liver, [4, 4, 2])
    with pytest.raises(ImplausibleImage):
        filter_cysts(picture, lesion, liver)
