"""The section Segment: what it shows of a plan or an error, of which volume, and after a scene comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import slicer
from liver_case import add_plan, add_volume, scene_content
from segment_section import open_module, section

from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib.errors import InputError
from PreopReviewLib.scene import inputs


@pytest.fixture
def opened(host: Any) -> Any:
    return open_module(host)


def test_what_was_found_does_not_widen_the_panel_nor_shrink_the_views(host: Any, opened: Any) -> None:
    widget = section(opened).widget
    before = least_width(widget)
    plan_nodes = add_plan(opened.context.parameters.inputVolume)
    record = scene_plan.plan_record(plan_nodes.segmentation) | {"models": {"liver": "a-name-without-any-blank-" * 9}}
    plan_nodes.segmentation.SetAttribute(scene_plan.RECORD, json.dumps(record))
    opened.context.parameters.segmentation = plan_nodes.segmentation
    host.process_events()
    assert "without-any-blank" in section(opened).ui.messageLabel.text
    assert least_width(widget) == before


def least_width(widget: Any) -> int:
    hint = widget.minimumSizeHint  # a property for PythonQt
    return (hint() if callable(hint) else hint).width()


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
    plan = parameters.segmentation
    parameters.inputVolume = other
    host.process_events(0.1)
    assert parameters.segmentation is None
    assert "There is no plan of Of &lt;another&gt; patient yet" in label.text
    assert not report.isEnabled()
    slicer.mrmlScene.RemoveNode(volume)
    host.process_events(0.1)
    opened.enter()  # from the Data module back to this one
    assert parameters.inputVolume.GetID() == other.GetID()
    assert parameters.segmentation is None
    parameters.segmentation = plan
    host.process_events(0.1)
    assert "a volume that is no longer in the scene" in label.text
    assert not report.isEnabled()
    parameters.inputVolume = add_volume("CT again")
    host.process_events(0.1)
    assert parameters.segmentation is plan
    assert "was made on" not in label.text
    assert report.isEnabled()


def test_warnings_are_readable_and_kept_with_the_plan(host: Any, opened: Any) -> None:
    plan_nodes = add_plan(opened.context.parameters.inputVolume)
    opened.context.parameters.segmentation = plan_nodes.segmentation
    host.process_events()
    text = section(opened).ui.messageLabel.text
    assert "Beware" in text
    assert "superior border" in text
    assert "Not found:</b> bile duct" in text


def test_the_card_is_one_click_away_and_says_what_the_model_may_be_used_for(host: Any, opened: Any) -> None:
    host.click(section(opened).ui.cardButton)
    shown = section(opened)._card
    assert "kuleuven-liver" in shown.toPlainText()
    assert "five-structures-synthetic" in shown.toPlainText()
    assert "clinical" in shown.toPlainText()


def test_everything_comes_back_with_a_saved_scene(host: Any, opened: Any, tmp_path: Any) -> None:
    parameters = opened.context.parameters
    plan_nodes = add_plan(parameters.inputVolume)
    parameters.segmentation, parameters.modelOutput = plan_nodes.segmentation, plan_nodes.model_output
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
