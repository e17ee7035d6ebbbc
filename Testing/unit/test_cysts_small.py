"""The cyst filter on small lesions: what surrounds them, and what of it makes a decision."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from LiverPlannerLib.cysts import regions as cyst_regions
from LiverPlannerLib.cysts import rules as cyst_rules
from LiverPlannerLib.cysts.filter import filter_cysts
from LiverPlannerLib.cysts.fit import HOUNSFIELD, RELATIVE
from LiverPlannerLib.cysts.rules import CystRegion, LiverLevel, Settings
from PreopReviewLib import images

SETTINGS = Settings("robust", 45.0, HOUNSFIELD, LiverLevel(105.0, 10.0, 5000))


def small_region(**changes: object) -> CystRegion:
    """Thirty-two voxels of 31 HU, of which the core alone is not sure enough."""
    values = {
        "id": 1,
        "voxels": 32,
        "ml": 0.1,
        "centroid_ras": (0.0, 0.0, 0.0),
        "unit": "HU",
        "mean": 31.0,
        "median": 32.0,
        "mad": 13.0,
        "area": 32.0,
        "peak": 1.0,
        "fit_mean": 33.0,
        "fit_sd": 19.0,
        "fit_sd_corrected": 18.0,
        "r2": 0.9,
        "core_voxels": 11,
        "core_median": 33.0,
        "core_mad": 14.0,
        "dark_around": 0.0,
    }
    return CystRegion(**{**values, **changes})


def test_a_small_region_that_is_dark_throughout_is_a_cyst_where_all_around_is_bright() -> None:
    assert cyst_rules.decided(small_region(), SETTINGS).decision == "cyst"
    for doubtful in ({"dark_around": 0.4}, {"dark_around": None}, {"mean": 38.0}, {"core_voxels": 5}):
        assert cyst_rules.decided(small_region(**doubtful), SETTINGS).decision == "undecided", doubtful


def test_a_small_dark_region_is_undecided_in_another_phase_and_in_relative_units() -> None:
    early = Settings("robust", 45.0, HOUNSFIELD, LiverLevel(60.0, 10.0, 5000))
    assert cyst_rules.decided(small_region(), early).decision == "undecided"
    relative = Settings("robust", -2.0, RELATIVE, LiverLevel(105.0, 10.0, 5000))
    region = small_region(mean=-3.0, core_median=-2.5, core_mad=1.0, mad=1.0, fit_sd_corrected=1.0)
    assert cyst_rules.decided(region, relative).decision == "undecided"


def test_the_surroundings_are_the_voxels_that_touch_by_a_face() -> None:
    rng = np.random.default_rng(3)
    labels = ndimage.binary_dilation(rng.random((12, 14, 16)) > 0.995, np.ones((3, 3, 3)))
    image = rng.normal(45, 20, labels.shape)
    regions = cyst_regions.find_regions(labels.astype(np.uint8))
    chosen = np.arange(regions.count) % 2 == 0
    share = cyst_regions.dark_surroundings(regions, image, chosen, 45.0)
    for region in range(regions.count):
        own = np.zeros(labels.shape, bool)
        own[tuple(regions.voxels(region).T)] = True
        around = ndimage.binary_dilation(own) & ~labels
        if chosen[region]:
            assert share[region] == pytest.approx((image[around] < 45).mean())
        else:
            assert np.isnan(share[region])


def test_a_lesion_in_the_liver_has_bright_surroundings_and_one_in_fat_dark_ones() -> None:
    for around, bright in ((105.0, True), (-90.0, False)):
        rng = np.random.default_rng(4)
        array, labels = np.full((30, 40, 40), around), np.zeros((30, 40, 40), np.uint8)
        array[:3] = -1000
        array[5:10, 5:35, 5:35], labels[5:10, 5:35, 5:35] = 105, 1
        inside = sum((g - c) ** 2 for g, c in zip(np.ogrid[:30, :40, :40], (20, 20, 20), strict=True)) <= 2.1**2
        array[inside], labels[inside] = 31.0, 2
        image = sitk.GetImageFromArray((array + rng.normal(0, 21, array.shape)).round().astype(np.int16))
        (region,) = filter_cysts(image, images.image_like(labels, image)).regions
        assert region.voxels < cyst_rules.MIN_VOXELS
        assert (region.dark_around <= cyst_rules.BRIGHT_AROUND) == bright


def test_a_cyst_of_sixty_voxels_on_a_tumor_is_split_off_on_a_coarse_grid() -> None:
    rng = np.random.default_rng(1)
    grid = np.ogrid[:40, :60, :60]
    tumor, cyst = (
        sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2
        for center, radius in (((20, 30, 28), 13), ((20, 30, 42.6), 2.8))
    )
    level, labels = np.full((40, 60, 60), 105.0), np.ones((40, 60, 60), np.uint8)
    level[:3], labels[:3] = -1000, 0
    level[cyst], level[tumor] = 10, 75
    labels[tumor | cyst] = 2
    image = sitk.GetImageFromArray(
        (ndimage.gaussian_filter(level, 0.45) + rng.normal(0, 15, level.shape)).astype(np.int16)
    )
    result = filter_cysts(image, images.image_like(labels, image))
    assert [r.decision for r in result.regions] == ["tumor", "cyst"]
    moved = images.array_of(result.cyst) > 0
    truth = cyst & ~tumor
    assert 2 * (moved & truth).sum() / (moved.sum() + truth.sum()) > 0.8
