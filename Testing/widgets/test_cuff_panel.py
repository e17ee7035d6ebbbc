"""RotatorCuffCAM's panel as a user meets it: one click from a shoulder to class and map, a box, a report."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom  # noqa: E402
from PreopReviewLib.scene import nodes  # noqa: E402
from PreopReviewLib.scene.finding import nodes_of_class  # noqa: E402

WAIT = 240.0  # the worker starts torch, on machines that are busy with other tests


@pytest.fixture(scope="module")
def phantom():
    return make_shoulder_phantom(5, 4, side="R", size=(96, 96, 24))


@pytest.fixture
def panel(host, phantom):
    widget = host.open_module("RotatorCuffCAM")
    volume = nodes.add_volume(host.scene, phantom.image, "Shoulder")
    widget.context.parameters.inputVolume = volume
    host.process_events()
    return widget


def section(widget, name):
    return next(s for s in widget.sections if type(s).__name__ == name)


def test_the_panel_says_what_is_missing(host):
    widget = host.open_module("RotatorCuffCAM")
    button = section(widget, "ClassifySection").ui.classifyButton
    assert not button.enabled
    assert "Load a coronal MRI" in button.toolTip
    assert "Classify" in section(widget, "ReportSection").ui.reportButton.toolTip


@pytest.mark.parametrize(("window", "red"), [("#323232", "#ff8a80"), ("#ffffff", "#b42318")])
def test_the_warning_is_read_in_the_dark_style_too(host, window, red):
    import qt

    classify = section(host.open_module("RotatorCuffCAM"), "ClassifySection")
    palette = qt.QPalette(classify.ui.modelWarningLabel.palette)
    palette.setColor(qt.QPalette.Window, qt.QColor(window))
    classify.ui.modelWarningLabel.setPalette(palette)
    classify.refresh()
    assert red in classify.ui.modelWarningLabel.text


def test_a_class_named_with_a_less_than_sign_is_shown_whole(host):
    from qt import QTextDocument

    from RotatorCuffCAMLib.scene import nodes as cuff_scene
    from RotatorCuffCAMLib.tears import TEAR_CLASSES

    shown = section(host.open_module("RotatorCuffCAM"), "ActivationSection")
    names = [c.name for c in TEAR_CLASSES]
    assert any("<" in name for name in names)
    for tear in TEAR_CLASSES:
        activation = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Map")
        activation.SetAttribute(cuff_scene.MAXIMUM, "1.0")
        record = {"activation": {"class": tear.key, "voxel_mm": 3.0}}
        activation.SetAttribute(cuff_scene.RECORD, json.dumps(record))
        text = QTextDocument()
        text.setHtml(shown._measures(activation, None))
        assert f"Map of {tear.name}; a voxel of the map is 3.0 mm wide" in text.toPlainText()


def test_the_color_legend_is_small_and_looks_again_when_its_map_is_shown(host):
    """Slicer fits the legend's text to its box, and shows it where its map was in a view when it last changed."""
    from RotatorCuffCAMLib.scene import answer as scene_answer
    from RotatorCuffCAMLib.scene import nodes as cuff_scene

    image = make_shoulder_phantom(1, size=(32, 32, 12)).image
    volume, activation = (nodes.add_volume(host.scene, image, name) for name in ("Shoulder", "Map"))
    legend = cuff_scene.add_legend(activation)
    assert legend.GetSize()[0] <= 0.06
    shown = []
    views = nodes_of_class(host.scene, "vtkMRMLSliceCompositeNode")
    legend.AddObserver("ModifiedEvent", lambda *_: shown.append([v.GetForegroundVolumeID() for v in views]))
    scene_answer.show(SimpleNamespace(volume=volume, activation=activation, peak_ras=(0.0, 0.0, 0.0)))
    assert views
    assert shown
    assert set(shown[-1]) == {activation.GetID()}


def test_an_axial_series_is_refused_until_the_box_is_ticked(host):
    widget = host.open_module("RotatorCuffCAM")
    axial = make_shoulder_phantom(1, plane="axial", size=(32, 32, 12))
    widget.context.parameters.inputVolume = nodes.add_volume(host.scene, axial.image, "Axial")
    host.process_events()
    one = section(widget, "ClassifySection").ui.classifyButton
    assert not one.enabled
    assert "axial" in one.toolTip
    host.click(section(widget, "InputSection").ui.anyPlaneCheckBox)
    assert one.enabled
    assert "is unreliable" in section(widget, "InputSection").ui.seriesLabel.text


