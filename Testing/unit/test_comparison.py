"""All structures of two label images: rows, grids that differ, empty structures, lesions and branches."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.comparison.pair import compare, difference_image
from LiverPlannerLib.vessels.branches import relabel, split_branches
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError


def labels_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def case(shift: int = 0) -> np.ndarray:
    """A liver with a tumor (moved along K by `shift`) and a straight portal vein; a gallbladder beside it."""
    array = np.zeros((30, 40, 50), np.uint8)
    array[5:25, 5:35, 5:35] = 1
    array[8 + shift : 14 + shift, 10:16, 10:16] = 2
    array[18:21, 20:23, 6:34] = 5
    array[10:15, 10:15, 40:45] = 8
    return array


def test_identical_labels_agree_in_every_structure():
    result = compare(labels_of(case()), labels_of(case()))
    assert [row.key for row in result.rows] == ["liver", "tumor", "portal_vein", "gallbladder"]
    assert all((row.overlap.dsc, row.distances.hd, row.distances.nsd) == (1.0, 0.0, 1.0) for row in result.rows)
    assert result.row("portal_vein").main_dsc == 1.0
    assert result.detection["tumor"].found == 1


def test_a_shifted_tumor_has_the_numbers_of_its_shift():
    row = compare(labels_of(case(2), (1, 1, 3)), labels_of(case(), (1, 1, 3)), branches=False).row("tumor")
    assert row.overlap.dsc == pytest.approx(4 / 6)
    assert row.distances.hd == pytest.approx(6.0)
    assert (row.predicted_ml, row.difference_ml) == (pytest.approx(0.648), 0.0)


def test_the_liver_is_compared_with_all_that_it_contains():
    array = case()
    array[array == 2] = 1  # the prediction has no tumor, and the same liver
    result = compare(labels_of(array), labels_of(case()), branches=False)
    assert result.row("liver").overlap.dsc == 1.0
    tumor = result.row("tumor")
    assert (tumor.overlap.state, tumor.overlap.dsc, tumor.distances.hd95) == ("missed", 0.0, None)
    assert tumor.distances.assd is None
    assert (result.missed, result.false) == (("tumor",), ())
    assert (result.detection["tumor"].missed, result.detection["tumor"].found) == (1, 0)


def test_a_structure_only_in_the_prediction_is_a_false_positive():
    array = case()
    array[array == 8] = 0
    result = compare(labels_of(case()), labels_of(array), branches=False)
    row = result.row("gallbladder")
    assert (row.overlap.state, row.overlap.dsc, row.overlap.sensitivity) == ("false positive", 0.0, None)
    assert (row.distances.hd, row.as_row()["rvd_percent"]) == (None, None)
    assert result.false == ("gallbladder",)


def test_a_structure_in_neither_image_is_left_out_or_both_empty_on_request():
    result = compare(labels_of(case()), labels_of(case()), branches=False)
    assert any("In neither image" in note and "bile duct" in note for note in result.notes)
    with pytest.raises(InputError, match="not compared"):
        result.row("bile_duct")
    asked = compare(labels_of(case()), labels_of(case()), structures=["bile_duct", "cyst"])
    assert [row.key for row in asked.rows] == ["cyst", "bile_duct"]
    assert all(
        (row.overlap.state, row.overlap.dsc, row.distances.hd) == ("both empty", 1.0, None) for row in asked.rows
    )
    assert asked.detection == {}


def test_specificity_is_in_the_box_of_the_liver():
    result = compare(labels_of(case(2)), labels_of(case()), branches=False)
    assert result.specificity_box == (20, 30, 30)
    negatives = 20 * 30 * 30 - 6**3
    assert result.row("tumor").overlap.specificity == pytest.approx((negatives - 2 * 36) / negatives)
    assert any("box around the liver" in note for note in result.notes)


def test_without_a_liver_the_box_is_around_all_labels():
    array = np.zeros((10, 10, 10), np.uint8)
    array[2:5, 2:5, 2:5] = 8
    result = compare(labels_of(array), labels_of(array))
    assert result.specificity_box == (3, 3, 3)
    assert any("Neither image has a liver" in note for note in result.notes)


def test_turned_axes_and_headers_that_differ_by_rounding_change_nothing():
    reference = labels_of(case())
    turned = sitk.Flip(sitk.PermuteAxes(reference, [2, 0, 1]), [True, False, False])
    rounded = sitk.Image(reference)
    rounded.SetDirection((np.cos(1e-4), -np.sin(1e-4), 0, np.sin(1e-4), np.cos(1e-4), 0, 0, 0, 1))
    for other in (turned, rounded):
        result = compare(other, reference, branches=False)
        assert all(row.overlap.dsc == 1.0 and row.distances.hd == 0 for row in result.rows)
        assert not any("resampled" in note for note in result.notes)
        assert images.same_grid(result.prediction, reference)


def test_a_shifted_grid_is_resampled_to_the_reference_and_said():
    reference = labels_of(case())
    shifted = sitk.Image(reference)
    shifted.SetOrigin((0.3, 0.0, 0.0))
    result = compare(shifted, reference, branches=False)
    assert any("resampled to the grid of the reference" in note for note in result.notes)


def test_a_cropped_reference_hides_no_false_positive():
    whole = case()
    reference = labels_of(whole)[:, :, :15]
    result = compare(labels_of(whole), reference, branches=False)
    row = result.row("liver")
    assert row.overlap.false_positive > 0
    assert row.predicted_ml == pytest.approx(2 * row.reference_ml)
    assert any("outside the reference's field of view" in note for note in result.notes)
    assert images.same_grid(difference_image(labels_of(whole), reference, "liver"), result.prediction)


def test_a_coarser_prediction_stays_within_half_a_coarse_voxel():
    reference = labels_of(case())
    coarse = images.resample_spacing(reference, (2.0, 2.0, 2.0), "label")
    liver = compare(coarse, reference, branches=False).row("liver")
    assert liver.distances.assd < 1.0
    assert liver.distances.hd <= 2.0


def test_what_lies_outside_the_predictions_view_counts_as_missed_and_is_said():
    reference = labels_of(case())
    result = compare(reference[:, :, :15], reference, branches=False)
    assert result.row("liver").overlap.sensitivity == pytest.approx(0.5)
    assert any("outside the prediction's field of view" in note for note in result.notes)


def test_images_without_common_space_are_refused():
    far = labels_of(case())
    far.SetOrigin((1000, 0, 0))
    with pytest.raises(GeometryError, match="do not overlap in space"):
        compare(far, labels_of(case()))


def test_empty_labels_are_refused_and_labels_that_fill_the_image_are_not():
    empty = labels_of(np.zeros((5, 5, 5), np.uint8))
    with pytest.raises(InputError, match="Both label images are empty"):
        compare(empty, empty)
    full = labels_of(np.ones((5, 5, 5), np.uint8))
    row = compare(full, full).row("liver")
    assert (row.overlap.dsc, row.overlap.specificity, row.distances.hd) == (1.0, None, 0.0)
    assert compare(empty, full).missed == ("liver",)


def test_unknown_labels_are_named_and_ignored():
    array = case()
    array[0, 0, 0] = 77
    result = compare(labels_of(array), labels_of(case()), branches=False)
    assert any("77" in note and "ignored" in note for note in result.notes)
    assert result.row("liver").overlap.dsc == 1.0


def test_whole_numbers_as_floats_are_labels_and_fractions_are_not():
    assert (
        compare(labels_of(case().astype(np.float32)), labels_of(case()), branches=False).row("liver").overlap.dsc == 1
    )
    with pytest.raises(InputError, match="prediction is not a label image"):
        compare(labels_of(case() * 0.3), labels_of(case()))
    with pytest.raises(InputError, match="reference is not a label image"):
        compare(labels_of(case()), labels_of(np.full((30, 40, 50), np.nan)))


def test_images_of_several_components_or_two_dimensions_are_refused():
    vector = sitk.Compose(labels_of(case()), labels_of(case()))
    with pytest.raises(InputError, match="2 values per voxel"):
        compare(vector, labels_of(case()))
    with pytest.raises(InputError, match="2 dimensions"):
        compare(labels_of(case()), labels_of(case())[:, :, 3])


def test_an_unknown_structure_or_convention_is_refused():
    with pytest.raises(InputError, match="Unknown structure"):
        compare(labels_of(case()), labels_of(case()), structures=["heart"])
    with pytest.raises(InputError, match="convention"):
        compare(labels_of(case()), labels_of(case()), convention="medpy")


def test_the_convention_is_named_and_changes_hd95():
    pooled = compare(labels_of(case(2)), labels_of(case()), convention="pooled", branches=False)
    assert pooled.convention == "pooled"
    assert any("pooled" in note for note in pooled.notes)
    assert pooled.rows[0].as_row()["hd95_convention"] == "pooled"


def test_the_difference_image_shows_right_false_and_missed_voxels():
    array = images.array_of(difference_image(labels_of(case(2)), labels_of(case()), "tumor"))
    assert [int((array == v).sum()) for v in (1, 2, 3)] == [4 * 36, 2 * 36, 2 * 36]
    assert (array[8:10, 10:16, 10:16] == 3).all()
    assert (array[14:16, 10:16, 10:16] == 2).all()


def tree_case() -> np.ndarray:
    """A liver with a thick portal trunk along I that ends in two thin branches."""
    array = np.zeros((30, 60, 80), np.uint8)
    array[3:27, 3:57, 3:77] = 1
    k, j = np.ogrid[:30, :60]
    array[:, :, 3:43][(k - 15) ** 2 + (j - 30) ** 2 <= 6**2] = 5
    for step in range(25):
        for sign in (-1, 1):
            array[14:17, 29 + sign * step : 32 + sign * step, 40 + step : 43 + step] = 5
    return array


def test_branches_are_scored_with_the_partition_of_the_reference():
    reference = labels_of(tree_case())
    array = tree_case()
    array[:, :, 50:][array[:, :, 50:] == 5] = 1  # the prediction has lost the thin ends
    row = compare(labels_of(array), reference).row("portal_vein")
    assert row.main_dsc == 1.0
    assert 0 < row.peripheral_dsc < row.overlap.dsc < row.main_dsc


def test_a_tree_corrected_by_hand_is_used():
    reference = labels_of(tree_case())
    array = tree_case()
    array[:, :, 50:][array[:, :, 50:] == 5] = 1
    mask = labels_of((tree_case() == 5).astype(np.uint8))
    tree = split_branches(mask, "portal_vein", reference > 0)
    all_main = relabel(tree, {b.id: "main" for b in tree.branches})
    row = compare(labels_of(array), reference, trees={"portal_vein": all_main}).row("portal_vein")
    assert row.main_dsc == pytest.approx(row.overlap.dsc)
    assert row.peripheral_dsc == 1.0  # neither has any


def test_branches_without_a_reference_are_not_available_and_said():
    array = tree_case()
    array[array == 5] = 1
    result = compare(labels_of(tree_case()), labels_of(array))
    row = result.row("portal_vein")
    assert (row.main_dsc, row.peripheral_dsc) == (None, None)
    assert any("no reference to split" in note for note in result.notes)
    missed = compare(labels_of(array), labels_of(tree_case())).row("portal_vein")
    assert (missed.main_dsc, missed.peripheral_dsc) == (0.0, 0.0)


def test_lesions_are_placed_on_the_grid_of_the_reference():
    compared = compare(labels_of(case()), labels_of(case()), branches=False).detection["tumor"]
    assert compared.lesions[0].centroid_kji == (10.5, 12.5, 12.5)
    assert compared.box == (slice(8, 14), slice(10, 16), slice(10, 16))


def test_real_label_volumes_of_one_patient_on_two_grids(shared_data):
    folder = shared_data / "liver_anatomy"
    labels = images.read_labels(folder / "labels_1.5mm.nii.gz")
    liver = sitk.Cast((labels > 0) & (labels != 7) & (labels != 2), sitk.sitkUInt8)
    coarse = images.resample_spacing(liver, (3.0, 3.0, 3.0), "label")
    row = compare(coarse, liver).row("liver")
    assert row.overlap.dsc > 0.97
    assert row.distances.hd95 <= 3.0
