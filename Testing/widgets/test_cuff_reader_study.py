"""The reader study in the panel: keys, pause, undo, stop, another session, and the second look."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from RotatorCuffCAMLib.readers.log import read_log
from RotatorCuffCAMLib.readers.session import answers_of
from RotatorCuffCAMLib.readers.study import StudyCase, create_study
from RotatorCuffCAMLib.tears import KEYS


def _image():
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(0, 200, (10, 24, 24)).astype(np.float32))
    image.SetSpacing((4, 4, 4))
    image.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    return image


@pytest.fixture
def cases(tmp_path):
    made = []
    for n in range(4):
        path = tmp_path / f"{n}.nrrd"
        sitk.WriteImage(_image(), str(path))
        made.append(StudyCase(f"Patient {n}", path))
    return made


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
    found = host.scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]


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
