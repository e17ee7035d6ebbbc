"""What the cyst filter is given: masks, phases, cysts of before, borders, nothing at all, and an MRI."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from cyst_scans import CYST, LIVER_HU, TUMOR, ball, image_of, mri_scan, scan

from LiverPlannerLib.cysts import THRESHOLD_HU
from LiverPlannerLib.cysts.filter import filter_cysts
from PreopReviewLib import images


def test_a_mask_of_lesions_does_as_well_as_a_label_image():
    ct, labels = scan(CYST, TUMOR)
    mask, liver = labels == 2, labels != 0
    result = filter_cysts(ct, mask, liver)
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]
    assert set(np.unique(images.array_of(result.labels))) == {0, 2, 3}
    assert result.settings.liver.median == pytest.approx(LIVER_HU, abs=1)


def test_without_a_liver_the_phase_is_said_to_be_unchecked():
    ct, labels = scan(CYST)
    assert "phase was not checked" in filter_cysts(ct, labels == 2).warnings[0]


def test_outside_the_portal_phase_it_warns_and_only_simple_cysts_are_cysts():
    result = filter_cysts(*scan(((20, 18, 18), 6, 5.0), ((20, 40, 40), 8, THRESHOLD_HU - 10), liver=50.0))
    assert "not a portal-venous phase" in result.warnings[0]
    assert [r.decision for r in result.regions] == ["undecided", "cyst"]
    assert "phase" in result.regions[0].reason


def test_regions_already_labeled_cyst_stay_cysts_or_are_asked_again():
    ct, labels = scan(CYST, TUMOR)
    array = sitk.GetArrayFromImage(labels)
    array[ball(array.shape, *TUMOR[:2])] = 3
    labels = images.image_like(array, labels)
    kept = filter_cysts(ct, labels)
    assert len(kept.regions) == 1
    assert images.array_of(kept.cyst).sum() == ((array == 2) | (array == 3)).sum()
    asked = filter_cysts(ct, labels, reconsider_cysts=True)
    assert [r.decision for r in asked.regions] == ["tumor", "cyst"]
    assert images.array_of(asked.cyst).sum() == (array == 2).sum()


def test_a_result_can_be_filtered_again_without_change():
    ct, labels = scan(CYST, TUMOR)
    once = filter_cysts(ct, labels)
    again = filter_cysts(ct, once.labels, reconsider_cysts=True)
    assert np.array_equal(images.array_of(once.labels), images.array_of(again.labels))


def test_float_images_and_labels_are_taken_as_integers_are():
    ct, labels = scan(CYST, TUMOR)
    result = filter_cysts(sitk.Cast(ct, sitk.sitkFloat32), sitk.Cast(labels, sitk.sitkFloat64))
    assert result.regions == filter_cysts(ct, labels).regions


def test_lesions_at_the_border_of_the_image_and_single_voxels_are_measured():
    ct, labels = scan()
    array, picture = sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(ct)
    array[0:6, 0:6, 0:6], picture[0:6, 0:6, 0:6] = 2, 10
    array[39, 59, 59] = 2
    result = filter_cysts(images.image_like(picture, ct), images.image_like(array, labels))
    assert [(r.voxels, r.core_voxels) for r in result.regions] == [(216, 64), (1, 1)]
    assert [r.decision for r in result.regions] == ["cyst", "undecided"]


def test_an_empty_mask_gives_no_regions_and_says_so():
    ct, labels = scan()
    result = filter_cysts(ct, labels, lesions_are="labels")
    assert result.regions == []
    assert any("no lesion" in w for w in result.warnings)
    assert images.array_of(result.tumor).sum() == images.array_of(result.cyst).sum() == 0
    assert filter_cysts(ct, labels * 0).regions == []


def test_a_liver_taken_for_lesions_is_pointed_out():
    ct = np.full((20, 200, 200), -1000, np.int16)
    mask = np.zeros_like(ct, dtype=np.uint8)
    mask[2:18, 20:120, 20:120] = 1
    ct[mask > 0] = 100
    ct[0, 0, :50] = 60
    image = image_of(ct, (2.0, 2.0, 4.0))
    assert any("is it a liver" in w for w in filter_cysts(image, images.image_like(mask, image)).warnings)


def test_an_mri_in_relative_units_never_says_hounsfield_of_its_values():
    result = filter_cysts(*mri_scan(150.0, 650.0), modality="MR", relative_threshold=-15)
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]
    assert {r.unit for r in result.regions} == {"liver MAD"}
    assert not any("HU" in r.reason for r in result.regions)
    assert "not Hounsfield units" in result.warnings[0]


def test_on_t2_brighter_than_the_threshold_is_a_cyst():
    result = filter_cysts(*mri_scan(1900.0, 1000.0), modality="MR", relative_threshold=25)
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]


def test_a_real_unenhanced_ct_gets_the_phase_warning(shared_data):
    folder = shared_data / "totalsegmentator"
    picture = images.read_image(folder / "ct_3mm.nii.gz")
    liver = images.read_labels(folder / "ct_3mm_seg117.nii.gz") == 5
    result = filter_cysts(picture, sitk.BinaryErode(liver, [8, 8, 8]), liver)
    assert any("not a portal-venous phase" in w for w in result.warnings)
    assert all(r.decision != "cyst" for r in result.regions)
