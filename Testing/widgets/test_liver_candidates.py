"""The section Lesion candidates: listed, looked at, accepted, dismissed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from liver_case import add_plan, add_volume, small_case
from test_panel_widths import PANEL

from LiverPlannerLib.scene.segments import SegmentVoxels
from PreopReviewLib import images


def ml(segmentation: Any, key: str) -> float:
    return SegmentVoxels(segmentation).volume_ml(key)


@pytest.fixture
def planned(host: Any, monkeypatch: Any) -> Any:
    """A panel with a plan whose cysts are candidates, and someone who clicks fast."""
    from LiverPlannerLib.scene import cyst_segments
    from PreopReviewLib.panels import run_button

    monkeypatch.setattr(run_button, "DOUBLE_CLICK_SECONDS", 0)
    volume = add_volume()
    plan_nodes = add_plan(volume)
    node, segments = plan_nodes.segmentation, plan_nodes.segmentation.GetSegmentation()
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, "cyst", volume)
    segments.RemoveSegment("cyst")
    candidate = cyst_segments.add_segment(node, "candidate")
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, candidate, volume)
    widget = host.open_module("LiverPlanner")
    widget.context.parameters.segmentation = node
    host.process_events(0.1)
    return widget


def choose(host: Any, section: Any, row: int = 0) -> None:
    section.ui.candidateTable.setCurrentCell(row, 1)
    host.process_events()


def test_what_was_decided_is_undone(host: Any, planned: Any) -> None:
    node = planned.context.parameters.segmentation
    section = planned.open_section("CandidatesSection")
    host.process_events()
    before, count = {key: ml(node, key) for key in ("tumor", "candidate", "liver")}, section.ui.candidateTable.rowCount
    assert not section.ui.undoButton.isEnabled()
    for button in (section.ui.acceptButton, section.ui.dismissButton):
        for _n in range(count):  # also the last one, after which their segment is empty
            choose(host, section)
            host.click(button)
            host.process_events()
        assert section.ui.candidateTable.rowCount == 0
        for n in range(count):
            host.click(section.ui.undoButton)
            host.process_events()
            assert section.ui.candidateTable.rowCount == n + 1
        assert {key: ml(node, key) for key in before} == before
        assert not section.ui.undoButton.isEnabled()


def test_undo_takes_back_what_was_accepted_and_not_the_stroke_before_it(host: Any, planned: Any) -> None:
    node = planned.context.parameters.segmentation
    section, correct = planned.open_section("CandidatesSection"), planned.open_section("CorrectSection")
    host.process_events()
    tumor = ml(node, "tumor")
    stroke(host, correct.editor, "liver", (slice(0, 3), slice(0, 3), slice(0, 3)))
    host.process_events(0.4)
    painted = ml(node, "liver")
    choose(host, section)
    host.click(section.ui.acceptButton)
    host.process_events()
    assert ml(node, "tumor") > tumor
    assert "took" not in correct.ui.stateLabel.text
    correct.editor.undo()
    host.process_events(0.4)
    assert ml(node, "tumor") == tumor
    assert ml(node, "liver") == painted


def stroke(host: Any, editor: Any, key: str, kji: tuple[slice, slice, slice]) -> None:
    mask = np.zeros(images.array_of(small_case().image).shape, bool)
    mask[kji] = True
    host.edit_segment(editor, mask, segment_id=key)


def test_the_list_follows_what_is_edited_elsewhere(host: Any, planned: Any) -> None:
    node = planned.context.parameters.segmentation
    section = planned.open_section("CandidatesSection")
    host.process_events()
    count, tumor = section.ui.candidateTable.rowCount, ml(node, "tumor")
    choose(host, section, count - 1)
    candidate = next(i for i, key in SegmentVoxels(node).structures.items() if key == "candidate")
    nothing = np.zeros(images.array_of(small_case().image).shape, np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(nothing, node, candidate, planned.context.parameters.inputVolume)
    host.click(section.ui.acceptButton)  # at once: the list still shows what is gone
    host.process_events(0.4)
    assert section.ui.candidateTable.rowCount == 0
    assert ml(node, "tumor") == tumor


def test_candidates_are_shown_and_become_tumor_or_liver(host: Any, planned: Any) -> None:
    node = planned.context.parameters.segmentation
    section = planned.open_section("CandidatesSection")
    host.process_events()
    ui, table = section.ui, section.ui.candidateTable
    count, liver, tumor, waiting = table.rowCount, ml(node, "liver"), ml(node, "tumor"), ml(node, "candidate")
    assert count >= 1
    assert waiting > 0
    assert not ui.acceptButton.isEnabled()

    table.setCurrentCell(0, 1)
    host.process_events()
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert red.GetSliceOffset() == pytest.approx(section.selected().center_ras[2], abs=2.0)
    first = section.selected().ml
    host.click(ui.acceptButton)
    host.process_events()
    assert host.messages == []
    assert ml(node, "tumor") == pytest.approx(tumor + first, rel=1e-3)
    assert ml(node, "candidate") == pytest.approx(waiting - first, abs=1e-3)
    assert ml(node, "liver") == pytest.approx(liver, rel=1e-6)
    assert table.rowCount == count - 1

    while table.rowCount:
        table.setCurrentCell(0, 1)
        host.process_events()
        host.click(ui.dismissButton)
        host.process_events()
    assert ml(node, "candidate") == 0
    assert ml(node, "tumor") == pytest.approx(tumor + first, rel=1e-3)
    assert "no lesion candidates" in ui.candidatesLabel.text


def test_a_double_click_decides_on_one_candidate(host: Any, planned: Any, monkeypatch: Any) -> None:
    from PreopReviewLib.panels import run_button

    section = planned.open_section("CandidatesSection")
    host.process_events()
    count = section.ui.candidateTable.rowCount
    assert count > 1
    choose(host, section)
    monkeypatch.setattr(run_button, "DOUBLE_CLICK_SECONDS", 60)
    for _click in range(2):
        host.click(section.ui.acceptButton)
    assert section.ui.candidateTable.rowCount == count - 1


@pytest.mark.parametrize("scaling", [1.0, 1.5])
def test_columns_share_the_room_and_no_number_is_cut_off(host: Any, planned: Any, scaling: float) -> None:
    import qt

    table = planned.open_section("CandidatesSection").ui.candidateTable
    font = table.font
    font.setPointSizeF(scaling * font.pointSizeF())
    table.setFont(font)
    table.setParent(None)  # only what is shown is laid out
    table.resize(qt.QSize(round(PANEL * scaling), 200))
    table.show()
    planned.open_section("CandidatesSection")._fill()
    host.process_events(0.1)
    header, columns = table.horizontalHeader(), range(table.columnCount)
    wide = [header.sectionSize(c) for c in columns]
    needed = [max(table.sizeHintForColumn(c), header.sectionSizeHint(c)) for c in columns]
    assert all(has >= needs for has, needs in zip(wide, needed, strict=True)), (wide, needed)
    assert max(wide) - min(wide) <= 1, wide
    assert abs(sum(wide) - table.viewport().width) <= 1, "they fill the table, and nothing has to be scrolled"