def test_one_click_gives_class_and_map_and_the_rest_follows(host, panel, phantom, tmp_path, monkeypatch):
    classify = section(panel, "ClassifySection")
    assert "Never for patients" in classify.ui.modelWarningLabel.text
    host.click(classify.ui.classifyButton)
    assert classify.ui.classifyButton.text == "Cancel"
    host.wait_until(lambda: not panel.context.busy, WAIT)
    parameters = panel.context.parameters
    assert parameters.activation is not None, host.messages
    assert "Score of any tear" in classify.ui.answerLabel.text
    _check_sliders(host, panel)
    _check_box(host, panel, phantom)
    _check_pictures(host, panel, tmp_path, monkeypatch)
    _check_again_and_reload(host, panel, tmp_path)


def _check_pictures(host, panel, tmp_path, monkeypatch):
    """All classes beside each other and back, a picture, and the camera that is turned once."""
    from PIL import Image

    from RotatorCuffCAMLib.scene import answer as scene_answer
    from RotatorCuffCAMLib.scene import classes, shoulder, side_by_side
    from RotatorCuffCAMLib.scene import nodes as cuff_scene
    from RotatorCuffCAMLib.tears import KEYS

    shown = section(panel, "ActivationSection")
    activation = panel.context.parameters.activation
    layout = host.app.layoutManager().layout
    host.click(shown.ui.classesButton)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    assert len(classes.class_maps(activation)) == 5, host.messages
    assert host.app.layoutManager().layout != layout
    views = [set(_view_ids(shoulder.rendering_of(n))) for n in classes.class_maps(activation)]
    assert all(len(v) == 1 for v in views)
    assert len(set.union(*views)) == 5
    below = [host.app.layoutManager().sliceWidget(side_by_side.tag_of(key)) for key in KEYS]
    assert all(widget.sliceController().isHidden() for widget in below)  # five with their bars exceed a screen
    large = below[-1].mrmlSliceNode()
    wanted = -shoulder.view_of(classes.class_maps(activation)[-1]).cut_lps[1]
    large.JumpSliceByCentering(0.0, 0.0, 0.0)  # as Slicer does with a slice view that is new
    host.wait_until(lambda: large.GetSliceToRAS().GetElement(1, 3) == pytest.approx(wanted, abs=0.1), 5)
    set_threshold, asked = cuff_scene.set_threshold, []
    monkeypatch.setattr(cuff_scene, "set_threshold", lambda node, p: (asked.append(p), set_threshold(node, p)))
    for percent in (31, 38, 45):  # as a slider that is dragged
        shown.ui.thresholdSlider.value = percent
    host.process_events()
    assert asked == [45] * 6, "once for each map"
    assert {shoulder.look_of(n).threshold for n in classes.class_maps(activation)} == {45.0}
    host.click(shown.ui.classesButton)
    assert host.app.layoutManager().layout == layout
    assert classes.class_maps(activation) == []
    shown.save_picture(str(tmp_path / "views.png"))
    with Image.open(tmp_path / "views.png") as picture:
        assert min(picture.size) > 400
    camera = host.app.layoutManager().threeDWidget(0).threeDView().cameraNode()
    camera.SetPosition(1.0, 2.0, 900.0)
    scene_answer.look_at(activation)
    assert camera.GetPosition() == (1.0, 2.0, 900.0)  # it was turned once; the rest is the user's
    host.click(shown.ui.lookButton)
    assert camera.GetPosition() != (1.0, 2.0, 900.0)


def _view_ids(display):
    return [display.GetNthViewNodeID(n) for n in range(display.GetNumberOfViewNodeIDs())]


def _check_sliders(host, panel):
    from RotatorCuffCAMLib.scene import nodes as cuff_scene
    from RotatorCuffCAMLib.scene import shoulder

    activation, ui = panel.context.parameters.activation, section(panel, "ActivationSection").ui
    ui.thresholdSlider.value = 60
    host.process_events()
    assert cuff_scene.threshold_of(activation) == pytest.approx(60)
    assert shoulder.look_of(activation).threshold == pytest.approx(60)
    host.choose(ui.presetComboBox, "Bone")
    ui.tissueSlider.value = 0.8
    host.click(ui.cutCheckBox)
    assert shoulder.look_of(activation) == shoulder.Look("bone", 0.8, True, 60.0)
    ui.opacitySlider.value = 0.3
    host.process_events()
    shown = nodes_of_class(host.scene, "vtkMRMLSliceCompositeNode")
    assert shown
    assert all(c.GetForegroundVolumeID() == activation.GetID() for c in shown)
    assert all(c.GetForegroundOpacity() == pytest.approx(0.3) for c in shown)
    assert all(c.GetLinkedControl() for c in shown)
    host.click(ui.renderingCheckBox)
    assert not shoulder.rendering_of(activation).GetVisibility()
    assert "voxel of the map" in ui.measuresLabel.text


