"""The reader study in the panel: keys, pause, undo, stop, another session, and the second look."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.scene.finding import nodes_of_class
from RotatorCuffCAMLib.readers.log import read_log
from RotatorCuffCAMLib.readers.session import answers_of
from RotatorCuffCAMLib.readers.study import StudyCase, create_study
from RotatorCuffCAMLib.tears import KEYS


@pytest.fixture(autouse=True)
def quick_reader(host, monkeypatch):
    """Tests answer at once."""
    from RotatorCuffCAMLib.panels import reader_study

    monkeypatch.setattr(reader_study, "DOUBLE_CLICK_SECONDS", 0.0)


def _image():
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 200, (10, 24, 24)).astype(np.float32))
    image.SetSpacing((4, 4, 4))
    image.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    return image


@pytest.fixture
def cases(tmp_path):
    created = []
    for n in range(4):
        path = tmp_path / f"{n}.nrrd"
        sitk.WriteImage(_image(), str(path))
        created.append(StudyCase(f"Patient {n}", path))
    return created


def opened(host, study, reader="Kim"):
    widget = host.open_module("RotatorCuffCAM")
    section = next(s for s in widget.sections if type(s).__name__ == "ReaderStudySection")
    section.button.collapsed = False
    section.ui.studyPathLineEdit.setCurrentPath(str(study.folder))
    host.type_text(section.ui.readerLineEdit, reader)
    host.click(section.ui.startButton)
    return section


def press(host, section, key):
    """As if the key were pressed: the host has no window manager that would send it."""
    shortcut = next(s for s in section._shortcuts if s.key.toString() == key)
    shortcut.activated.emit()
    host.process_events()


def volumes(host):
    collection = host.scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    collection.UnRegister(None)
    return [collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems())]


def test_keys_answer_and_nothing_tells_the_case(host, cases, tmp_path):
    study = create_study(tmp_path / "study", cases)
    section = opened(host, study)
    assert [v.GetName() for v in volumes(host)] == ["Case 1"]
    assert "Patient" not in section.ui.caseLabel.text + section.ui.studyLabel.text
    press(host, section, "3")
    host.choose(section.ui.confidenceComboBox, "4")
    press(host, section, "T")
    host.click(section.ui.noneButton)
    assert [v.GetName() for v in volumes(host)] == ["Case 4"]
    press(host, section, "Q")
    assert "All 4 cases" in section.ui.caseLabel.text
    assert not section.ui.noneButton.enabled
    answers = answers_of(read_log(study.log_path("Kim")))
    assert [(a.class_index, a.confidence) for a in answers] == [(2, None), (4, 4), (0, None), (0, None)]
    host.click(section.ui.stopButton)
    assert volumes(host) == []
    assert section._shortcuts == []


def test_pause_hides_the_images_and_undo_brings_the_case_back(host, cases, tmp_path):
    section = opened(host, create_study(tmp_path / "study", cases))
    press(host, section, "1")
    host.click(section.ui.pauseButton)
    assert section.ui.pauseButton.text == "Go on"
    assert not section.ui.noneButton.enabled
    press(host, section, "2")
    assert section.session.done == 1
    host.click(section.ui.pauseButton)
    host.click(section.ui.undoButton)
    assert section.session.done == 0
    assert [v.GetName() for v in volumes(host)] == ["Case 1"]


def test_leaving_the_module_stops_the_clock_and_gives_the_keys_back(host, cases, tmp_path):
    section = opened(host, create_study(tmp_path / "study", cases))
    host.leave_module()
    assert section.session.paused
    assert section._shortcuts == []
    host.open_module("RotatorCuffCAM")
    assert len(section._shortcuts) == 10


def test_closing_the_scene_ends_the_session_and_the_next_goes_on(host, cases, tmp_path):
    study = create_study(tmp_path / "study", cases)
    section = opened(host, study)
    press(host, section, "2")
    host.close_scene()
    assert section.session is None
    section = opened(host, study)
    assert section.session.done == 1
    assert "Case 2 of 4" in section.ui.caseLabel.text


def test_a_log_of_another_study_is_an_error_in_words(host, cases, tmp_path):
    study = create_study(tmp_path / "study", cases)
    section = opened(host, study)
    host.click(section.ui.stopButton)
    other = create_study(tmp_path / "other", cases, seed=5)
    other.log_path("Kim").write_bytes(study.log_path("Kim").read_bytes())
    section.ui.studyPathLineEdit.setCurrentPath(str(other.folder))
    host.process_events()
    host.click(section.ui.startButton)
    assert "another study" in host.messages[-1].text
    assert section.session is None


def test_the_second_look_shows_the_models_answer_after_the_first(host, cases, tmp_path):
    for case in cases:
        folder = tmp_path / "model" / case.case
        folder.mkdir(parents=True)
        said = {"class": "medium", "probabilities": dict.fromkeys(KEYS, 0.1) | {"medium": 0.6}}
        (folder / "probabilities.json").write_text(json.dumps(said))
        sitk.WriteImage(_image(), str(folder / "activation.nii.gz"))
    study = create_study(tmp_path / "study", cases, second_look=True, model=tmp_path / "model")
    section = opened(host, study)
    assert section.ui.modelLabel.isHidden()
    press(host, section, "1")
    assert "Medium" in section.ui.modelLabel.text
    assert not section.ui.modelLabel.isHidden()
    assert len(volumes(host)) == 2
    press(host, section, "4")
    assert section.ui.modelLabel.isHidden()
    assert [v.GetName() for v in volumes(host)] == ["Case 2"]
    answers = answers_of(read_log(study.log_path("Kim")))
    assert [(a.look, a.class_index) for a in answers] == [(1, 0), (2, 3)]


def test_nothing_of_the_scene_is_seen_while_reading_and_all_of_it_afterwards(host, cases, tmp_path):
    from PreopReviewLib.scene import nodes
    from RotatorCuffCAMLib.localization import DrawnBox
    from RotatorCuffCAMLib.scene import boxes

    earlier = nodes.add_volume(host.scene, _image(), "Patient X")
    box = boxes.add_box(host.scene, DrawnBox((0, 0, 0), (5, 5, 5)))
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "Tumor of Patient X")
    model.CreateDefaultDisplayNodes()
    composite = host.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(earlier.GetID())
    composite.SetForegroundVolumeID(earlier.GetID())
    section = opened(host, create_study(tmp_path / "study", cases))
    assert not box.GetDisplayVisibility()
    assert not model.GetDisplayVisibility()
    assert composite.GetForegroundVolumeID() is None
    assert host.scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName() == "Case 1"
    assert section.context.parameters.inputVolume is not section.volume  # no map of it is one click away
    press(host, section, "2")
    assert not box.GetDisplayVisibility()
    host.click(section.ui.stopButton)
    assert box.GetDisplayVisibility()
    assert model.GetDisplayVisibility()
    assert composite.GetBackgroundVolumeID() == earlier.GetID()


def test_the_views_are_as_they_were_when_the_reading_ends(host, cases, tmp_path):
    from PreopReviewLib.scene import nodes

    earlier = nodes.add_volume(host.scene, _image(), "Patient X")
    widget = host.app.layoutManager().sliceWidget("Red")
    composite, node = widget.mrmlSliceCompositeNode(), widget.mrmlSliceNode()
    composite.SetBackgroundVolumeID(earlier.GetID())
    composite.SetForegroundOpacity(0.4)
    node.SetOrientation("Sagittal")
    node.JumpSliceByCentering(3.0, 4.0, 5.0)
    node.SetFieldOfView(77.0, 77.0, 1.0)
    before = node.GetSliceToRAS().__class__()
    before.DeepCopy(node.GetSliceToRAS())
    section = opened(host, create_study(tmp_path / "study", cases))
    press(host, section, "2")
    host.click(section.ui.stopButton)
    assert node.GetFieldOfView()[0] == 77.0
    assert composite.GetForegroundOpacity() == pytest.approx(0.4)
    assert all(
        node.GetSliceToRAS().GetElement(r, c) == pytest.approx(before.GetElement(r, c))
        for r in range(4)
        for c in range(4)
    )


def test_a_case_leaves_the_views_before_it_leaves_the_scene(host, cases, tmp_path):
    """Slicer's slice views put another volume in the place of one that is removed: another patient, for a moment."""
    from PreopReviewLib.scene import nodes

    nodes.add_volume(host.scene, _image(), "Patient X")
    section = opened(host, create_study(tmp_path / "study", cases))
    composites = nodes_of_class(host.scene, "vtkMRMLSliceCompositeNode")
    seen = []
    host.scene.AddObserver(
        host.scene.NodeAboutToBeRemovedEvent,
        lambda *_: seen.append({c.GetBackgroundVolumeID() for c in composites}),
    )
    press(host, section, "2")
    host.click(section.ui.stopButton)
    assert seen
    assert all(ids == {None} for ids in seen), seen


