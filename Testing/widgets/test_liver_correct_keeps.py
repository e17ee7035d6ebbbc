"""The section Correct destroys nothing unasked: nested structures stay, new segments are coded anew, surfaces go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measured_case import open_plan

from LiverPlannerLib.scene.segments import SegmentVoxels, structure_of_segment
from LiverPlannerLib.structures import structure
from PreopReviewLib.scene import nodes

SHAPE = (30, 48, 56)


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any, Any]:
    """The plan's segmentation, the section, and the real logic of the Segment Editor behind it."""
    widget, sections = open_plan(host, "CorrectSection")
    return widget.context.parameters.segmentation, sections["CorrectSection"], sections["CorrectSection"].editor


def liver_mask(plan: Any) -> np.ndarray:
    voxels = SegmentVoxels(plan)
    whole = np.zeros(voxels.grid.shape, np.uint8)
    from LiverPlannerLib.voxel_boxes import paint

    paint(whole, voxels.grid.start, voxels.masks["liver"], 1)
    return whole > 0


def volumes(plan: Any) -> dict[str, float]:
    voxels = SegmentVoxels(plan)
    return {i: voxels.masks[i].count * voxels.grid.voxel_ml for i in voxels.masks}


def smoothed(plan: Any) -> np.ndarray:
    """What the effect Smoothing sets the liver to: itself, without its corners."""
    from scipy import ndimage

    return ndimage.binary_opening(liver_mask(plan), iterations=2)


def test_smoothing_the_liver_leaves_what_is_in_it(host: Any, opened: Any) -> None:
    plan, section, editor = opened
    before = volumes(plan)
    host.edit_segment(editor, smoothed(plan), "set", "liver")
    section.live.update()
    after = volumes(plan)
    assert after["liver"] < before["liver"]
    assert {k: v for k, v in after.items() if k != "liver"} == {k: v for k, v in before.items() if k != "liver"}
    assert "took" not in section.ui.stateLabel.text


def test_painting_the_liver_across_a_vessel_leaves_the_vessel(host: Any, opened: Any) -> None:
    plan, _section, editor = opened
    before = volumes(plan)["hepatic_vein"]
    stroke = np.zeros(SHAPE, bool)
    stroke[6:22, 20:26, 24:31] = True
    host.edit_segment(editor, stroke, "add", "liver")
    assert volumes(plan)["hepatic_vein"] == before


def test_what_an_edit_takes_is_said_and_undone(host: Any, opened: Any) -> None:
    """Somebody chooses Slicer's own default: other segments are overwritten."""
    plan, section, editor = opened
    before = volumes(plan)
    section.editor_node.SetOverwriteMode(section.editor_node.OverwriteAllSegments)
    host.edit_segment(editor, smoothed(plan), "set", "liver")
    section.live.update()
    assert volumes(plan)["tumor"] == 0
    assert "Editing Liver took" in section.ui.stateLabel.text
    assert "from Liver tumor, which is empty now" in section.ui.stateLabel.text
    assert "Allow overlap" in section.ui.stateLabel.text
    host.wait_until(lambda: not section.live.surfaces_awaited, 10)
    tumor = plan.GetSegmentation().GetSegment("tumor").GetRepresentation("Closed surface")
    assert tumor.GetNumberOfPoints() == 0
    editor.undo()
    section.live.update()
    assert volumes(plan) == before
    assert "took" not in section.ui.stateLabel.text, "what undo gives back was not taken"
    host.wait_until(lambda: not section.live.surfaces_awaited, 10)
    assert plan.GetSegmentation().GetSegment("tumor").GetRepresentation("Closed surface").GetNumberOfPoints() > 0


def test_a_segment_made_with_add_is_not_the_last_structure(host: Any, opened: Any) -> None:
    plan, section, editor = opened
    before = volumes(plan)
    host.click(editor._add)
    section.live.update()
    segmentation = plan.GetSegmentation()
    added = segmentation.GetNthSegmentID(segmentation.GetNumberOfSegments() - 1)
    assert structure_of_segment(segmentation.GetSegment(added)) is None
    spot = np.zeros(SHAPE, bool)
    spot[13:16, 30:34, 20:24] = True
    host.edit_segment(editor, spot, "add", added)
    section.live.update()
    name = segmentation.GetSegment(added).GetName()
    assert f"{name} is not counted" in section.ui.stateLabel.text
    segmentation.GetSegment(added).SetName("Metastasis")
    section.live.update()
    segment = segmentation.GetSegment(added)
    assert structure_of_segment(segment).key == "tumor"
    assert segment.GetColor() == pytest.approx(structure("tumor").color)
    assert "not counted" not in section.ui.stateLabel.text
    tumor = next(c for c in section.live.measures.changes if c.key == "tumor")
    assert tumor.now_ml == pytest.approx(before["tumor"] + 3 * 4 * 4 * 12e-3)


def test_overlaps_are_said_where_one_corrects(host: Any, opened: Any) -> None:
    _plan, section, editor = opened
    spot = np.zeros(SHAPE, bool)
    spot[13:16, 16:20, 16:20] = True  # in the tumor
    host.edit_segment(editor, spot, "add", "portal_vein")
    section.live.update()
    assert "share" in section.ui.stateLabel.text


def test_structures_may_overlap_in_the_next_scene_as_well(host: Any, opened: Any) -> None:
    """A scene that is closed keeps the editor's node, with Slicer's defaults."""
    _plan, section, _editor = opened
    node = section.editor_node
    assert node.GetOverwriteMode() == node.OverwriteNone
    host.close_scene()
    host.process_events(0.1)
    assert section.editor_node.GetOverwriteMode() == node.OverwriteNone


def test_files_of_surfaces_wait_for_the_last_stroke(host: Any, opened: Any) -> None:
    from PreopReviewLib.surfaces import enclosed_mm3

    plan, section, editor = opened
    before = enclosed_mm3(nodes.surface_of(plan, "tumor"))
    stroke = np.zeros_like(smoothed(plan))
    stroke[4:24, 12:30, 12:30] = True
    host.edit_segment(editor, stroke, "add", "tumor")
    section.live.update()
    assert section.live.surfaces_awaited
    section.live.finish_surfaces()
    assert not section.live.surfaces_awaited
    assert enclosed_mm3(nodes.surface_of(plan, "tumor")) > 2 * before
