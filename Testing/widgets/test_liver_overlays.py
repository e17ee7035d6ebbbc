"""Planes, sides and branches are seen where they are worked on, and step back elsewhere."""

from __future__ import annotations

from typing import Any

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


def test_buttons_act_on_the_plane_that_was_added_last(host: Any, opened: Any) -> None:
    parameters, section = opened
    host.click(section.ui.addPlaneButton)
    host.process_events(0.1)
    first, second = parameters.cutPlanes
    host.click(section.ui.removePlaneButton)
    host.process_events(0.1)
    assert [n.GetID() for n in parameters.cutPlanes] == [first.GetID()]
    assert second.GetScene() is None