def _check_box(host, panel, phantom):
    from RotatorCuffCAMLib.localization import DrawnBox
    from RotatorCuffCAMLib.scene import boxes

    compare = section(panel, "CompareBoxSection")
    compare.button.collapsed = False
    drawn = DrawnBox.around(*phantom.tear_corners_lps, margin_mm=3)
    panel.context.parameters.tearBox = boxes.add_box(host.scene, drawn)
    host.process_events()
    table = compare.ui.boxTable
    assert table.rowCount == 5
    before = table.item(4, 1).text()
    box = panel.context.parameters.tearBox
    center = box.GetCenter()
    box.SetCenter(center[0] + 15, center[1], center[2])
    host.process_events()
    assert table.item(4, 1).text() != before


def _check_again_and_reload(host, panel, tmp_path):
    """Another answer takes the place of the first; the scene comes back with its answer."""
    from RotatorCuffCAMLib.scene import answer as scene_answer

    activation = section(panel, "ActivationSection")
    host.choose(activation.ui.classComboBox, "Small (< 1 cm)")
    host.click(activation.ui.updateButton)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    parameters = panel.context.parameters
    assert scene_answer.record_of(parameters.activation)["activation"]["class"] == "small"
    volumes = nodes_of_class(host.scene, "vtkMRMLScalarVolumeNode")
    assert len(volumes) == 3  # MRI, map, shoulder in 3D
    assert len(nodes_of_class(host.scene, "vtkMRMLVolumePropertyNode")) == 1
    host.load_scene(host.save_scene(tmp_path / "scene.mrb"))
    parameters = panel.context.parameters
    assert scene_answer.record_of(parameters.activation)["activation"]["class"] == "small"
    assert "Small" in activation.ui.measuresLabel.text
    assert "Score of any tear" in section(panel, "ClassifySection").ui.answerLabel.text


def test_a_job_of_a_closed_scene_is_dropped(host, panel):
    host.click(section(panel, "ClassifySection").ui.classifyButton)
    host.close_scene()
    host.wait_until(lambda: not panel.context.busy, WAIT)
    assert not host.messages
    assert panel.context.parameters.activation is None


def test_the_head_is_found_and_becomes_a_box(host, panel, phantom):
    from RotatorCuffCAMLib.scene.cube import cube_of

    host.click(section(panel, "InputSection").ui.headButton)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    center, edge = cube_of(panel.context.parameters.cubeRoi)
    off = sum((a - b) ** 2 for a, b in zip(center, phantom.head_center_lps, strict=True)) ** 0.5
    assert off < 14
    assert 80 <= edge <= 100
    assert "confidence" in section(panel, "InputSection").ui.seriesLabel.text


def test_a_classification_after_find_is_the_same_as_one_without(host, panel):
    """The cube that was found is not drawn by a hand: the answer, its doubts and its picture are those of one click."""
    from RotatorCuffCAMLib.panels.input import options_of

    assert options_of(panel.context.parameters).get("radius_mm") is None
    host.click(section(panel, "InputSection").ui.headButton)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    roi = panel.context.parameters.cubeRoi
    options = options_of(panel.context.parameters)
    assert 19 < options["radius_mm"] < 27
    assert 0 <= options["confidence"] <= 1
    center = roi.GetCenter()
    roi.SetCenter(center[0] + 4, center[1], center[2])
    assert "radius_mm" not in options_of(panel.context.parameters)  # now a person says where the head is


def test_two_clicks_draw_a_box_along_the_slices_of_an_oblique_series(host, panel, phantom):
    import numpy as np

    from RotatorCuffCAMLib.scene.boxes import box_of

    compare = section(panel, "CompareBoxSection")
    compare.button.collapsed = False
    for corners in (((20, 30, 12), (44, 50, 12)), ((10, 10, 8), (30, 26, 8))):
        host.click(compare.ui.drawButton)
        box = panel.context.parameters.tearBox
        assert box.GetNumberOfDefinedControlPoints() == 0
        for index in corners:
            lps = phantom.image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index])
            box.AddControlPointWorld(-lps[0], -lps[1], lps[2])
        host.process_events()
        drawn, spacing = box_of(box), phantom.image.GetSpacing()
        wide, high = (abs(corners[1][a] - corners[0][a]) * spacing[a] for a in (0, 1))
        np.testing.assert_allclose(2 * np.array(drawn.half_mm), (wide, high, min(wide, high)), atol=0.01)
        assert len(nodes_of_class(host.scene, "vtkMRMLMarkupsROINode")) == 1  # the one before is gone
        axes = np.abs(np.array(drawn.axes).T @ np.array(phantom.image.GetDirection()).reshape(3, 3))
        np.testing.assert_allclose(axes, np.eye(3), atol=1e-6)


def test_the_side_that_dicom_names_is_shown(host, panel, monkeypatch):
    from PreopReviewLib.scene import inputs

    series = section(panel, "InputSection")
    assert "does not say which shoulder" in series.ui.seriesLabel.text
    monkeypatch.setattr(inputs, "dicom_words", lambda _volume: {"0020|0060": "L"})
    series.refresh()
    assert "DICOM: left shoulder" in series.ui.seriesLabel.text
