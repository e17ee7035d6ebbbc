"""The section Ground truth in the test host: lists, cases, saving, time, several annotators, training."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from drawn_case import as_annotator, done, draw, draw_all, drawn, gray, saved, set_status

from PreopReviewLib import images


def test_a_list_is_made_from_a_folder_in_the_background(host, widget, truth, folder, tmp_path):
    assert "Open a list, or make one, first." in truth.ui.nextCaseButton.toolTip
    as_annotator(host, truth)
    host.dialogs.answer(str(folder), str(tmp_path / "list"))
    host.click(truth.ui.newListButton)
    assert widget.context.busy
    done(host, widget)
    assert truth.work.structures == ("liver", "tumor", "hepatic_vein", "portal_vein", "bile_duct")
    assert truth.ui.casesTable.rowCount == 2
    assert truth.ui.casesTable.item(0, 0).text() == "one"


def test_a_case_is_opened_drawn_and_saved_as_one_goes(host, widget, listed, tmp_path):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    parameters = widget.context.parameters
    assert parameters.inputVolume.GetName() == "one"
    content = parameters.segmentation.GetSegmentation()
    assert content.GetNthSegmentID(1) == "tumor"
    assert content.GetSegment("tumor").GetRepresentation("Binary labelmap").GetPointData().GetScalars() is not None
    assert float(content.GetConversionParameter("Smoothing factor")) < 0.5  # vessels stay in Show 3D
    assert not listed.ui.saveButton.enabled
    draw(listed, drawn())
    assert listed.ui.saveButton.enabled
    set_status(host, listed, "liver", 2)
    assert saved(tmp_path)["one"]["status"] == {"liver": "done", "tumor": "in progress"}
    labels = images.read_labels(tmp_path / "list" / "ab" / "one.nii.gz")
    assert (images.array_of(labels) == images.array_of(drawn())).all()
    assert images.same_grid(labels, gray())
    listed.ui.commentEdit.text = "motion"
    listed.ui.commentEdit.editingFinished.emit()
    assert saved(tmp_path)["one"]["comment"] == "motion"


def test_the_next_case_saves_the_last_and_takes_its_place(host, widget, listed, tmp_path):
    import slicer

    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    assert listed.open_case.name == "two"
    assert not listed.open_case.dirty
    assert (tmp_path / "list" / "ab" / "one.nii.gz").is_file()
    names = [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert names == ["mine", "two"], "only the nodes of the case were removed"
    assert slicer.mrmlScene.IsNodePresent(other)
    listed.ui.casesTable.setCurrentCell(0, 0)
    host.click(listed.ui.openCaseButton)
    done(host, widget)
    from LiverPlannerLib.scene.ground_truth import labels_on

    again = labels_on(listed.open_case.nodes)
    assert (images.array_of(again) == images.array_of(drawn())).all(), "what was saved is there again"


def test_the_next_case_is_drawn_with_the_same_tool_and_its_boxes_stay_in_sight(host, widget, listed, monkeypatch):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    editor = widget.context.plan_editor
    editor.widget.setCurrentSegmentID("tumor")
    editor.widget.setActiveEffectByName("Paint")
    hidden, refresh = [], listed.open_case.refresh
    monkeypatch.setattr(
        listed.open_case, "refresh", lambda: (refresh(), hidden.append(listed.ui.caseWidget.isHidden()))
    )
    host.click(listed.ui.nextHereButton)
    done(host, widget)
    assert listed.open_case.name == "two"
    assert editor.tool == ("Paint", "tumor")
    assert hidden
    assert not any(hidden), "Qt moves the focus away from what is hidden, and the panel with it"


def test_an_edit_is_saved_by_itself(host, widget, listed, tmp_path, monkeypatch):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    listed.open_case._save_timer.setInterval(50)
    draw(listed, drawn())
    host.wait_until(lambda: (tmp_path / "list" / "ab" / "one.nii.gz").is_file(), 30)
    done(host, widget)
    assert saved(tmp_path)["one"]["status"]["liver"] == "in progress"
    assert not listed.open_case.dirty


def test_closing_the_scene_saves_what_was_drawn(host, widget, listed, tmp_path):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    host.close_scene()
    assert (tmp_path / "list" / "ab" / "one.nii.gz").is_file()
    assert listed.ui.caseWidget.isHidden()
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    assert listed.open_case.name == "one"


def test_time_counts_while_somebody_is_at_work(host, widget, listed, tmp_path, monkeypatch):
    from LiverPlannerLib.panels import ground_truth_case as module

    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    now[0] += 50
    draw(listed, drawn())
    now[0] += 500  # a pause: 120 s of it count
    host.leave_module()
    seconds = saved(tmp_path)["one"]["seconds"]
    assert seconds == pytest.approx(170)


def test_leaving_the_module_saves_and_coming_back_goes_on(host, widget, listed, tmp_path):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    host.leave_module()
    assert (tmp_path / "list" / "ab" / "one.nii.gz").is_file()
    host.open_module("LiverPlanner")
    assert listed.open_case.name == "one"
    assert not listed.ui.caseWidget.isHidden()


def test_a_case_is_ticked_where_it_is_drawn(host, widget, listed, tmp_path):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    correct = next(s for s in widget.sections if type(s).__name__ == "CorrectSection")
    assert not correct.button.collapsed
    assert listed.ui.caseWidget.parent() is correct.widget
    assert not listed.ui.caseWidget.isHidden()
    box = listed.open_case._boxes["liver"]
    box.setCurrentIndex(2)
    box.activated.emit(2)
    host.process_events()
    assert saved(tmp_path)["one"]["status"]["liver"] == "done"
    host.click(listed.ui.nextHereButton)
    done(host, widget)
    assert listed.open_case.name == "two"


def finish(listed: Any, annotator: str, shift: int) -> None:
    from LiverPlannerLib.ground_truth.annotation import Annotation

    with Annotation(listed.work, annotator) as other:
        for name in ("one", "two"):
            other.save_labels(name, drawn(shift))
            for key in listed.work.structures:
                other.set_status(name, key, "done")


def test_two_annotators_are_compared_and_become_a_data_set(host, widget, listed, tmp_path):
    import slicer

    finish(listed, "cd", 1)
    for name in ("one", "two"):
        listed.mine.save_labels(name, drawn())
        for key in listed.work.structures:
            listed.mine.set_status(name, key, "done")
    listed.refresh()
    assert "Every case is finished." in listed.ui.nextCaseButton.toolTip
    assert "Open a case first." in listed.ui.disagreementButton.toolTip
    listed.ui.casesTable.setCurrentCell(0, 0)
    host.click(listed.ui.openCaseButton)
    done(host, widget)
    host.click(listed.ui.disagreementButton)
    done(host, widget)
    assert listed.ui.disagreementTable.item(1, 0).text() == "Liver tumor"
    assert float(listed.ui.disagreementTable.item(1, 1).text()) == pytest.approx(0.75, abs=0.001)
    shown = [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if "against" in n.GetName()]
    assert len(shown) == 1
    assert shown[0].GetSegmentation().GetSegment("disagreement").GetName() == "Disagreement"
    finish(listed, "cd", 0)
    host.click(listed.ui.disagreementButton)
    done(host, widget)
    assert "differ in 0.00 ml" in listed.ui.severalNotesLabel.text
    left = [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if "against" in n.GetName()]
    assert left == [], "where they agree now, nothing of what they differed in stays"
    host.click(listed.ui.consensusButton)
    done(host, widget)
    assert listed.ui.sourceComboBox.currentText == "consensus"
    host.dialogs.answer(str(tmp_path / "Dataset501_Liver"))
    host.click(listed.ui.exportButton)
    done(host, widget)
    from PreopReviewLib.datasets.layout import find_data_set

    data_set = find_data_set(tmp_path / "Dataset501_Liver")
    assert [c.name for c in data_set.cases] == ["one", "two"]
    assert host.messages == []


# ---- training on what is finished ----


def test_training_waits_for_enough_finished_cases_and_says_how_many(host, widget, listed):
    ui = listed.ui
    assert not ui.trainButton.enabled
    assert ui.trainButton.toolTip == "No one has drawn anything yet."
    draw_all(listed)
    assert not ui.trainButton.enabled
    assert ui.trainButton.toolTip == "2 of 8 cases of ab are finished."


def test_only_models_that_draw_a_structure_of_the_list_can_be_trained_further(host, widget, listed):
    box = listed.ui.trainModelComboBox
    assert [box.itemText(i) for i in range(box.count)] == ["five-structures-synthetic"]  # it draws tumors
    listed.work = dataclasses.replace(listed.work, structures=("liver",))
    draw_all(listed)
    listed.refresh()
    assert box.count == 0
    assert "No installed model" in listed.ui.trainButton.toolTip


def test_a_round_is_shown_cancelled_and_its_gain_told(host, widget, listed):
    from LiverPlannerLib.ground_truth import rounds

    draw_all(listed)
    place = rounds.new_round(listed.work)
    rounds.write_request(place, {"cases": ["one"], "held_back": ["two"], "minutes": 1})
    rounds.write_state(place, rounds.RoundState("running", 0.4, "Training: step 3"))
    (place / rounds.ALIVE).touch()
    listed.refresh()
    ui = listed.ui
    assert ui.trainButton.text == "Cancel training"
    assert ui.trainingProgressBar.value == 40
    assert "Training: step 3" in ui.trainingLabel.text
    host.click(ui.trainButton)
    assert (place / rounds.CANCEL).exists()
    done_state = rounds.RoundState("done", 1.0, gain={"liver": [0.5, 0.75]}, offered=True)
    rounds.write_state(place, done_state)
    rounds.write_curve(listed.work)
    host.wait_until(lambda: ui.trainButton.text == "Train on these", 10)
    assert "liver 0.50 → 0.75" in ui.trainingLabel.text
    assert "now this list's own" in ui.trainingLabel.text.replace("&#x27;", "'")
    assert not ui.curveLabel.isHidden()
    assert ui.curveLabel.pixmap.width() == 330
    assert ui.trainModelComboBox.currentText == "This list's own", "the next round goes on from the better model"
    ui.trainModelComboBox.setCurrentIndex(1)
    listed.refresh()
    assert ui.trainModelComboBox.currentIndex == 1, "another choice stays"


def test_what_nobody_has_drawn_is_no_agreement(host: Any) -> None:
    from LiverPlannerLib.panels.ground_truth_several import COLUMNS, disagreement_row

    row = {"structure": "bile_duct", "state": "both empty", "dsc": 1.0, "hd95_mm": 0.0, "predicted_ml": 0.0}
    shown = {c.key: c.shown(disagreement_row(row).get(c.key)) for c in COLUMNS}
    assert shown["dsc"] == shown["hd95_mm"] == "n/a"
    drawn = disagreement_row(row | {"state": "both"})
    assert drawn["dsc"] == 1.0
