"""Margins to a cut that was moved or removed since say so; they are those of the cut that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from measure_section import go_to, open_measures, run

OLD = "edited since"


@pytest.fixture
def measured(host: Any) -> tuple[Any, Any]:
    """Parameters and section, with margins to a plane."""
    parameters, section = open_measures(host)
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    assert OLD not in section.ui.notesLabel.toolTip
    return parameters, section


def shift(plane: Any, mm: float) -> None:
    x, y, z = plane.GetCenterWorld()
    plane.SetCenterWorld(x + mm, y, z)


def test_a_plane_that_is_moved_makes_the_margins_old_until_it_is_back(host: Any, measured: Any) -> None:
    parameters, section = measured
    (plane,) = parameters.cutPlanes
    before = [row["margin_mm"] for row in section.margins.rows]
    shift(plane, 9)
    host.wait_until(lambda: OLD in section.ui.notesLabel.toolTip, 20)
    shift(plane, -9)
    host.wait_until(lambda: OLD not in section.ui.notesLabel.toolTip, 20)
    shift(plane, 9)
    host.wait_until(lambda: OLD in section.ui.notesLabel.toolTip, 20)
    run(host, section, section.ui.marginsButton)
    assert OLD not in section.ui.notesLabel.toolTip
    assert [row["margin_mm"] for row in section.margins.rows] != before


def test_height_and_weight_do_not_make_them_old(host: Any, measured: Any) -> None:
    parameters, section = measured
    parameters.heightCm, parameters.weightKg = 172, 74
    host.process_events(0.5)
    go_to(host, section, "remnant")
    go_to(host, section, "margins")
    assert OLD not in section.ui.notesLabel.toolTip


def test_a_plane_that_was_deleted_cuts_no_more(host: Any, measured: Any) -> None:
    parameters, section = measured
    slicer.mrmlScene.RemoveNode(parameters.cutPlanes[0])
    host.process_events(0.1)
    section.refresh()
    assert OLD in section.ui.notesLabel.toolTip
    assert section.remnant.current_cut() is None
    run(host, section, section.ui.marginsButton)
    assert all(row["margin_mm"] is None for row in section.margins.rows)
    assert "There is no cut" in section.ui.notesLabel.toolTip
    assert OLD not in section.ui.notesLabel.toolTip


def test_margins_of_a_loaded_scene_are_old_once_its_plane_is_moved(host: Any, measured: Any, tmp_path: Path) -> None:
    _parameters, section = measured
    host.load_scene(host.save_scene(tmp_path / "scene.mrb"))
    host.process_events(0.3)
    section.tabs.setCurrentIndex(0)
    go_to(host, section, "margins")
    assert section.margins.rows
    assert OLD not in section.ui.notesLabel.toolTip
    shift(slicer.util.getNodesByClass("vtkMRMLMarkupsPlaneNode")[0], 9)
    host.wait_until(lambda: OLD in section.ui.notesLabel.toolTip, 20)
