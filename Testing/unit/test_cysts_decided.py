"""What the Gaussian cyst filter decides: measures, reasons, touching lesions, overrides, the contour."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from cyst_scans import CYST, TUMOR, ball, image_of, scan

from LiverPlannerLib.cysts import THRESHOLD_HU
from LiverPlannerLib.cysts.filter import clinical_contour, filter_cysts
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError


def test_a_dark_ball_is_a_cyst_and_a_bright_one_a_tumor_with_reasons():
    result = filter_cysts(*scan(CYST, TUMOR))
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]  # the largest first
    assert result.regions[1].reason.startswith("core median ")
    assert f"below {THRESHOLD_HU:g} HU" in result.regions[1].reason
    assert result.warnings == []


def test_nothing_is_deleted_and_everything_else_stays():
    ct, labels = scan(CYST, TUMOR)
    before, after = images.array_of(labels), filter_cysts(ct, labels).labels
    after = images.array_of(after)
    assert ((after == 2) | (after == 3)).sum() == (before == 2).sum()
    assert np.array_equal(after == 1, before == 1)
    assert (after[ball(before.shape, *CYST[:2])] == 3).all()


def test_masks_of_tumor_and_cyst_partition_the_lesions():
    ct, labels = scan(CYST, TUMOR)
    result = filter_cysts(ct, labels)
    tumor, cyst = images.array_of(result.tumor), images.array_of(result.cyst)
    assert np.array_equal(tumor + cyst, (images.array_of(labels) == 2).astype(np.uint8))
    assert images.same_grid(result.tumor, ct)


def test_measures_of_a_region_are_those_of_its_voxels():
    ct, labels = scan(CYST, TUMOR)
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


def test_the_fit_has_the_area_mean_and_width_of_a_normal_sample():
    region = filter_cysts(*scan(TUMOR)).regions[0]
    assert region.fit_mean == pytest.approx(80, abs=1)
    assert region.fit_sd_corrected == pytest.approx(12, abs=0.7)
    assert region.area == pytest.approx(region.voxels, rel=0.03)
    assert region.peak == pytest.approx(region.area / (np.sqrt(2 * np.pi) * region.fit_sd))
    assert region.r2 > 0.97


def test_the_papers_rule_takes_the_fitted_mean_and_leaves_nothing_undecided():
    result = filter_cysts(*scan(CYST, TUMOR, ((20, 18, 45), 1.5, 44.0)), rule="lin2024")
    assert [r.decision for r in result.regions] == [r.paper_decision for r in result.regions]
    assert {r.decision for r in result.regions} <= {"cyst", "tumor"}
    assert "Lin 2024" in result.regions[0].reason


def test_an_over_drawn_cyst_is_found_by_its_core_where_the_papers_rule_fails():
    ct, labels = scan(((20, 30, 30), 3.2, 10.0))
    array = sitk.GetArrayFromImage(ct)
    inside = images.array_of(labels) == 2
    from scipy.ndimage import binary_dilation

    wider = binary_dilation(inside)
    array[wider & ~inside] = 85
    result = filter_cysts(images.image_like(array, ct), images.image_like(np.where(wider, 2, 1).astype(np.uint8), ct))
    assert result.regions[0].decision == "cyst"
    assert result.regions[0].paper_decision == "tumor"


def test_a_region_at_the_threshold_is_undecided_and_stays_a_tumor():
    result = filter_cysts(*scan(((20, 30, 30), 6, THRESHOLD_HU - 2)))
    assert result.regions[0].decision == "undecided"
    assert result.regions[0].suggestion == "cyst"
    assert "of the threshold" in result.regions[0].reason
    assert images.array_of(result.tumor).sum() == result.regions[0].voxels


def test_a_tiny_region_is_undecided():
    result = filter_cysts(*scan(((20, 30, 30), 1.4, 10.0)))
    assert result.regions[0].voxels < 20
    assert result.regions[0].decision == "undecided"
    assert "core" in result.regions[0].reason


def test_a_small_region_is_believed_as_a_cyst_but_not_as_a_tumor():
    small = [filter_cysts(*scan(((20, 30, 30), 2.1, hu))).regions[0] for hu in (5.0, 80.0)]
    assert all(30 <= r.voxels < 50 for r in small)
    assert [r.decision for r in small] == ["cyst", "undecided"]


def test_touching_tumor_and_cyst_are_split_into_two_regions():
    ct, labels = scan(((20, 22, 30), 8, 10.0), ((20, 37, 30), 8.5, 85.0))
    result = filter_cysts(ct, labels)
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]
    assert result.regions[1].split_from == 1
    assert result.regions[0].bic_gain > 10
    assert any("touch" in w for w in result.warnings)
    truth = ball((40, 60, 60), (20, 37, 30), 8.5)
    tumor = images.array_of(result.tumor) == 1
    assert 2 * (truth & tumor).sum() / (truth.sum() + tumor.sum()) > 0.93


def test_a_small_cyst_on_the_side_of_a_large_tumor_is_split_off():
    result = filter_cysts(*scan(((20, 30, 44), 4, 8.0), ((20, 30, 28), 13, 80.0)))
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]
    assert result.regions[1].split_from == 1
    truth = ball((40, 60, 60), (20, 30, 44), 4) & ~ball((40, 60, 60), (20, 30, 28), 13)
    cyst = images.array_of(result.cyst) == 1
    assert 2 * (truth & cyst).sum() / (truth.sum() + cyst.sum()) > 0.85


def test_a_dark_center_of_a_tumor_stays_with_it():
    result = filter_cysts(*scan(((20, 30, 30), 14, 80.0), ((20, 30, 30), 5, 10.0)))
    assert [r.decision for r in result.regions] == ["tumor"]


def test_touching_lesions_stay_one_region_if_not_to_be_split():
    pair = scan(((20, 22, 30), 8, 10.0), ((20, 37, 30), 8.5, 85.0))
    assert len(filter_cysts(*pair, split_touching=False).regions) == 1
    assert len(filter_cysts(*pair, rule="lin2024").regions) == 1


def test_single_lesions_are_never_split():
    for seed_level in (0.0, 15.0, 30.0, 60.0, 90.0):
        result = filter_cysts(*scan(((20, 30, 30), 9, seed_level), noise=22))
        assert len(result.regions) == 1


def test_an_override_moves_a_region_keeps_the_rules_word_and_can_be_taken_back():
    result = filter_cysts(*scan(CYST, TUMOR))
    changed = result.with_overrides({2: "tumor"})
    assert changed.region(2).decision == "tumor"
    assert changed.region(2).rule_decision == "cyst"
    assert changed.region(2).overridden
    assert "by hand" in changed.region(2).reason
    assert images.array_of(changed.cyst).sum() == 0
    assert images.array_of(result.cyst).sum() > 0, "the first result must not change"
    twice = changed.with_overrides({2: "undecided"})
    assert twice.region(2).reason.count("by hand") == 1


def test_overrides_can_be_given_at_once():
    assert filter_cysts(*scan(CYST, TUMOR), overrides={1: "cyst"}).region(1).decision == "cyst"


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
