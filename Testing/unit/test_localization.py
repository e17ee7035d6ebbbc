"""Maps against drawn boxes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.errors import InputError
from RotatorCuffCAMLib.localization import DrawnBox, compare, summarize, voxel_centers


def _map(values: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((2.0, 2.0, 4.0))
    image.SetOrigin((-10.0, 5.0, 20.0))
    return image


def test_a_map_inside_its_box_is_found_whole():
    values = np.zeros((5, 6, 7))
    values[2, 3, 4] = 4.0
    box = DrawnBox((-2.0, 11.0, 28.0), (1.0, 1.0, 2.0))
    compared = compare(_map(values), box)
    assert compared.pointing
    assert compared.energy_inside == 1
    assert compared.iou == 1
    assert compared.centroid_mm == pytest.approx(0)


def test_figures_of_a_map_that_is_half_outside_are_those_by_hand():
    values = np.zeros((5, 6, 7))
    values[2, 3, 4], values[2, 3, 6] = 4.0, 2.0
    compared = compare(_map(values), DrawnBox((-2.0, 11.0, 28.0), (1.0, 1.0, 2.0)))
    assert compared.energy_inside == pytest.approx(4 / 6)
    assert compared.iou == pytest.approx(1 / 2)
    assert compared.centroid_mm == pytest.approx(4 * 2 / 6)
    assert compared.peak_mm == pytest.approx(0)


def test_a_map_without_positive_values_points_nowhere():
    compared = compare(_map(-np.ones((5, 6, 7))), DrawnBox((0, 0, 0), (50, 50, 50)))
    assert not compared.pointing
    assert compared.centroid_mm is None


def test_a_turned_box_holds_what_its_axes_say():
    turn = np.deg2rad(45)
    axes = ((np.cos(turn), -np.sin(turn), 0), (np.sin(turn), np.cos(turn), 0), (0, 0, 1))
    box = DrawnBox((0, 0, 0), (10, 1, 1), axes)
    assert box.holds(np.array([6.0, 6.0, 0.0]))
    assert not box.holds(np.array([6.0, -6.0, 0.0]))


def test_voxel_centers_are_those_of_the_image():
    image = _map(np.zeros((3, 4, 5)))
    image.SetDirection((0, 1, 0, 0, 0, 1, 1, 0, 0))
    np.testing.assert_allclose(voxel_centers(image)[2, 1, 3], image.TransformIndexToPhysicalPoint((3, 1, 2)))


def test_a_cohort_is_summed_up_and_an_empty_one_refused():
    values = np.zeros((5, 6, 7))
    values[2, 3, 4] = 1.0
    box = DrawnBox.around((-3, 10, 26), (-1, 12, 30))
    cohort = summarize([compare(_map(values), box), compare(_map(-values), box)])
    assert cohort["cases"] == 2
    assert cohort["pointing_game"] == 0.5
    assert cohort["centroid_mm_median"] == pytest.approx(0)
    with pytest.raises(InputError):
        summarize([])


def test_a_box_without_size_is_refused():
    with pytest.raises(InputError):
        DrawnBox((0, 0, 0), (1, 0, 1))
