"""Whose plan the panel shows: of the volume that is chosen, or the segmentation that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slicer
from liver_case import add_plan, add_volume, small_case
from segment_section import open_module, section

from LiverPlannerLib.scene.segments import SegmentVoxels, segment_specs
from LiverPlannerLib.structures import SEGMENTS
from LiverPlannerLib.terminology_files import terminology_entry
from PreopReviewLib import images
from PreopReviewLib.scene import nodes


@pytest.fixture
def opened(host: Any) -> Any:
    """The panel with the plan of CT, and a second volume elsewhere."""
    widget = open_module(host)
    add_volume("Other").SetOrigin(30.0, -12.0, 8.0)
    widget.context.parameters.segmentation = add_plan(widget.context.parameters.inputVolume).segmentation
    host.process_events(0.1)
    return widget


def shown(node: Any) -> bool:
    return bool(node.GetDisplayNode().GetVisibility())


def named(name: str) -> Any:
    return slicer.mrmlScene.GetFirstNodeByName(name)


def test_every_volume_has_its_own_plan_in_panel_and_views(host: Any, opened: Any) -> None:
    parameters, text = opened.context.parameters, section(opened).ui.messageLabel
    first = parameters.segmentation
    parameters.inputVolume = named("Other")
    host.process_events()
    assert parameters.segmentation is None
    assert parameters.modelOutput is None
    assert not shown(first)
    assert "no plan of Other yet" in text.text
    second = add_plan(named("Other")).segmentation
    parameters.segmentation = second
    host.process_events()
    assert parameters.modelOutput.GetName() == "Other model output"
    parameters.inputVolume = named("CT")
    host.process_events()
    assert parameters.segmentation.GetID() == first.GetID()
    assert parameters.modelOutput.GetName() == "CT model output"
    assert (shown(first), shown(second)) == (True, False)


def test_a_plan_that_is_chosen_brings_its_volume(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    second = add_plan(named("Other")).segmentation
    section(opened).ui.planSelector.setCurrentNode(second)
    host.process_events()
    assert parameters.segmentation.GetID() == second.GetID()
    assert parameters.inputVolume.GetName() == "Other"
    assert not shown(named("CT liver plan"))


def test_the_views_turn_to_a_segmentation_of_another_program_once(host: Any, opened: Any) -> None:
    """Its first segment is not the liver, as in those of TotalSegmentator."""
    other = named("Other")
    labels = small_case().labels
    node = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "TotalSegmentator")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(other)
    masks = {"spleen": np.zeros(labels.GetSize()[::-1], np.uint8), "liver": images.array_of(labels) > 0}
    masks["spleen"][-2:, -2:, -2:] = 1
    for name, mask in masks.items():
        key = node.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, key, other)
    red = host.scene.GetNodeByID("vtkMRMLSliceNodeRed")
    section(opened).ui.planSelector.setCurrentNode(node)
    host.process_events()
    assert red.GetSliceOffset() == pytest.approx(node.GetSegmentCenterRAS("liver")[2], abs=2.0)
    red.SetSliceOffset(red.GetSliceOffset() + 20.0)
    where = red.GetSliceOffset()
    section(opened).ui.planSelector.setCurrentNode(named("CT liver plan"))
    host.process_events()
    red.SetSliceOffset(where)
    section(opened).ui.planSelector.setCurrentNode(node)
    host.process_events()
    assert red.GetSliceOffset() == pytest.approx(where), "a surgeon's own view stays"


def test_numbers_go_and_come_with_their_plan(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    opened.open_section("MeasureSection")
    host.process_events()
    table = parameters.volumesTable
    assert table.GetName() == "CT liver plan: volumes"
    parameters.inputVolume = named("Other")
    host.process_events()
    assert parameters.volumesTable is None
    parameters.segmentation = add_plan(named("Other")).segmentation
    host.process_events()
    assert parameters.volumesTable.GetName() == "Other liver plan: volumes"
    parameters.inputVolume = named("CT")
    host.process_events()
    assert parameters.volumesTable.GetID() == table.GetID()


def test_a_deleted_plan_takes_its_numbers_and_the_untouched_output_with_it(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    opened.open_section("MeasureSection")
    host.process_events()
    plan, told = parameters.segmentation, []
    plan.GetDisplayNode().AddObserver("ModifiedEvent", lambda *_args: told.append("display"))
    slicer.mrmlScene.RemoveNode(plan)
    host.process_events(0.1)
    assert parameters.segmentation is None
    assert parameters.volumesTable is None
    assert told == [], "a plan that leaves is not touched: Slicer's hierarchy, which has let go of it, complains"
    assert named("CT liver plan: volumes") is None
    assert named("CT model output") is None


def test_a_reloaded_scene_goes_on_with_cuts_and_numbers(host: Any, opened: Any, tmp_path: Any) -> None:
    parameters = opened.context.parameters
    measure = opened.open_section("MeasureSection")
    measure.tabs.setCurrentIndex(1)
    host.click(measure.ui.addPlaneButton)
    host.process_events(1.0)
    assert parameters.remnantTable is not None
    names = [node.GetName() for node in parameters.cutPlanes]
    rows = measure.remnant.rows
    host.save_scene(tmp_path / "case.mrb")
    host.load_scene(tmp_path / "case.mrb")
    host.process_events(1.0)
    again = opened.context.parameters
    assert [node.GetName() for node in again.cutPlanes] == names
    assert again.remnantTable.GetNumberOfRows() == len(rows)
    assert [r["value"] for r in measure.remnant.rows] == [pytest.approx(r["value"], rel=1e-3) for r in rows]


def test_cuts_go_with_their_plan_and_come_back_as_they_were(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    measure = opened.open_section("MeasureSection")
    measure.tabs.setCurrentIndex(1)
    host.click(measure.ui.addPlaneButton)
    host.process_events(1.0)
    said, plane = measure.ui.liveLabel.text, parameters.cutPlanes[0]
    parameters.inputVolume = named("Other")
    host.process_events(0.1)
    assert not plane.GetDisplayNode().GetVisibility3D()
    assert measure.ui.liveLabel.text == ""
    parameters.inputVolume = named("CT")
    host.process_events(1.0)
    assert measure.ui.liveLabel.text == said
    assert plane.GetDisplayNode().GetVisibility3D()


def test_a_deleted_plan_leaves_no_other_segmentation_in_its_place(host: Any, opened: Any) -> None:
    parameters = opened.context.parameters
    measure = opened.open_section("MeasureSection")
    measure.tabs.setCurrentIndex(1)
    host.click(measure.ui.addPlaneButton)
    host.process_events(1.0)
    assert parameters.sidesSegmentation is not None
    foreign = nodes.add_segmentation(host.scene, small_case().labels, segment_specs()[:1], "Foreign", named("CT"))
    slicer.mrmlScene.RemoveNode(parameters.segmentation)
    host.process_events(0.3)
    assert parameters.segmentation is None
    left = [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")]
    assert left == ["Drawn", foreign.GetName()]


def test_the_meaning_of_a_segment_can_be_changed(host: Any, opened: Any) -> None:
    """As of another program: names that say nothing here."""
    parameters = opened.context.parameters
    volume = parameters.inputVolume
    spec = next(s for s in segment_specs() if s.key == "liver")
    foreign = nodes.add_segmentation(host.scene, small_case().labels, [spec], "Foreign", volume)
    segment = foreign.GetSegmentation().GetSegment("liver")
    segment.SetName("Segment_1")
    segment.SetTerminology("")
    section(opened).ui.planSelector.setCurrentNode(foreign)
    host.process_events()
    ui = section(opened).ui
    assert "1 not counted" in ui.meaningButton.text
    box = ui.meaningTable.cellWidget(0, 1)
    assert box.currentText == "not counted"
    index = box.findText("Liver")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    host.process_events()
    assert "not counted" not in ui.meaningButton.text
    voxels = SegmentVoxels(foreign)
    assert voxels.structures == {"liver": "liver"}
    assert voxels.volume_ml("liver") > 0
    assert "10200004" in segment.GetTerminology()
    box = ui.meaningTable.cellWidget(0, 1)
    box.activated.emit(0)
    host.process_events()
    assert SegmentVoxels(foreign).unknown == ["Segment_1"]
    assert np.isfinite(SegmentVoxels(foreign).volume_ml("liver"))


@pytest.mark.parametrize("with_liver", [False, True])
def test_couinaud_segments_are_never_said_not_to_count(host: Any, opened: Any, with_liver: bool) -> None:
    """Without a liver they are the liver; beside one they are its parts, in a layer of their own."""
    liver = next(s for s in segment_specs() if s.key == "liver")
    specs = [liver] if with_liver else []
    specs += [replace(liver, key=s.key, name=s.name, terminology=terminology_entry(s)) for s in SEGMENTS]
    volume = opened.context.parameters.inputVolume
    section(opened).ui.planSelector.setCurrentNode(
        nodes.add_segmentation(host.scene, small_case().labels, specs, "Segments", volume)
    )
    host.process_events()
    ui = section(opened).ui
    assert "not counted" not in ui.meaningButton.text
    words = {ui.meaningTable.cellWidget(row, 1).currentText for row in range(ui.meaningTable.rowCount)}
    assert words == ({"Liver", "Couinaud segment"} if with_liver else {"Liver"})


def test_a_plan_that_was_loaded_gets_our_surfaces_again(host: Any) -> None:
    """Files hold no surfaces: Slicer makes its own, in which vessels are thinned away."""
    volume = add_volume()
    plan = add_plan(volume).segmentation
    content = plan.GetSegmentation()
    ours = {key: nodes.surface_of(plan, key).GetNumberOfPoints() for key in nodes.segment_keys(plan)}
    content.RemoveRepresentation("Closed surface")
    content.CreateRepresentation("Closed surface")
    assert nodes.has_other_surfaces(plan)
    widget = host.open_module("LiverPlanner")
    widget.context.parameters.segmentation = plan
    host.wait_until(lambda: not widget.context.live_plan.surfaces_awaited, 30)
    assert not nodes.has_other_surfaces(plan)
    assert {key: nodes.surface_of(plan, key).GetNumberOfPoints() for key in nodes.segment_keys(plan)} == ours
