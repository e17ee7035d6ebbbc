"""Table and figures of the cyst filter."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.cysts import THRESHOLD_HU
from LiverPlannerLib.cysts import report as cyst_report
from LiverPlannerLib.cysts.filter import CystResult, filter_cysts
from PreopReviewLib.errors import InputError


@pytest.fixture
def result() -> CystResult:
    ct, labels = np.full((20, 40, 40), -1000.0), np.zeros((20, 40, 40), np.uint8)
    ct[2:18, 2:38, 2:38], labels[2:18, 2:38, 2:38] = 105, 1
    for place, level in ((5, 80.0), (22, 8.0)):
        ct[4:14, place : place + 10, 5:15], labels[4:14, place : place + 10, 5:15] = level, 2
    ct += np.random.default_rng(2).normal(0, 12, ct.shape)
    return filter_cysts(sitk.GetImageFromArray(ct), sitk.GetImageFromArray(labels))


def test_a_row_has_every_column_and_the_regions_values(result):
    rows = cyst_report.rows(result)
    assert [tuple(r) for r in rows] == [cyst_report.COLUMNS] * 2
    assert rows[0]["mean_M"] == pytest.approx(result.regions[0].fit_mean, abs=1e-4)
    assert (rows[0]["centroid_r_mm"], rows[0]["centroid_s_mm"]) == (-9.5, 8.5)


def test_the_result_as_plain_values_goes_through_json(result):
    back = json.loads(json.dumps(cyst_report.as_dict(result), allow_nan=False))
    assert back["ml"]["cyst"] + back["ml"]["tumor"] == pytest.approx(2.0)
    assert [r["id"] for r in back["regions"]] == [1, 2]


def test_the_figure_of_a_region_has_histogram_smoothed_fit_median_and_threshold(result):
    figure = cyst_report.region_figure(result, 1)
    words = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert {"histogram", "smoothed", f"threshold {THRESHOLD_HU:g} HU"} <= set(words)
    assert any(w.startswith("Gaussian: M") for w in words)
    smoothed, fit = (line.get_ydata() for line in figure.axes[0].lines[:2])
    assert np.abs(smoothed - fit).max() < 0.15 * smoothed.max()
    with pytest.raises(InputError):
        cyst_report.region_figure(result, 3)


def test_the_overview_counts_decisions_and_marks_those_by_hand(result):
    assert "1 suspected cysts, 1 tumors, 0 undecided" in cyst_report.overview_figure(result).get_suptitle()
    changed = cyst_report.overview_figure(result.with_overrides({1: "undecided"}))
    assert "1 undecided" in changed.get_suptitle()
    assert "set by hand" in [t.get_text() for t in changed.legends[0].get_texts()]


def test_the_overview_of_nothing_and_of_many_regions_can_be_drawn(result, tmp_path):
    ct, labels = np.full((60, 60, 60), 105.0), np.zeros((60, 60, 60), np.uint8)
    ct[:4] = -1000
    labels[4:] = 1
    empty = filter_cysts(*map(sitk.GetImageFromArray, (ct, labels)), lesions_are="labels")
    cyst_report.overview_figure(empty).savefig(tmp_path / "empty.png")
    labels[8::10, 8::10, 8::10] = 2
    many = filter_cysts(*map(sitk.GetImageFromArray, (ct, labels)))
    figure = cyst_report.overview_figure(many)
    assert "40 largest of 216" in figure.get_suptitle()
    figure.savefig(tmp_path / "many.png")
    assert (tmp_path / "many.png").stat().st_size > 10_000
