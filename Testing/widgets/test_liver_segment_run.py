"""The section Segment: three clicks, an event loop that answers, cancel, and a scene that changes meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from liver_case import Turns, add_plan, asked_of_the_worker, scene_content, wait
from segment_section import open_module, section, start

from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib.panels import resting_views


@pytest.fixture
def opened(host: Any) -> Any:
    return open_module(host)


def follow(host: Any, widget: Any) -> tuple[int, set[int]]:
    """How often the event loop turned between pieces of the panel's own work, and the percentages shown."""
    turns, seen = Turns(widget.context), set()
    while widget.context.busy:
        host.process_events(0.02)
        seen.add(section(widget).ui.progressBar.value)
    return turns.stop(), seen


def test_from_a_loaded_volume_to_a_plan_in_three_clicks_with_a_living_event_loop(host: Any, opened: Any) -> None:
    clicks = 1  # opening the module; it takes the volume that is loaded
    ui = section(opened).ui
    assert ui.volumeSelector.currentNode().GetName() == "CT"
    assert ui.modalityComboBox.currentText == "Automatic: CT"
    start(host, opened)
    clicks += 1
    assert ui.applyButton.text == "Cancel"
    turns, seen = follow(host, opened)
    assert clicks <= 3
    assert turns > 20
    assert len(seen) > 3  # a real percentage
    assert not ui.progressBar.isVisibleTo(ui.progressBar.parentWidget())
    assert ui.applyButton.text == "Apply"
    check_plan(opened)


def test_a_second_plan_replaces_the_first_with_a_living_event_loop_and_resting_views(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    plan_nodes = add_plan(parameters.inputVolume)
    parameters.segmentation, parameters.modelOutput = plan_nodes.segmentation, plan_nodes.model_output
    host.process_events(0.1)
    start(host, opened)
    turns, _seen = follow(host, opened)
    assert turns > 20
    assert not slicer.mrmlScene.IsNodePresent(plan_nodes.segmentation)
    assert not slicer.mrmlScene.IsNodePresent(plan_nodes.model_output)
    check_plan(opened)
    views = resting_views._views()
    assert len(views) >= 4
    host.wait_until(lambda: not any(view.isRenderPaused() for view in views), 5)
    assert [view.pauseRender() for view in views] == [1] * len(views)  # nobody else holds them back
    assert [view.resumeRender() for view in views] == [0] * len(views)


def check_plan(widget: Any) -> None:
    parameters = widget.context.parameters
    plan, output = parameters.segmentation, parameters.modelOutput
    assert plan.GetName() == "CT liver plan"
    names = [
        plan.GetSegmentation().GetNthSegment(i).GetName() for i in range(plan.GetSegmentation().GetNumberOfSegments())
    ]
    assert names[0] == "Liver"
    assert len(names) >= 2
    assert scene_plan.same_segments(plan, output)
    assert output.GetHideFromEditors()
    assert "ml" in section(widget).ui.messageLabel.text
    assert "five-structures-synthetic" in section(widget).ui.messageLabel.text


def test_a_large_volume_is_written_with_a_living_event_loop(
    host: Any, opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened.context.parameters.liverSource = None
    asked = asked_of_the_worker(host, opened, lambda: start(host, opened), monkeypatch, tmp_path)
    assert asked["source"] == "Large"


def test_a_double_click_starts_and_does_not_cancel(host: Any, opened: Any) -> None:
    from PreopReviewLib.panels import run_button

    start(host, opened)
    button = section(opened).ui.applyButton
    host.click(button)  # the second of a double click: the button is Cancel by now
    assert opened.context.busy
    assert button.text == "Cancel"
    host.process_events(run_button.DOUBLE_CLICK_SECONDS)
    host.click(button)
    wait(host, opened, 10)
    assert button.text == "Apply"
    assert scene_plan.plans_of(opened.context.parameters.inputVolume) == []


def test_cancel_while_a_volume_is_written_leaves_nothing(host: Any, opened: Any, monkeypatch: Any) -> None:
    from PreopReviewLib.panels import run_button

    monkeypatch.setattr(run_button, "DOUBLE_CLICK_SECONDS", 0)
    start(host, opened)
    assert opened.context._pieces is not None
    host.click(section(opened).ui.applyButton)
    wait(host, opened, 5)
    assert section(opened).ui.applyButton.text == "Apply"
    assert host.messages == []
    assert opened.context.runner.job is None
    start(host, opened)
    host.close_scene()
    wait(host, opened, 5)
    assert host.messages == []


def test_cancel_ends_the_run_and_leaves_the_scene(host: Any, opened: Any) -> None:
    from PreopReviewLib.panels import run_button

    before = scene_content()
    start(host, opened)
    host.process_events(run_button.DOUBLE_CLICK_SECONDS)
    host.click(section(opened).ui.applyButton)
    wait(host, opened, 10)
    assert scene_content() == before
    assert host.messages == []
    assert section(opened).ui.applyButton.text == "Apply"


def test_closing_the_scene_while_a_job_runs_is_harmless(host: Any, opened: Any) -> None:
    start(host, opened)
    host.process_events(0.3)
    host.close_scene()
    wait(host, opened, 10)
    assert scene_content() == []
    assert host.messages == []
    assert "Load a CT or MRI" in section(opened).ui.applyButton.toolTip


def test_a_volume_removed_while_its_plan_is_made_is_said(host: Any, opened: Any) -> None:
    start(host, opened)
    host.process_events(0.3)
    slicer.mrmlScene.RemoveNode(opened.context.parameters.inputVolume)
    wait(host, opened)
    assert "removed" in host.messages[-1].text
    assert [name for _kind, name in scene_content() if "plan" in name] == []


def test_a_volume_that_is_moved_while_it_is_segmented_keeps_voxels_and_surfaces_together(
    host: Any, opened: Any
) -> None:
    volume = opened.context.parameters.inputVolume
    start(host, opened)
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 80.0)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    moved.SetMatrixTransformToParent(shift)
    volume.SetAndObserveTransformNodeID(moved.GetID())
    wait(host, opened)
    assert not host.messages
    plan = opened.context.parameters.segmentation
    assert plan.GetTransformNodeID() == moved.GetID()
    segment = plan.GetSegmentation().GetSegment("liver")
    bounds = [[0.0] * 6, [0.0] * 6]
    segment.GetRepresentation("Binary labelmap").GetBounds(bounds[0])
    segment.GetRepresentation("Closed surface").GetBounds(bounds[1])
    assert np.abs(np.subtract(*bounds)).max() < 10.0


def test_a_volume_that_is_bent_while_it_is_segmented_is_said_and_nothing_is_added(host: Any, opened: Any) -> None:
    volume = opened.context.parameters.inputVolume
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    before = scene_content()
    start(host, opened)
    volume.SetAndObserveTransformNodeID(bent.GetID())
    wait(host, opened)
    assert "non-linear transform Bent" in host.messages[-1].text
    assert scene_content() == before
    assert opened.context.parameters.segmentation is None