@pytest.mark.parametrize("plane", ["coronal", "axial", "sagittal"])
@pytest.mark.parametrize("side", ["R", "L"])
def test_the_coronal_view_is_in_the_same_pane_for_every_series(host, plane, side):
    from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom
    from PreopReviewLib.scene import nodes
    from RotatorCuffCAMLib.scene import reading

    phantom = make_shoulder_phantom(4, side=side, plane=plane, size=(24, 24, 12))
    volume = nodes.add_volume(host.scene, phantom.image, "Case 1")
    host.app.layoutManager().sliceWidget("Red").setSliceOrientation("Sagittal")  # left so by somebody
    reading.hang(volume)
    direction = np.array(phantom.image.GetDirection()).reshape(3, 3) * np.array([[-1], [-1], [1]])
    for name, across in (("Red", 2), ("Green", 1), ("Yellow", 0)):
        matrix = host.app.layoutManager().sliceWidget(name).mrmlSliceNode().GetSliceToRAS()
        normal = np.array([matrix.GetElement(r, 2) for r in range(3)])
        assert np.abs(normal).argmax() == across  # axial, coronal, sagittal
        assert np.abs(direction.T @ normal).max() == pytest.approx(1, abs=1e-6)  # and straight on the series
        up = np.array([matrix.GetElement(r, 1) for r in range(3)])
        assert up @ ([0, 1, 0] if name == "Red" else [0, 0, 1]) > 0.7


