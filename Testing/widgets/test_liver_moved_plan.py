"""A plan that is put under a transform: its measures are those of where it is, or none, never those of before."""

from __future__ import annotations

from typing import Any

import pytest
import slicer
import vtk
from measure_section import go_to, open_measures, shown
from measured_case import cells, make_labels, open_plan
from test_liver_segments import slabs

from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from LiverPlannerLib.resection.volumetry import volumetry
from LiverPlannerLib.scene import couinaud as scene_couinaud
from LiverPlannerLib.scene.segments import grid_of

SHIFT_R = 14.0


@pytest.fixture
def cut(host: Any) -> tuple[Any, Any]:
    """Parameters and section, with a plane that cuts the plan."""
    parameters, section = open_measures(host)
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    host.process_events()
    return parameters, section


def put_under(node: Any, matrix: Any) -> Any:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_plan_that_is_moved_without_its_model_output_is_cut_where_it_is(host: Any, cut: Any) -> None:
    parameters, section = cut
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, SHIFT_R)
    put_under(parameters.segmentation, shift)
    node, labels = parameters.cutPlanes[0], make_labels()
    plane = Plane(tuple(node.GetCenterWorld()), tuple(node.GetNormalWorld()))
    before = volumetry(labels, remnant=resect_by_planes(labels, [plane]).remnant).remnant.ml
    x, y, z = labels.GetOrigin()
    labels.SetOrigin((x - SHIFT_R, y, z))
    now = volumetry(labels, remnant=resect_by_planes(labels, [plane]).remnant).remnant.ml
    assert abs(now - before) > 10
    host.wait_until(lambda: f"{now:.0f} ml remain" in section.ui.liveLabel.text, 20)
    assert section.ui.stateLabel.text == ""


def test_a_plan_that_is_scaled_has_its_new_volume(host: Any, cut: Any) -> None:
    parameters, section = cut
    go_to(host, section, "volumes")
    before = float(shown(section.ui.volumesTable)["Total liver volume (TLV)"])
    twice = vtk.vtkMatrix4x4()
    for axis in range(3):
        twice.SetElement(axis, axis, 2)
    put_under(parameters.segmentation, twice)
    host.wait_until(lambda: float(shown(section.ui.volumesTable)["Total liver volume (TLV)"]) > 7 * before, 20)


def test_a_plan_that_is_bent_has_no_numbers_until_it_is_straight_again(host: Any, cut: Any) -> None:
    parameters, section = cut
    said = section.ui.liveLabel.text
    assert "remain" in said
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    parameters.segmentation.SetAndObserveTransformNodeID(bent.GetID())
    host.wait_until(lambda: "bends space" in section.ui.stateLabel.text, 20)
    assert section.ui.liveLabel.text == ""
    assert section.ui.remnantTable.rowCount == 0
    assert section.remnant.cut is None
    parameters.segmentation.SetAndObserveTransformNodeID(None)
    host.wait_until(lambda: section.ui.liveLabel.text == said, 20)
    assert section.ui.stateLabel.text == ""


def test_segments_and_model_output_go_where_their_plan_goes(host: Any) -> None:
    parameters, section = open_measures(host)
    section.live.refresh()
    plan = parameters.segmentation
    node = scene_couinaud.write_couinaud(plan, slabs(section))
    go_to(host, section, "segments")
    lesions = [row[3] for row in cells(section.ui.segmentsTable)]
    assert "Liver tumor 1" in " ".join(lesions)
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 60)
    transform = put_under(plan, shift)
    host.process_events(0.6)

    def together() -> bool:
        return all(grid_of(n).same_lattice(grid_of(plan)) for n in (node, parameters.modelOutput))

    assert together()
    assert [row[3] for row in cells(section.ui.segmentsTable)] == lesions
    transform.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    host.process_events(0.6)
    assert together()
    transform.SetMatrixTransformToParent(shift)
    plan.HardenTransform()
    host.process_events(0.6)
    assert plan.GetTransformNodeID() is None
    assert together()
    put_under(plan, shift)
    host.process_events(0.6)
    plan.SetAndObserveTransformNodeID(None)
    host.process_events(0.6)
    assert together()
    assert [row[3] for row in cells(section.ui.segmentsTable)] == lesions


def test_what_reads_the_image_is_refused_where_the_plan_was_moved_away_from_it(host: Any) -> None:
    widget, sections = open_plan(host, "MeasureSection", "SegmentSection", "ReportSection")
    parameters, measure = widget.context.parameters, sections["MeasureSection"]
    go_to(host, measure, "radiomics")
    assert measure.ui.radiomicsButton.enabled
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 60)
    transform = put_under(parameters.segmentation, shift)
    host.process_events(0.6)
    assert "do not lie where" in sections["SegmentSection"].ui.messageLabel.text
    widget.refresh()
    for button in (measure.ui.radiomicsButton, sections["ReportSection"].ui.reportButton):
        assert not button.enabled
        assert "do not lie where" in button.toolTip
    parameters.inputVolume.SetAndObserveTransformNodeID(transform.GetID())
    host.process_events(0.6)
    widget.refresh()
    assert measure.ui.radiomicsButton.enabled
    assert "do not lie where" not in sections["SegmentSection"].ui.messageLabel.text
