"""The Gaussian cyst filter: decisions, reasons, overrides, splitting, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.cysts.filter import clinical_contour, filter_cysts
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ImplausibleImage, InputError

LIVER_HU = 105.0


def ball(shape: tuple[int, ...], center: tuple[float, ...], radius: float) -> np.ndarray:
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2


def image_of(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


@pytest.fixture
def scan():
    """Builds (CT, labels): air, a liver of 105 HU, and balls of given level; noise of 12 HU, seeded."""

    def build(*balls: tuple[tuple[float, float, float], float, float], liver: float = LIVER_HU, noise: float = 12):
        shape = (40, 60, 60)
        rng = np.random.default_rng(1)
        ct, labels = np.full(shape, -1000.0), np.zeros(shape, np.uint8)
        ct[4:36, 4:56, 4:56], labels[4:36, 4:56, 4:56] = liver, 1
        for center, radius, level in balls:
            inside = ball(shape, center, radius)
            ct[inside], labels[inside] = level, 2
        ct += rng.normal(0, noise, shape)
        return image_of(ct.round().astype(np.int16)), image_of(labels)

    return build


CYST, TUMOUR = ((20, 18, 18), 6, 10.0), ((20, 40, 40), 8, 80.0)


def test_a_dark_ball_is_a_cyst_and_a_bright_one_a_tumour_with_reasons(scan):
    result = filter_cysts(*scan(CYST, TUMOUR))
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]  # the largest first
    assert result.regions[1].reason.startswith("core median ")
    assert "below 45 HU" in result.regions[1].reason
    assert result.warnings == []


def test_nothing_is_deleted_and_everything_else_stays(scan):
    ct, labels = scan(CYST, TUMOUR)
    before, after = images.array_of(labels), filter_cysts(ct, labels).labels
    after = images.array_of(after)
    assert ((after == 2) | (after == 3)).sum() == (before == 2).sum()
    assert np.array_equal(after == 1, before == 1)
    assert (after[ball(before.shape, *CYST[:2])] == 3).all()


def test_masks_of_tumour_and_cyst_partition_the_lesions(scan):
    ct, labels = scan(CYST, TUMOUR)
    result = filter_cysts(ct, labels)
    tumour, cyst = images.array_of(result.tumour), images.array_of(result.cyst)
    assert np.array_equal(tumour + cyst, (images.array_of(labels) == 2).astype(np.uint8))
    assert images.same_grid(result.tumour, ct)


def test_measures_of_a_region_are_those_of_its_voxels(scan):
    ct, labels = scan(CYST, TUMOUR)
    result = filter_cysts(ct, labels)
    for region in result.regions:
        inside = images.array_of(result.region_labels) == region.id
        values = images.array_of(ct)[inside]
        assert region.voxels == inside.sum()
        assert region.ml == pytest.approx(inside.sum() / 1000)
        assert region.mean == pytest.approx(values.mean())
        assert region.median == np.median(values)
        assert region.mad == np.median(np.abs(values - np.median(values)))
        center = np.argwhere(inside).mean(0)
        assert region.centroid_ras == pytest.approx((-center[2], -center[1], center[0]))


def test_the_fit_has_the_area_mean_and_width_of_a_normal_sample(scan):
    region = filter_cysts(*scan(TUMOUR)).regions[0]
    assert region.fit_mean == pytest.approx(80, abs=1)
    assert region.fit_sd_corrected == pytest.approx(12, abs=0.7)
    assert region.area == pytest.approx(region.voxels, rel=0.03)
    assert region.peak == pytest.approx(region.area / (np.sqrt(2 * np.pi) * region.fit_sd))
    assert region.r2 > 0.97


def test_the_papers_rule_takes_the_fitted_mean_and_leaves_nothing_undecided(scan):
    result = filter_cysts(*scan(CYST, TUMOUR, ((20, 18, 45), 1.5, 44.0)), rule="lin2024")
    assert [r.decision for r in result.regions] == [r.paper_decision for r in result.regions]
    assert {r.decision for r in result.regions} <= {"cyst", "tumour"}
    assert "Lin 2024" in result.regions[0].reason


def test_an_over_drawn_cyst_is_found_by_its_core_where_the_papers_rule_fails(scan):
    ct, labels = scan(((20, 30, 30), 3.2, 10.0))
    array = sitk.GetArrayFromImage(ct)
    inside = images.array_of(labels) == 2
    from scipy.ndimage import binary_dilation

    wider = binary_dilation(inside)
    array[wider & ~inside] = 85
    result = filter_cysts(images.image_like(array, ct), images.image_like(np.where(wider, 2, 1).astype(np.uint8), ct))
    assert result.regions[0].decision == "cyst"
    assert result.regions[0].paper_decision == "tumour"


def test_a_region_at_the_threshold_is_undecided_and_stays_a_tumour(scan):
    result = filter_cysts(*scan(((20, 30, 30), 6, 43.0)))
    assert result.regions[0].decision == "undecided"
    assert result.regions[0].suggestion == "cyst"
    assert "of the threshold" in result.regions[0].reason
    assert images.array_of(result.tumour).sum() == result.regions[0].voxels


def test_a_tiny_region_is_undecided(scan):
    result = filter_cysts(*scan(((20, 30, 30), 1.4, 10.0)))
    assert result.regions[0].voxels < 20
    assert result.regions[0].decision == "undecided"
    assert "core" in result.regions[0].reason


def test_a_small_region_is_believed_as_a_cyst_but_not_as_a_tumour(scan):
    small = [filter_cysts(*scan(((20, 30, 30), 2.1, hu))).regions[0] for hu in (5.0, 80.0)]
    assert all(30 <= r.voxels < 50 for r in small)
    assert [r.decision for r in small] == ["cyst", "undecided"]


def test_touching_tumour_and_cyst_are_split_into_two_regions(scan):
    ct, labels = scan(((20, 22, 30), 8, 10.0), ((20, 37, 30), 8.5, 85.0))
    result = filter_cysts(ct, labels)
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]
    assert result.regions[1].split_from == 1
    assert result.regions[0].bic_gain > 10
    assert any("touch" in w for w in result.warnings)
    truth = ball((40, 60, 60), (20, 37, 30), 8.5)
    found = images.array_of(result.tumour) == 1
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.93


def test_a_small_cyst_on_the_side_of_a_large_tumour_is_split_off(scan):
    result = filter_cysts(*scan(((20, 30, 44), 4, 8.0), ((20, 30, 28), 13, 80.0)))
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]
    assert result.regions[1].split_from == 1
    truth = ball((40, 60, 60), (20, 30, 44), 4) & ~ball((40, 60, 60), (20, 30, 28), 13)
    found = images.array_of(result.cyst) == 1
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.85


def test_a_dark_center_of_a_tumour_stays_with_it(scan):
    result = filter_cysts(*scan(((20, 30, 30), 14, 80.0), ((20, 30, 30), 5, 10.0)))
    assert [r.decision for r in result.regions] == ["tumour"]


def test_touching_lesions_stay_one_region_if_not_to_be_split(scan):
    pair = scan(((20, 22, 30), 8, 10.0), ((20, 37, 30), 8.5, 85.0))
    assert len(filter_cysts(*pair, split_touching=False).regions) == 1
    assert len(filter_cysts(*pair, rule="lin2024").regions) == 1


def test_single_lesions_are_never_split(scan):
    for seed_level in (0.0, 15.0, 30.0, 60.0, 90.0):
        result = filter_cysts(*scan(((20, 30, 30), 9, seed_level), noise=22))
        assert len(result.regions) == 1


def test_an_override_moves_a_region_keeps_the_rules_word_and_can_be_taken_back(scan):
    result = filter_cysts(*scan(CYST, TUMOUR))
    changed = result.with_overrides({2: "tumour"})
    assert changed.region(2).decision == "tumour"
    assert changed.region(2).rule_decision == "cyst"
    assert changed.region(2).overridden
    assert "by hand" in changed.region(2).reason
    assert images.array_of(changed.cyst).sum() == 0
    assert images.array_of(result.cyst).sum() > 0, "the first result must not change"
    twice = changed.with_overrides({2: "undecided"})
    assert twice.region(2).reason.count("by hand") == 1
    assert twice.without_overrides().regions == result.regions


def test_overrides_can_be_given_at_once(scan):
    assert filter_cysts(*scan(CYST, TUMOUR), overrides={1: "cyst"}).region(1).decision == "cyst"


@pytest.mark.parametrize("overrides", [{3: "cyst"}, {0: "cyst"}, {1: "benign"}])
def test_an_override_of_an_unknown_region_or_decision_is_refused(scan, overrides):
    with pytest.raises(InputError):
        filter_cysts(*scan(CYST, TUMOUR), overrides=overrides)


def test_a_mask_of_lesions_does_as_well_as_a_label_image(scan):
    ct, labels = scan(CYST, TUMOUR)
    mask, liver = labels == 2, labels != 0
    result = filter_cysts(ct, mask, liver)
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]
    assert set(np.unique(images.array_of(result.labels))) == {0, 2, 3}
    assert result.settings.liver.median == pytest.approx(LIVER_HU, abs=1)


def test_without_a_liver_the_phase_is_said_to_be_unchecked(scan):
    ct, labels = scan(CYST)
    assert "phase was not checked" in filter_cysts(ct, labels == 2).warnings[0]


def test_outside_the_portal_phase_it_warns_and_only_simple_cysts_are_cysts(scan):
    result = filter_cysts(*scan(((20, 18, 18), 6, 5.0), ((20, 40, 40), 8, 35.0), liver=50.0))
    assert "not a portal-venous phase" in result.warnings[0]
    assert [r.decision for r in result.regions] == ["undecided", "cyst"]
    assert "phase" in result.regions[0].reason


def test_regions_already_labelled_cyst_stay_cysts_or_are_asked_again(scan):
    ct, labels = scan(CYST, TUMOUR)
    array = sitk.GetArrayFromImage(labels)
    array[ball(array.shape, *TUMOUR[:2])] = 3
    labels = images.image_like(array, labels)
    kept = filter_cysts(ct, labels)
    assert len(kept.regions) == 1
    assert images.array_of(kept.cyst).sum() == ((array == 2) | (array == 3)).sum()
    asked = filter_cysts(ct, labels, reconsider_cysts=True)
    assert [r.decision for r in asked.regions] == ["tumour", "cyst"]
    assert images.array_of(asked.cyst).sum() == (array == 2).sum()


def test_a_result_can_be_filtered_again_without_change(scan):
    ct, labels = scan(CYST, TUMOUR)
    once = filter_cysts(ct, labels)
    again = filter_cysts(ct, once.labels, reconsider_cysts=True)
    assert np.array_equal(images.array_of(once.labels), images.array_of(again.labels))


def test_float_images_and_labels_are_taken_as_integers_are(scan):
    ct, labels = scan(CYST, TUMOUR)
    result = filter_cysts(sitk.Cast(ct, sitk.sitkFloat32), sitk.Cast(labels, sitk.sitkFloat64))
    assert result.regions == filter_cysts(ct, labels).regions


def test_lesions_at_the_border_of_the_image_and_single_voxels_are_measured(scan):
    ct, labels = scan()
    array, picture = sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(ct)
    array[0:6, 0:6, 0:6], picture[0:6, 0:6, 0:6] = 2, 10
    array[39, 59, 59] = 2
    result = filter_cysts(images.image_like(picture, ct), images.image_like(array, labels))
    assert [(r.voxels, r.core_voxels) for r in result.regions] == [(216, 64), (1, 1)]
    assert [r.decision for r in result.regions] == ["cyst", "undecided"]


def test_an_empty_mask_gives_no_regions_and_says_so(scan):
    ct, labels = scan()
    result = filter_cysts(ct, labels, lesions_are="labels")
    assert result.regions == []
    assert any("no lesion" in w for w in result.warnings)
    assert images.array_of(result.tumour).sum() == images.array_of(result.cyst).sum() == 0
    assert filter_cysts(ct, labels * 0).regions == []


def test_an_all_true_mask_is_refused(scan):
    ct, labels = scan()
    with pytest.raises(InputError, match="fills 100 %"):
        filter_cysts(ct, labels * 0 + 1)


def test_a_liver_taken_for_lesions_is_pointed_out():
    ct = np.full((20, 200, 200), -1000, np.int16)
    mask = np.zeros_like(ct, dtype=np.uint8)
    mask[2:18, 20:120, 20:120] = 1
    ct[mask > 0] = 100
    ct[0, 0, :50] = 60
    image = image_of(ct, (2.0, 2.0, 4.0))
    assert any("is it a liver" in w for w in filter_cysts(image, images.image_like(mask, image)).warnings)


@pytest.mark.parametrize("change", ["size", "spacing", "origin"])
def test_a_mask_of_other_geometry_is_refused(scan, change):
    ct, labels = scan(CYST)
    if change == "size":
        labels = labels[:, :, 1:]
    elif change == "spacing":
        labels.SetSpacing((1, 1, 2))
    else:
        labels.SetOrigin((5, 0, 0))
    with pytest.raises(GeometryError):
        filter_cysts(ct, labels)


def test_a_liver_mask_of_other_geometry_is_refused(scan):
    ct, labels = scan(CYST)
    with pytest.raises(GeometryError, match="liver mask"):
        filter_cysts(ct, labels, (labels != 0)[:, :, 1:])


@pytest.mark.parametrize("threshold", [-300.0, 4500.0, float("nan"), float("inf")])
def test_an_absurd_threshold_is_refused(scan, threshold):
    with pytest.raises(InputError, match="makes no sense"):
        filter_cysts(*scan(CYST), threshold=threshold)


def test_an_unknown_rule_or_modality_is_refused(scan):
    pair = scan(CYST)
    with pytest.raises(InputError, match="rule"):
        filter_cysts(*pair, rule="otsu")
    with pytest.raises(InputError, match="modality"):
        filter_cysts(*pair, modality="PET")


def test_fractions_in_the_mask_are_refused(scan):
    ct, labels = scan(CYST)
    with pytest.raises(InputError, match="fractions"):
        filter_cysts(ct, sitk.Cast(labels, sitk.sitkFloat32) * 0.3)


def test_nan_inside_a_lesion_is_refused(scan):
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    array[20, 18, 18] = np.nan
    with pytest.raises(ImplausibleImage, match="NaN"):
        filter_cysts(images.image_like(array, ct), labels)


def test_normalized_and_rescaled_ct_is_refused(scan):
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    z_scored = (array - array.mean()) / array.std()
    eight_bit = np.clip((array + 160) / 400 * 255, 0, 255).round()
    for wrong in (z_scored, eight_bit, array + 1024, (array + 1024) / 2048):
        with pytest.raises(ImplausibleImage, match="Hounsfield"):
            filter_cysts(images.image_like(wrong.astype(np.float32), ct), labels)


def test_a_raw_ct_whose_air_is_below_zero_is_known_by_its_liver(scan):
    ct, labels = scan(CYST)
    array = sitk.GetArrayFromImage(ct).astype(np.float32)
    with pytest.raises(ImplausibleImage, match="liver's median"):
        filter_cysts(images.image_like(array + 500, ct), labels)


def test_an_mri_needs_a_relative_threshold(scan):
    with pytest.raises(InputError, match="no Hounsfield units"):
        filter_cysts(*scan(CYST), modality="MR")


def mri(scan, cyst: float, tumour: float):
    ct, labels = scan((CYST[0], CYST[1], cyst), (TUMOUR[0], TUMOUR[1], tumour), liver=800.0, noise=30)
    return images.image_like(np.maximum(sitk.GetArrayFromImage(ct), 0), ct), labels


def test_an_mri_in_relative_units_never_says_hounsfield_of_its_values(scan):
    result = filter_cysts(*mri(scan, 150.0, 650.0), modality="MR", relative_threshold=-15)
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]
    assert {r.unit for r in result.regions} == {"liver MAD"}
    assert not any("HU" in r.reason for r in result.regions)
    assert "not Hounsfield units" in result.warnings[0]


def test_on_t2_brighter_than_the_threshold_is_a_cyst(scan):
    result = filter_cysts(*mri(scan, 1900.0, 1000.0), modality="MR", relative_threshold=25)
    assert [r.decision for r in result.regions] == ["tumour", "cyst"]


def test_relative_units_need_a_liver_with_some_spread(scan):
    picture, labels = mri(scan, 150.0, 650.0)
    with pytest.raises(InputError, match="need the liver"):
        filter_cysts(picture, labels == 2, modality="MR", relative_threshold=-5)
    with pytest.raises(InputError, match="makes no sense"):
        filter_cysts(picture, labels, modality="MR", relative_threshold=0)


def test_the_contour_step_closes_a_gap_grows_by_a_millimeter_and_stays_in_the_liver():
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[8:12, 6:9, 8:12] = 1
    mask[8:12, 11:14, 8:12] = 1
    liver = np.ones_like(mask)
    liver[:8] = 0
    image = image_of(mask)
    grown = images.array_of(clinical_contour(image))
    assert grown[10, 9:11, 10].all()  # the gap
    assert grown[7, 7, 10] == 1  # one voxel further out
    assert grown[6, 7, 10] == 0
    inside = images.array_of(clinical_contour(image, images.image_like(liver, image)))
    assert not inside[:8].any()
    assert (inside[mask > 0] == 1).all()
    nothing = clinical_contour(image, closing_mm=0, dilation_mm=0)
    assert np.array_equal(images.array_of(nothing), mask)


def test_the_contour_step_at_the_border_on_nothing_and_with_bad_radii():
    mask = np.zeros((8, 8, 8), np.uint8)
    assert images.array_of(clinical_contour(image_of(mask))).sum() == 0
    mask[0, 0, 0] = 1
    assert images.array_of(clinical_contour(image_of(mask))).sum() == 4
    with pytest.raises(InputError):
        clinical_contour(image_of(mask), closing_mm=-1)
    with pytest.raises(GeometryError):
        clinical_contour(image_of(mask), image_of(mask[1:]))


def test_an_mri_given_as_a_ct_is_refused(shared_data):
    folder = shared_data / "totalsegmentator"
    picture = images.read_image(folder / "mr_3mm_slab.nii.gz")
    liver = images.read_labels(folder / "mr_3mm_slab_seg.nii.gz") == 5
    lesion = sitk.BinaryErode(liver, [4, 4, 2])
    with pytest.raises(ImplausibleImage):
        filter_cysts(picture, lesion, liver)


def test_a_real_unenhanced_ct_gets_the_phase_warning(shared_data):
    folder = shared_data / "totalsegmentator"
    picture = images.read_image(folder / "ct_3mm.nii.gz")
    liver = images.read_labels(folder / "ct_3mm_seg117.nii.gz") == 5
    result = filter_cysts(picture, sitk.BinaryErode(liver, [8, 8, 8]), liver)
    assert any("not a portal-venous phase" in w for w in result.warnings)
    assert all(r.decision != "cyst" for r in result.regions)
