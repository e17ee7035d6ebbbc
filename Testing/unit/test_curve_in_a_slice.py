"""A curve drawn in one slice cuts straight through it; points in space span a sheet."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.resection.curved_cut import is_flat, resect_by_curve
from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from PreopReviewLib import images

NORMALS = [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.3, -0.4, 0.866)]


@pytest.fixture(scope="module")
def labels() -> sitk.Image:
    k, j, i = np.mgrid[:40, :48, :56]
    ball = ((k - 20) / 15) ** 2 + ((j - 24) / 18) ** 2 + ((i - 28) / 22) ** 2 < 1
    image = sitk.GetImageFromArray(ball.astype(np.uint8))
    image.SetSpacing((2.0, 2.0, 2.5))
    return image


def center(labels: sitk.Image) -> np.ndarray:
    return images.kji_to_ras(np.argwhere(images.array_of(labels) == 1), labels).mean(axis=0)


def axes_of(normal: tuple[float, float, float]) -> np.ndarray:
    """Two axes in a slice and its normal."""
    n = np.array(normal) / np.linalg.norm(normal)
    u = np.cross(n, (0.2, 0.5, -0.84))
    u /= np.linalg.norm(u)
    return np.array([u, np.cross(n, u), n])


@pytest.mark.parametrize("normal", NORMALS, ids=["axial", "coronal", "sagittal", "oblique"])
def test_a_line_in_a_slice_cuts_perpendicular_to_it(labels, normal):
    u, v, n = axes_of(normal)
    line = [center(labels) + 8 * u + t * v + bend * u for t, bend in ((-20, 0), (0, 0.4), (20, 0))]
    cut = resect_by_curve(labels, np.array(line))
    plane = resect_by_planes(labels, [Plane(tuple(center(labels) + 8 * u), tuple(u))])
    assert cut.method == "a curve drawn in one slice"
    assert cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.05)
    taken = images.kji_to_ras(np.argwhere(images.array_of(cut.resected) > 0), labels) - center(labels)
    assert (taken @ u).min() > 6  # on one side of the line at every depth of the slice
    assert np.ptp(taken @ n) > 30


def test_a_bent_line_bends_the_cut_and_flipped_takes_the_rest(labels):
    u, v, _n = axes_of(NORMALS[0])
    t = np.linspace(-30, 30, 21)
    line = center(labels) + t[:, None] * v + (4 + 0.02 * t**2)[:, None] * u
    cut = resect_by_curve(labels, line)
    at = images.kji_to_ras(np.argwhere(images.array_of(labels) == 1), labels) - center(labels)
    beyond = at @ u > 4 + 0.02 * (at @ v) ** 2
    within = np.abs(at @ v) < 28
    taken = images.array_of(cut.resected)[images.array_of(labels) == 1] > 0
    assert (taken[within] == beyond[within]).mean() > 0.99
    other = resect_by_curve(labels, line, flipped=True)
    assert other.resected_ml == pytest.approx(cut.remnant_ml)


def test_a_closed_line_takes_what_it_surrounds_through_the_whole_depth(labels):
    u, v, _n = axes_of(NORMALS[0])
    angles = np.append(np.linspace(0, 2 * np.pi, 40), 0.0)
    ring = center(labels) + 12 * (np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * v)
    cut = resect_by_curve(labels, ring)
    at = images.kji_to_ras(np.argwhere(images.array_of(labels) == 1), labels) - center(labels)
    inside = np.hypot(at @ u, at @ v) < 12
    assert cut.resected_ml == pytest.approx(inside.sum() * images.voxel_ml(labels), rel=0.06)


def test_a_ring_around_the_whole_liver_means_its_plane(labels):
    angles = np.linspace(0, 2 * np.pi, 30)
    ring = center(labels) + 90 * np.stack([0 * angles, np.cos(angles), np.sin(angles)], axis=1) + (7, 0, 0)
    cut = resect_by_curve(labels, ring)
    plane = resect_by_planes(labels, [Plane(tuple(center(labels) + (7, 0, 0)), (1.0, 0.0, 0.0))])
    assert cut.method == "a drawn curve"
    assert cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.02)


def test_points_in_space_are_told_from_those_of_a_slice():
    square = np.array([[0, 0, 0], [30, 0, 0], [30, 30, 0], [0, 30, 0.0]])
    assert is_flat(square)
    assert not is_flat(square + [[0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]])
