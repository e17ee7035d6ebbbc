"""The scene of a review without a browser: what is counted, strokes through the view, cases one after the other."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from Testing.review.pages import require_review_packages

from PreopReviewLib import images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A phantom's label image and the folder of its scene."""
    require_review_packages()
    from LiverPlannerLib.scene.results import save_results
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    folder = tmp_path_factory.mktemp("view")
    phantom = make_liver_phantom(7, "hbp", (48, 48, 48), 4.5, slice_mm=0)
    save_results(phantom.image, phantom.labels, {"modality": "MR", "volumes_ml": {}}, folder, "Case")
    return phantom.labels, folder


@pytest.fixture(scope="module")
def app(saved):
    from trame_slicer.core import SlicerApp

    return SlicerApp()


@pytest.fixture
def view(app, saved):
    from PreopReviewLib.review.view import SceneView

    made = SceneView(app)
    made.show(saved[1] / "scene.mrb")
    yield made
    made.close()


def test_structures_are_listed_with_the_volume_of_their_voxels(view, saved):
    labels = saved[0]
    found = {row.id: (row.ml, row.loaded_ml) for row in view.structures()}
    tumor = np.count_nonzero(images.array_of(labels) == 2) * images.voxel_ml(labels)
    liver = np.count_nonzero(images.array_of(labels)) * images.voxel_ml(labels)
    assert found["tumor"] == (pytest.approx(tumor), pytest.approx(tumor))
    assert found["liver"][0] <= liver + 1e-6


def test_a_stroke_changes_its_row_alone_and_undo_takes_it_back(view):
    from PreopReviewLib.review.strokes import BrushMark

    before = {row.id: row.ml for row in view.structures()}
    told: list[str] = []
    view.on_stroke = told.append
    mark = BrushMark((20, 20, 20), np.ones((4, 5, 6), bool), (48, 48, 48))
    view._stroke("tumor", mark, True)
    after = {row.id: row.ml for row in view.structures()}
    assert {k for k in after if after[k] != before[k]} == {"tumor"}
    view._count()
    assert {row.id: row.ml for row in view.structures()} == pytest.approx(after)
    view.undo()
    assert {row.id: row.ml for row in view.structures()} == pytest.approx(before)
    assert told == ["tumor", "tumor"]
    view.undo()  # nothing is left
    assert told == ["tumor", "tumor"]


def test_the_plans_own_surface_is_shown_until_a_stroke_makes_it_another(view):
    from PreopReviewLib.review.strokes import BrushMark
    from PreopReviewLib.scene.nodes import SURFACE

    segment = view.segmentation.GetSegmentation().GetSegment("tumor")
    assert segment.GetRepresentation(SURFACE) is None  # slices come first
    view.make_surface("tumor")
    of_plan = segment.GetRepresentation(SURFACE).GetNumberOfPoints()
    assert view._take_surface_of_plan("tumor")
    view._stroke("tumor", BrushMark((20, 20, 20), np.ones((4, 5, 6), bool), (48, 48, 48)), True)
    assert not view._take_surface_of_plan("tumor")
    view.make_surface("tumor")
    assert segment.GetRepresentation(SURFACE).GetNumberOfPoints() != of_plan


def test_cases_that_were_shown_before_are_not_kept_in_memory(view, saved):
    for _ in range(4):
        view.show(saved[1] / "scene.mrb")
    alive = [o for o in gc.get_objects() if type(o).__name__ == "vtkMRMLScalarVolumeNode" and o.GetImageData()]
    assert len(alive) <= 2  # the one that is shown, and what the editor still holds of the one before


def test_segments_on_finer_voxels_than_the_image_are_brought_onto_its_voxels(app, saved, tmp_path):
    import SimpleITK as sitk

    from PreopReviewLib.review.strokes import BrushMark
    from PreopReviewLib.review.view import SceneView
    from PreopReviewLib.scene import files, host, labelmaps, nodes

    labels = saved[0]
    finer = sitk.Resample(labels, [2 * n for n in labels.GetSize()], sitk.Transform(), sitk.sitkNearestNeighbor,
                          labels.GetOrigin(), [s / 2 for s in labels.GetSpacing()], labels.GetDirection())  # fmt: skip
    with host.fresh_scene() as scene:
        nodes.add_volume(scene, sitk.Cast(labels, sitk.sitkInt16), "Image")
        spec = nodes.SegmentSpec("tumor", "Tumor", (1.0, 1.0, 0.0), (2,))
        nodes.add_segmentation(scene, finer, [spec], "Other")
        files.write_bundle(scene, tmp_path / "other.mrb")
    view = SceneView(app)
    view.show(tmp_path / "other.mrb")
    labelmap = view.segmentation.GetSegmentation().GetSegment("tumor").GetRepresentation(nodes.LABELMAP)
    assert labelmaps.on_voxels_of(labelmap, view.volume)
    (row,) = view.structures()
    tumor = np.count_nonzero(images.array_of(labels) == 2) * images.voxel_ml(labels)
    assert row.ml == pytest.approx(tumor, rel=0.25)  # half a voxel of 4.5 mm
    view._stroke("tumor", BrushMark((2, 2, 2), np.ones((2, 2, 2), bool), (48, 48, 48)), True)
    assert view.structures()[0].ml == pytest.approx(row.ml + 8 * images.voxel_ml(labels))
    view.close()
