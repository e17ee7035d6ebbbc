"""Closed surfaces and their files."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.scene.results import build_scene
from LiverPlannerLib.structures import mask_of
from PreopReviewLib import images, surfaces
from PreopReviewLib.errors import InputError, OutputError
from PreopReviewLib.scene import files, nodes


@pytest.fixture
def segmentation(scene, image, labels):
    return build_scene(image, labels, {}, "Case").segmentation


def _read(path):
    import vtk

    reader = vtk.vtkSTLReader() if path.suffix == ".stl" else vtk.vtkOBJReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def _bounds_of_voxels(labels, key):
    """Bounds of the structure's voxel centers in LPS mm: low and high."""
    points = np.argwhere(images.array_of(mask_of(labels, key)))
    lps = images.kji_to_ras(points, labels) * [-1, -1, 1]
    return lps.min(axis=0), lps.max(axis=0)


def test_surface_files_lie_where_the_voxels_are_in_lps(segmentation, labels, tmp_path):
    written = files.write_surfaces(segmentation, tmp_path, ("stl", "obj"))
    assert {p.name for p in written} == {f"{k}.{e}" for k in nodes.segment_keys(segmentation) for e in ("stl", "obj")}
    reach = np.linalg.norm(labels.GetSpacing())
    for path in written:
        low, high = _bounds_of_voxels(labels, path.stem)
        bounds = np.array(_read(path).GetBounds()).reshape(3, 2)
        assert (np.abs(bounds[:, 0] - low) < reach).all(), path.name
        assert (np.abs(bounds[:, 1] - high) < reach).all(), path.name


def test_stl_says_that_it_is_lps(segmentation, tmp_path):
    for path in files.write_surfaces(segmentation, tmp_path):
        assert b"SPACE=LPS;UNIT=mm" in path.read_bytes()[:80]


def test_obj_says_that_it_is_lps(segmentation, tmp_path):
    for path in files.write_surfaces(segmentation, tmp_path, ("obj",)):
        assert path.read_bytes().startswith(b"# PreopReview. SPACE=LPS;UNIT=mm\n")
        assert _read(path).GetNumberOfCells() > 0


def test_surfaces_are_closed_and_enclose_the_volume_of_the_voxels(segmentation, labels):
    import vtk

    for key in nodes.segment_keys(segmentation):
        surface = nodes.surface_of(segmentation, key)
        edges = vtk.vtkFeatureEdges()
        edges.SetInputData(surface)
        edges.BoundaryEdgesOn()
        edges.FeatureEdgesOff()
        edges.ManifoldEdgesOff()
        edges.NonManifoldEdgesOff()
        edges.Update()
        assert edges.GetOutput().GetNumberOfCells() == 0, f"{key} has open edges"
        measure = vtk.vtkMassProperties()
        measure.SetInputData(surface)
        voxels = images.array_of(mask_of(labels, key)).sum() * np.prod(labels.GetSpacing())
        assert measure.GetVolume() == pytest.approx(voxels, rel=0.05), key


def test_normals_point_outwards_also_in_the_file(segmentation, tmp_path):
    import vtk

    for path in files.write_surfaces(segmentation, tmp_path):
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputData(_read(path))
        normals.ComputeCellNormalsOn()
        normals.ComputePointNormalsOff()
        normals.ConsistencyOff()
        normals.SplittingOff()
        normals.Update()
        surface = normals.GetOutput()
        assert _signed_volume(surface) > 0, path.name


def _signed_volume(surface) -> float:
    from vtk.util.numpy_support import vtk_to_numpy

    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
    triangles = points[vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)]
    return float(np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6)


def test_a_thin_vessel_keeps_its_volume(segmentation, labels):
    voxels = images.array_of(mask_of(labels, "bile_duct")).sum() * np.prod(labels.GetSpacing())  # one voxel wide
    assert surfaces.enclosed_mm3(nodes.surface_of(segmentation, "bile_duct")) == pytest.approx(voxels, rel=0.05)


