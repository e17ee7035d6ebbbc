"""Pictures: what is where and in which color, by statistics rather than by pixel."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest
from painted import DRAWN, make_image

from LiverPlannerLib.plan.measures import center_of_interest
from LiverPlannerLib.scene.results import build_scene, save_results
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import OutputError
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.scene import nodes, pictures, views

pytestmark = pytest.mark.usefixtures("pictures_possible")
ONE_GRID = pytest.mark.parametrize("labels", ["oblique"], indirect=True)
"""For what has to do with files and nodes, not with how the image lies."""
VOLUMES = {s.key: 12.3 for s in STRUCTURES}


@pytest.fixture
def handle(scene, image, labels):
    return build_scene(image, labels, {"volumes_ml": VOLUMES, "modality": "CT"}, "Case")


@pytest.fixture
def straight(scene, straight_labels):
    return build_scene(make_image(straight_labels), straight_labels, {"volumes_ml": VOLUMES, "modality": "CT"}, "Case")


def _near(pixels: np.ndarray, color, tolerance: float = 0.12) -> np.ndarray:
    return (np.abs(pixels[..., :3] / 255.0 - np.asarray(color)) < tolerance).all(axis=-1)


def _hue_near(pixels: np.ndarray, color, tolerance: float = 0.06, saturation: float = 0.35) -> np.ndarray:
    from matplotlib.colors import rgb_to_hsv

    hsv, hue = rgb_to_hsv(pixels[..., :3] / 255.0), rgb_to_hsv(np.asarray(color))[0]
    apart = np.abs(hsv[..., 0] - hue)
    return (np.minimum(apart, 1 - apart) < tolerance) & (hsv[..., 1] > saturation)


def _picture(path) -> np.ndarray:
    return np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(np.uint8)


def test_the_reconstruction_shows_lesions_through_the_liver(handle, tmp_path):
    path = pictures.reconstruction_picture(
        handle.scene, tmp_path / "r.png", handle.legend, title="Case", size=(900, 600)
    )
    pixels = _picture(path)
    assert pixels.shape == (600, 900, 3)
    view = pixels[:, :684]
    covered = (view < 245).any(axis=-1)
    assert 0.15 < covered.mean() < 0.75
    assert _hue_near(view, structure("tumor").color).mean() > 0.005
    assert _hue_near(view, structure("liver").color, saturation=0.1).mean() > 0.05
    legend = pixels[:, 684:]
    for s in STRUCTURES:
        shown = _near(legend, s.color, 0.03).sum()
        assert (shown > 60) == (s.key in DRAWN), s.key


def _ids(scene) -> set[str]:
    return {scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())}


@ONE_GRID
def test_a_view_that_was_closed_leaves_nothing_in_the_scene(handle, tmp_path):
    before = _ids(handle.scene)
    pictures.reconstruction_picture(handle.scene, tmp_path / "r.png", handle.legend, size=(300, 200))
    pictures.slices_picture(handle.volume, handle.segmentation, tmp_path / "s.png", handle.center_ras, width=300)
    after = _ids(handle.scene)
    assert sorted(after - before) == []
    assert sorted(before - after) == []
    display = handle.segmentation.GetDisplayNode()
    assert display.GetPreferredDisplayRepresentationName2D() == nodes.LABELMAP
    assert display.GetSliceIntersectionThickness() == 1


def test_seen_from_the_front_the_patients_right_is_on_the_left(straight):
    # The only structure outside of the liver, the gallbladder, lies at high I: to the left of the patient (RAS -x).
    center = np.array(nodes.surface_of(straight.segmentation, "gallbladder").GetCenter())
    liver = np.array(nodes.surface_of(straight.segmentation, "liver").GetCenter())
    assert center[0] < liver[0]
    straight.segmentation.GetDisplayNode().SetSegmentVisibility("liver", False)
    with views.ThreeDView(straight.scene, (300, 300), 1) as view:
        view.look_from("Anterior")
        front = _hue_near(view.array(), structure("gallbladder").color, 0.03, 0.2)
        view.look_from("Posterior")
        back = _hue_near(view.array(), structure("gallbladder").color, 0.03, 0.2)
    assert np.argwhere(front)[:, 1].mean() > 170
    assert np.argwhere(back)[:, 1].mean() < 130
    assert np.argwhere(front)[:, 0].mean() > 170  # and it is the lowest


def test_everything_fits_into_the_view_and_fills_it(handle):
    with views.ThreeDView(handle.scene, (400, 300), 1) as view:
        for direction in ("Anterior", "Superior", "Left"):
            view.look_from(direction)
            covered = np.argwhere((view.array() < 245).any(axis=-1))
            low, high = covered.min(axis=0), covered.max(axis=0)
            assert (low > 0).all()
            assert (high < [299, 399]).all()
            assert max((high - low) / [300, 400]) > 0.8, direction


def _slice_of(handle, plane, center, size=(200, 200), field=(200.0, 200.0)):
    with views.SliceView(handle.volume.GetScene(), plane, size, 1) as view:
        view.show(handle.volume, tuple(center), field)
        return view.array()


def test_slices_have_the_patients_right_on_the_left_and_anterior_or_superior_on_top(straight):
    straight.segmentation.GetDisplayNode().SetVisibility(False)
    probe = nodes.image_of_volume(straight.volume)
    bounds = [0.0] * 6
    straight.volume.GetRASBounds(bounds)
    middle = np.array(bounds).reshape(3, 2).mean(axis=1)
    # A bright block in one corner of the image: right, anterior and superior.
    array = np.full(images.array_of(probe).shape, -1000, np.int16)
    corner = [(p > m) for p, m in zip(images.kji_to_ras(np.argwhere(array), probe).T, middle, strict=True)]
    array.ravel()[corner[0] & corner[1] & corner[2]] = 1000
    marked = images.image_like(array, probe)
    node = nodes.add_volume(straight.scene, marked, "Marked", (400, 40))
    step = 12.0
    handle = type("Handle", (), {"volume": node})
    for plane, through in (("Axial", 2), ("Coronal", 1), ("Sagittal", 0)):
        center = middle.copy()
        center[through] += step
        bright = np.argwhere(_slice_of(handle, plane, center)[..., 0] > 128)
        assert len(bright) > 200, plane
        assert bright[:, 0].mean() < 100, f"{plane}: anterior or superior is not on top"
        assert bright[:, 1].mean() < 100, f"{plane}: right (sagittal: anterior) is not on the left"


def test_slices_show_the_outline_of_each_structure_that_they_cut(handle, tmp_path):
    path = pictures.slices_picture(
        handle.volume,
        handle.segmentation,
        tmp_path / "s.png",
        handle.center_ras,
        handle.legend,
        title="Case",
        width=1200,
    )
    pixels = _picture(path)
    panels = pixels[64:-70]
    for key in ("liver", "tumor"):
        assert _hue_near(panels, structure(key).color, 0.03, 0.5).sum() > 300, key
    gray = (np.ptp(panels.astype(int), axis=-1) < 12) & (panels[..., 0] > 60)
    assert gray.mean() > 0.01


def test_the_scale_of_the_slices_is_right(straight):
    size = 2.0
    with views.SliceView(straight.scene, "Axial", (300, 240), 1) as view:
        straight.segmentation.GetDisplayNode().SetVisibility(False)
        view.show(straight.volume, straight.center_ras, (300 * size, 240 * size))
        bright = np.argwhere(view.array()[..., 0] > 20)
    extent = (bright.max(axis=0) - bright.min(axis=0) + 1) * size
    array = images.array_of(nodes.image_of_volume(straight.volume))
    k = round(float(images.ras_to_kji(np.array(straight.center_ras), nodes.image_of_volume(straight.volume))[0, 0]))
    body = np.argwhere(array[k] > -80)
    spacing = nodes.image_of_volume(straight.volume).GetSpacing()
    expected = (body.max(axis=0) - body.min(axis=0) + 1) * np.array([spacing[1], spacing[0]])
    assert extent == pytest.approx(expected, abs=3 * size)


def test_the_point_of_interest_lies_in_the_largest_lesion(labels):
    point = center_of_interest(labels)
    k, j, i = np.round(images.ras_to_kji(np.array(point), labels)[0]).astype(int)
    assert images.array_of(labels)[k, j, i] == structure("tumor").label
    only_liver = images.image_like((images.array_of(mask_of(labels, "liver")) > 0).astype(np.uint8), labels)
    k, j, i = np.round(images.ras_to_kji(np.array(center_of_interest(only_liver)), labels)[0]).astype(int)
    assert images.array_of(only_liver)[k, j, i] == 1


def test_the_point_of_interest_of_a_structure_that_fills_the_image_is_its_middle(labels):
    filled = images.image_like(np.ones_like(images.array_of(labels)), labels)
    k, j, i = images.ras_to_kji(np.array(center_of_interest(filled)), filled)[0]
    middle = (np.array(images.array_of(filled).shape) - 1) / 2
    assert np.abs(np.array([k, j, i]) - middle).max() < 0.6


def test_the_gray_window_is_fixed_for_ct_and_follows_the_values_for_mr(image):
    assert gray_window(image, "CT") == (400, 40)
    mr = images.image_like((images.array_of(image).astype(np.float32) + 100) * 7, image)
    width, center = gray_window(mr, "MR")
    inside = images.array_of(mr)
    assert center - width / 2 >= inside.min()
    assert center + width / 2 <= inside.max()
    assert width > 100


@ONE_GRID
def test_all_results_are_saved_and_the_scene_before_is_back(image, labels, tmp_path):
    import slicer

    from PreopReviewLib.scene import host

    before = host.start()
    saved = save_results(image, labels, {"volumes_ml": VOLUMES, "modality": "CT"}, tmp_path, "Case")
    assert slicer.mrmlScene is before
    assert saved.notes == []
    names = {p.name for p in saved.files}
    assert names == {"scene.mrb", "segmentation.seg.nrrd", "reconstruction.png", "slices.png"} | {
        f"{k}.stl" for k in DRAWN
    }
    assert all(p.stat().st_size > 500 for p in saved.files)


@ONE_GRID
def test_without_opengl_the_rest_is_saved_and_a_note_says_so(image, labels, tmp_path, monkeypatch):
    monkeypatch.setattr(views, "rendering_problem", lambda: "there is no OpenGL")
    saved = save_results(image, labels, {"volumes_ml": VOLUMES, "modality": "CT"}, tmp_path, "Case")
    assert "there is no OpenGL" in saved.notes[0]
    assert {p.suffix for p in saved.files} == {".mrb", ".nrrd", ".stl"}


@ONE_GRID
def test_a_picture_cannot_be_written_into_a_missing_folder(handle, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        pictures.reconstruction_picture(handle.scene, tmp_path / "missing" / "r.png", handle.legend, size=(200, 150))
