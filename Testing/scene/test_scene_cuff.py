"""An answer for a shoulder as a scene: map in the MRI's frame, colors, hot region, box, saved and reloaded."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom  # noqa: E402
from PreopReviewLib.scene import files, host, nodes  # noqa: E402
from RotatorCuffCAMLib.cuff import CuffResult  # noqa: E402
from RotatorCuffCAMLib.head import HeadGuess  # noqa: E402
from RotatorCuffCAMLib.localization import DrawnBox  # noqa: E402
from RotatorCuffCAMLib.network.activation import ActivationMap, map_image  # noqa: E402
from RotatorCuffCAMLib.network.classifier import Answer  # noqa: E402
from RotatorCuffCAMLib.network.hot_region import display_grid, hot_region, percent_map  # noqa: E402
from RotatorCuffCAMLib.region import cut_cube  # noqa: E402
from RotatorCuffCAMLib.rendering.looks import HEAT  # noqa: E402
from RotatorCuffCAMLib.scene import boxes, shoulder  # noqa: E402
from RotatorCuffCAMLib.scene import nodes as cuff_scene  # noqa: E402


@pytest.fixture(scope="module", params=["R", "L"])
def planted(request):
    """A phantom with a map whose hottest voxel is the one nearest to the planted tear."""
    phantom = make_shoulder_phantom(3, 4, side=request.param, size=(64, 64, 20))
    cube = cut_cube(phantom.image, phantom.head_center_lps, side=phantom.side)
    values = np.full((16, 16, 16), -1.0)
    empty = map_image(values, cube.image)
    at = empty.TransformPhysicalPointToIndex(phantom.tear_center_lps)
    values[at[2], at[1], at[0]] = 7.5
    values[at[2], at[1], at[0] + 1] = 6.0
    activation = ActivationMap(map_image(values, cube.image), 4, "exact", 0.0, float(empty.GetSpacing()[0]))
    answer = Answer((0.1, 0.1, 0.1, 0.1, 0.6), 4, 0.9, (0.0,) * 5, None, 1)
    guess = HeadGuess(phantom.head_center_lps, 24.0, 0.9)
    return phantom, CuffResult(answer, activation, sitk.Image(), cube, guess, ())


def test_the_display_grid_is_right_handed_and_holds_every_voxel_of_the_map(planted):
    _, result = planted
    grid, raw = display_grid(result.cube.image), result.activation.image
    assert np.linalg.det(np.array(grid.GetDirection()).reshape(3, 3)) == pytest.approx(1)
    for index in ((0, 0, 0), (15, 0, 3), (7, 15, 15)):
        point = raw.TransformIndexToPhysicalPoint(index)
        placed = np.array(grid.TransformPhysicalPointToContinuousIndex(point))
        np.testing.assert_allclose(placed, np.round(placed), atol=1e-6)
        assert ((placed > -1e-6) & (placed < 47 + 1e-6)).all()


def test_the_map_peaks_at_the_tear_on_every_grid(planted):
    phantom, result = planted
    percent, top = percent_map(result.activation.image)
    assert top == 7.5
    region = hot_region(percent)
    assert np.linalg.norm(np.subtract(region.center_lps, phantom.tear_center_lps)) < result.activation.voxel_mm
    assert region.ml == pytest.approx(0.4, abs=0.35)
    assert region.extent_mm[0] > region.extent_mm[1]  # two voxels along I, one along J
    assert region.elsewhere_ml == 0


def test_the_scene_holds_the_answer_and_comes_back_from_a_file(planted, scene, tmp_path):
    phantom, result = planted
    box = DrawnBox.around(*phantom.tear_corners_lps, margin_mm=2)
    built = cuff_scene.build_scene(phantom.image, result, "Case 1", box=box, scene=scene)
    cuff_scene.set_threshold(built.activation, 40)
    assert built.activation.GetVoxelValueUnits().GetCodeValue() == "%"
    assert np.linalg.det(_directions(built.activation)) > 0
    np.testing.assert_allclose(
        built.peak_ras, np.array(phantom.tear_center_lps) * [-1, -1, 1], atol=result.activation.voxel_mm
    )
    raw = cuff_scene.activation_image(built.activation)
    assert images.array_of(raw).max() == pytest.approx(7.5, rel=1e-6)
    back = boxes.box_of(built.box)
    np.testing.assert_allclose(back.center_lps, box.center_lps, atol=1e-6)
    np.testing.assert_allclose(back.half_mm, box.half_mm, atol=1e-6)
    path = files.write_bundle(scene, tmp_path / "scene.mrb")
    with host.fresh_scene() as again:
        files.read_bundle(again, path)
        _check_reloaded(again, built)


def _check_reloaded(again, built):
    node = again.GetFirstNodeByName(built.activation.GetName())
    assert node.GetAttribute(cuff_scene.MAXIMUM) == "7.5"
    assert node.GetAttribute(cuff_scene.CLASS) == "large"
    assert node.GetVoxelValueUnits().GetCodeValue() == "%"
    assert cuff_scene.threshold_of(node) == pytest.approx(40)
    color = [0.0] * 4
    node.GetDisplayNode().GetColorNode().GetColor(255, color)
    assert color[:3] == pytest.approx(HEAT[-1][1], abs=0.01)
    _check_shoulder(node)
    hot = again.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    (segment,) = nodes.read_segments(hot)
    assert segment.name.startswith("Activation ≥ 50%")
    assert sitk.GetArrayFromImage(segment.mask).any()
    assert len(_of_class(again, "vtkMRMLColorLegendDisplayNode")) == 1
    assert len(_of_class(again, "vtkMRMLMarkupsROINode")) == 1


def _check_shoulder(activation):
    """The shoulder comes back as it was seen, and can be painted anew from MRI and map."""
    kept = _colors(activation)
    assert kept[..., 3].any()
    assert shoulder.look_of(activation).threshold == pytest.approx(40)
    shoulder.change_look(activation, threshold=99.0)
    shoulder.change_look(activation, threshold=40.0)
    assert (_colors(activation) == kept).mean() > 0.98  # MRI and map were stored with the precision of their files


def _colors(activation):
    from RotatorCuffCAMLib.scene.shoulder import _voxels

    return _voxels(shoulder.shoulder_of(activation).GetImageData()).copy()


def test_tissue_and_heat_follow_their_sliders(planted, scene):
    phantom, result = planted
    activation = cuff_scene.build_scene(phantom.image, result, "Case 1", scene=scene).activation
    hot = nodes.image_of_volume(activation)
    reach = {t: _heat_voxels(activation, t) for t in (20, 60)}
    assert reach[20] > reach[60] > 0
    assert images.array_of(hot).max() == pytest.approx(100)
    solid = {}
    for opacity in (0.0, 0.4, 0.8):
        shoulder.change_look(activation, opacity=opacity, preset="bone", threshold=30.0)
        solid[opacity] = int(_colors(activation)[..., 3].astype(int).sum())
    assert solid[0.0] < solid[0.4] < solid[0.8]
    shoulder.change_look(activation, opacity=0.0)
    only_heat = _colors(activation)[..., 3]
    assert (only_heat > 0).sum() > 0
    shoulder.change_look(activation, opacity=0.8, preset="map")
    np.testing.assert_array_equal(_colors(activation)[..., 3], only_heat)  # nothing of the heat depends on the tissue


def _heat_voxels(activation, threshold):
    cuff_scene.set_threshold(activation, threshold)
    shoulder.change_look(activation, preset="map")
    return int((_colors(activation)[..., 3] > 0).sum())


def test_a_small_hot_spot_reads_as_heat_in_3d(planted, scene):
    """A ray through it meets mostly its rim, which must not color it cold."""
    phantom, result = planted
    built = cuff_scene.build_scene(phantom.image, result, "Case 1", scene=scene)
    shoulder.change_look(built.activation, opacity=0.0)
    colors = _colors(built.activation).astype(float) / 255
    grid = shoulder.field_of(built.activation).grid
    i, j, _k = grid.TransformPhysicalPointToIndex([-built.peak_ras[0], -built.peak_ras[1], built.peak_ras[2]])
    seen, left = np.zeros(3), 1.0
    for *rgb, alpha in colors[:, j, i]:
        through = 1 - (1 - alpha) ** (grid.GetSpacing()[2] / 2.0)  # the rendering's opacities are those of 2 mm
        seen, left = seen + left * through * np.array(rgb), left * (1 - through)
    red, green, blue = seen
    assert left < 0.3
    assert red > 1.5 * green
    assert red > 3 * blue


def test_cut_open_nothing_lies_between_the_map_and_the_viewer(planted, scene):
    phantom, result = planted
    built = cuff_scene.build_scene(phantom.image, result, "Case 1", scene=scene)
    shoulder.change_look(built.activation, cut=True, threshold=30.0)
    view = shoulder.view_of(built.activation)
    node = shoulder.shoulder_of(built.activation)
    alpha = _colors(built.activation)[..., 3]
    grid = sitk.GetImageFromArray(alpha)
    import vtk

    from PreopReviewLib.images.vtk_images import set_geometry

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    grid = set_geometry(grid, matrix)
    spared = [grid.TransformPhysicalPointToIndex(tuple(np.add(view.cut_lps, np.multiply(view.normal_lps, mm))))
              for mm in (14, 20, 26)]  # fmt: skip
    assert all(grid[i] == 0 for i in spared if all(0 <= a < n for a, n in zip(i, grid.GetSize(), strict=True)))
    face = grid.TransformPhysicalPointToIndex(tuple(np.subtract(view.cut_lps, np.multiply(view.normal_lps, 1.5))))
    assert grid[face] > 100


def test_the_maps_of_all_classes_stand_in_one_shoulder_each_and_leave_nothing_behind(planted, scene):
    from dataclasses import replace

    from RotatorCuffCAMLib.scene import classes

    phantom, result = planted
    built = cuff_scene.build_scene(phantom.image, result, "Case 1", scene=scene)
    before = scene.GetNumberOfNodes()
    maps = [replace(result.activation, class_index=n) for n in range(5)]
    beside = classes.add_class_maps(built.activation, maps)
    assert [n.GetAttribute(cuff_scene.CLASS) for n in beside] == ["none", "partial", "small", "medium", "large"]
    np.testing.assert_array_equal(_colors(beside[4]), _colors(built.activation))  # the same map, the same picture
    assert classes.class_maps(built.activation) == beside
    classes.remove_class_maps(built.activation)
    assert scene.GetNumberOfNodes() == before
    assert classes.class_maps(built.activation) == []


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_a_movie_turns_once_and_repeats(tmp_path, suffix):
    from PIL import Image

    from RotatorCuffCAMLib.scene.movie import write_movie

    frames = [np.full((20, 30, 3), 40 * n, np.uint8) for n in range(4)]
    path = write_movie(tmp_path / f"a{suffix}", frames, seconds=2.0)
    with Image.open(path) as movie:
        assert movie.n_frames == 4
        assert movie.size == (30, 20)
        assert movie.info["loop"] == 0
        movie.seek(1)
        movie.load()
        assert movie.info["duration"] == pytest.approx(500, abs=10)


def test_a_movie_of_an_unknown_kind_is_refused_before_it_is_drawn(tmp_path):
    from PreopReviewLib.errors import InputError
    from RotatorCuffCAMLib.scene.movie import require_kind

    with pytest.raises(InputError, match=r"cannot be written as \.mpeg"):
        require_kind(tmp_path / "a.mpeg")


def _of_class(scene, name):
    found = scene.GetNodesByClass(name)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]


def _directions(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return [[matrix.GetElement(r, c) for c in range(3)] for r in range(3)]


def test_the_map_of_no_tear_outlines_nothing(planted, scene):
    from dataclasses import replace

    phantom, result = planted
    none = replace(result, activation=replace(result.activation, class_index=0))
    built = cuff_scene.build_scene(phantom.image, none, "Case 1", scene=scene)
    assert built.hot is None
    assert built.region is None


def test_the_picture_shows_the_heat_at_the_tear(planted, scene, tmp_path, pictures_possible):
    from RotatorCuffCAMLib.scene.pictures import answer_picture, slice_pixels

    phantom, result = planted
    box = DrawnBox.around(*phantom.tear_corners_lps, margin_mm=2)
    built = cuff_scene.build_scene(phantom.image, result, "Case 1", box=box, scene=scene)
    pixels = slice_pixels(built, "Coronal", (150, 150)).astype(int)
    colored = pixels.max(2) - pixels.min(2) > 60
    assert colored[60:90, 60:90].mean() > 3 * max(colored[:, :40].mean(), 0.01)  # the middle is the hottest place
    path = answer_picture(built, tmp_path / "a.png", "Case 1", ["Large"], size=(640, 480))
    assert path.stat().st_size > 20_000