def test_surfaces_cannot_be_written_into_a_missing_folder(segmentation, tmp_path, vtk_may_complain):
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_surfaces(segmentation, tmp_path / "missing")


def _ball(radius: float, spacing: tuple[float, float, float], direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> sitk.Image:
    """A ball around the origin, as far as voxel centers can say."""
    size = [int(2 * radius / s) + 7 for s in spacing]
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size])
    image.SetOrigin([-m for m in middle])
    points = images.kji_to_ras(np.argwhere(np.ones(size[::-1])), image)
    inside = np.linalg.norm(points, axis=1) <= radius
    return images.image_like(inside.reshape(size[::-1]).astype(np.uint8), image)


def _points(surface) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(surface.GetPoints().GetData()).astype(float)


def test_a_ball_in_thick_slices_has_no_terraces():
    radius = 20.0
    surface = surfaces.surface_of_mask(_ball(radius, (0.8, 0.8, 5.0)), 0.5)
    points = _points(surface)
    side = points[np.abs(points[:, 2]) < 0.7 * radius]  # the poles lie between slices, and nobody knows where
    off = np.linalg.norm(side, axis=1) - radius
    assert np.abs(off).mean() < 0.5
    assert np.abs(off).max() < 1.5


def test_fine_voxels_do_not_make_a_large_structure_heavy():
    fine = surfaces.surface_of_mask(_ball(32.0, (0.6, 0.6, 0.6)), 0.5)
    assert fine.GetNumberOfCells() < 25_000
    assert surfaces.enclosed_mm3(fine) == pytest.approx(4 / 3 * np.pi * 32**3, rel=0.02)


@pytest.mark.parametrize("threads", [1, 4])
def test_lumps_on_threads_thinner_than_the_grid_stay_on_a_large_structure_and_do_not_make_it_heavy(threads):
    from PreopReviewLib.surface_bodies import Mesh

    mask = _ball(32.0, (0.6, 0.6, 0.6))
    array = np.pad(images.array_of(mask), 30)
    middle = array.shape[0] // 2
    for way in [(0, 1), (0, -1), (1, 1), (1, -1)][:threads]:
        at = [middle + 1, middle + 1, middle + 1]  # between two samples of the coarser grid
        at[way[0]] += way[1] * 68
        array[tuple(slice(a - 7, a + 8) for a in at)] = 1
        thread = list(at)
        thread[way[0]] = slice(*sorted((middle, at[way[0]])))
        array[tuple(thread)] = 1
    fine = sitk.GetImageFromArray(array)
    fine.SetSpacing([0.6] * 3)
    surface = surfaces.surface_of_mask(fine, 0.5)
    mesh = Mesh.of(surface)
    sides = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert set(np.unique(sides, axis=0, return_counts=True)[1]) == {2}
    assert mesh.bodies == 1
    assert surface.GetNumberOfCells() < 30_000
    assert surfaces.enclosed_mm3(surface) == pytest.approx(int(array.sum()) * 0.6**3, rel=0.02)
    high = np.ptp(_points(surface), axis=0)[2]
    assert high == pytest.approx((150 if threads > 1 else 128) * 0.6, abs=2.5)


def test_a_left_handed_grid_does_not_turn_the_surface_inside_out():
    surface = surfaces.surface_of_mask(_ball(10.0, (1.0, 1.2, 2.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1)), 0.3)
    assert _signed_volume(surface) > 0
    assert np.abs(np.linalg.norm(_points(surface), axis=1) - 10).mean() < 0.6


def test_two_voxels_wide_tubes_stay_in_one_piece():
    import vtk

    array = np.zeros((20, 20, 60), np.uint8)
    array[9:11, 9:11, 5:55] = 1
    surface = surfaces.surface_of_mask(sitk.GetImageFromArray(array), 0.5)
    pieces = vtk.vtkPolyDataConnectivityFilter()
    pieces.SetInputData(surface)
    pieces.SetExtractionModeToAllRegions()
    pieces.Update()
    assert pieces.GetNumberOfExtractedRegions() == 1
    low, high = _points(surface).min(axis=0), _points(surface).max(axis=0)
    assert high[0] - low[0] > 46
    assert surfaces.enclosed_mm3(surface) == pytest.approx(array.sum(), rel=0.05)


