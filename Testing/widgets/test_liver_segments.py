"""The section Measure, tab Segments: Couinaud segments divided, corrected by hand and by planes, and believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measure_section import go_to, open_measures, run
from measured_case import cells

from LiverPlannerLib.couinaud.borders import BORDERS
from LiverPlannerLib.scene import couinaud as scene_couinaud
from PreopReviewLib import images


def slabs(section: Any) -> Any:
    """Segments 1 to 8 as slabs of the plan's liver, from the patient's right to the left."""
    labels = section.live.labels()
    array = images.array_of(labels)
    liver = np.isin(array, (1, 2, 3, 4, 5, 6))
    edges = np.linspace(0, array.shape[2], 9).astype(int)
    numbers = np.repeat(np.arange(1, 9), np.diff(edges)).astype(np.uint8)
    return images.image_like(np.where(liver, numbers, 0).astype(np.uint8), labels)


@pytest.fixture
def divided(host: Any) -> tuple[Any, Any]:
    """A plan whose segments are the slabs."""
    parameters, section = open_measures(host)
    section.live.refresh()
    scene_couinaud.write_couinaud(parameters.segmentation, slabs(section))
    go_to(host, section, "segments")
    return parameters, section


def ml(section: Any) -> list[float]:
    return [float(row[1]) for row in cells(section.ui.segmentsTable)]


def test_a_plan_without_segments_is_divided_by_a_click(host: Any) -> None:
    _parameters, section = open_measures(host)
    go_to(host, section, "segments")
    assert "Divide the liver" in section.ui.bordersButton.toolTip
    run(host, section, section.ui.divideButton)
    rows = cells(section.ui.segmentsTable)
    assert [row[0].split(" (")[0] for row in rows] == [f"Segment {n}" for n in range(1, 9)]
    total = section.live.measures.plan.volume_ml("liver")
    assert sum(ml(section)) == pytest.approx(total, rel=0.01)
    assert any("shape of the liver alone" in note for note in section.segments.notes)
    assert not host.messages


def test_volumes_and_lesions_follow_a_correction_by_hand(host: Any, divided: Any) -> None:
    import slicer

    parameters, section = divided
    before = ml(section)
    lesions = {row[0]: row[3] for row in cells(section.ui.segmentsTable)}
    assert "Liver tumor 1" in " ".join(lesions.values())
    node = section.segments.node
    content = node.GetSegmentation()
    given = slicer.vtkOrientedImageData()
    given.DeepCopy(content.GetSegment("segment_3").GetRepresentation("Binary labelmap"))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(given, node, "segment_2", logic.MODE_MERGE_MAX)
    content.RemoveSegment("segment_3")
    host.wait_until(lambda: ml(section)[2] == 0, 20)
    assert ml(section)[1] == pytest.approx(before[1] + before[2], abs=0.2)
    assert parameters.segmentsTable.GetNumberOfRows() == 8


def test_what_the_worker_is_asked_holds_the_corrected_segments(host: Any, divided: Any, monkeypatch: Any) -> None:
    _parameters, section = divided
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(type(section.remnant), "start", lambda _self, _task, request, *_more: asked.append(request))
    section.remnant.supply.start()
    assert "branches_by_hand" not in asked[0]
    segments = asked[0]["couinaud"].array
    want = images.array_of(slabs(section))
    assert np.array_equal(np.bincount(segments.ravel())[1:], np.bincount(want.ravel())[1:])


def test_dividing_again_asks_before_corrections_are_replaced(host: Any, divided: Any) -> None:
    _parameters, section = divided
    before = ml(section)
    host.dialogs.answer(False)
    host.click(section.ui.divideButton)
    assert not section.context.busy
    assert ml(section) == before
    assert "with all corrections, are replaced" in host.messages[-1].text


def test_a_border_plane_that_is_dragged_divides_the_liver_anew_and_that_can_be_undone(host: Any, divided: Any) -> None:
    import slicer

    _parameters, section = divided
    before = ml(section)
    host.click(section.ui.bordersButton)
    planes = {n.GetAttribute(scene_couinaud.BORDER): n for n in scene_couinaud.border_nodes(slicer.mrmlScene)}
    assert planes.keys() == BORDERS.keys()
    assert planes["middle"].GetName() == "Middle hepatic vein"
    assert "reproduce" in section.ui.bordersLabel.text
    assert [key for key, n in planes.items() if n.GetDisplayNode().GetHandlesInteractive()] == ["middle"]
    host.choose(section.ui.borderComboBox, "Right hepatic vein")
    assert [key for key, n in planes.items() if n.GetDisplayNode().GetHandlesInteractive()] == ["right"]
    host.process_events(0.6)
    assert ml(section) == before, "nothing changes until a plane is moved"
    planes["middle"].SetOriginWorld(*(np.add(planes["middle"].GetOriginWorld(), (-6, 0, 0))))
    host.wait_until(lambda: ml(section) != before, 20)
    host.wait_until(lambda: section.segments._before is not None, 20)
    assert sum(ml(section)) == pytest.approx(sum(before), abs=0.3)
    assert ml(section)[0] == before[0], "the caudate lobe stays"
    assert any("border planes" in note for note in section.segments.notes)
    host.click(section.ui.undoBordersButton)
    assert ml(section) == before
    assert scene_couinaud.border_nodes(slicer.mrmlScene) == []


def test_a_correction_between_two_moves_of_a_plane_is_what_undo_brings_back(host: Any, divided: Any) -> None:
    import slicer

    _parameters, section = divided
    page = section.segments
    host.click(section.ui.bordersButton)
    plane = scene_couinaud.border_nodes(slicer.mrmlScene)[0]

    def move(mm: float) -> None:
        before = page._places
        plane.SetOriginWorld(*np.add(plane.GetOriginWorld(), np.multiply(mm, plane.GetNormalWorld())))
        host.wait_until(lambda: page._places != before, 20)

    move(4)
    corrected = page.live.couinaud()
    array = images.array_of(corrected).copy()
    array[array == 2] = 3
    page._write(images.image_like(array, corrected))
    by_hand = ml(section)
    move(2)
    move(2)
    assert ml(section) != by_hand
    host.click(section.ui.undoBordersButton)
    assert ml(section) == by_hand


def test_a_border_whose_plane_was_deleted_stays_where_it_is(host: Any, divided: Any) -> None:
    import slicer

    _parameters, section = divided
    page = section.segments
    host.click(section.ui.bordersButton)
    planes = {n.GetAttribute(scene_couinaud.BORDER): n for n in scene_couinaud.border_nodes(slicer.mrmlScene)}

    def move(key: str, mm: float) -> list[float]:
        plane, before = planes[key], page._places
        plane.SetOriginWorld(*np.add(plane.GetOriginWorld(), np.multiply(mm, plane.GetNormalWorld())))
        host.wait_until(lambda: page._places != before, 20)
        return ml(section)

    def right(volumes: list[float]) -> float:
        return sum(volumes[4:])

    before = move("left", 2)
    assert before[3] > 1
    assert right(before) > 1
    slicer.mrmlScene.RemoveNode(planes["middle"])
    host.process_events(0.1)
    section.refresh()
    after = move("left", 3)
    assert after != before
    assert right(after) == pytest.approx(right(before), rel=0.02), "what lies beyond the middle hepatic vein"
    assert section.ui.borderComboBox.count == 4
    page._last.clear()  # as in a scene that was saved without the plane
    assert right(move("left", -3)) == pytest.approx(right(before), rel=0.05)


def test_planes_leave_with_the_segments_that_they_divide(host: Any, divided: Any) -> None:
    import slicer

    _parameters, section = divided
    host.click(section.ui.bordersButton)
    slicer.mrmlScene.RemoveNode(section.segments.node)
    host.process_events(0.1)
    section.refresh()
    assert scene_couinaud.border_nodes(slicer.mrmlScene) == []
    assert not section.ui.bordersButton.checked
    assert cells(section.ui.segmentsTable) == []


def test_the_planes_of_another_plan_do_not_divide_this_one(host: Any, divided: Any) -> None:
    import slicer

    parameters, section = divided
    host.click(section.ui.bordersButton)
    plan = parameters.segmentation
    planes = scene_couinaud.border_nodes(slicer.mrmlScene, plan)
    assert len(planes) == len(BORDERS)
    parameters.segmentation = None
    host.process_events()
    assert section.segments.borders == []
    slicer.mrmlScene.RemoveNode(plan)
    host.process_events(0.1)
    assert scene_couinaud.border_nodes(slicer.mrmlScene) == []


def test_segments_and_planes_step_back_in_other_tabs(host: Any, divided: Any) -> None:
    import slicer

    _parameters, section = divided
    host.click(section.ui.showCouinaudCheckBox)
    host.click(section.ui.bordersButton)
    displays = [section.segments.node.GetDisplayNode()]
    displays += [n.GetDisplayNode() for n in scene_couinaud.border_nodes(slicer.mrmlScene)]
    assert all(d.GetVisibility() and d.GetVisibility3D() for d in displays)
    go_to(host, section, "volumes")
    assert not any(d.GetVisibility3D() or d.GetVisibility2D() for d in displays)
    go_to(host, section, "segments")
    assert all(d.GetVisibility3D() for d in displays)
