"""The section Ground truth, given what it cannot use: the user is told, and nothing is lost."""

from __future__ import annotations

from typing import Any

from drawn_case import as_annotator, done, draw, drawn


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
