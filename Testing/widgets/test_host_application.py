"""`slicer.app`, dialogs, packages, files and views of the host."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from SlicerHost import SlicerHost
from SlicerHost.dialogs import UnexpectedDialog


def volume_of(host: Any, array: np.ndarray, name: str = "CT") -> Any:
    import slicer

    node = slicer.util.addVolumeFromArray(array, name=name)
    node.CreateDefaultDisplayNodes()
    return node


# ---- application ----


def test_unknown_parts_of_the_application_are_errors(host: Any) -> None:
    with pytest.raises(AttributeError):
        host.app.errorLogModel()


def test_settings_are_shared_and_forgotten_with_the_host(host: Any) -> None:
    import qt
    import slicer

    qt.QSettings().setValue("Host/a", "1")
    assert slicer.app.userSettings().value("Host/a") == "1"
    assert slicer.app.settings().value("Host/a") == "1"
    assert Path(qt.QSettings().fileName()).is_relative_to(slicer.app.temporaryPath)


def test_hosts_follow_each_other_with_empty_scenes() -> None:
    import slicer

    names = []
    for _ in range(2):
        with SlicerHost() as host:
            assert slicer.mrmlScene is host.scene
            assert host.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is None
            host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
            names.append(host.app.temporaryPath)
    assert not any(Path(n).exists() for n in names)


def test_the_headless_scene_is_back_after_the_host() -> None:
    import slicer

    from PreopReviewLib.scene import host as scene_host

    with scene_host.fresh_scene() as before:
        with SlicerHost() as host:
            assert scene_host.in_application()
            assert scene_host.start() is host.scene
        assert slicer.mrmlScene is before
        assert not scene_host.in_application()


def test_pythonslicer_is_found_and_runs(host: Any) -> None:
    path = shutil.which("PythonSlicer")
    assert path is not None
    ran = subprocess.run([path, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "42"


def test_the_status_bar_and_the_module_selector_are_those_of_the_main_window(host: Any) -> None:
    import slicer

    assert slicer.util.mainWindow() is host.window
    assert slicer.util.showStatusMessage("at work")
    assert host.window.statusBar().currentMessage() == "at work"
    with pytest.raises(RuntimeError):
        slicer.util.selectModule("Nonsense")


# ---- dialogs ----


def test_in_testing_mode_messages_are_written_down(host: Any, caplog: pytest.LogCaptureFixture) -> None:
    import slicer

    with caplog.at_level(logging.INFO):
        slicer.util.errorDisplay("It failed. Do this.", windowTitle="Segmentation")
        slicer.util.confirmYesNoDisplay("Really?")
    assert [(m.kind, m.text) for m in host.messages] == [("error", "It failed. Do this."), ("question", "Really?")]
    assert host.messages[0].title == "Segmentation"


def test_outside_of_testing_mode_the_test_answers(host: Any) -> None:
    import slicer

    host.testing = False
    host.dialogs.answer("no", "ok")
    assert not slicer.util.confirmYesNoDisplay("Really?")
    assert slicer.util.confirmOkCancelDisplay("Go on?")
    slicer.util.infoDisplay("Done.")  # nothing to decide, so nothing to answer
    assert [m.text for m in host.messages] == ["Really?", "Go on?", "Done."]


def test_a_dialog_that_nobody_expects_is_an_error(host: Any) -> None:
    import qt
    import slicer

    host.testing = False
    with pytest.raises(UnexpectedDialog, match="Really"):
        slicer.util.confirmYesNoDisplay("Really?")
    with pytest.raises(UnexpectedDialog):
        qt.QFileDialog.getSaveFileName(None, "Save", "")
    with pytest.raises(UnexpectedDialog):
        qt.QDialog().exec_()


def test_file_dialogs_and_forms_are_answered(host: Any, tmp_path: Path) -> None:
    import qt

    host.dialogs.answer(tmp_path / "a.csv", "", "a name", lambda dialog: dialog.setWindowTitle("seen") or True)
    assert qt.QFileDialog.getSaveFileName(None, "Save", "") == str(tmp_path / "a.csv")
    assert qt.QFileDialog.getOpenFileName(None, "Open", "") == ""
    assert qt.QInputDialog.getText(None, "Name", "Your name:") == "a name"
    dialog = qt.QDialog()
    assert dialog.exec_()
    assert dialog.windowTitle == "seen"


# ---- packages ----


def test_what_is_missing_is_asked_for_and_written_down(host: Any, tmp_path: Path) -> None:
    import slicer.packaging

    path = tmp_path / "requirements.txt"
    path.write_text("# comment\n--index-url x\nnumpy>=1.20\nmonai>=1.4 ; python_version >= '3'\n")
    requirements = slicer.packaging.load_requirements(path)
    assert [r.name for r in requirements] == ["numpy", "monai"]
    host.packages.missing = {"monai"}
    assert not slicer.packaging.pip_check(requirements)
    host.testing = False
    host.dialogs.answer("ok")
    slicer.packaging.pip_ensure(requirements, requester="Host", prompt_restart=False)
    assert len(host.packages.installed) == 1
    assert "monai" in str(host.packages.installed[0])
    assert slicer.packaging.pip_check(requirements)


def test_in_testing_mode_nothing_is_installed(host: Any) -> None:
    import slicer.packaging

    slicer.packaging.pip_ensure("no-such-package-of-ours")
    assert host.packages.installed == []


def test_an_installation_may_be_declined_or_fail(host: Any) -> None:
    import slicer.packaging

    host.testing = False
    host.dialogs.answer("cancel", "ok")
    with pytest.raises(RuntimeError):
        slicer.packaging.pip_ensure("no-such-package-of-ours")
    host.packages.fails = True
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure("no-such-package-of-ours")


# ---- files ----


def test_volumes_segmentations_and_tables_are_saved_and_loaded(host: Any, tmp_path: Path) -> None:
    import slicer

    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    node = volume_of(host, array)
    assert slicer.util.saveNode(node, str(tmp_path / "ct.nrrd"))
    assert np.array_equal(slicer.util.arrayFromVolume(slicer.util.loadVolume(str(tmp_path / "ct.nrrd"))), array)
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "nothing.nrrd"))


# ---- subject hierarchy ----


def test_every_node_that_a_user_sees_has_an_item(host: Any, tmp_path: Path) -> None:
    hierarchy = host.scene.GetSubjectHierarchyNode()
    volume = volume_of(host, np.zeros((2, 3, 4), np.int16))
    item = hierarchy.GetItemByDataNode(volume)
    assert item
    assert hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID()
    hidden = host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")
    assert not hierarchy.GetItemByDataNode(hidden)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "A"), "B")
    hierarchy.SetItemParent(item, study)
    path = host.save_scene(tmp_path / "scene.mrb")
    host.load_scene(path)
    loaded = host.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    hierarchy = host.scene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(loaded))) == "B"
    count = hierarchy.GetNumberOfItems()
    host.scene.RemoveNode(loaded)
    assert hierarchy.GetNumberOfItems() == count - 1
