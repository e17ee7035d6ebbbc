"""The section Measure: the remnant that planes, a drawn curve or a portal territory leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from measure_section import go_to, open_measures, run, shown
from measured_case import make_labels

from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from LiverPlannerLib.resection.volumetry import volumetry
from LiverPlannerLib.scene.plan_tables import PLAN
from PreopReviewLib.scene import nodes


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    return open_measures(host)


def test_a_plane_cuts_at_once_and_its_volumes_follow_while_it_moves(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    node = parameters.cutPlanes[0]
    table = section.ui.remnantTable

    def expected() -> float:
        plane = Plane(tuple(node.GetCenterWorld()), tuple(node.GetNormalWorld()))
        labels = make_labels()
        return volumetry(labels, remnant=resect_by_planes(labels, [plane]).remnant).remnant.ml

    assert float(shown(table)["Future liver remnant (FLR)"]) == pytest.approx(expected(), rel=0.01)
    x, y, z = node.GetCenterWorld()
    node.SetCenterWorld(x + 6, y, z)
    host.wait_until(lambda: f"{expected():.0f} ml remain" in section.ui.liveLabel.text, 20)  # before the table
    host.wait_until(
        lambda: float(shown(table)["Future liver remnant (FLR)"]) == pytest.approx(expected(), rel=0.01), 20
    )
    before = expected()
    host.click(section.ui.flipPlaneButton)
    assert expected() != pytest.approx(before, rel=0.01)
    assert f"{expected():.0f} ml remain" in section.ui.liveLabel.text


def test_both_sides_belong_to_the_plan_as_soon_as_they_are_there(host: Any, opened: Any, tmp_path: Path) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    sides = parameters.sidesSegmentation
    assert sides.GetNodeReference(PLAN) is parameters.segmentation
    assert sides.GetHideFromEditors(), "it is no plan to choose"
    saved = host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    open_measures(host)
    slicer.util.loadScene(str(saved), {"clear": False})
    host.process_events(0.3)
    names = [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")]
    assert len([name for name in names if name.endswith(": remnant")]) == 1


def test_a_second_plane_makes_a_wedge_and_a_hidden_one_does_not_cut(host: Any, opened: Any) -> None:
    import qt

    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    alone = section.remnant.cut.resected_ml
    host.click(section.ui.addPlaneButton)
    assert 0 < section.remnant.cut.resected_ml < alone
    section.ui.planesList.item(1).setCheckState(qt.Qt.Unchecked)
    host.process_events()
    assert section.remnant.cut.resected_ml == pytest.approx(alone)
    section.ui.planesList.setCurrentRow(0)
    host.click(section.ui.removePlaneButton)
    assert len(parameters.cutPlanes) == 1
    assert "Add a plane" in section.ui.liveLabel.text


def test_a_plane_has_handles_to_shift_and_to_turn_it(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    display = parameters.cutPlanes[0].GetDisplayNode()
    assert display.GetHandlesInteractive()
    assert display.GetTranslationHandleVisibility()
    assert display.GetRotationHandleVisibility()
    assert not display.GetScaleHandleVisibility()  # its size cuts nothing


def test_a_plane_outside_the_liver_is_said(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    parameters.cutPlanes[0].SetCenterWorld(900, 0, 0)
    host.wait_until(lambda: "does not take any" in section.ui.liveLabel.text, 20)
    assert section.remnant.current_cut() is None


def test_a_plane_removed_elsewhere_leaves_the_list(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    host.scene.RemoveNode(parameters.cutPlanes[0])
    host.process_events()
    section.refresh()
    assert section.ui.planesList.count == 0
    host.click(section.ui.addPlaneButton)
    assert section.remnant.cut is not None


def test_both_sides_are_segments_that_follow(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    section.ui.sidesCheckBox.checked = True
    host.process_events()
    section.ui.surfaceRadio.click()
    host.process_events()
    assert not parameters.sidesSegmentation.GetDisplayNode().GetVisibility()
    section.ui.planesRadio.click()
    host.process_events()
    node = parameters.sidesSegmentation
    assert nodes.segment_keys(node) == ["remnant", "resected"]
    assert node.GetDisplayNode().GetVisibility()
    liver = parameters.segmentation.GetDisplayNode()
    host.wait_until(lambda: not liver.GetSegmentVisibility3D("liver"), 20)
    section.ui.sidesCheckBox.checked = False
    host.process_events()
    assert not node.GetDisplayNode().GetVisibility()
    assert parameters.segmentation.GetDisplayNode().GetSegmentVisibility3D("liver")


def test_numbers_do_not_wait_for_surfaces_and_the_liver_stays_until_these_are_there(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    section.remnant.planes.add()
    assert shown(section.ui.remnantTable)["Future liver remnant (FLR)"]
    sides, liver = parameters.sidesSegmentation.GetSegmentation(), parameters.segmentation.GetDisplayNode()
    segments = [sides.GetSegment(key) for key in ("remnant", "resected")]
    assert all(segment.GetRepresentation(nodes.SURFACE) is None for segment in segments)
    assert liver.GetSegmentVisibility3D("liver")
    host.wait_until(lambda: not liver.GetSegmentVisibility3D("liver"), 20)
    assert all(segment.GetRepresentation(nodes.SURFACE).GetNumberOfCells() for segment in segments)
    section.remnant.planes.add()
    segments = [sides.GetSegment(key) for key in ("remnant", "resected")]
    assert all(segment.GetRepresentation(nodes.SURFACE) is not None for segment in segments), "the former ones stay"
    assert not liver.GetSegmentVisibility3D("liver")


def test_a_drawn_curve_cuts_in_the_worker(host: Any, opened: Any) -> None:
    import slicer
    import vtk

    parameters, section = opened
    go_to(host, section, "remnant")
    section.ui.surfaceRadio.click()
    host.process_events()
    assert "No curve or surface" in section.ui.cutButton.toolTip
    host.click(section.ui.drawCurveButton)
    curve = parameters.cutSurface
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    host.click(section.ui.drawCurveButton)
    assert interaction.GetCurrentInteractionMode() != interaction.Place
    x, y, z = section.remnant.planes._live_cut().center_ras
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActivePlaceNodeID() == curve.GetID()  # what is clicked goes into the curve
    assert selection.GetActivePlaceNodeClassName() == curve.GetClassName()
    for dx, dy, dz in ((5, -30, -20), (5.2, 30, -20), (5, 30, 20), (5.2, -30, 20)):
        curve.AddControlPointWorld(vtk.vtkVector3d(x + dx, y + dy, z + dz))
    section.refresh()
    assert "along the smooth surface" in section.ui.curveLabel.text
    run(host, section, section.ui.cutButton)
    assert not host.messages
    labels = make_labels()
    plane = resect_by_planes(labels, [Plane((x + 5, y, z), (1.0, 0.0, 0.0))])
    assert section.remnant.cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.02)
    assert "a drawn curve" in [row["how"] for row in section.remnant.rows]
    curve.SetNthControlPointPositionWorld(0, x + 15, y - 30, z - 20)
    section.refresh()
    assert "cut has been edited since" in section.ui.notesLabel.toolTip
    assert section.remnant.current_cut() is None
    before = section.remnant.cut.resected_ml
    host.wait_until(lambda: section.context.busy, 10)  # dragged points update the numbers
    host.wait_until(lambda: not section.context.busy, 60)
    assert section.remnant.cut.resected_ml != pytest.approx(before)
    assert section.remnant.current_cut() is section.remnant.cut


def test_a_line_drawn_in_one_slice_cuts_perpendicular_to_it(host: Any, opened: Any) -> None:
    import vtk

    parameters, section = opened
    go_to(host, section, "remnant")
    section.ui.surfaceRadio.click()
    host.click(section.ui.drawCurveButton)
    host.click(section.ui.drawCurveButton)
    x, y, z = section.remnant.planes._live_cut().center_ras
    for dy in (-15, 0, 15):
        parameters.cutSurface.AddControlPointWorld(vtk.vtkVector3d(x + 5, y + dy, z))  # in an axial slice
    parameters.cutSurface.SetNthControlPointPositionWorld(1, x + 6, y, z)
    section.refresh()
    assert "perpendicular to that slice" in section.ui.curveLabel.text
    run(host, section, section.ui.cutButton)
    assert not host.messages
    plane = resect_by_planes(make_labels(), [Plane((x + 5, y, z), (1.0, 0.0, 0.0))])
    assert section.remnant.cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.06)
    assert "a curve drawn in one slice" in [row["how"] for row in section.remnant.rows]


def test_a_portal_territory_is_cut(host: Any, opened: Any) -> None:
    import qt

    parameters, section = opened
    go_to(host, section, "remnant")
    section.ui.territoryRadio.click()
    host.process_events()
    assert "Find the branches of the portal vein first" in section.ui.cutButton.toolTip
    go_to(host, section, "branches")
    run(host, section, section.ui.branchesButton)
    go_to(host, section, "remnant")
    assert "Tick a portal branch" in section.ui.cutButton.toolTip
    section.ui.territoryList.item(0).setCheckState(qt.Qt.Checked)
    host.process_events()
    run(host, section, section.ui.cutButton)
    assert not host.messages
    assert section.remnant.cut.method == "portal territory"
    assert "Territories are a model" in section.ui.notesLabel.toolTip
    assert len(parameters.territoryBranches) == 1


def test_a_straight_line_cuts_perpendicular_to_the_slice_in_which_it_was_drawn(host: Any, opened: Any) -> None:
    """Its points alone do not say which slice that was."""
    import slicer
    import vtk

    parameters, section = opened
    go_to(host, section, "remnant")
    section.ui.surfaceRadio.click()
    host.click(section.ui.drawCurveButton)
    curve = parameters.cutSurface
    x, y, z = section.remnant.planes._live_cut().center_ras
    for dy in (-30, 0, 30):
        curve.AddControlPointWorld(vtk.vtkVector3d(x + 5, y + dy, z))
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is None:
        crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([1.0, 1.0, 0.0], host.app.layoutManager().sliceWidget("Red").mrmlSliceNode())
    host.click(section.ui.drawCurveButton)  # ends it, as a right click does
    assert "perpendicular to that slice" in section.ui.curveLabel.text
    run(host, section, section.ui.cutButton)
    plane = resect_by_planes(make_labels(), [Plane((x + 5, y, z), (1.0, 0.0, 0.0))])
    assert section.remnant.cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.02)
