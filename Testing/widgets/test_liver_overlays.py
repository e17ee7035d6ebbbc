"""Planes, sides and branches are seen where they are worked on, and step back elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measured_case import open_plan


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "MeasureSection")
    section = sections["MeasureSection"]
    section.tabs.setCurrentIndex(1)
    host.click(section.ui.addPlaneButton)
    host.process_events(1.0)
    section.ui.sidesCheckBox.checked = True
    host.process_events()
    return widget.context.parameters, section


def seen(node: Any) -> bool:
    display = node.GetDisplayNode()
    return bool(display.GetVisibility() and display.GetVisibility3D() and display.GetVisibility2D())


def liver_seen(parameters: Any) -> bool:
    return bool(parameters.segmentation.GetDisplayNode().GetSegmentVisibility3D("liver"))


def test_a_cut_steps_back_in_other_tabs_and_sections_and_still_cuts(host: Any, opened: Any) -> None:
    parameters, section = opened
    plane, sides = parameters.cutPlanes[0], parameters.sidesSegmentation
    assert (seen(plane), seen(sides), liver_seen(parameters)) == (True, True, False)
    resected = section.remnant.cut.resected_ml
    section.tabs.setCurrentIndex(0)
    host.process_events()
    assert (seen(plane), seen(sides), liver_seen(parameters)) == (False, False, True)
    section.tabs.setCurrentIndex(2)  # margins are to the cut
    host.process_events()
    assert seen(plane)
    section.button.collapsed = True
    host.process_events()
    assert (seen(plane), seen(sides), liver_seen(parameters)) == (False, False, True)
    section.button.collapsed = False
    section.tabs.setCurrentIndex(1)
    host.process_events()
    assert (seen(plane), seen(sides), liver_seen(parameters)) == (True, True, False)
    assert section.remnant.current_cut().resected_ml == pytest.approx(resected)


def test_sides_of_a_cut_are_shown_without_asking(host: Any) -> None:
    widget, sections = open_plan(host, "MeasureSection")
    section = sections["MeasureSection"]
    section.tabs.setCurrentIndex(1)
    host.click(section.ui.addPlaneButton)
    host.process_events(1.0)
    assert section.ui.sidesCheckBox.checked
    assert seen(widget.context.parameters.sidesSegmentation)


def test_planes_step_back_while_another_way_to_cut_is_chosen(host: Any, opened: Any) -> None:
    parameters, section = opened
    plane = parameters.cutPlanes[0]
    host.click(section.ui.surfaceRadio)
    host.process_events()
    assert not seen(plane)
    host.click(section.ui.planesRadio)
    host.process_events()
    assert seen(plane)


def test_only_the_chosen_curve_is_shown(host: Any, opened: Any) -> None:
    parameters, section = opened
    host.click(section.ui.surfaceRadio)
    curves = []
    for n in range(2):
        curve = host.scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", f"Cut curve {n}")
        curve.CreateDefaultDisplayNodes()
        parameters.cutSurface = curve
        host.process_events()
        curves.append(curve)
    assert [seen(curve) for curve in curves] == [False, True]
    parameters.cutSurface = curves[0]
    host.process_events()
    assert [seen(curve) for curve in curves] == [True, False]


def test_handles_of_a_plane_are_below_the_liver_and_the_plane_goes_through_its_middle(host: Any, opened: Any) -> None:
    parameters, section = opened
    plane, middle = parameters.cutPlanes[0], np.array(section.remnant.planes._live_cut().center_ras)
    bounds = [0.0] * 6
    parameters.segmentation.GetRASBounds(bounds)
    handle, normal = np.array(plane.GetOriginWorld()), np.array(plane.GetNormalWorld())
    assert handle[2] < bounds[4]
    assert abs((handle - middle) @ normal) < 1e-6
    plane.SetOriginWorld(*(handle + 7.3 * normal))  # a new plane halves the liver: another one tells the sides apart
    host.process_events(1.0)
    before = corners(plane)
    kept = section.remnant.cut.remnant_ml
    host.click(section.ui.flipPlaneButton)
    host.process_events(1.0)
    assert section.remnant.cut.resected_ml == pytest.approx(kept)
    assert np.allclose(sorted(map(tuple, corners(plane).round(3))), sorted(map(tuple, before.round(3))))


def corners(plane: Any) -> np.ndarray:
    x, y, z = np.zeros(3), np.zeros(3), np.zeros(3)
    plane.GetAxesWorld(x, y, z)
    x0, x1, y0, y1 = plane.GetPlaneBounds()
    return np.array([np.array(plane.GetOriginWorld()) + a * x + b * y for a in (x0, x1) for b in (y0, y1)])


def test_handles_grow_under_the_mouse(host: Any, opened: Any) -> None:
    parameters, _section = opened
    display = parameters.cutPlanes[0].GetDisplayNode()
    small = display.GetInteractionHandleScale()
    display.SetActiveComponent(display.ComponentTranslationHandle, 0)  # as Slicer does under the mouse
    assert display.GetInteractionHandleScale() > small
    display.SetActiveComponent(display.ComponentNone, -1)
    assert display.GetInteractionHandleScale() == small


def test_buttons_act_on_the_plane_that_was_added_last(host: Any, opened: Any) -> None:
    parameters, section = opened
    host.click(section.ui.addPlaneButton)
    host.process_events(0.1)
    first, second = parameters.cutPlanes
    host.click(section.ui.removePlaneButton)
    host.process_events(0.1)
    assert [n.GetID() for n in parameters.cutPlanes] == [first.GetID()]
    assert second.GetScene() is None
