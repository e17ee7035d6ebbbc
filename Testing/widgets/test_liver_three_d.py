"""The section 3D: presets, side by side with linked cameras, export and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from liver_case import add_plan, add_volume


@pytest.fixture
def planned(host: Any) -> Any:
    plan_nodes = add_plan(add_volume())
    widget = host.open_module("LiverPlanner")
    parameters = widget.context.parameters
    parameters.segmentation, parameters.modelOutput = plan_nodes.segmentation, plan_nodes.model_output
    host.process_events(0.1)
    return widget


def section(widget: Any) -> Any:
    return widget.open_section("ThreeDSection")


def test_everything_is_off_with_a_reason_before_there_is_a_plan(host: Any) -> None:
    ui = section(host.open_module("LiverPlanner")).ui
    for button in (ui.glassButton, ui.besideButton, ui.exportButton, ui.modelsButton):
        assert not button.isEnabled()
        assert "segment the liver first" in button.toolTip


def test_a_preset_is_one_click_and_stays_pressed(host: Any, planned: Any) -> None:
    ui = section(planned).ui
    display = planned.context.parameters.segmentation.GetDisplayNode()
    host.click(ui.lesionsButton)
    assert display.GetSegmentOpacity3D("liver") == pytest.approx(0.15)
    assert ui.lesionsButton.checked
    assert not ui.glassButton.checked
    host.click(ui.glassButton)
    assert display.GetSegmentOpacity3D("liver") == pytest.approx(0.25)
    assert planned.context.parameters.opacityPreset == "glass"


def test_two_segmentations_side_by_side_with_linked_cameras_and_back(host: Any, planned: Any) -> None:
    ui, parameters = section(planned).ui, planned.context.parameters
    manager = slicer.app.layoutManager()
    before = manager.layout
    assert "second segmentation" in ui.besideButton.toolTip
    parameters.besideSegmentation = parameters.segmentation
    host.process_events()
    assert "same segmentation twice" in ui.besideButton.toolTip
    parameters.besideSegmentation = parameters.modelOutput
    host.process_events()
    host.click(ui.besideButton)
    layout = manager.layoutLogic().GetLayoutNode()
    assert layout.GetLayoutDescription(manager.layout).count("vtkMRMLSliceNode") == 2  # a third one's bar has no room
    views = [host.scene.GetSingletonNode(tag, "vtkMRMLViewNode") for tag in ("1", "2")]  # left and right
    assert [view.GetLayoutLabel() for view in views] == [
        parameters.segmentation.GetName(),
        parameters.modelOutput.GetName(),
    ]
    assert all(view.GetLinkedControl() for view in views)
    plan, output = parameters.segmentation.GetDisplayNode(), parameters.modelOutput.GetDisplayNode()
    assert plan.IsDisplayableInView(views[0].GetID())
    assert not plan.IsDisplayableInView(views[1].GetID())
    assert output.GetVisibility()
    assert output.IsDisplayableInView(views[1].GetID())
    host.leave_module()
    assert manager.layout == before
    assert not output.GetVisibility()
    assert plan.IsDisplayableInView(views[1].GetID())


def test_side_by_side_ends_with_the_scene(host: Any, planned: Any) -> None:
    ui, parameters = section(planned).ui, planned.context.parameters
    before = slicer.app.layoutManager().layout
    parameters.besideSegmentation = parameters.modelOutput
    host.process_events()
    host.click(ui.besideButton)
    host.close_scene()
    assert not ui.besideButton.checked
    assert slicer.app.layoutManager().layout == before


def test_files_are_written_where_told_and_a_bad_folder_is_said(host: Any, planned: Any, tmp_path: Path) -> None:
    ui = section(planned).ui
    ui.folderButton.directory = str(tmp_path)
    ui.gltfCheckBox.setChecked(True)
    host.click(ui.exportButton)
    assert {p.suffix for p in tmp_path.iterdir()} == {".stl", ".gltf"}
    assert str(tmp_path) in ui.exportedLabel.text
    ui.folderButton.directory = str(tmp_path / "gone")
    host.click(ui.exportButton)
    assert "cannot be written" in host.messages[-1].text
    assert "Choose a folder" in host.messages[-1].text
    for box in (ui.stlCheckBox, ui.gltfCheckBox):
        box.setChecked(False)
    host.process_events()
    assert "Tick a file format" in ui.exportButton.toolTip


def test_models_are_made_on_request(host: Any, planned: Any) -> None:
    host.click(section(planned).ui.modelsButton)
    assert slicer.mrmlScene.GetFirstNodeByName("Liver").IsA("vtkMRMLModelNode")
    assert "Data module" in section(planned).ui.exportedLabel.text


def test_presets_act_on_the_models_while_those_are_what_is_seen(host: Any, planned: Any) -> None:
    ui = section(planned).ui
    display = planned.context.parameters.segmentation.GetDisplayNode()
    host.click(ui.glassButton)
    host.click(ui.modelsButton)
    liver = slicer.mrmlScene.GetFirstNodeByName("Liver").GetDisplayNode()
    assert liver.GetOpacity() == pytest.approx(0.25)
    host.click(ui.vesselsButton)
    assert liver.GetOpacity() == pytest.approx(0.12)
    assert not display.GetVisibility3D()


def test_the_segmentation_is_seen_again_when_its_last_model_is_deleted(host: Any, planned: Any) -> None:
    ui = section(planned).ui
    display = planned.context.parameters.segmentation.GetDisplayNode()
    host.click(ui.modelsButton)
    host.click(ui.modelsButton)  # replaces them
    models = [
        n for n in slicer.util.getNodesByClass("vtkMRMLModelNode") if n.GetNodeReferenceID("PreopReview.SurfaceOf")
    ]
    assert len(models) == len({m.GetName() for m in models})
    for model in models:
        assert not display.GetVisibility3D()
        slicer.mrmlScene.RemoveNode(model)
    assert display.GetVisibility3D()
