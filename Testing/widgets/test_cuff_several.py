"""Several MRIs in one scene: the panel and the views show the answer of the chosen one, and boxes of its own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import SimpleITK as sitk

from PreopReviewLib.phantoms.shoulder import ShoulderPhantom, make_shoulder_phantom
from PreopReviewLib.scene import nodes
from RotatorCuffCAMLib.cuff import CuffResult, as_dict
from RotatorCuffCAMLib.network.activation import ActivationMap, map_image
from RotatorCuffCAMLib.network.classifier import Answer
from RotatorCuffCAMLib.region import cut_cube
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene import boxes, shoulder
from RotatorCuffCAMLib.scene.cube import place_cube


@cache
def phantom_of(seed: int) -> ShoulderPhantom:
    """A shoulder, once for all tests: a scene copies what it takes of it."""
    return make_shoulder_phantom(seed, 4, side="R", size=(48, 48, 20))


def answered(host: Any, seed: int, name: str) -> Any:
    """A shoulder with its answer in the scene."""
    phantom = phantom_of(seed)
    cube = cut_cube(phantom.image, phantom.head_center_lps, side=phantom.side)
    values = np.full((16, 16, 16), -1.0)
    values[6:10, 6:10, 6:10] = 5.0
    activation = ActivationMap(map_image(values, cube.image), 4, "exact", 0.0, 6.0)
    answer = Answer((0.1, 0.1, 0.1, 0.1, 0.6), 4, 0.9, (0.0,) * 5, None, 1)
    result = CuffResult(answer, activation, sitk.Image(), cube, None, ())
    volume = nodes.add_volume(host.scene, phantom.image, name)
    return scene_answer.add_answer(volume, phantom.image, result, as_dict(result, name, "tear-synthetic"))


@pytest.fixture
def two(host: Any) -> Any:
    widget = host.open_module("RotatorCuffCAM")
    first, second = answered(host, 1, "First"), answered(host, 2, "Second")
    host.process_events()
    return widget, first, second


def in_views(cuff_nodes: Any) -> tuple[bool, bool]:
    """Whether shoulder and outline of an answer are seen in 3D and in slices."""
    rendering, outline = shoulder.rendering_of(cuff_nodes.activation), cuff_nodes.hot.GetDisplayNode()
    return bool(rendering.GetVisibility3D()), bool(outline.GetVisibility2D())


def choose(host: Any, widget: Any, volume: Any) -> Any:
    widget.context.parameters.inputVolume = volume
    host.process_events()
    return widget.context.parameters


def test_maps_and_outlines_of_other_shoulders_step_back(host: Any, two: Any) -> None:
    widget, first, second = two
    for chosen, other in ((first, second), (second, first), (first, second)):
        parameters = choose(host, widget, chosen.volume)
        assert parameters.activation is chosen.activation
        assert parameters.hotRegion is chosen.hot
        assert in_views(chosen) == (True, True)
        assert in_views(other) == (False, False)


def test_the_slices_show_the_chosen_mri_with_its_own_map(host: Any, two: Any) -> None:
    widget, first, second = two
    plain = nodes.add_volume(host.scene, make_shoulder_phantom(3, size=(32, 32, 12)).image, "Not classified")
    composite = host.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    for volume, shown in ((second.volume, second.activation), (first.volume, first.activation), (plain, None)):
        parameters = choose(host, widget, volume)
        assert composite.GetBackgroundVolumeID() == volume.GetID()
        assert composite.GetForegroundVolumeID() == (shown.GetID() if shown is not None else None)
        assert parameters.activation is shown


def test_cube_and_box_of_one_shoulder_are_not_used_for_another(host: Any, two: Any) -> None:
    widget, first, second = two
    widget.open_section("CompareBoxSection")
    parameters = choose(host, widget, first.volume)
    cube = place_cube(first.volume, None, (0.0, 0.0, 0.0), 90.0)
    box = boxes.empty_box(first.volume, "Tear box")
    parameters.cubeRoi, parameters.tearBox = cube, box
    host.process_events()
    parameters = choose(host, widget, second.volume)
    assert parameters.cubeRoi is None
    assert parameters.tearBox is None
    assert not cube.GetDisplayNode().GetVisibility3D()
    parameters = choose(host, widget, first.volume)
    assert parameters.cubeRoi is cube
    assert parameters.tearBox is box
    assert cube.GetDisplayNode().GetVisibility3D()


def test_boxes_are_seen_where_they_are_worked_on(host: Any, two: Any) -> None:
    widget, first, _second = two
    parameters = choose(host, widget, first.volume)
    parameters.tearBox = boxes.empty_box(first.volume, "Tear box")
    parameters.cubeRoi = place_cube(first.volume, None, (0.0, 0.0, 0.0), 90.0)
    for field, name in (("tearBox", "CompareBoxSection"), ("cubeRoi", "InputSection")):
        display = getattr(parameters, field).GetDisplayNode()
        button = next(s for s in widget.sections if type(s).__name__ == name).button
        for collapsed in (True, False, True):
            button.collapsed = collapsed
            host.process_events()
            assert bool(display.GetVisibility3D()) is not collapsed
            assert bool(display.GetVisibility2D()) is not collapsed


@pytest.mark.slow
def test_a_movie_shows_the_shoulder_without_what_is_there_to_work_with(
    host: Any, two: Any, tmp_path: Any, monkeypatch: Any, pictures_possible: None
) -> None:
    from RotatorCuffCAMLib.scene import movie

    monkeypatch.setattr(movie, "FRAMES", 3)
    widget, first, _second = two
    widget.open_section("CompareBoxSection")
    parameters = choose(host, widget, first.volume)
    parameters.tearBox = boxes.empty_box(first.volume, "Tear box")
    host.process_events()
    view, box = (
        host.app.layoutManager().threeDWidget(0).threeDView().mrmlViewNode(),
        parameters.tearBox.GetDisplayNode(),
    )
    view.SetBoxVisible(True)
    host.app.layoutManager().threeDWidget(0).threeDView().cameraNode()
    shown = next(s for s in widget.sections if type(s).__name__ == "ActivationSection")
    shown.save_movie(str(tmp_path / "turn.webp"))
    assert not view.GetBoxVisible()
    assert not box.GetVisibility3D()
    host.wait_until(lambda: not shown.movie.running, 180.0)
    assert (tmp_path / "turn.webp").stat().st_size > 1000
    assert view.GetBoxVisible()
    assert box.GetVisibility3D()


def test_a_scene_goes_on_with_the_mri_that_was_chosen(host: Any, two: Any, tmp_path: Any) -> None:
    widget, first, _second = two
    choose(host, widget, first.volume)
    host.load_scene(host.save_scene(tmp_path / "scene.mrb"))
    parameters = widget.context.parameters
    assert parameters.inputVolume.GetName() == "First"
    assert parameters.activation.GetNodeReference(shoulder.VOLUME) is parameters.inputVolume
