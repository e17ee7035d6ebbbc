"""Candidates, brush strokes, and several plans: decided, undone, exchanged, saved and loaded again, by mouse events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from LiverPlannerSelfTest import add_drawn_plan, make_ct
from mouse import click, drag_plane, wait, work
from surgeon import Surgeon


def _undo(correct: Any) -> None:
    click(next(b for b in correct.editor.findChildren("QToolButton") if b.name == "UndoButton"))
    work(1.0)


def _volume_rows(measure: Any) -> dict[str, str]:
    """What the tab Volumes shows, by structure."""
    table = measure.ui.volumesTable
    return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def a_candidate_is_accepted_and_taken_back() -> None:
    from LiverPlannerLib.scene.cyst_segments import add_segment

    me = Surgeon()
    candidate = add_segment(me.plan, "candidate")
    array = np.zeros((36, 44, 48), np.uint8)
    array[16:19, 28:31, 30:34] = array[22:25, 14:18, 26:30] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, me.plan, candidate, me.volume)
    section = me.open("CandidatesSection")
    table, ui = section.ui.candidateTable, section.ui
    assert table.rowCount == 2
    assert not ui.acceptButton.enabled
    place = table.visualItemRect(table.item(0, 1)).center()
    click(table.viewport(), (place.x(), place.y()))
    before = me.ml(section)
    click(ui.acceptButton)
    work(1.0)
    assert table.rowCount == 1
    assert me.ml(section)["tumor"] > before["tumor"]
    click(ui.dismissButton)
    work(1.0)
    assert "no lesion candidates" in ui.candidatesLabel.text
    for rows in (1, 2):
        click(ui.undoButton)
        work(1.0)
        assert table.rowCount == rows
    assert me.ml(section) == before
    assert not ui.undoButton.enabled


def numbers_follow_the_brush_and_its_undo() -> None:
    me = Surgeon()
    me.plan.CreateClosedSurfaceRepresentation()
    me.open("CorrectSection")
    measure = me.widget.open_section("MeasureSection")
    correct = next(s for s in me.widget.built if type(s).__name__ == "CorrectSection")
    me.tab(measure, 0)
    work(0.5)
    before = _volume_rows(measure)
    me.brush(correct, "tumor", me.red, me.ras(32, 12, 20), me.ras(36, 12, 20))
    after = _volume_rows(measure)
    assert float(after["Liver tumor"]) > float(before["Liver tumor"]), (before, after)
    assert after["Total liver volume (TLV)"] == before["Total liver volume (TLV)"], "what is in the liver is liver"
    wait(lambda: not measure.live.surfaces_awaited, 20)
    surface = me.plan.GetSegmentation().GetSegment("tumor").GetRepresentation("Closed surface")
    bounds, place = surface.GetBounds(), me.ras(34, 12, 20)
    assert bounds[2] < place[1] < bounds[3], "3D shows the stroke"
    _undo(correct)
    assert _volume_rows(measure) == before
    assert not measure.live.taken


def features_of_the_tumor_have_units_and_grow_old_with_an_edit() -> None:
    me = Surgeon()
    measure = me.open("MeasureSection")
    me.tab(measure, 4)
    ml = me.ml(measure)["tumor"]
    click(measure.ui.radiomicsButton)
    wait(lambda: measure.radiomics.rows and not me.widget.context.busy)
    volume = next(row for row in measure.radiomics.rows if row["feature"] == "morph_volume")
    found = sum(value for key, value in volume.items() if key != "feature") / 1000
    assert abs(found - ml) < 0.15 * ml, (volume, ml)
    assert "volumes in mm³" in measure.ui.notesLabel.toolTip
    assert "edited since" not in measure.ui.notesLabel.toolTip
    correct = me.open("CorrectSection")
    me.brush(correct, "tumor", me.red, me.ras(32, 12, 20), me.ras(36, 12, 20))
    me.open("MeasureSection")
    assert "edited since" in measure.ui.notesLabel.toolTip


def a_segmentation_of_another_program_becomes_the_plan() -> None:
    me = Surgeon()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "TotalSegmentator")
    other.CreateDefaultDisplayNodes()
    other.SetReferenceImageGeometryParameterFromVolumeNode(me.volume)
    k, j, i = np.mgrid[:36, :44, :48]
    masks = {
        "liver": ((k - 18) / 12) ** 2 + ((j - 22) / 15) ** 2 + ((i - 24) / 17) ** 2 < 1,
        "portal_vein_and_splenic_vein": (abs(k - 18) < 2) & (abs(j - 22) < 2) & (abs(i - 24) < 12),
        "spleen": (k - 18) ** 2 + (j - 40) ** 2 + (i - 44) ** 2 < 9,
    }
    for name, mask in masks.items():
        identifier = other.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), other, identifier, me.volume)
    segment = me.open("SegmentSection")
    me.choose_node(segment.ui.planSelector, other)
    assert me.parameters.segmentation is other
    assert me.parameters.inputVolume is me.volume
    assert not me.plan.GetDisplayNode().GetVisibility(), "the plan before has left the views"
    measure = me.open("MeasureSection")
    me.tab(measure, 0)
    voxel = np.prod(me.volume.GetSpacing()) / 1000
    whole = (masks["liver"] | masks["portal_vein_and_splenic_vein"]).sum() * voxel
    rows = _volume_rows(measure)
    assert abs(float(rows["Total liver volume (TLV)"]) - whole) < 0.6, rows
    assert "Portal vein" in rows
    assert not any("pleen" in name for name in rows)
    measure, _plane = me.add_plane()
    assert abs(measure.remnant.cut.remnant_ml + measure.remnant.cut.resected_ml - whole) < 0.02 * whole
    segment = me.open("SegmentSection")
    me.choose_node(segment.ui.planSelector, me.plan)
    assert me.parameters.segmentation is me.plan
    assert not me.parameters.cutPlanes, "the plane belongs to the other plan"
    assert other.GetSegmentation().GetSegment("spleen") is not None


def two_volumes_have_each_its_plan_and_its_numbers() -> None:
    me = Surgeon()
    other, labels = make_ct()
    other.SetName("Second CT")
    other.SetOrigin(300, 0, 0)
    labels[labels == 2] = 1  # without a tumor
    second = add_drawn_plan(other, labels).segmentation
    measure, _plane = me.add_plane()
    said = measure.ui.liveLabel.text
    me.tab(measure, 0)
    first_rows = _volume_rows(measure)
    for _round in range(2):
        segment = me.open("SegmentSection")
        me.choose_node(segment.ui.volumeSelector, other)
        assert me.parameters.segmentation is second
        measure = me.open("MeasureSection")
        me.tab(measure, 0)
        rows = _volume_rows(measure)
        assert rows != first_rows
        assert float(rows.get("Liver tumor", 0)) == 0
        me.tab(measure, 1)
        assert measure.ui.planesList.count == 0
        assert "remain" not in measure.ui.liveLabel.text
        segment = me.open("SegmentSection")
        me.choose_node(segment.ui.volumeSelector, me.volume)
        assert me.parameters.segmentation is me.plan
        measure = me.open("MeasureSection")
        me.tab(measure, 0)
        assert _volume_rows(measure) == first_rows
        me.tab(measure, 1)
        work(1.0)
        assert measure.ui.planesList.count == 1
        assert measure.ui.liveLabel.text == said


def a_scene_that_is_saved_closed_and_loaded_goes_on_where_it_was() -> None:
    me = Surgeon()
    measure, plane = me.add_plane()
    drag_plane(plane, 6)
    work(1.5)
    said = measure.ui.liveLabel.text
    me.tab(measure, 0)
    rows, name = _volume_rows(measure), me.plan.GetName()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "plan.mrb")
        assert slicer.util.saveScene(path)
        slicer.mrmlScene.Clear()
        work(0.5)
        me.tab(measure, 1)
        assert "remain" not in measure.ui.liveLabel.text
        assert measure.ui.planesList.count == 0
        assert slicer.util.loadScene(path)
        work(1.5)
    parameters = me.widget.context.parameters
    assert parameters.segmentation.GetName() == name
    measure = next(s for s in me.widget.built if type(s).__name__ == "MeasureSection")
    me.tab(measure, 0)
    assert _volume_rows(measure) == rows
    me.tab(measure, 1)
    work(1.0)
    assert measure.ui.planesList.count == 1
    assert measure.ui.liveLabel.text == said
    (plane,) = parameters.cutPlanes
    drag_plane(plane, 6)
    work(1.5)
    assert measure.ui.liveLabel.text != said, "the loaded plane is followed"


def a_plan_that_is_moved_is_cut_where_it_is_and_says_that_its_image_was_not() -> None:
    me = Surgeon()
    measure, plane = me.add_plane()
    said = measure.ui.liveLabel.text
    output = me.parameters.modelOutput
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    matrix = transform.GetMatrixTransformToParent()
    matrix.SetElement(0, 3, 14)
    transform.SetMatrixTransformToParent(matrix)
    slicer.util.selectModule("Data")  # where a person drops a plan on a transform
    me.plan.SetAndObserveTransformNodeID(transform.GetID())
    work(1.0)
    slicer.util.selectModule("LiverPlanner")
    work(1.0)
    assert output.GetTransformNodeID() == transform.GetID(), "what is hidden goes along"
    moved = measure.ui.liveLabel.text
    assert moved != said
    segment = me.open("SegmentSection")
    assert "do not lie where" in segment.ui.messageLabel.text
    me.volume.SetAndObserveTransformNodeID(transform.GetID())
    work(0.5)
    assert "do not lie where" not in segment.ui.messageLabel.text
    for node in (me.plan, me.volume):
        node.HardenTransform()
    work(1.0)
    assert output.GetTransformNodeID() is None
    assert "do not lie where" not in segment.ui.messageLabel.text
    me.open("MeasureSection")
    me.tab(measure, 1)
    work(0.5)
    assert measure.ui.liveLabel.text == moved, "it lies where it lay"
    drag_plane(plane, 14)
    work(1.5)
    assert measure.ui.liveLabel.text != moved


def margins_say_that_their_plane_was_moved_or_deleted_since() -> None:
    me = Surgeon()
    measure, plane = me.add_plane()
    me.tab(measure, 2)
    click(measure.ui.marginsButton)
    wait(lambda: measure.margins.rows and not me.widget.context.busy)
    work(0.5)
    assert "edited since" not in measure.ui.notesLabel.toolTip
    drag_plane(plane, 6)
    work(1.5)
    assert "edited since" in measure.ui.notesLabel.toolTip
    click(measure.ui.marginsButton)
    wait(lambda: not me.widget.context.busy)
    work(0.5)
    assert "edited since" not in measure.ui.notesLabel.toolTip
    slicer.mrmlScene.RemoveNode(plane)
    me.tab(measure, 0)
    me.tab(measure, 2)
    assert "edited since" in measure.ui.notesLabel.toolTip
    click(measure.ui.marginsButton)
    wait(lambda: not me.widget.context.busy)
    work(0.5)
    assert all(row["margin_mm"] is None for row in measure.margins.rows)


FLOWS: tuple[Callable[[], None], ...] = (
    a_candidate_is_accepted_and_taken_back,
    numbers_follow_the_brush_and_its_undo,
    features_of_the_tumor_have_units_and_grow_old_with_an_edit,
    a_segmentation_of_another_program_becomes_the_plan,
    two_volumes_have_each_its_plan_and_its_numbers,
    a_scene_that_is_saved_closed_and_loaded_goes_on_where_it_was,
    a_plan_that_is_moved_is_cut_where_it_is_and_says_that_its_image_was_not,
    margins_say_that_their_plane_was_moved_or_deleted_since,
)
