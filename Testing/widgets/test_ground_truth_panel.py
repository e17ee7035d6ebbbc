"""The section Ground truth in the test host: lists, cases, saving, time, several annotators, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images

SHAPE = (20, 28, 30)


def gray() -> sitk.Image:
    array = np.random.default_rng(1).normal(70, 8, SHAPE).astype(np.float32)
    array[:, :4] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 3))
    image.SetOrigin((-40, 20, 100))
    return image


def drawn(shift: int = 0) -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[4:15, 8:22, 5 + shift : 22 + shift] = 1
    array[6:9, 10:13, 8 + shift : 12 + shift] = 2
    return images.image_like(array, gray())


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    for name in ("one", "two"):
        images.write_image(gray(), place / f"{name}.nii.gz")
    return place


@pytest.fixture
def widget(host) -> Any:
    opened = host.open_module("LiverPlanner")
    for section in opened.sections:
        section.button.collapsed = type(section).__name__ != "GroundTruthSection"
    return opened


@pytest.fixture
def truth(widget) -> Any:
    return next(s for s in widget.sections if type(s).__name__ == "GroundTruthSection")


def done(host: Any, widget: Any) -> None:
    host.wait_until(lambda: not widget.context.busy, 60)
    host.process_events(0.1)


def as_annotator(host: Any, truth: Any, name: str = "ab") -> None:
    truth.ui.annotatorEdit.text = name
    truth.ui.annotatorEdit.editingFinished.emit()
    host.process_events(0.05)


@pytest.fixture
def listed(host, widget, truth, folder, tmp_path) -> Any:
    """A list of two cases, open as ab."""
    from LiverPlannerLib.ground_truth.cases import find_cases
    from LiverPlannerLib.ground_truth.work_list import create_list

    create_list(tmp_path / "list", find_cases(folder, tmp_path / "list"), ("liver", "tumor"))
    as_annotator(host, truth)
    host.dialogs.answer(str(tmp_path / "list"))
    host.click(truth.ui.openListButton)
    return truth


def draw(truth: Any, labels: sitk.Image) -> None:
    """Fills the segments of the open case, as the Segment Editor does."""
    import slicer

    from PreopReviewLib.scene import nodes

    content = truth.open_case.nodes.segmentation.GetSegmentation()
    for key, values in (("liver", (1, 2)), ("tumor", (2,))):
        content.GetSegment(key).AddRepresentation("Binary labelmap", nodes._labelmap(labels, values))
        content.GetSegment(key).SetLabelValue(1)
    content.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)


def set_status(host: Any, truth: Any, key: str, index: int) -> None:
    box = truth.open_case._boxes[key]
    box.setCurrentIndex(index)
    box.activated.emit(index)
    host.process_events(0.05)


def saved(tmp_path: Path, annotator: str = "ab") -> dict[str, Any]:
    return json.loads((tmp_path / "list" / annotator / "progress.json").read_text())["cases"]


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

    again = labels_on(listed.open_case.nodes.segmentation, listed.open_case.nodes.volume)
    assert (images.array_of(again) == images.array_of(drawn())).all(), "what was saved is there again"


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


# ---- bad input ----


def last_message(host: Any) -> str:
    assert host.messages, "the user was told"
    return str(host.messages[-1])


def test_a_folder_without_a_list_is_told(host, truth, tmp_path):
    host.dialogs.answer(str(tmp_path))
    host.click(truth.ui.openListButton)
    assert "contains no list of cases" in last_message(host)
    assert truth.work is None


def test_a_folder_without_images_is_told(host, widget, truth, tmp_path):
    (tmp_path / "empty").mkdir()
    host.dialogs.answer(str(tmp_path / "empty"), str(tmp_path / "list"))
    host.click(truth.ui.newListButton)
    done(host, widget)
    assert "holds no image to draw on" in last_message(host)
    assert not (tmp_path / "list").exists()


def test_a_list_of_another_version_is_told(host, truth, listed, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    text = (tmp_path / "list" / "worklist.json").read_text().replace('"version": 1', '"version": 7')
    (other / "worklist.json").write_text(text)
    host.dialogs.answer(str(other))
    host.click(truth.ui.openListButton)
    assert "version 7" in last_message(host)
    assert truth.work.folder.name == "list", "the list that was open stays open"


def test_a_missing_image_is_told_and_the_open_case_stays(host, widget, listed, folder):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    (folder / "two.nii.gz").unlink()
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    assert "image of the case two is no longer" in last_message(host)
    assert listed.open_case.name == "one"


def test_an_unreadable_image_is_told_and_nothing_is_lost(host, widget, listed, folder, tmp_path):
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    (folder / "two.nii.gz").write_bytes(b"no image at all")
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    assert "two.nii.gz" in last_message(host)
    assert listed.open_case.name == "one"
    host.leave_module()
    assert (tmp_path / "list" / "ab" / "one.nii.gz").is_file()


def test_the_same_annotator_elsewhere_is_told_and_may_be_taken_over(host, truth, listed, monkeypatch):
    import slicer

    from LiverPlannerLib.ground_truth.annotation import Annotation

    elsewhere = Annotation(listed.work, "cd")
    asked: list[str] = []
    answers = iter([False, True])
    monkeypatch.setattr(
        slicer.util, "confirmYesNoDisplay", lambda text, **_more: bool(asked.append(text)) or next(answers)
    )
    as_annotator(host, truth, "cd")
    assert "cd is already open" in last_message(host)
    assert truth.mine is None
    as_annotator(host, truth, "cd")
    assert all("Take it over?" in text for text in asked)
    assert truth.mine.annotator == "cd"
    elsewhere.close()


def test_a_bad_name_is_told(host, truth, listed):
    as_annotator(host, truth, "a/b")
    assert "cannot be the name of an annotator" in last_message(host)
    assert truth.mine is not None, "the work goes on under the old name"


def test_an_export_into_a_full_folder_is_told(host, widget, listed, tmp_path):
    listed.mine.save_labels("one", drawn())
    for key in listed.work.structures:
        listed.mine.set_status("one", key, "done")
    listed.refresh()
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious.txt").write_text("keep")
    host.dialogs.answer(str(full))
    host.click(listed.ui.exportButton)
    done(host, widget)
    assert "already exists" in last_message(host)
    assert [p.name for p in full.iterdir()] == ["precious.txt"]


# ---- training on what is finished ----


def test_training_waits_for_enough_finished_cases_and_says_how_many(host, widget, listed):
    ui = listed.ui
    assert not ui.trainButton.enabled
    assert ui.trainButton.toolTip == "No one has drawn anything yet."
    draw_all(listed)
    assert not ui.trainButton.enabled
    assert ui.trainButton.toolTip == "2 of 8 cases of ab are finished."


def draw_all(listed: Any) -> None:
    for name in ("one", "two"):
        listed.mine.save_labels(name, drawn())
        for key in ("liver", "tumor"):
            listed.mine.set_status(name, key, "done")
    listed.refresh()


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
    assert "curve.png" in ui.trainingLabel.text
    assert ui.trainModelComboBox.itemText(0) == "This list's own"


def test_what_nobody_has_drawn_is_no_agreement(host: Any) -> None:
    from LiverPlannerLib.panels.ground_truth_several import COLUMNS, disagreement_row

    row = {"structure": "bile_duct", "state": "both empty", "dsc": 1.0, "hd95_mm": 0.0, "predicted_ml": 0.0}
    shown = {c.key: c.shown(disagreement_row(row).get(c.key)) for c in COLUMNS}
    assert shown["dsc"] == shown["hd95_mm"] == "n/a"
    drawn = disagreement_row(row | {"state": "both"})
    assert drawn["dsc"] == 1.0
