"""The section Lesion candidates: listed, looked at, accepted, dismissed."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
from liver_case import add_plan, add_volume


def ml(segmentation: Any, key: str) -> float:
    from LiverPlannerLib.scene.segments import SegmentVoxels

    return SegmentVoxels(segmentation).volume_ml(key)


@pytest.fixture
def planned(host: Any) -> Any:
    """A panel with a plan whose cysts are candidates."""
    from LiverPlannerLib.scene import cyst_segments

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
