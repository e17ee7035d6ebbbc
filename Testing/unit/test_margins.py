"""Margins on drawn boxes and balls, where the distance is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Plane, resect_by_planes, resect_by_remnant, resect_by_surface
from LiverPlannerLib.resection.margins import NEIGHBORS, cut_surface, measure_margins
from PreopReviewLib.errors import GeometryError, NothingFound

HALF_DIAGONAL = np.sqrt(3) / 2


def labels_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing(spacing)
    return image


@pytest.fixture
def array() -> np.ndarray:
    """Liver of 40 voxels, tumor 10..19 in K, J and I."""
    array = np.ones((40, 40, 40), np.uint8)
    array[10:20, 10:20, 10:20] = 2
    return array


def test_the_margin_to_a_plane_is_exact_along_the_grid(array):
    labels = labels_of(array, (1.0, 1.0, 2.0))
    resection = resect_by_planes(labels, [Plane((0, 0, 59.0), (0, 0, -1))])  # between K 29 and 30, all below taken
    result = measure_margins(labels, resection)
    assert result.lesions[0].fate == "resected"
    assert result.lesions[0].to_cut_mm == pytest.approx(20.0)  # faces at K 19.5 and 29.5, 2 mm each
    assert result.smallest_mm == pytest.approx(20.0)
    assert result.uncertainty_mm == pytest.approx(np.sqrt(6) / 2)
    assert result.lesions[0].nearest_ras[2] == pytest.approx(39.0)
    assert any("± 1.2 mm" in note for note in result.notes)


def test_the_line_to_what_lies_nearest_is_as_long_as_the_distance_and_ends_on_it(array):
    from LiverPlannerLib.structures import structure

    array[10:20, 10:20, 23:26] = structure("hepatic_vein").label  # 3 voxels from the tumor along I
    array[28:30, 10:20, 10:20] = structure("portal_vein").label
    result = measure_margins(labels_of(array, (1.5, 1.0, 1.0)))
    lesion = result.lesions[0]
    assert lesion.nearest == "hepatic_vein"
    start, stop = np.array(lesion.lines["hepatic_vein"])
    assert np.linalg.norm(stop - start) == pytest.approx(lesion.to_mm["hepatic_vein"]) == pytest.approx(4.5)
    assert stop[0] == pytest.approx(-22.5 * 1.5)  # the vein's face, RAS
    row = result.as_rows()[0]
    assert row["nearest"] == "Hepatic vein"
    np.testing.assert_allclose([float(v) for v in row["line_ras"].split()], [*start, *stop], atol=0.01)


def test_without_anything_to_measure_to_there_is_no_line(array):
    lesion = measure_margins(labels_of(array)).lesions[0]
    assert lesion.nearest is None
    assert measure_margins(labels_of(array)).as_rows()[0]["line_ras"] is None


@pytest.mark.parametrize("normal", [(1, 1, 1), (0.3, -1, 0.5), (-2, 1, 0.1)])
def test_an_oblique_margin_of_a_ball_is_right_within_the_stated_uncertainty(normal):
    k, j, i = np.ogrid[:60, :60, :60]
    array = np.ones((60, 60, 60), np.uint8)
    array[(k - 30) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 <= 8**2] = 2
    labels = labels_of(array)
    n = np.array(normal) / np.linalg.norm(normal)
    center = np.array([-30.0, -30.0, 30.0])
    resection = resect_by_planes(labels, [Plane(tuple(center + 15 * n), tuple(-n))])
    result = measure_margins(labels, resection)
    assert result.lesions[0].to_cut_mm == pytest.approx(7.0, abs=result.uncertainty_mm)


def test_only_the_cut_inside_the_liver_counts(array):
    array[:, :, 25:] = 0
    array[30:, :, 25:] = 1  # the liver goes on beyond the tumor only higher up
    labels = labels_of(array)
    resection = resect_by_planes(labels, [Plane((-29.5, 0, 0), (1, 0, 0))])
    margin = measure_margins(labels, resection).lesions[0].to_cut_mm
    assert margin == pytest.approx(np.hypot(10, 10.5), abs=HALF_DIAGONAL)  # straight ahead it would be 10


def test_a_cut_lesion_has_no_margin_and_a_left_one_does_not_count(array):
    array[30:34, 30:34, 30:34] = 2
    labels = labels_of(array)
    result = measure_margins(labels, resect_by_planes(labels, [Plane((0, 0, 14.5), (0, 0, -1))]))
    first, second = result.lesions
    assert (first.fate, first.to_cut_mm) == ("cut", 0.0)
    assert (second.fate, second.to_cut_mm) == ("in the remnant", pytest.approx(15.0))
    assert result.smallest_mm == 0.0
    assert any("Lesion 1 is cut" in note for note in result.notes)
    assert any("Lesion 2 is not resected" in note for note in result.notes)


def test_distances_to_vessels_and_duct_are_between_faces(array):
    array[:, 30:33, 10:13] = 5
    array[10:20, 20:22, 10:20] = 4
    result = measure_margins(labels_of(array, (1.0, 3.0, 1.0)))
    lesion = result.lesions[0]
    assert lesion.to_mm == {"portal_vein": pytest.approx(30.0), "hepatic_vein": 0.0, "bile_duct": None}
    assert lesion.contact_mm2 == {"portal_vein": 0.0, "hepatic_vein": pytest.approx(100.0)}
    assert (lesion.fate, lesion.to_cut_mm, result.smallest_mm) == (None, None, None)
    assert any("bile duct" in note for note in result.notes)


def test_contact_area_follows_the_spacing_of_the_touching_faces(array):
    array[20:22, 10:20, 10:20] = 4  # above in K: faces of 1 × 3 mm
    assert measure_margins(labels_of(array, (1.0, 3.0, 5.0))).lesions[0].contact_mm2["hepatic_vein"] == 300.0


def test_each_lesion_is_measured_and_numbered_by_falling_size(array):
    array[30, 30, 30] = 2
    array[10, 35, 35] = 5
    result = measure_margins(labels_of(array))
    assert [lesion.voxels for lesion in result.lesions] == [1000, 1]
    assert result.lesions[1].centroid_ras == (-30.0, -30.0, 30.0)
    assert [row["lesion"] for row in result.as_rows()] == [1, 2]
    assert set(NEIGHBORS) == set(result.lesions[0].to_mm)


def test_a_lesion_at_the_border_of_the_image_is_measured():
    array = np.ones((10, 10, 10), np.uint8)
    array[0, 0, 0] = 2
    array[9, 0, 0] = 5
    assert measure_margins(labels_of(array)).lesions[0].to_mm["portal_vein"] == pytest.approx(8.0)


def test_cysts_can_be_measured_instead(array):
    array[30:32, 30:32, 30:32] = 3
    assert measure_margins(labels_of(array), lesions="cyst").lesions[0].voxels == 8


def test_the_cut_surface_carries_the_distance_to_the_tumor(array):
    labels = labels_of(array)
    points, distance = cut_surface(labels, resect_by_planes(labels, [Plane((0, 0, 29.5), (0, 0, -1))]))
    assert len(points) == 1600
    assert np.allclose(points[:, 2], 29.5)
    assert distance.min() == pytest.approx(10.0)


def test_without_lesions_or_on_another_grid_there_is_an_error(array):
    labels = labels_of(array)
    with pytest.raises(NothingFound, match="no liver cyst"):
        measure_margins(labels, lesions="cyst")
    resection = resect_by_planes(labels, [Plane((0, 0, 29.5), (0, 0, -1))])
    other = labels_of(array, (2.0, 2.0, 2.0))
    with pytest.raises(GeometryError, match="different grids"):
        measure_margins(other, resection)


@pytest.mark.parametrize("spacing", [(0.8, 0.8, 5.0), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
@pytest.mark.parametrize("axis", [0, 2])
def test_the_margin_follows_a_plane_that_moves_by_a_hundredth_of_a_millimeter(spacing, axis):
    """A ball of 10 mm: wherever the plane lies, the stated uncertainty covers the true margin, without jumps."""
    half = [int(40 / s) for s in spacing]
    i, j, k = np.meshgrid(*(np.arange(-h, h + 1) * s for h, s in zip(half, spacing, strict=True)), indexing="ij")
    array = np.where(i**2 + j**2 + k**2 <= 100, 2, 1).astype(np.uint8).transpose(2, 1, 0)
    labels = labels_of(array, spacing)
    labels.SetOrigin([-h * s for h, s in zip(half, spacing, strict=True)])
    normal, margins = np.eye(3)[axis], []
    for at in (14.98, 14.99, 15.0, 15.01, 15.02, 17.49, 17.51):
        cut = resect_by_planes(labels, [Plane(tuple(-at * normal), tuple(normal))])
        made = measure_margins(labels, cut)
        assert abs(made.lesions[0].to_cut_mm - (at - 10)) <= made.uncertainty_mm
        margins.append(made.lesions[0].to_cut_mm)
        drawn = measure_margins(labels, resect_by_remnant(labels, cut.remnant))
        assert drawn.uncertainty_mm == pytest.approx(2 * made.uncertainty_mm)
        assert abs(drawn.lesions[0].to_cut_mm - (at - 10)) <= drawn.uncertainty_mm
    assert np.diff(margins)[:4] == pytest.approx(0.01, abs=1e-4)
    assert np.diff(margins)[5] == pytest.approx(0.02, abs=1e-4)


def test_a_plane_within_the_outermost_half_voxel_of_a_lesion_leaves_no_margin(array):
    labels = labels_of(array)
    for at, expected in ((20.0, 0.5), (19.6, 0.1), (19.4, 0.0), (19.1, 0.0)):
        margin = measure_margins(labels, resect_by_planes(labels, [Plane((0, 0, at), (0, 0, -1))])).lesions[0].to_cut_mm
        assert margin == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("inside_out", [False, True])
def test_the_margin_to_a_closed_surface_is_to_the_mesh_itself(inside_out):
    k, j, i = np.indices((40, 40, 40))
    array = np.where((k - 20) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 <= 25, 2, 1)
    labels = labels_of(array)
    for side in (9.0, 9.2, 9.4):
        corners = np.array([[x, y, z] for x in (-side, side) for y in (-side, side) for z in (-side, side)], float)
        points = corners + [-20.0, -20.0, 20.0]
        faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)]
        triangles = np.array([*faces, (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)])
        cut = resect_by_surface(labels, (points, triangles[:, ::-1] if inside_out else triangles))
        assert measure_margins(labels, cut).lesions[0].to_cut_mm == pytest.approx(side - 5.5, abs=1e-3)


def test_a_wedge_of_two_planes_is_measured_to_the_nearer_one(array):
    labels = labels_of(array)
    planes = [Plane((0, 0, 25.3), (0, 0, -1)), Plane((-23.1, 0, 0), (1, 0, 0))]
    margins = measure_margins(labels, resect_by_planes(labels, planes))
    assert margins.lesions[0].to_cut_mm == pytest.approx(23.1 - 19.5)
