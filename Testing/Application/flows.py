"""What a surgeon does with LiverPlanner in the Slicer application, by mouse events; run by `test_flows.py`.

Slicer … --python-script flows.py RESULTS.json [PART OF A NAME]
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "LiverPlanner" / "Testing" / "Python")]
sys.path[:0] = [str(ROOT / "RotatorCuffCAM" / "Testing" / "Python")]

import qt  # noqa: E402
import slicer  # noqa: E402
from flows_board import FLOWS as BOARD_FLOWS  # noqa: E402
from flows_cuff import FLOWS as CUFF_FLOWS  # noqa: E402
from flows_plans import FLOWS as PLAN_FLOWS  # noqa: E402
from flows_truth import FLOWS as TRUTH_FLOWS  # noqa: E402
from LiverPlannerSelfTest import make_ct  # noqa: E402
from mouse import RIGHT, SliceMouse, ThreeDMouse, click, drag_plane, wait, work  # noqa: E402
from surgeon import INSIDE, Surgeon  # noqa: E402


def smoothing_the_liver_leaves_what_is_inside() -> None:
    me = Surgeon()
    correct = me.open("CorrectSection")
    before = me.ml(correct)
    correct.editor.setCurrentSegmentID("liver")
    me.effect(correct, "Smoothing")
    correct.editor.activeEffect().setParameter("KernelSizeMm", 11)  # the drawn liver is smooth already
    work(0.2)
    click(next(b for b in correct.editor.findChildren("QPushButton") if b.visible and b.text == "Apply"))
    work(1.0)
    after = me.ml(correct)
    assert after["liver"] != before["liver"]
    assert all(after[key] == before[key] for key in INSIDE), (before, after)
    click(next(b for b in correct.editor.findChildren("QToolButton") if b.name == "UndoButton"))
    work(1.0)
    assert me.ml(correct) == before


def painting_the_liver_across_a_vessel_leaves_the_vessel() -> None:
    me = Surgeon()
    correct = me.open("CorrectSection")
    before = me.ml(correct)
    me.red.look_at(me.ras(24, 30, 18))  # in the vessel; the liver ends beyond j = 40
    correct.editor.setCurrentSegmentID("liver")
    me.effect(correct, "Paint")
    me.red.drag(me.ras(24, 30, 18), me.ras(24, 42, 18))
    me.effect(correct, "NULL")
    work(1.0)
    after = me.ml(correct)
    assert after["liver"] > before["liver"]
    assert all(after[key] == before[key] for key in INSIDE), (before, after)


def a_segment_made_with_add_is_no_copy_of_the_last_one() -> None:
    me = Surgeon()
    correct = me.open("CorrectSection")
    before = me.ml(correct)
    click(next(b for b in correct.editor.findChildren("QPushButton") if b.text == "Add"))
    me.effect(correct, "Paint")
    me.red.look_at(me.ras(30, 16, 18))
    me.red.click(me.ras(30, 16, 18))
    me.effect(correct, "NULL")
    work(1.0)
    assert me.ml(correct) == before
    content = me.plan.GetSegmentation()
    added = content.GetNthSegment(content.GetNumberOfSegments() - 1)
    assert added.GetName() in correct.ui.stateLabel.text, "that it is not counted is said"
    added.SetName("Metastasis")
    work(1.0)
    assert me.ml(correct)["tumor"] > before["tumor"]


def a_curve_drawn_in_a_slice_cuts_and_follows_its_points() -> None:
    me = Surgeon()
    measure = me.open("MeasureSection")
    me.tab(measure, 1)
    click(measure.ui.surfaceRadio, (8, 8))
    me.red.look_at(me.ras(24, 22, 18))
    click(measure.ui.drawCurveButton)
    for i, j in ((28, 2), (28, 22), (28, 42)):  # a straight line
        me.red.click(me.ras(i, j, 18))
    me.red.click(me.ras(38, 36, 18), RIGHT)
    curve = me.parameters.cutSurface
    assert curve.GetClassName() == "vtkMRMLMarkupsCurveNode"
    assert curve.GetNumberOfDefinedControlPoints() == 3, curve.GetNumberOfControlPoints()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    assert "one slice" in measure.ui.curveLabel.text
    click(measure.ui.cutButton)
    wait(lambda: measure.remnant.cut is not None and not me.widget.context.busy)
    cut, liver = measure.remnant.cut, me.ml(measure)["liver"]
    assert abs(cut.resected_ml + cut.remnant_ml - liver) < 0.02 * liver
    me.red.drag(me.ras(28, 22, 18), me.ras(34, 22, 18))
    wait(lambda: measure.remnant.cut is not cut and not me.widget.context.busy)
    assert measure.remnant.cut.resected_ml != cut.resected_ml


def a_plane_shows_both_sides_and_steps_back_elsewhere() -> None:
    me = Surgeon()
    measure, plane = me.add_plane()
    sides = me.parameters.sidesSegmentation.GetDisplayNode()
    assert sides.GetVisibility()
    assert sides.GetVisibility3D()
    bounds = [0.0] * 6
    me.plan.GetRASBounds(bounds)
    assert plane.GetOriginWorld()[2] < bounds[4], "the handles are below the liver"
    said = measure.ui.liveLabel.text
    handle = drag_plane(plane, 6)
    work(1.5)
    assert plane.GetOriginWorld()[0] > handle[0] + 3
    assert measure.ui.liveLabel.text != said
    me.tab(measure, 0)
    assert not plane.GetDisplayNode().GetVisibility3D()
    assert not sides.GetVisibility3D()
    me.tab(measure, 1)
    click(measure.ui.removePlaneButton)
    assert not me.parameters.cutPlanes


def a_plane_that_is_dragged_at_once_is_shifted_and_not_turned() -> None:
    for view in ("Green", "Red"):
        me = Surgeon()
        measure = me.open("MeasureSection")
        me.tab(measure, 1)
        mouse = SliceMouse(view)
        measure.ui.addPlaneButton.click()  # and no view has drawn it yet
        (plane,) = me.parameters.cutPlanes
        handle, normal = list(plane.GetOriginWorld()), list(plane.GetNormalWorld())
        mouse.drag(handle, [handle[0] + 6, handle[1], handle[2]])
        assert all(abs(a - b) < 1e-6 for a, b in zip(plane.GetNormalWorld(), normal, strict=True)), view
        assert plane.GetOriginWorld()[0] > handle[0] + 3, view


def numbers_go_and_come_with_their_plan_and_are_deleted_with_it() -> None:
    me = Surgeon()
    measure, _plane = me.add_plane()
    said = measure.ui.liveLabel.text
    other, _labels = make_ct()
    other.SetOrigin(300, 0, 0)
    me.parameters.inputVolume = other
    work(0.5)
    assert me.parameters.segmentation is None
    assert measure.ui.liveLabel.text == ""
    me.parameters.inputVolume = me.volume
    work(1.5)
    assert measure.ui.liveLabel.text == said
    slicer.mrmlScene.RemoveNode(me.plan)
    work(0.5)
    assert me.parameters.segmentation is None
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsPlaneNode") == 0


def all_sections_have_one_width() -> None:
    me = Surgeon()
    widths = set()
    for title in me.titles():
        me.open(title.name.removesuffix("Button"))
        widths.add(me.widget.ui.sectionsLayoutWidget.width)
    assert max(widths) - min(widths) <= 20, widths  # a scroll bar comes and goes


def a_section_that_is_opened_comes_into_view() -> None:
    me = Surgeon()
    for title in me.titles():
        me.open(title.name.removesuffix("Button"))
        area = title.parent()
        while not area.inherits("QScrollArea"):
            area = area.parent()
        top = title.mapTo(area.viewport(), qt.QPoint(0, 0)).y()
        room = area.viewport().height - min(title.height, area.viewport().height)
        assert 0 <= top <= room, (title.name, top, room)


def a_branch_is_lit_and_chosen_through_the_liver() -> None:
    me = Surgeon()
    measure = me.open("MeasureSection")
    me.tab(measure, 3)
    click(measure.ui.branchesButton)
    wait(lambda: measure.branches.trees and not me.widget.context.busy)
    work(0.5)
    (line,) = [tree.points for key, tree in measure.branches.trees.items() if key == "hepatic_vein"]
    mouse = ThreeDMouse()
    mouse.look_from_the_front()
    mouse.click(line[len(line) // 2].tolist())
    assert measure.branches.picking._light.GetDisplayNode().GetVisibility()
    assert measure.ui.vesselComboBox.currentText == "Hepatic vein"
    assert measure.ui.branchesTable.currentRow() >= 0
    me.tab(measure, 0)
    assert not measure.branches.picking._light.GetDisplayNode().GetVisibility()


def a_double_click_on_apply_starts_it_and_does_not_cancel() -> None:
    me = Surgeon()
    segment = me.open("SegmentSection")
    for _click in range(2):
        click(segment.ui.applyButton)
    work(0.5)
    assert me.widget.context.busy
    assert segment.ui.applyButton.text == "Cancel"
    click(segment.ui.applyButton)
    wait(lambda: not me.widget.context.busy)
    assert segment.ui.applyButton.text == "Apply"


FLOWS: tuple[Callable[[], None], ...] = (
    smoothing_the_liver_leaves_what_is_inside,
    painting_the_liver_across_a_vessel_leaves_the_vessel,
    a_segment_made_with_add_is_no_copy_of_the_last_one,
    a_curve_drawn_in_a_slice_cuts_and_follows_its_points,
    a_plane_shows_both_sides_and_steps_back_elsewhere,
    a_plane_that_is_dragged_at_once_is_shifted_and_not_turned,
    numbers_go_and_come_with_their_plan_and_are_deleted_with_it,
    all_sections_have_one_width,
    a_section_that_is_opened_comes_into_view,
    a_branch_is_lit_and_chosen_through_the_liver,
    a_double_click_on_apply_starts_it_and_does_not_cancel,
    *PLAN_FLOWS,
    *TRUTH_FLOWS,
    *CUFF_FLOWS,
    *BOARD_FLOWS,
)


def main(results: Path, part: str = "") -> None:
    """Plays all of them, or those with this in their names; what went wrong in each is written down."""
    slicer.util.mainWindow().resize(1366, 768)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    work(1.0)
    said = {}
    for flow in (flow for flow in FLOWS if part in flow.__name__):
        try:
            flow()
            said[flow.__name__] = ""
        except Exception:
            said[flow.__name__] = traceback.format_exc()
        results.write_text(json.dumps(said, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
    slicer.util.exit(0)
