"""Parts of the cyst filter: sparse labeling, core, histograms, batched fits, mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi
from scipy.optimize import curve_fit

from LiverPlannerLib.cysts import fit as cyst_fit
from LiverPlannerLib.cysts.fit import HOUNSFIELD, RELATIVE
from LiverPlannerLib.cysts.regions import MIN_CORE, core_voxels, find_regions

MASKS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9),
    elements=st.sampled_from([0, 0, 0, 1, 2]),
)


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_regions_are_those_of_scipy_with_26_neighbors(array):
    regions = find_regions(array, (1, 2))
    labels, count = ndi.label(array, np.ones((3, 3, 3)))
    assert np.array_equal(regions.index, np.flatnonzero(array))
    assert regions.count == count
    assert len(set(zip(labels.reshape(-1)[regions.index], regions.ids, strict=True))) == count
    assert (np.diff(regions.sizes) <= 0).all()
    for region in range(count):
        assert regions.centroids[region] == pytest.approx(regions.voxels(region).mean(0))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_only_the_wanted_values_are_lesion(array):
    assert np.array_equal(find_regions(array, (2,)).index, np.flatnonzero(array == 2))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_the_core_is_the_eroded_region_or_the_innermost_third(array):
    regions = find_regions(array, (1, 2))
    core = core_voxels(regions)
    for region in range(regions.count):
        alone = np.zeros(array.size, bool)
        alone[regions.index[regions.ids == region]] = True
        eroded = ndi.binary_erosion(alone.reshape(array.shape)).reshape(-1)[regions.index[regions.ids == region]]
        mine = core[regions.ids == region]
        if eroded.sum() >= MIN_CORE:
            assert np.array_equal(mine, eroded)
        else:
            assert mine.sum() == np.ceil(len(mine) / 3)


def test_the_innermost_third_is_in_the_middle():
    array = np.zeros((5, 5, 5), np.uint8)
    array[1:4, 1:4, 1:4] = 1
    regions = find_regions(array)
    core = np.stack(np.unravel_index(regions.index[core_voxels(regions)], array.shape), 1)
    assert [2, 2, 2] in core.tolist()
    assert np.abs(core - 2).sum(1).max() <= 2  # no corner


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64])
def test_regions_at_the_border_and_none_at_all(dtype):
    array = np.zeros((6, 5, 7), dtype)
    array[0, 0, 0] = array[5, 4, 5:] = 1
    regions = find_regions(array)
    assert (regions.count, regions.sizes.tolist(), regions.centroids.tolist()) == (2, [2, 1], [[5, 4, 5.5], [0, 0, 0]])
    assert find_regions(array * 0).count == 0


def gaussian(x: np.ndarray, area: float, mean: float, sd: float) -> np.ndarray:
    return area / np.sqrt(2 * np.pi * sd**2) * np.exp(-((x - mean) ** 2) / (2 * sd**2))


def test_an_exact_gaussian_is_found_exactly():
    x = HOUNSFIELD.centers
    wanted = [(799, 17, 22), (5000, 91, 23), (60, -150, 9), (10, 250, 60)]
    fits = cyst_fit.fit_gaussians(np.array([gaussian(x, *w) for w in wanted]), HOUNSFIELD)
    got = np.stack([fits.area, fits.mean, fits.sd], 1)
    assert got == pytest.approx(np.array(wanted, float), rel=1e-3, abs=0.01)
    assert fits.r2 == pytest.approx(1, abs=1e-4)


def test_fits_of_random_regions_are_those_of_curve_fit():
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(120):
        size, mean = int(np.exp(rng.uniform(np.log(13), np.log(3000)))), rng.choice([12, 85]) + rng.normal(0, 10)
        values = rng.normal(mean, rng.uniform(15, 28), size)
        shell = rng.random(size) < 0.4
        values[shell] = 0.5 * values[shell] + 52
        rows.append(np.bincount(HOUNSFIELD.bin_of(values), minlength=len(HOUNSFIELD.centers)))
    smoothed = cyst_fit.smooth(np.array(rows), HOUNSFIELD)
    ours, x = cyst_fit.fit_gaussians(smoothed, HOUNSFIELD).mean, HOUNSFIELD.centers
    scipy = [curve_fit(gaussian, x, h, p0=(h.sum(), (h @ x) / h.sum(), 25))[0][1] for h in smoothed]
    assert np.abs(ours - scipy).max() <= 0.2


def test_a_region_of_one_value_has_the_width_of_the_smoothing():
    counts = np.zeros((1, len(HOUNSFIELD.centers)))
    counts[0, HOUNSFIELD.bin_of(np.array([37]))] = 500
    fits = cyst_fit.fit_gaussians(cyst_fit.smooth(counts, HOUNSFIELD), HOUNSFIELD)
    assert fits.mean[0] == pytest.approx(37, abs=0.01)
    assert fits.sd[0] == pytest.approx(3, abs=0.02)
    assert fits.sd_corrected[0] < 0.5


@pytest.mark.parametrize("scale", [HOUNSFIELD, RELATIVE])
def test_values_go_to_the_nearest_bin_and_the_ends_catch_the_rest(scale):
    centers = scale.centers
    assert np.array_equal(scale.bin_of(centers), np.arange(len(centers)))
    assert scale.bin_of(np.array([-1e6, 1e6])).tolist() == [0, len(centers) - 1]
    assert scale.bin_of(np.array([centers[7] + 0.4 * scale.width])).tolist() == [7]


@given(hnp.arrays(np.int16, st.integers(1, 60), elements=st.integers(-150, 250)))
@settings(max_examples=80, deadline=None)
def test_medians_and_deviations_from_the_histogram_are_numpys(values):
    counts = np.bincount(HOUNSFIELD.bin_of(values), minlength=len(HOUNSFIELD.centers))[None]
    median = cyst_fit.quantile(counts, HOUNSFIELD, 0.5)
    assert median[0] == np.median(values)
    # Of an even number, the lower of the two middle deviations is taken; they differ from their mean by little.
    deviations = np.sort(np.abs(values - np.median(values)))
    assert cyst_fit.median_deviation(counts, HOUNSFIELD, median)[0] == deviations[(len(values) - 1) // 2]


def test_two_separate_components_are_told_from_one():
    rng = np.random.default_rng(0)
    one, two = rng.normal(60, 20, 800), np.append(rng.normal(10, 18, 500), rng.normal(85, 18, 300))
    counts = np.array([np.bincount(HOUNSFIELD.bin_of(v), minlength=len(HOUNSFIELD.centers)) for v in (one, two)])
    mix = cyst_fit.fit_mixtures(counts, HOUNSFIELD)
    assert mix.bic_gain[0] < 10 < mix.bic_gain[1]
    assert mix.low_mean[1] == pytest.approx(10, abs=5)
    assert mix.high_mean[1] == pytest.approx(85, abs=5)
    assert mix.minor_weight[1] == pytest.approx(0.375, abs=0.05)