def test_folder_and_reader_are_remembered(host, cases, tmp_path):
    study = create_study(tmp_path / "study", cases)
    host.click(opened(host, study, "Kim").ui.stopButton)
    host.close_scene()
    section = next(s for s in host.open_module("RotatorCuffCAM").sections if type(s).__name__ == "ReaderStudySection")
    assert section.ui.readerLineEdit.text == "Kim"
    assert section.ui.studyPathLineEdit.currentPath == str(study.folder)
    assert section.ui.startButton.enabled


def test_a_study_is_made_continued_and_evaluated_from_the_panel(host, cases, tmp_path):
    table = tmp_path / "twenty.csv"
    table.write_text("case,image\n" + "".join(f"{c.case},{c.image.name}\n" for c in cases))
    truth = tmp_path / "truth.csv"
    truth.write_text("case,class\n" + "".join(f"{c.case},{k}\n" for c, k in zip(cases, KEYS, strict=False)))
    widget = host.open_module("RotatorCuffCAM")
    section = next(s for s in widget.sections if type(s).__name__ == "ReaderStudySection")
    section.button.collapsed = False
    host.dialogs.answer(str(table), str(tmp_path))
    host.click(section.ui.newStudyButton)
    assert section.ui.studyPathLineEdit.currentPath == str(tmp_path / "twenty_study")
    host.type_text(section.ui.readerLineEdit, "Lee")
    host.click(section.ui.startButton)
    assert section.ui.evaluateButton.isHidden()  # no figures for a reader at work
    for key in ("1", "2", "3", "4"):
        press(host, section, key)
    host.click(section.ui.stopButton)
    host.dialogs.answer(str(truth), str(tmp_path))
    host.click(section.ui.evaluateButton)
    host.wait_until(lambda: not widget.context.busy, 240.0)
    assert (tmp_path / "evaluation" / "summary.md").is_file(), host.messages
    assert "Lee" in section.ui.evaluationLabel.text
    assert section.ui.evaluationLabel.minimumSizeHint().width() <= 480  # a panel is no wider


def test_a_double_click_or_a_key_that_is_held_answers_one_case(host, cases, tmp_path, monkeypatch):
    from RotatorCuffCAMLib.panels import reader_study

    monkeypatch.setattr(reader_study, "DOUBLE_CLICK_SECONDS", 0.5)
    study = create_study(tmp_path / "study", cases)
    section = opened(host, study)
    assert not any(shortcut.autoRepeat for shortcut in section._shortcuts)
    host.process_events(0.6)
    for _click in range(2):
        section.ui.noneButton.clicked.emit()
    assert [v.GetName() for v in volumes(host)] == ["Case 2"]
    press(host, section, "5")
    assert len(answers_of(read_log(study.log_path("Kim")))) == 1
    host.process_events(0.6)
    press(host, section, "5")
    answers = answers_of(read_log(study.log_path("Kim")))
    assert [a.class_index for a in answers] == [0, 4]
    host.click(section.ui.stopButton)
