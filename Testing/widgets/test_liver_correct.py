"""The section Correct: the Segment Editor on the plan, and measures that follow it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measured_case import cells, open_plan, paint

from LiverPlannerLib.scene.segments import SegmentVoxels
from LiverPlannerLib.scene.tables import read_table

ALL = (slice(0, 30), slice(0, 48), slice(0, 56))
SPOT = (slice(13, 16), slice(12, 16), slice(14, 20))


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "CorrectSection")
    return widget, sections["CorrectSection"]


def changes(section: Any) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in cells(section.ui.changesTable)}


def test_the_editor_is_not_built_before_the_section_is_opened(host: Any) -> None:
    _widget, sections = open_plan(host)
    section = sections["CorrectSection"]
    assert section.editor is None
    section.button.collapsed = False
    host.process_events()
    assert section.editor is not None


def test_the_editor_works_on_plan_and_volume_with_a_node_of_its_own(host: Any, opened: Any) -> None:
    widget, section = opened
    parameters = widget.context.parameters
    assert section.editor.segmentationNode() is parameters.segmentation
    assert section.editor.sourceVolumeNode() is parameters.inputVolume
    assert section.editor_node.GetSingletonTag() == "LiverPlanner"
    assert parameters.modelOutput.GetHideFromEditors()


def test_numbers_follow_the_last_stroke_and_nothing_else_is_measured(host: Any, opened: Any) -> None:
    widget, section = opened
    before = changes(section)
    assert all(row[-1] == "1.000" for row in before.values())
    plan = widget.context.parameters.segmentation
    paint(plan, "tumor", SPOT)
    host.wait_until(lambda: changes(section)["Liver tumor"] != before["Liver tumor"], 20)
    assert float(changes(section)["Liver tumor"][0]) > float(before["Liver tumor"][0])
    assert changes(section)["Hepatic vein"] == before["Hepatic vein"]
    # Speed is the benchmark's; what makes it possible is that only what was painted is measured.
    paint(plan, "tumor", SPOT, 0)
    assert section.live.update() == {"liver", "tumor"}  # the liver as a whole has the tumor in it


def test_several_strokes_are_measured_once(host: Any, opened: Any) -> None:
    widget, section = opened
    told: list[set[str]] = []
    section.live.observers.append(told.append)
    for n in range(3):
        paint(widget.context.parameters.segmentation, "tumor", (slice(13, 16), slice(12, 16), slice(14 + n, 20 + n)))
    host.wait_until(lambda: told, 10)
    host.process_events(0.4)
    assert told == [{"tumor", "liver"}]


def test_the_model_output_is_never_changed(host: Any, opened: Any) -> None:
    widget, section = opened
    output = widget.context.parameters.modelOutput
    before = SegmentVoxels(output).volume_ml("tumor")
    paint(widget.context.parameters.segmentation, "tumor", ALL, 0)
    section.live.update()
    assert SegmentVoxels(output).volume_ml("tumor") == before
    assert changes(section)["Liver tumor"][0] == "0.0"


def test_painting_into_the_liver_leaves_no_hole_in_it(host: Any, opened: Any) -> None:
    widget, section = opened
    plan = widget.context.parameters.segmentation
    whole = SegmentVoxels(plan).masks["liver"].count
    paint(plan, "tumor", SPOT)
    paint(plan, "liver", SPOT, 0)  # as the Segment Editor does when it overwrites other segments
    assert SegmentVoxels(plan).masks["liver"].count < whole
    section.live.update()
    assert SegmentVoxels(plan).masks["liver"].count == whole


def test_undo_goes_back_and_numbers_follow(host: Any, opened: Any) -> None:
    widget, section = opened
    before = changes(section)
    section.editor.saveStateForUndo()
    paint(widget.context.parameters.segmentation, "tumor", SPOT)
    section.live.update()
    assert changes(section) != before
    after = changes(section)
    section.editor.undo()
    section.live.update()
    assert changes(section) == before
    section.editor.redo()  # measuring in between is not an edit, after which nothing could be redone
    section.live.update()
    assert changes(section) == after


def test_a_structure_is_restored_and_that_can_be_undone(host: Any, opened: Any) -> None:
    widget, section = opened
    plan = widget.context.parameters.segmentation
    original = SegmentVoxels(plan).masks["cyst"]
    paint(plan, "cyst", ALL, 0)
    section.live.update()
    section.ui.changesTable.setCurrentCell([r[0] for r in cells(section.ui.changesTable)].index("Liver cyst"), 0)
    host.click(section.ui.restoreButton)
    assert SegmentVoxels(plan).masks["cyst"].same_as(original)
    assert changes(section)["Liver cyst"][-1] == "1.000"
    section.editor.undo()
    section.live.update()
    assert SegmentVoxels(plan).masks["cyst"].count == 0


def test_a_deleted_segment_is_restored(host: Any, opened: Any) -> None:
    widget, section = opened
    plan = widget.context.parameters.segmentation
    plan.GetSegmentation().RemoveSegment("cyst")
    section.live.update()
    assert changes(section)["Liver cyst"][0] == "0.0"
    section.ui.changesTable.setCurrentCell([r[0] for r in cells(section.ui.changesTable)].index("Liver cyst"), 0)
    host.click(section.ui.restoreButton)
    assert SegmentVoxels(plan).masks["cyst"].count > 0


def test_restore_says_why_it_is_off(host: Any, opened: Any) -> None:
    widget, section = opened
    assert "Choose a structure" in section.ui.restoreButton.toolTip
    section.ui.changesTable.setCurrentCell(0, 0)
    assert "unchanged from the model's output" in section.ui.restoreButton.toolTip
    widget.context.parameters.modelOutput = None
    host.process_events()
    assert "no model output" in section.ui.restoreButton.toolTip
    assert not section.ui.outlineCheckBox.enabled


def test_the_outline_of_the_model_output_is_lines_in_slices_only(host: Any, opened: Any) -> None:
    widget, section = opened
    display = widget.context.parameters.modelOutput.GetDisplayNode()
    section.ui.outlineCheckBox.checked = True
    host.process_events()
    shown = (display.GetVisibility(), display.GetVisibility3D(), display.GetVisibility2DFill())
    assert shown == (1, 0, 0)
    section.ui.outlineCheckBox.checked = False
    host.process_events()
    assert not display.GetVisibility()


def test_corrections_are_a_table_of_the_scene(host: Any, opened: Any) -> None:
    from LiverPlannerLib.scene.measures import CHANGE_COLUMNS

    widget, section = opened
    paint(widget.context.parameters.segmentation, "tumor", SPOT)
    section.live.update()
    rows = {r["structure"]: r for r in read_table(widget.context.parameters.changesTable, CHANGE_COLUMNS)}
    assert rows["Liver tumor"]["added_ml"] > 0
    assert rows["Liver tumor"]["removed_ml"] == 0


def test_leaving_and_collapsing_stop_effects_and_free_the_keys(host: Any, opened: Any) -> None:
    section = opened[1]
    section.editor.setActiveEffectByName("Paint")
    section.button.collapsed = True
    host.process_events()
    assert section.editor.activeEffect() is None
    section.button.collapsed = False
    host.process_events()
    section.editor.setActiveEffectByName("Paint")
    host.leave_module()
    assert section.editor.activeEffect() is None


def test_vessels_hidden_behind_their_branches_come_back_to_be_corrected(host: Any) -> None:
    widget, sections = open_plan(host, "MeasureSection")
    measure, parameters = sections["MeasureSection"], widget.context.parameters
    measure.tabs.setCurrentIndex(3)
    host.process_events()
    host.click(measure.ui.branchesButton)
    host.wait_until(lambda: not widget.context.busy and not measure.branches.surfaces.awaited, 120)
    display = parameters.segmentation.GetDisplayNode()
    assert not display.GetSegmentVisibility("portal_vein")
    sections["CorrectSection"].button.collapsed = False
    host.process_events()
    assert display.GetSegmentVisibility("portal_vein")
    assert not parameters.branchesSegmentation.GetDisplayNode().GetVisibility()
    measure.refresh()
    assert not measure.ui.showBranchesCheckBox.checked


def test_a_closed_scene_lets_go_and_the_next_one_is_edited(host: Any, opened: Any) -> None:
    widget, section = opened
    host.close_scene()
    assert section.editor.segmentationNode() is None
    assert "Segment the liver" in section.ui.stateLabel.text
    second, sections = open_plan(host, "CorrectSection")
    assert second is widget
    assert sections["CorrectSection"].editor.segmentationNode() is widget.context.parameters.segmentation
    assert np.isclose(float(changes(section)["Liver"][-1]), 1.0)


def test_a_segmentation_that_was_removed_or_has_no_grid_is_said(host: Any, opened: Any) -> None:
    widget, section = opened
    host.scene.RemoveNode(widget.context.parameters.segmentation)
    host.process_events()
    assert section.editor.segmentationNode() is None
    assert section.ui.changesTable.rowCount == 0
    widget.context.parameters.segmentation = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    host.process_events()
    assert "no reference geometry" in section.ui.stateLabel.text
