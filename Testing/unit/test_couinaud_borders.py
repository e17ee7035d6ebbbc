"""Borders between Couinaud segments as planes: fitted, moved, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.couinaud.borders import BORDERS, agreement, fit_borders, segments_by_planes
from LiverPlannerLib.resection.cutting import Plane
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound

SHIFTED = np.array([20.0, -35.0, 12.0])


def planes() -> dict[str, Plane]:
    """In RAS mm; the normals point to the patient's right or upwards."""
    upright = {"right": (-60, (1, 0.3, 0)), "middle": (-25, (1, 0.5, 0)), "left": (10, (1, 0, 0.2))}
    borders = {key: Plane((x, 0.0, 0.0), _unit((-n[0], *n[1:]))) for key, (x, n) in upright.items()}
    borders["portal"] = Plane((0, 0, 5.0), _unit((0.1, 0, 1)))
    borders["left_portal"] = Plane((0, 0, 15.0), _unit((0, 0.1, 1)))
    return {key: Plane(tuple(np.add(p.point, SHIFTED)), p.normal) for key, p in borders.items()}


def _unit(vector) -> tuple[float, float, float]:
    return tuple((np.array(vector, float) / np.linalg.norm(vector)).tolist())


def liver() -> sitk.Image:
    """An ellipsoid of segment 8 with a caudate lobe, on a grid that is turned and shifted."""
    k, j, i = np.mgrid[:40, :40, :50]
    inside = ((k - 20) / 18) ** 2 + ((j - 20) / 18) ** 2 + ((i - 25) / 24) ** 2 < 1
    array = np.where(inside, 8, 0).astype(np.uint8)
    array[inside & ((k - 20) ** 2 + (j - 12) ** 2 + (i - 22) ** 2 < 20)] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4.0, 3.5, 3.0))
    image.SetDirection(np.array(sitk.Euler3DTransform((0, 0, 0), 0.1, -0.2, 0.15).GetMatrix()).tolist())
    center = np.array(image.TransformContinuousIndexToPhysicalPoint((25, 20, 20)))
    image.SetOrigin((np.array([-1, -1, 1]) * (SHIFTED + [-15, 0, 5]) - center).tolist())
    return image


def divided() -> sitk.Image:
    return segments_by_planes(liver(), planes())


def test_planes_divide_the_liver_into_all_segments_and_leave_the_caudate_lobe():
    before, after = images.array_of(liver()), images.array_of(divided())
    assert ((before > 0) == (after > 0)).all()
    assert ((before == 1) == (after == 1)).all()
    assert (np.bincount(after.ravel(), minlength=9)[1:] > 0).all()


def test_fitted_planes_are_those_that_the_division_was_made_by():
    segments = divided()
    fitted = fit_borders(segments)
    assert fitted.keys() == BORDERS.keys()
    for key, plane in fitted.items():
        true = planes()[key]
        assert np.dot(plane.normal, true.normal) > np.cos(np.radians(4)), key
        assert abs(np.dot(np.subtract(plane.point, true.point), true.normal)) < 2, key
    assert agreement(segments, segments_by_planes(segments, fitted)) > 0.98


def test_a_plane_that_is_moved_takes_volume_from_one_side_to_the_other():
    segments = divided()
    moved = planes()
    right = moved["right"]
    moved["right"] = Plane(tuple(np.add(right.point, np.multiply(10, right.normal))), right.normal)
    after = segments_by_planes(segments, moved)
    gone = {n: int((images.array_of(s) == n).sum()) for s in (segments,) for n in range(1, 9)}
    now = {n: int((images.array_of(after) == n).sum()) for n in range(1, 9)}
    assert now[6] + now[7] < gone[6] + gone[7]
    assert now[5] + now[8] > gone[5] + gone[8]
    assert [now[n] for n in (1, 2, 3, 4)] == [gone[n] for n in (1, 2, 3, 4)]


def test_a_left_lobe_alone_has_the_borders_that_it_has():
    array = images.array_of(divided()).copy()
    array[np.isin(array, (5, 6, 7, 8))] = 0
    left = images.image_like(array, liver())
    fitted = fit_borders(left)
    assert fitted.keys() == {"left", "left_portal"}
    again = segments_by_planes(left, fitted)
    assert set(np.unique(images.array_of(again))) == {0, 1, 2, 3, 4}
    assert agreement(left, again) > 0.98


def test_what_has_no_border_is_said():
    with pytest.raises(NothingFound, match="no Couinaud segments with a border"):
        fit_borders(liver())
    caudate = images.image_like((images.array_of(liver()) == 1).astype(np.uint8), liver())
    with pytest.raises(NothingFound, match="but the caudate lobe"):
        segments_by_planes(caudate, planes())
    with pytest.raises(InputError, match="no border called 'up'"):
        segments_by_planes(liver(), {"up": Plane((0, 0, 0), (0, 0, 1))})
