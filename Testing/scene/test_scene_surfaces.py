"""Closed surfaces and their files."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.scene import build_scene
from LiverPlannerLib.structures import mask_of
from PreopReviewLib import images
from PreopReviewLib.errors import OutputError
from PreopReviewLib.scene import files, nodes


@pytest.fixture
def segmentation(scene, image, labels):
    return build_scene(image, labels, {}, "Case", scene=scene).segmentation


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
        assert b"SPACE=LPS" in path.read_bytes()[:80]


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
        if key in ("liver", "tumour"):
            assert measure.GetVolume() == pytest.approx(voxels, rel=0.06), key
        assert measure.GetVolume() > 0.35 * voxels, key


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


def test_a_thin_vessel_keeps_its_surface(segmentation, labels):
    import vtk

    measure = vtk.vtkMassProperties()
    measure.SetInputData(nodes.surface_of(segmentation, "bile_duct"))  # one voxel wide
    voxels = images.array_of(mask_of(labels, "bile_duct")).sum() * np.prod(labels.GetSpacing())
    # A surface halfway between voxel centers encloses about half of a row of single voxels.
    assert measure.GetVolume() > 0.4 * voxels


def test_surfaces_cannot_be_written_into_a_missing_folder(segmentation, tmp_path, vtk_may_complain):
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_surfaces(segmentation, tmp_path / "missing")
