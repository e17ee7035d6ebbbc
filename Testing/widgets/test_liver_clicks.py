"""The section Correct: vessels and lesions corrected by a click in a view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measured_case import make_labels, open_plan

from LiverPlannerLib.scene.segments import SegmentVoxels
from LiverPlannerLib.structures import structure
from PreopReviewLib import images


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "CorrectSection")
    return widget.context.parameters, sections["CorrectSection"]


def ras(k: float, j: float, i: float) -> np.ndarray:
    return images.kji_to_ras(np.array([[k, j, i]], float), make_labels())[0]


def volume(parameters: Any, key: str) -> float:
    return SegmentVoxels(parameters.segmentation).volume_ml(key)


def click(host: Any, section: Any, place: np.ndarray) -> None:
    """Places a point as a view does."""
    import vtk

    section.clicks._points.AddControlPointWorld(vtk.vtkVector3d(*place))
    host.process_events()


def choose(host: Any, section: Any, key: str) -> None:
    section.clicks.choose(key)
    host.process_events()
    assert section.clicks.active, section.ui.clickLabel.text


def test_a_click_renames_a_vessel_and_undo_takes_it_back(host: Any, opened: Any) -> None:
    parameters, section = opened
    portal, hepatic, liver = (volume(parameters, key) for key in ("portal_vein", "hepatic_vein", "liver"))
    choose(host, section, "rename:hepatic_vein")
    click(host, section, ras(12.5, 28, 16))
    assert "renamed to hepatic vein" in section.ui.clickLabel.text
    assert volume(parameters, "portal_vein") < portal
    total = volume(parameters, "portal_vein") + volume(parameters, "hepatic_vein")
    assert total == pytest.approx(portal + hepatic)
    assert volume(parameters, "liver") == pytest.approx(liver)
    section.editor.undo()
    section.live.update()
    assert volume(parameters, "portal_vein") == pytest.approx(portal)
    assert volume(parameters, "hepatic_vein") == pytest.approx(hepatic)


def test_a_click_after_an_undo_works_on_what_is_there(host: Any, opened: Any) -> None:
    parameters, section = opened
    portal = volume(parameters, "portal_vein")
    choose(host, section, "remove:piece")
    click(host, section, ras(12.5, 28, 16))
    assert volume(parameters, "portal_vein") == 0
    section.editor.undo()
    section.live.update()
    click(host, section, ras(12.5, 28, 16))
    assert volume(parameters, "portal_vein") == 0
    section.editor.undo()
    section.live.update()
    assert volume(parameters, "portal_vein") == pytest.approx(portal)


def test_a_click_on_air_says_so_and_changes_nothing(host: Any, opened: Any) -> None:
    parameters, section = opened
    before = {key: volume(parameters, key) for key in ("portal_vein", "hepatic_vein", "tumor")}
    choose(host, section, "rename:portal_vein")
    click(host, section, ras(15, 24, 8))
    assert "nothing to correct" in section.ui.clickLabel.text
    assert {key: volume(parameters, key) for key in before} == before
    assert section.clicks.active  # the next click counts again


def test_the_branch_under_the_mouse_lights_up(host: Any, opened: Any) -> None:
    _parameters, section = opened
    choose(host, section, "rename:hepatic_vein")
    assert section.clicks.light(ras(12.5, 28, 16))
    assert section.clicks._light.GetDisplayNode().GetVisibility()
    assert section.clicks._light.GetPolyData().GetNumberOfCells() > 0
    assert not section.clicks._light.GetSaveWithScene()
    assert not section.clicks.light(ras(15, 24, 8))
    assert not section.clicks._light.GetDisplayNode().GetVisibility()


def test_a_lesion_becomes_a_cyst_or_liver_again(host: Any, opened: Any) -> None:
    parameters, section = opened
    tumor, cyst, liver = (volume(parameters, key) for key in ("tumor", "cyst", "liver"))
    choose(host, section, "cyst")
    click(host, section, ras(15, 18, 18))
    moved = tumor - volume(parameters, "tumor")
    assert moved > 1
    assert volume(parameters, "cyst") == pytest.approx(cyst + moved)
    section.clicks.choose("none")
    click(host, section, ras(15, 18, 18))
    assert volume(parameters, "cyst") == pytest.approx(cyst)
    assert volume(parameters, "liver") == pytest.approx(liver)


def test_a_tool_of_two_clicks_waits_for_the_second(host: Any, opened: Any) -> None:
    parameters, section = opened
    before = volume(parameters, "tumor")
    choose(host, section, "merge")
    click(host, section, ras(15, 18, 18))
    assert "other one" in section.ui.clickLabel.text
    assert volume(parameters, "tumor") == before
    click(host, section, ras(14, 26, 40))
    assert "apart" in section.ui.clickLabel.text or volume(parameters, "tumor") > before


def test_closing_the_section_ends_placing_and_leaves_nothing_behind(host: Any, opened: Any) -> None:
    _parameters, section = opened
    choose(host, section, "cut")
    section.button.collapsed = True
    host.process_events()
    assert not section.clicks.active
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    assert not section.clicks._shortcuts


def test_a_structure_without_a_segment_gets_one(host: Any, opened: Any) -> None:
    parameters, section = opened
    portal = volume(parameters, "portal_vein")
    choose(host, section, "rename:hepatic_artery")
    click(host, section, ras(12.5, 28, 16))
    moved = volume(parameters, "hepatic_artery")
    assert moved > 0
    assert volume(parameters, "portal_vein") == pytest.approx(portal - moved)


def point_in_3d(host: Any, place: np.ndarray) -> Any:
    """Moves the mouse of the 3D view over a place (RAS), seen from the front; its interactor."""
    view = host.app.layoutManager().threeDWidget(0).threeDView()
    view.rotateToViewAxis(3)
    renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
    renderer.SetWorldPoint(*place, 1.0)
    renderer.WorldToDisplay()
    mouse = view.interactor()
    mouse.SetEventInformation(*[round(v) for v in renderer.GetDisplayPoint()[:2]], 0, 0, "\0", 0, None)
    mouse.InvokeEvent("MouseMoveEvent")
    host.process_events()
    return mouse


def on_the_skin(place: np.ndarray) -> np.ndarray:
    """Where Slicer places a point that is clicked in 3D: on the foremost surface."""
    return place + [0.0, 60.0, 0.0]


def test_a_branch_in_3d_lights_up_through_the_liver_and_takes_the_click(
    host: Any, opened: Any, pictures_possible: None
) -> None:
    parameters, section = opened
    portal = volume(parameters, "portal_vein")
    place = ras(12.5, 28, 16)
    choose(host, section, "remove:piece")
    point_in_3d(host, place)
    assert section.clicks._light.GetDisplayNode().GetVisibility()
    click(host, section, on_the_skin(place))
    assert "removed" in section.ui.clickLabel.text.lower(), section.ui.clickLabel.text
    assert volume(parameters, "portal_vein") < portal


def test_a_click_in_3d_that_meets_no_vessel_changes_nothing(host: Any, opened: Any, pictures_possible: None) -> None:
    parameters, section = opened
    before = {key: volume(parameters, key) for key in ("portal_vein", "hepatic_vein", "tumor")}
    choose(host, section, "remove:piece")
    point_in_3d(host, ras(12.5, 28, 16) + [0.0, 0.0, 70.0])
    click(host, section, ras(12.5, 28, 16))  # a vessel is near, but not under the mouse
    assert "nothing here that this tool works on" in section.ui.clickLabel.text
    assert {key: volume(parameters, key) for key in before} == before


def test_a_lesion_is_taken_in_3d_behind_the_surface_of_the_liver(
    host: Any, opened: Any, pictures_possible: None
) -> None:
    parameters, section = opened
    before, labels = volume(parameters, "tumor"), images.array_of(make_labels())
    voxels = np.argwhere(labels == structure("tumor").label)
    place = ras(*voxels[len(voxels) // 2])
    choose(host, section, "none")
    point_in_3d(host, place)
    click(host, section, on_the_skin(place))
    assert volume(parameters, "tumor") < before
