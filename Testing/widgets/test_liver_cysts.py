"""The section Cysts: table, click to the place, threshold live, hand over rule, apply and revert, off on MRI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from liver_case import add_plan, add_volume, asked_of_the_worker, scene_content, wait


@pytest.fixture
def planned(host: Any) -> Any:
    """The panel with a plan in which every lesion is called tumor."""
    volume = add_volume()
    plan_nodes = add_plan(volume)
    segments = plan_nodes.segmentation.GetSegmentation()
    array = slicer.util.arrayFromSegmentBinaryLabelmap(plan_nodes.segmentation, "tumor", volume)
    array |= slicer.util.arrayFromSegmentBinaryLabelmap(plan_nodes.segmentation, "cyst", volume)
    segments.RemoveSegment("cyst")
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, plan_nodes.segmentation, "tumor", volume)
    widget = host.open_module("LiverPlanner")
    parameters = widget.context.parameters
    parameters.segmentation, parameters.modelOutput = plan_nodes.segmentation, plan_nodes.model_output
    host.process_events(0.1)
    return widget


def section(widget: Any) -> Any:
    return widget.open_section("CystsSection")


def found(host: Any, widget: Any) -> Any:
    host.click(section(widget).ui.findButton)
    wait(host, widget)
    assert host.messages == []
    return section(widget).ui.regionTable


def words(table: Any, row: int, column: int) -> str:
    return table.item(row, column).text()


def tick(table: Any, row: int, on: bool) -> None:
    import qt

    table.item(row, 0).setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)


def cyst_ml(widget: Any) -> float:
    from LiverPlannerLib.scene.segments import SegmentVoxels

    return SegmentVoxels(widget.context.parameters.segmentation).volume_ml("cyst")


def test_cysts_are_found_looked_at_overruled_applied_and_reverted(host: Any, planned: Any) -> None:
    from LiverPlannerLib.scene import cysts as scene_cysts

    table = found(host, planned)
    ui = section(planned).ui
    regions = scene_cysts.regions_of(planned.context.parameters.cystsTable)
    assert table.rowCount == len(regions) > 1
    assert {r.decision for r in regions} > {"cyst"}
    row = next(i for i, r in enumerate(regions) if r.decision == "cyst")

    table.setCurrentCell(row, 1)  # a click on the row
    host.process_events()
    assert regions[row].reason[1:] in ui.reasonLabel.text
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert red.GetSliceOffset() == pytest.approx(regions[row].centroid_ras[2], abs=2.0)

    assert not ui.revertCystsButton.isEnabled()
    host.click(ui.applyCystsButton)
    moved = sum(r.ml for r in regions if r.decision == "cyst")
    assert cyst_ml(planned) == pytest.approx(moved, rel=1e-3)

    tick(table, row, False)
    host.process_events()
    assert "by hand" in words(table, row, 6)
    host.click(ui.applyCystsButton)
    assert cyst_ml(planned) == pytest.approx(moved - regions[row].ml, rel=1e-3)
    host.click(ui.byRuleButton)
    assert "by hand" not in words(table, row, 6)
    host.click(ui.revertCystsButton)
    assert cyst_ml(planned) == 0

    planned.context.parameters.cystThreshold = 0.0
    host.process_events()
    assert all("cyst" not in words(table, i, 6).split(",")[0] for i in range(table.rowCount))
    assert "threshold" not in ui.applyCystsButton.toolTip


def test_the_histogram_of_a_region_is_shown_in_the_plot_view(host: Any, planned: Any) -> None:
    found(host, planned)
    manager = slicer.app.layoutManager()
    before = manager.layout
    section(planned).ui.plotCheckBox.setChecked(True)
    host.process_events()
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    assert chart.GetTitle().startswith("Region 1")
    assert manager.layout != before
    section(planned).ui.regionTable.setCurrentCell(1, 1)
    host.process_events()
    assert chart.GetTitle().startswith("Region 2")
    host.leave_module()
    assert manager.layout == before


def test_a_large_volume_is_written_with_a_living_event_loop(
    host: Any, planned: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned.context.parameters.modality = "CT"

    def press() -> None:
        host.click(section(planned).ui.findButton)

    asked = asked_of_the_worker(host, planned, press, monkeypatch, tmp_path)
    assert set(asked["labels"]) == {"file", "spacing", "direction", "origin", "said"}
    assert asked["options"]["rule"] == "robust"


def test_on_mri_cysts_are_off_and_the_reason_is_said(host: Any, planned: Any) -> None:
    planned.context.parameters.modality = "MR"
    host.process_events()
    ui = section(planned).ui
    assert not ui.findButton.isEnabled()
    assert "Hounsfield" in ui.findButton.toolTip
    assert "Off on MRI" in ui.offLabel.text


def test_without_segmentation_or_lesion_the_button_says_why(host: Any, planned: Any) -> None:
    ui = section(planned).ui
    planned.context.parameters.segmentation.GetSegmentation().RemoveSegment("tumor")
    planned.refresh()
    assert "no lesion" in ui.findButton.toolTip
    planned.context.parameters.segmentation = None
    host.process_events()
    assert "segment the liver first" in ui.findButton.toolTip


def test_the_scene_closed_while_lesions_are_measured_is_harmless(host: Any, planned: Any) -> None:
    host.click(section(planned).ui.findButton)
    host.close_scene()
    wait(host, planned, 10)
    assert host.messages == []
    assert scene_content() == []


def test_segments_removed_while_they_are_measured_end_in_a_sentence(host: Any, planned: Any) -> None:
    before = scene_content()
    host.click(section(planned).ui.findButton)
    planned.context.parameters.segmentation.GetSegmentation().RemoveSegment("tumor")
    wait(host, planned)
    assert "removed while they were measured" in host.messages[-1].text
    assert scene_content() == before


def test_the_table_comes_back_with_a_saved_scene(host: Any, planned: Any, tmp_path: Any) -> None:
    table = found(host, planned)
    tick(table, 0, False)
    host.process_events()
    shown = [[words(table, i, j) for j in range(1, 7)] for i in range(table.rowCount)]
    host.save_scene(tmp_path / "case.mrb")
    host.load_scene(tmp_path / "case.mrb")
    assert [[words(table, i, j) for j in range(1, 7)] for i in range(table.rowCount)] == shown
    host.click(section(planned).ui.applyCystsButton)
    assert host.messages == []


def test_outlines_that_cannot_grow_by_1_mm_are_said_to_be_as_they_were(host: Any, planned: Any) -> None:
    host.click(section(planned).ui.contourButton)
    assert "larger than 2 mm" in host.messages[-1].text  # the voxels of this plan


def test_one_is_not_several(host: Any, planned: Any) -> None:
    from types import SimpleNamespace

    one = [SimpleNamespace(decision="cyst"), SimpleNamespace(decision="tumor")]
    shown = section(planned)
    found(host, planned)
    words = shown._summary(shown.table, one)
    assert words.startswith("1 suspected cyst, 1 tumor, 0 undecided.")
    assert shown._summary(shown.table, one * 2).startswith("2 suspected cysts, 2 tumors, 0 undecided.")


def test_cysts_that_were_looked_for_in_another_plan_are_shown_with_that_one(host: Any, planned: Any) -> None:
    from LiverPlannerLib.scene import cysts as scene_cysts

    found(host, planned)
    parameters = planned.context.parameters
    first, table = parameters.segmentation, parameters.cystsTable
    regions = len(scene_cysts.regions_of(table))
    second = add_plan(parameters.inputVolume).segmentation
    parameters.segmentation = second
    host.process_events()
    assert parameters.cystsTable is None
    host.click(section(planned).ui.findButton)
    parameters.segmentation = first
    wait(host, planned)
    assert host.messages == []
    assert parameters.segmentation is first
    assert parameters.cystsTable is table
    assert scene_cysts.is_of(table, first)
    assert section(planned).ui.regionTable.rowCount == regions
    parameters.segmentation = second
    host.process_events()
    assert scene_cysts.is_of(parameters.cystsTable, second)
