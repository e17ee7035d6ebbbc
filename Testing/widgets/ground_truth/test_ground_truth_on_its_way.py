"""What was drawn while the worker saves a case, or reads the next one, is not lost, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
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


@pytest.mark.parametrize("index", [2, 3], ids=["done", "absent"])
def test_a_case_that_needs_no_stroke_is_saved_when_it_is_ticked(host, widget, listed, tmp_path, index):
    from LiverPlannerLib.ground_truth import rounds

    place = listed.work.folder / rounds.FOLDER / "round_001"
    rounds.write_request(place, {"cases": [], "held_back": [], "minutes": 1})
    rounds.write_state(place, rounds.RoundState("done", 1.0))
    if index == 2:  # the model's drawing is right as it is
        (place / rounds.SUGGESTIONS).mkdir()
        images.write_image(drawn(), place / rounds.SUGGESTIONS / "one.nii.gz")
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    for key in ("liver", "tumor"):
        set_status(host, listed, key, index)
    labels = images.array_of(images.read_labels(tmp_path / "list" / "ab" / "one.nii.gz"))
    assert (labels == (images.array_of(drawn()) if index == 2 else 0)).all()
    assert set(saved(tmp_path)["one"]["status"].values()) == {"done" if index == 2 else "absent"}


def test_what_is_drawn_is_not_said_to_be_absent(host, widget, drawing, tmp_path):
    set_status(host, drawing, "tumor", 3)
    assert host.messages[-1].text.startswith("Liver tumor is drawn in this case")
    assert drawing.open_case._boxes["tumor"].currentIndex == 0
    nodes = drawing.open_case.nodes
    nothing = np.zeros_like(images.array_of(drawn()))
    slicer.util.updateSegmentBinaryLabelmapFromArray(nothing, nodes.segmentation, "tumor", nodes.volume)
    set_status(host, drawing, "tumor", 3)
    assert saved(tmp_path)["one"]["status"] == {"liver": "in progress", "tumor": "absent"}


@pytest.mark.parametrize("name", ["Segment_1", "Liver cyst"])
def test_a_case_is_not_left_while_something_is_drawn_that_is_not_on_the_list(host, widget, drawing, tmp_path, name):
    nodes = drawing.open_case.nodes
    identifier = nodes.segmentation.GetSegmentation().AddEmptySegment("added", name)
    stroke = np.zeros_like(images.array_of(drawn()))
    stroke[5:8, 10:14, 10:14] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(stroke, nodes.segmentation, identifier, nodes.volume)
    host.click(drawing.ui.nextCaseButton)
    host.process_events(0.1)
    assert f"{name} is drawn in this case" in host.messages[-1].text
    assert not widget.context.busy
    assert drawing.open_case.name == "one"
    nodes.segmentation.GetSegmentation().RemoveSegment(identifier)
    host.click(drawing.ui.nextCaseButton)
    done(host, widget)
    assert drawing.open_case.name == "two"
