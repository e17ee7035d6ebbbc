"""Resections of drawn livers: planes in any orientation, closed surfaces, portal territories."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from LiverPlannerLib.resection.closed_surface import inside_surface, triangles_of
from LiverPlannerLib.resection.cutting import (
    Plane,
    resect_by_planes,
    resect_by_remnant,
    resect_by_surface,
)
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, NothingFound

CUBE = np.array(
    [
        *[(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)],
        *[(2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)],
    ]
)


def cube_points(low, high) -> np.ndarray:
    return np.array([[(low, high)[b][a] for a, b in enumerate(c)] for c in np.ndindex(2, 2, 2)], float)


def labels_of(array: np.ndarray, spacing=(1.0, 1.0, 1.0), direction=None, origin=(0, 0, 0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(np.asarray(direction, float).ravel().tolist())
    return image


@pytest.fixture
def liver() -> sitk.Image:
    """20 mm cube of liver (voxels 5 to 24), spacing 1 mm, LPS axes; a tumor of 4 mm in its corner."""
    array = np.zeros((30, 30, 30), np.uint8)
    array[5:25, 5:25, 5:25] = 1
    array[6:10, 6:10, 6:10] = 2
    return labels_of(array)


def test_a_plane_takes_the_side_that_its_normal_points_to(liver):
    # S is K; voxels 15 to 24 lie above 14.5
    result = resect_by_planes(liver, [Plane((0, 0, 14.5), (0, 0, 2))])
    assert result.resected_ml == pytest.approx(4.0)
    assert result.remnant_ml == pytest.approx(4.0)
    assert result.resected_share == 0.5
    assert images.array_of(result.resected)[15:25, 5:25, 5:25].all()
    assert (result.tumor_ml, result.tumor_resected_ml) == (pytest.approx(0.064), 0.0)
    assert result.lesions[0].fate == "in the remnant"


def test_right_is_negative_x_of_the_file(liver):
    result = resect_by_planes(liver, [Plane((-9.5, 0, 0), (1, 0, 0))])  # RAS x = -9.5 is LPS x = 9.5
    assert images.array_of(result.resected)[:, :, 5:10].any()
    assert not images.array_of(result.resected)[:, :, 10:].any()
    assert result.lesions[0].fate == "resected"
    assert result.tumor_resected_share == 1.0


def test_a_tumor_in_the_plane_is_cut_and_its_share_told(liver):
    result = resect_by_planes(liver, [Plane((0, 0, 8.5), (0, 0, 1))])
    assert result.lesions[0].fate == "cut"
    assert result.lesions[0].resected_share == pytest.approx(0.25)
    assert result.tumor_resected_share == pytest.approx(0.25)
    assert any("cuts through tumor 1" in note for note in result.notes)


def test_two_planes_take_the_wedge_between_them(liver):
    planes = [Plane((0, 0, 14.5), (0, 0, 1)), Plane((0, -14.5, 0), (0, -1, 0))]
    result = resect_by_planes(liver, planes)
    assert result.resected_share == 0.25
    assert images.array_of(result.resected)[15:25, 15:25, 5:25].all()


def test_seeds_choose_the_pieces_between_planes(liver):
    planes = [Plane((0, 0, 10.5), (0, 0, 1)), Plane((0, 0, 18.5), (0, 0, 1))]
    middle = resect_by_planes(liver, planes, seeds=[(-10, -10, 15)])
    assert middle.resected_share == pytest.approx(8 / 20)
    ends = resect_by_planes(liver, planes, seeds=[(-10, -10, 6), (-10, -10, 23)])
    assert ends.resected_share == pytest.approx(12 / 20)
    with pytest.raises(InputError, match="not in the liver"):
        resect_by_planes(liver, planes, seeds=[(50, 0, 0)])


def test_separate_parts_on_one_side_of_a_plane_are_separate_pieces():
    array = np.zeros((10, 10, 20), np.uint8)
    array[:5] = 1
    array[5:, :, :5] = array[5:, :, 15:] = 1
    labels = labels_of(array)
    plane = [Plane((0, 0, 4.5), (0, 0, 1))]
    assert resect_by_planes(labels, plane).resected_ml == pytest.approx(0.5)
    assert resect_by_planes(labels, plane, seeds=[(-2, -2, 7)]).resected_ml == pytest.approx(0.25)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.1),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
)
def test_a_plane_cuts_alike_on_any_grid(normal, point, order, signs):
    direction = np.eye(3)[list(order)] * np.array(signs)[:, None]
    labels = labels_of(np.ones((6, 7, 8)), (1.5, 0.7, 2.0), direction, (-4.0, 3.0, 1.0))
    center = images.kji_to_ras(np.array([[2.5, 3.0, 3.5]]), labels)[0]
    plane = Plane(tuple(center + point), normal)
    at = images.kji_to_ras(np.argwhere(np.ones((6, 7, 8))), labels)
    beyond = (at - plane.point) @ np.array(normal) / np.linalg.norm(normal)
    if (np.abs(beyond) < 1e-9).any() or (beyond > 0).all() or (beyond < 0).all():
        return
    taken = images.array_of(resect_by_planes(labels, [plane]).resected)
    assert np.array_equal(taken.ravel(), beyond > 0)


def test_a_plane_outside_the_liver_is_refused(liver):
    with pytest.raises(InputError, match="does not take any of the liver"):
        resect_by_planes(liver, [Plane((0, 0, 100), (0, 0, 1))])
    with pytest.raises(InputError, match="takes the whole liver"):
        resect_by_planes(liver, [Plane((0, 0, -100), (0, 0, 1))])


def test_what_is_no_plane_or_no_liver_is_refused(liver):
    with pytest.raises(InputError, match="no plane"):
        Plane((0, 0, 0), (0, 0, 0))
    with pytest.raises(InputError, match="no plane"):
        Plane((0, 0, float("nan")), (0, 0, 1))
    with pytest.raises(InputError, match="no cutting plane"):
        resect_by_planes(liver, [])
    with pytest.raises(NothingFound):
        resect_by_planes(labels_of(np.zeros((4, 4, 4))), [Plane((0, 0, 0), (0, 0, 1))])


def test_a_closed_surface_takes_what_lies_inside(liver):
    # LPS x, y from 4.5 to 14.5 is RAS -14.5 to -4.5
    points = cube_points((-14.5, -14.5, 4.5), (-4.5, -4.5, 14.5))
    result = resect_by_surface(liver, (points, CUBE))
    assert result.resected_ml == pytest.approx(1.0)
    assert images.array_of(result.resected)[5:15, 5:15, 5:15].all()
    assert result.lesions[0].fate == "resected"


def test_an_open_surface_is_refused(liver):
    points = cube_points((-14.5, -14.5, 4.5), (-4.5, -4.5, 14.5))
    with pytest.raises(InputError, match="not closed: 3"):
        resect_by_surface(liver, (points, CUBE[:-1]))


@pytest.mark.parametrize(
    ("surface", "words"),
    [
        (("a",), "vtkPolyData"),
        ((np.zeros((3, 2)), [[0, 1, 2]]), "points of the surface"),
        ((np.full((3, 3), np.nan), [[0, 1, 2]]), "points of the surface"),
        ((np.zeros((3, 3)), np.zeros((0, 3))), "no triangles"),
        ((np.zeros((3, 3)), [[0, 1, 7]]), "lacks"),
    ],
)
def test_what_is_no_surface_is_refused(liver, surface, words):
    with pytest.raises(InputError, match=words):
        resect_by_surface(liver, surface)


def test_a_surface_outside_the_liver_is_refused(liver):
    points = cube_points((100, 100, 100), (110, 110, 110))
    with pytest.raises(InputError, match="does not take any"):
        resect_by_surface(liver, (points, CUBE))


def two_cubes(low, high):
    """A cube of 10 mm in the liver, and another one, as one surface."""
    points = np.concatenate([cube_points((-14.5, -14.5, 4.5), (-4.5, -4.5, 14.5)), cube_points(low, high)])
    return points, np.concatenate([np.array(CUBE), np.array(CUBE) + 8])


def test_bodies_of_a_surface_that_cut_into_each_other_are_refused(liver):
    """By the even-odd rule they would take all but what they share."""
    with pytest.raises(InputError, match="closed bodies that cut into each other"):
        resect_by_surface(liver, two_cubes((-10.5, -10.5, 8.5), (-2.5, -2.5, 18.5)))


@pytest.mark.parametrize(
    ("low", "high", "ml"),
    [((-11.5, -11.5, 7.5), (-7.5, -7.5, 11.5), 1 - 0.064), ((-14.5, -14.5, 15.5), (-12.5, -12.5, 17.5), 1.008)],
    ids=["a hole", "beside it"],
)
def test_a_body_in_another_one_is_a_hole_and_one_beside_it_a_second_body(liver, low, high, ml):
    assert resect_by_surface(liver, two_cubes(low, high)).resected_ml == pytest.approx(ml)


def test_triangles_listed_one_by_one_are_joined_at_their_points():
    points = cube_points((0, 0, 0), (4, 4, 4))
    loose = points[CUBE].reshape(-1, 3)
    joined, triangles = triangles_of((loose, np.arange(len(loose)).reshape(-1, 3)))
    assert len(joined) == 8
    assert inside_surface(joined + 0.5, triangles, (8, 8, 8)).sum() == 64


def test_a_sphere_of_triangles_has_the_voxels_within_its_radius():
    vtk = pytest.importorskip("vtk")
    source = vtk.vtkSphereSource()
    source.SetRadius(10)
    source.SetCenter(-14.5, -14.5, 14.5)
    source.SetThetaResolution(200)
    source.SetPhiResolution(200)
    source.Update()
    labels = labels_of(np.ones((30, 30, 30)))
    taken = images.array_of(resect_by_surface(labels, source.GetOutput()).resected)
    distance = np.linalg.norm(np.argwhere(np.ones((30, 30, 30))) - 14.5, axis=1).reshape(taken.shape)
    clear = np.abs(distance - 10) > 0.01  # the facets lie just inside the sphere
    assert np.array_equal(taken[clear] > 0, distance[clear] < 10)


def test_the_voxels_inside_a_real_surface_are_those_that_vtk_finds(shared_data):
    vtk = pytest.importorskip("vtk")
    reader = vtk.vtkPolyDataReader()
    reader.SetFileName(str(shared_data / "liver_anatomy" / "liver_tumours.vtk"))
    reader.Update()
    surface = reader.GetOutput()
    bounds = np.array(surface.GetBounds()).reshape(3, 2)
    origin, shape = bounds[:, 0] - 3.123, np.ceil((bounds[:, 1] - bounds[:, 0] + 6) / 1.5).astype(int)
    stencil, image, paint = vtk.vtkPolyDataToImageStencil(), vtk.vtkImageData(), vtk.vtkImageStencilToImage()
    stencil.SetInputData(surface)
    stencil.SetOutputSpacing(1.5, 1.5, 1.5)
    stencil.SetOutputOrigin(origin)
    stencil.SetOutputWholeExtent(0, shape[0] - 1, 0, shape[1] - 1, 0, shape[2] - 1)
    stencil.SetTolerance(0)
    paint.SetInputConnection(stencil.GetOutputPort())
    paint.SetInsideValue(1)
    paint.SetOutsideValue(0)
    paint.Update()
    image = paint.GetOutput()
    from vtkmodules.util.numpy_support import vtk_to_numpy

    expected = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape[::-1]) > 0
    points, triangles = triangles_of(surface)
    inside = inside_surface(((points - origin) / 1.5)[:, ::-1], triangles, tuple(shape[::-1].tolist()))
    assert inside.sum() > 1000
    assert (inside != expected).sum() <= 0.001 * expected.sum()


def test_a_drawn_remnant_leaves_the_rest_of_the_liver_to_be_taken(liver):
    array = np.zeros((30, 30, 30), np.uint8)
    array[:15] = 7
    result = resect_by_remnant(liver, labels_of(array))
    assert result.resected_share == 0.5
    assert result.lesions[0].fate == "in the remnant"
    with pytest.raises(InputError, match="takes the whole liver"):
        resect_by_remnant(liver, labels_of(np.zeros((30, 30, 30))))
    far = labels_of(array)
    far.SetOrigin((5000, 0, 0))
    with pytest.raises(GeometryError, match="do not overlap"):
        resect_by_remnant(liver, far)


def test_both_sides_make_up_the_liver(liver):
    result = resect_by_planes(liver, [Plane((-15, -15, 15), (1, 2, 3))])
    both = images.array_of(result.resected) + images.array_of(result.remnant)
    assert np.array_equal(both, (images.array_of(liver) > 0).astype(np.uint8))
    assert images.same_grid(result.resected, liver)
