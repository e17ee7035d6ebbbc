"""What a line of sight meets: the foremost vessel, thin branches for hands that do not aim exactly, the first voxel."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.vessels.aim import LEAST_MM, Sight


def from_the_front(x: float = 0.0, z: float = 0.0) -> Sight:
    return Sight(np.array([x, 200.0, z]), np.array([0.0, -1.0, 0.0]))


def tube(y: float, x: float = 0.0) -> np.ndarray:
    """Points along the patient's axis."""
    return np.array([[x, y, z] for z in range(-20, 21)], float)


@pytest.mark.parametrize(("front", "back"), [(50.0, 10.0), (10.0, 50.0)])
def test_the_foremost_of_two_vessels_is_met(front: float, back: float) -> None:
    points, radii = np.concatenate([tube(front), tube(back)]), np.full(82, 3.0)
    met = from_the_front(x=1.0, z=5.0).first(points, radii)
    assert points[met].tolist() == [0.0, 50.0, 5.0]


def test_a_vessel_that_is_met_wins_over_a_thin_one_before_it_that_is_passed() -> None:
    points = np.concatenate([tube(50.0, x=1.5), tube(10.0)])
    radii = np.concatenate([np.full(41, 0.5), np.full(41, 3.0)])
    assert points[from_the_front().first(points, radii)][1] == 10.0


def test_a_thin_branch_is_hit_beside_its_wall_but_not_far_from_it() -> None:
    points, radii = tube(30.0), np.full(41, 0.4)
    assert from_the_front(x=LEAST_MM - 0.1).first(points, radii) is not None
    assert from_the_front(x=LEAST_MM + 0.1).first(points, radii) is None


def test_nothing_behind_the_viewer_is_met() -> None:
    assert from_the_front().first(tube(250.0), np.full(41, 3.0)) is None


def test_the_first_voxel_of_a_kind_is_found_through_others() -> None:
    array = np.zeros((20, 20, 20), np.uint8)
    array[:, 2:18, :] = 1
    array[8:12, 8:12, 8:12] = 2
    image = sitk.GetImageFromArray(array)  # J runs to posterior: the first is the anterior one
    image.SetSpacing((1.0, 1.5, 2.0))
    place = Sight(np.array([-10.0, 100.0, 20.0]), np.array([0.0, -1.0, 0.0])).first_voxel(image, [2])
    assert place == pytest.approx([-10.0, -12.0, 20.0], abs=1.0)
    assert Sight(np.array([-2.0, 100.0, 20.0]), np.array([0.0, -1.0, 0.0])).first_voxel(image, [2]) is None
