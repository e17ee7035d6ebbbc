"""What was drawn while the worker saves a case, or reads the next one, is not lost, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_case import as_annotator, done, draw, drawn, saved, set_status

from PreopReviewLib import images


@pytest.fixture
def drawing(host: Any, widget: Any, listed: Any) -> Any:
    """The first case, drawn and not yet saved."""
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    return listed


def kept(tmp_path: Path, shift: int = 0, annotator: str = "ab", case: str = "one") -> bool:
    path = tmp_path / "list" / annotator / f"{case}.nii.gz"
    return path.is_file() and bool((images.array_of(images.read_labels(path)) == images.array_of(drawn(shift))).all())


def test_the_scene_may_be_closed_while_the_next_case_is_read(host, widget, drawing, tmp_path):
    host.click(drawing.ui.nextCaseButton)
    assert widget.context.busy
    host.close_scene()
    assert kept(tmp_path)
    assert saved(tmp_path)["one"]["status"]["liver"] == "in progress"


def test_the_scene_may_be_closed_while_a_case_is_saved_by_itself(host, widget, drawing, tmp_path):
    drawing.open_case._autosave()
    assert widget.context.busy
    host.close_scene()
    assert kept(tmp_path)


def test_a_switch_that_is_cancelled_leaves_what_was_drawn_to_be_saved(host, widget, drawing, tmp_path):
    host.click(drawing.ui.nextCaseButton)
    widget.context.cancel_job()
    done(host, widget)
    assert drawing.open_case.name == "one"
    assert kept(tmp_path) or drawing.open_case.dirty
    host.leave_module()
    assert kept(tmp_path)


def test_the_worker_does_not_replace_what_was_saved_later(host, widget, drawing, tmp_path):
    drawing.open_case._autosave()
    assert widget.context.busy
    draw(drawing, drawn(1))
    set_status(host, drawing, "liver", 2)
    assert kept(tmp_path, 1)
    done(host, widget)
    assert kept(tmp_path, 1)


def test_strokes_while_the_next_case_is_read_are_saved_too(host, widget, drawing, tmp_path):
    host.click(drawing.ui.nextCaseButton)
    draw(drawing, drawn(1))
    done(host, widget)
    assert drawing.open_case.name == "two"
    assert kept(tmp_path, 1)


def test_a_case_that_was_read_for_another_annotator_is_not_shown(host, widget, drawing, tmp_path):
    drawing.mine.save_labels("two", drawn(1))
    drawing.ui.casesTable.setCurrentCell(1, 0)
    host.click(drawing.ui.openCaseButton)
    as_annotator(host, drawing, "cd")
    done(host, widget)
    assert "annotator was changed" in host.messages[-1].text
    assert drawing.open_case.name == ""
    host.leave_module()
    assert not kept(tmp_path, 1, "cd", "two")
    assert kept(tmp_path)