def _diagonal():
    """One voxel wide, along the space diagonal."""
    array = np.zeros((50, 50, 50), bool)
    n = np.arange(5, 45)
    array[n, n, n] = True
    return array


def _bent():
    """Two voxels wide, in steps that have an edge in common."""
    array = np.zeros((60, 30, 60), bool)
    for n in range(20):
        array[5 + 2 * n : 7 + 2 * n, 10:12, 5 + 2 * n : 7 + 2 * n] = True
    return array


def _crowd():
    """Single voxels at every second place: no two touch."""
    array = np.zeros((24, 24, 24), bool)
    array[2:-2:2, 2:-2:2, 2:-2:2] = True
    return array


def _random_walks():
    """Thin vessels that turn at random, by faces, edges and corners."""
    array, rng = np.zeros((48, 48, 48), bool), np.random.default_rng(3)
    for _ in range(6):
        at = rng.integers(8, 40, 3)
        for _ in range(60):
            at = np.clip(at + rng.integers(-1, 2, 3), 3, 44)
            array[tuple(at)] = True
    return array


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 3.0)], ids=["cubic", "thick slices"])
@pytest.mark.parametrize("make", [_diagonal, _bent, _crowd, _random_walks], ids=lambda make: make.__name__[1:])
def test_each_piece_is_one_closed_body_of_the_volume_of_its_voxels(make, spacing, smoothing):
    import cc3d

    from PreopReviewLib.surface_bodies import Mesh

    array = make()
    mask = sitk.GetImageFromArray(array.astype(np.uint8))
    mask.SetSpacing(spacing)
    mesh = Mesh.of(surfaces.surface_of_mask(mask, smoothing))
    pieces, count = cc3d.connected_components(array, connectivity=26, return_N=True)
    sides = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert set(np.unique(sides, axis=0, return_counts=True)[1]) == {2}, "every side belongs to two triangles"
    bodies = np.sort(mesh.volumes(mesh.points, mesh.body))
    assert len(bodies) == count
    mm3 = np.sort(np.bincount(pieces.ravel())[1:] * float(np.prod(spacing)))
    assert bodies.min() > 0.5 * mm3.min()
    large = mm3 >= 100
    assert bodies[large] == pytest.approx(mm3[large], rel=0.05)
    assert bodies.sum() == pytest.approx(mm3.sum(), rel=0.05)


def test_a_speck_beside_a_large_structure_and_a_hole_in_it_keep_their_volumes():
    from PreopReviewLib.surface_bodies import Mesh

    array = np.zeros((80, 90, 100), np.uint8)
    array[10:70, 10:70, 10:70] = 1
    array[30:40, 30:40, 30:40] = 0
    array[75, 85, 95] = 1
    mask = sitk.GetImageFromArray(array)
    mesh = Mesh.of(surfaces.surface_of_mask(mask, 0.5))
    hole, speck, whole = np.sort(mesh.volumes(mesh.points, mesh.body))
    assert (whole + hole, speck) == pytest.approx((60**3 - 10**3, 1), rel=0.05)
    assert -1150 < hole < -850


def test_nothing_has_no_surface():
    with pytest.raises(InputError, match="nothing"):
        surfaces.surface_of_mask(sitk.Image(8, 8, 8, sitk.sitkUInt8), 0.5)


def test_a_surface_is_made_in_steps_between_which_a_panel_answers() -> None:
    mask = _ball(32.0, (1.5, 1.5, 3.0))  # 137 ml: a large piece
    assert sum(1 for _step in surfaces.surface_steps(mask, 0.5)) >= 8
    at_once = surfaces.surface_of_mask(mask, 0.5)
    assert surfaces.enclosed_mm3(at_once) == pytest.approx(
        images.label_counts(images.array_of(mask))[1] * 6.75, rel=0.01
    )
