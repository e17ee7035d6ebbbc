"""Single segments: whether they lie on an image's voxels, and surfaces one at a time or from a plan's files."""

from __future__ import annotations

import numpy as np
import pytest

from LiverPlannerLib.scene.results import build_scene
from PreopReviewLib.errors import UnreadableImage
from PreopReviewLib.images.vtk_images import array_of_vtk
from PreopReviewLib.scene import files, labelmaps, nodes
from PreopReviewLib.surfaces import enclosed_mm3


@pytest.fixture
def handle(scene, image, labels):
    return build_scene(image, labels, {}, "Case")


def ml_of(segmentation, key):
    segment = segmentation.GetSegment(key)
    labelmap = segment.GetRepresentation(nodes.LABELMAP)
    voxels = np.count_nonzero(array_of_vtk(labelmap) == segment.GetLabelValue())
    return voxels * np.prod(labelmap.GetSpacing()) / 1000


def array_of_points(surface):
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(surface.GetPoints().GetData())


def test_a_surface_from_a_plans_file_fits_the_voxels_that_it_was_made_of_and_no_others(handle, tmp_path):
    segmentation = handle.segmentation.GetSegmentation()
    written = {p.stem: files.read_surface(p) for p in files.write_surfaces(handle.segmentation, tmp_path)}
    ml = {key: ml_of(segmentation, key) for key in written}
    for key, surface in written.items():
        fitting = {other for other in written if labelmaps.fits(surface, segmentation.GetSegment(other), ml[other])}
        assert fitting == {key}
        assert surface.GetPointData().GetNormals() is not None
        assert not labelmaps.fits(surface, segmentation.GetSegment(key), 1.02 * ml[key])
    moved = written["liver"]
    points = array_of_points(moved)
    points[:, 0] += 40
    moved.GetPoints().Modified()
    assert not labelmaps.fits(moved, segmentation.GetSegment("liver"), ml["liver"])


def test_files_that_are_no_whole_surface_of_ours_are_refused(handle, tmp_path):
    path = files.write_surfaces(handle.segmentation, tmp_path)[0]
    content = path.read_bytes()
    for broken in (content[:-20], content.replace(b"SPACE=LPS", b"SPACE=RAS"), content[:50]):
        path.write_bytes(broken)
        with pytest.raises(UnreadableImage, match="is not a surface of PreopReview"):
            files.read_surface(path)


def test_a_surface_is_made_of_one_segment_and_taken_away_when_that_is_empty(handle):
    segmentation = handle.segmentation.GetSegmentation()
    for key in nodes.segment_keys(handle.segmentation):
        segmentation.GetSegment(key).RemoveRepresentation(nodes.SURFACE)
    labelmaps.make_surface(segmentation, "liver")
    surfaces = {k: segmentation.GetSegment(k).GetRepresentation(nodes.SURFACE) for k in segmentation.GetSegmentIDs()}
    assert [k for k, surface in surfaces.items() if surface is not None] == ["liver"]
    assert labelmaps.fits(surfaces["liver"], segmentation.GetSegment("liver"), enclosed_mm3(surfaces["liver"]) / 1000)
    segmentation.ClearSegment("liver")
    labelmaps.make_surface(segmentation, "liver")
    assert segmentation.GetSegment("liver").GetRepresentation(nodes.SURFACE) is None


def test_voxels_that_lie_between_those_of_the_image_are_not_on_them(handle):
    segment = handle.segmentation.GetSegmentation().GetSegment("liver")
    assert labelmaps.on_voxels_of(segment.GetRepresentation(nodes.LABELMAP), handle.volume)
    canvas = labelmaps.empty_labelmap(handle.volume, (3, 4, 5), (2, 3, 4))
    assert labelmaps.on_voxels_of(canvas, handle.volume)
    assert canvas.GetExtent() == (3, 6, 4, 6, 5, 6)
    canvas.SetOrigin(canvas.GetOrigin()[0] + 0.3 * canvas.GetSpacing()[0], *canvas.GetOrigin()[1:])
    assert not labelmaps.on_voxels_of(canvas, handle.volume)
    canvas = labelmaps.empty_labelmap(handle.volume, (0, 0, 0), (2, 2, 2))
    canvas.SetSpacing(*(0.99 * s for s in canvas.GetSpacing()))
    assert not labelmaps.on_voxels_of(canvas, handle.volume)


def test_a_surface_is_made_anew_where_there_was_one(handle):
    segmentation = handle.segmentation.GetSegmentation()
    segment = segmentation.GetSegment("liver")
    before = enclosed_mm3(segment.GetRepresentation(nodes.SURFACE))
    array = array_of_vtk(segment.GetRepresentation(nodes.LABELMAP))
    array[: array.shape[0] // 2][array[: array.shape[0] // 2] == segment.GetLabelValue()] = 0
    labelmaps.make_surface(segmentation, "liver")
    assert enclosed_mm3(segment.GetRepresentation(nodes.SURFACE)) < 0.9 * before
