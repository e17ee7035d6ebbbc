"""The section Segment: three clicks, an event loop that answers, cancel, and nothing lost whatever happens."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from liver_case import Pulse, add_liver, add_plan, add_volume, asked_of_the_worker, scene_content, small_case, wait

from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels import resting_views
from PreopReviewLib.scene import inputs


@pytest.fixture
def opened(host: Any) -> Any:
    """The panel with the small CT and its liver given, lesions off: only the shipped model runs."""
    volume = add_volume()
    liver = add_liver(volume)
    widget = host.open_module("LiverPlanner")
    widget.context.parameters.liverSource = liver
    widget.context.parameters.lesions = False
    host.process_events(0.1)
    return widget


def section(widget: Any) -> Any:
    return widget.open_section("SegmentSection")


def start(host: Any, widget: Any) -> None:
    host.click(section(widget).ui.applyButton)
    assert widget.context.busy, host.messages


def follow(host: Any, widget: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Pulse, set[int]]:
    """The pulse of the event loop and the percentages shown, until the result is there and the views draw it.

    How long a view draws is up to the graphics of the computer.
    """
    pulse, seen = Pulse(), set()
    wake = resting_views._wake
    monkeypatch.setattr(resting_views, "_wake", lambda view: (pulse.stop(), wake(view)))
    while widget.context.busy:
        host.process_events(0.02)
        seen.add(section(widget).ui.progressBar.value)
    return pulse, seen


def test_from_a_loaded_volume_to_a_plan_in_three_clicks_with_a_living_event_loop(
    host: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks = 1  # opening the module; it takes the volume that is loaded
    ui = section(opened).ui
    assert ui.volumeSelector.currentNode().GetName() == "CT"
    assert ui.modalityComboBox.currentText == "Automatic: CT"
    start(host, opened)
    clicks += 1
    assert ui.applyButton.text == "Cancel"
    pulse, seen = follow(host, opened, monkeypatch)
    longest = max(pulse.busy)
    assert clicks <= 3
    assert longest < 0.05, sorted(pulse.busy)[-5:]
    assert len(seen) > 3  # a real percentage
    assert not ui.progressBar.isVisibleTo(ui.progressBar.parentWidget())
    assert ui.applyButton.text == "Apply"
    check_plan(opened)


def test_a_second_plan_replaces_the_first_with_a_living_event_loop_and_resting_views(
    host: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = opened.context.parameters
    made = add_plan(parameters.inputVolume)
    parameters.segmentation, parameters.modelOutput = made.segmentation, made.model_output
    host.process_events(0.1)
    start(host, opened)
    pulse, _seen = follow(host, opened, monkeypatch)
    assert max(pulse.busy) < 0.05, sorted(pulse.busy)[-5:]
    assert not slicer.mrmlScene.IsNodePresent(made.segmentation)
    assert not slicer.mrmlScene.IsNodePresent(made.model_output)
    check_plan(opened)
    views = resting_views._views()
    assert len(views) >= 4
    assert [view.pauseRender() for view in views] == [1] * len(views)  # nobody else holds them back
    assert [view.resumeRender() for view in views] == [0] * len(views)


def test_what_was_found_does_not_widen_the_panel_nor_shrink_the_views(host: Any, opened: Any) -> None:
    widget = section(opened).widget
    before = least_width(widget)
    made = add_plan(opened.context.parameters.inputVolume)
    record = scene_plan.plan_record(made.segmentation) | {"models": {"liver": "a-name-without-any-blank-" * 9}}
    made.segmentation.SetAttribute(scene_plan.RECORD, json.dumps(record))
    opened.context.parameters.segmentation = made.segmentation
    host.process_events()
    assert "without-any-blank" in section(opened).ui.messageLabel.text
    assert least_width(widget) == before


def least_width(widget: Any) -> int:
    hint = widget.minimumSizeHint  # a property for PythonQt
    return (hint() if callable(hint) else hint).width()


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


def test_cancel_while_a_volume_is_written_leaves_nothing(host: Any, opened: Any) -> None:
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


def test_cancel_ends_the_run_within_two_seconds_and_leaves_the_scene(host: Any, opened: Any) -> None:
    before = scene_content()
    start(host, opened)
    host.process_events(0.5)
    host.click(section(opened).ui.applyButton)
    began = time.monotonic()
    wait(host, opened, 10)
    assert time.monotonic() - began < 2.0
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


def test_apply_is_off_with_a_reason_for_what_is_no_single_3d_image(host: Any) -> None:
    widget = host.open_module("LiverPlanner")
    button = section(widget).ui.applyButton
    assert not button.isEnabled()
    assert "Load a CT or MRI" in button.toolTip
    volume = add_volume()
    widget.context.parameters.inputVolume = volume
    host.process_events()
    assert button.isEnabled()
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    volume.SetAndObserveTransformNodeID(bent.GetID())
    host.process_events()
    assert not button.isEnabled()
    assert "non-linear transform Bent" in button.toolTip
    volume.SetAndObserveTransformNodeID(None)
    host.process_events()
    assert button.isEnabled()
    label_map = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn labels")
    widget.context.parameters.inputVolume = label_map
    host.process_events()
    assert not button.isEnabled()


def test_a_segmentation_without_liver_is_refused_before_anything_starts(host: Any, opened: Any) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Nothing")
    empty.SetReferenceImageGeometryParameterFromVolumeNode(opened.context.parameters.inputVolume)
    opened.context.parameters.liverSource = empty
    before = scene_content()
    host.click(section(opened).ui.applyButton)
    assert not opened.context.busy
    assert "no liver" in host.messages[-1].text
    assert scene_content() == before


def test_a_declined_installation_ends_in_a_sentence_and_nothing_starts(
    host: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PreopReviewLib.panels import dependencies

    monkeypatch.setattr(dependencies, "_ensured", set())
    monkeypatch.setattr(host.app, "_testing", False)
    monkeypatch.setattr(dependencies, "_pytorch_extension", lambda: None)
    host.packages.missing.add("monai")
    host.dialogs.answer("cancel", "ok")  # the question, then the sentence
    before = scene_content()
    host.click(section(opened).ui.applyButton)
    assert not opened.context.busy
    assert host.packages.installed == []
    assert scene_content() == before
    assert "nothing was computed or changed" in host.messages[-1].text


def test_too_small_a_liver_ends_in_a_sentence_without_command_line_words(host: Any, opened: Any) -> None:
    liver = opened.context.parameters.liverSource
    array = np.zeros(small_case().image.GetSize()[::-1], np.uint8)
    array[10:13, 10:13, 10:13] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, liver, "liver", opened.context.parameters.inputVolume)
    before = scene_content()
    start(host, opened)
    wait(host, opened)
    assert "No liver was found in CT" in host.messages[-1].text
    assert "--" not in host.messages[-1].text
    assert "No liver was found" in section(opened).ui.messageLabel.text
    assert scene_content() == before


def test_an_mri_called_a_ct_is_said(host: Any, opened: Any) -> None:
    volume = opened.context.parameters.inputVolume
    values = slicer.util.arrayFromVolume(volume)
    values[:] = np.clip(values, 0, None) + 200
    slicer.util.arrayFromVolumeModified(volume)
    host.choose(section(opened).ui.modalityComboBox, "CT")
    start(host, opened)
    wait(host, opened)
    assert "no CT in Hounsfield units" in host.messages[-1].text
    assert "--modality" not in host.messages[-1].text


def test_an_error_goes_with_its_volume_its_plan_and_its_scene(host: Any, opened: Any) -> None:
    parameters, label = opened.context.parameters, section(opened).ui.messageLabel
    volume = parameters.inputVolume
    section(opened)._on_failed(InputError("CT is too small", "Choose another"))
    opened.refresh()
    opened.initializeParameterNode()  # as when the module is opened again
    assert "CT is too small" in label.text
    parameters.segmentation = add_plan(volume).segmentation
    host.process_events()
    assert "Beware" in label.text
    section(opened)._on_failed(InputError("CT is too small", "Choose another"))
    assert "CT is too small" in label.text
    parameters.inputVolume = add_volume("Second")
    host.process_events()
    assert "CT is too small" not in label.text
    section(opened)._on_failed(InputError("Second is too small", "Choose another"))
    host.close_scene()
    assert label.text == ""
    assert not label.isVisibleTo(label.parentWidget())
    add_volume()
    host.process_events(0.1)
    assert label.text == ""


def test_the_chosen_volume_may_be_deleted(host: Any, opened: Any) -> None:
    from LiverPlannerLib.panels import modality

    second = add_volume("Second")
    volume = opened.context.parameters.inputVolume
    slicer.mrmlScene.RemoveNode(volume)
    host.process_events(0.1)
    button = section(opened).ui.applyButton
    taken = opened.context.parameters.inputVolume
    if taken is None:  # no neighbor is taken: one is asked for
        assert not button.isEnabled()
        assert "Load a CT or MRI, or choose it" in button.toolTip
    else:
        assert taken.GetID() == second.GetID()
        assert section(opened).ui.volumeSelector.currentNode().GetName() == "Second"
        assert button.isEnabled()
    slicer.mrmlScene.RemoveNode(second)
    host.process_events(0.1)
    assert opened.context.parameters.inputVolume is None
    assert not button.isEnabled()
    assert "Load a CT or MRI, or choose it" in button.toolTip
    assert modality.known(volume) in ("", "CT")  # Slicer still names a volume as the chosen one while it leaves
    with pytest.raises(InputError, match="not in the scene any more"):
        inputs.require_volume(volume)


def test_the_plan_of_a_deleted_volume_is_taken_for_none_of_another(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    volume, label = parameters.inputVolume, section(opened).ui.messageLabel
    parameters.segmentation = add_plan(volume).segmentation
    report = opened.open_section("ReportSection").ui.reportButton
    host.process_events(0.1)
    assert report.isEnabled()
    assert "was made on" not in label.text
    other = add_volume("Of <another> patient")
    other.SetOrigin(30.0, -12.0, 8.0)
    parameters.inputVolume = other
    host.process_events(0.1)
    assert "CT liver plan was made on CT, and not on Of &lt;another&gt; patient" in label.text
    assert not report.isEnabled()
    assert "Choose CT in the section Segment" in report.toolTip
    slicer.mrmlScene.RemoveNode(volume)
    host.process_events(0.1)
    opened.enter()  # from the Data module back to this one
    assert parameters.inputVolume.GetID() == other.GetID()
    assert "a volume that is not in the scene any more" in label.text
    assert not report.isEnabled()
    parameters.inputVolume = add_volume("CT again")
    host.process_events(0.1)
    assert "was made on" not in label.text
    assert report.isEnabled()


def test_warnings_are_readable_and_kept_with_the_plan(host: Any, opened: Any) -> None:
    made = add_plan(opened.context.parameters.inputVolume)
    opened.context.parameters.segmentation = made.segmentation
    host.process_events()
    text = section(opened).ui.messageLabel.text
    assert "Beware" in text
    assert "superior border" in text
    assert "not found:</b> bile duct" in text


def test_the_card_is_one_click_away_and_says_what_the_model_may_be_used_for(host: Any, opened: Any) -> None:
    host.click(section(opened).ui.cardButton)
    shown = section(opened)._card
    assert "kuleuven-liver" in shown.toPlainText()
    assert "five-structures-synthetic" in shown.toPlainText()
    assert "clinical" in shown.toPlainText()


def test_everything_comes_back_with_a_saved_scene(host: Any, opened: Any, tmp_path: Any) -> None:
    parameters = opened.context.parameters
    made = add_plan(parameters.inputVolume)
    parameters.segmentation, parameters.modelOutput = made.segmentation, made.model_output
    parameters.modality, parameters.cystThreshold = "CT", 38.0
    before = scene_content()
    host.save_scene(tmp_path / "case.mrb")
    host.load_scene(tmp_path / "case.mrb")
    again = opened.context.parameters
    assert scene_content() == before
    assert again.inputVolume.GetName() == "CT"
    assert again.segmentation.GetName() == "CT liver plan"
    assert again.modelOutput.GetHideFromEditors()
    assert again.liverSource.GetName() == "Drawn"
    assert (again.modality, again.cystThreshold, again.lesions) == ("CT", 38.0, False)
    assert "Beware" in section(opened).ui.messageLabel.text
    assert section(opened).ui.modalityComboBox.currentText == "CT"
