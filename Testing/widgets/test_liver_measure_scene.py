"""The section Measure and the scene: saved and loaded, closed or emptied during a job, and more than one plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measure_section import go_to, open_measures, run
from measured_case import cells


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    return open_measures(host)


def test_a_saved_scene_brings_planes_volumes_and_tables_back(host: Any, opened: Any, tmp_path: Path) -> None:
    parameters, section = opened
    parameters.heightCm, parameters.weightKg = 172, 74
    go_to(host, section, "branches")
    run(host, section, section.ui.branchesButton)
    branches = cells(section.ui.branchesTable)
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    margins = cells(section.ui.marginsTable)
    go_to(host, section, "remnant")
    remnant = cells(section.ui.remnantTable)
    go_to(host, section, "volumes")
    volumes = cells(section.ui.volumesTable)
    bundle = host.save_scene(tmp_path / "case.mrb")
    host.load_scene(bundle)
    assert cells(section.ui.volumesTable) == volumes
    go_to(host, section, "remnant")
    assert section.ui.planesList.count == 1
    again = cells(section.ui.remnantTable)  # markups are saved with some six digits
    assert [float(row[1]) for row in again] == [pytest.approx(float(row[1]), rel=0.01) for row in remnant]
    assert "ml remain" in section.ui.liveLabel.text
    go_to(host, section, "branches")
    again = cells(section.ui.branchesTable)
    assert [row[2:] for row in again] == [row[2:] for row in branches]
    assert "Find them again" in section.ui.notesLabel.toolTip
    go_to(host, section, "margins")
    assert cells(section.ui.marginsTable) == margins
    assert "saved with the scene" in section.ui.notesLabel.toolTip


def test_the_tables_of_one_plan_are_not_shown_for_another(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    assert section.ui.marginsTable.rowCount == 2
    parameters.segmentation = parameters.modelOutput
    host.process_events()
    assert section.ui.marginsTable.rowCount == 0


def test_a_plan_removed_during_a_job_is_said(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "branches")
    host.click(section.ui.branchesButton)
    host.scene.RemoveNode(parameters.segmentation)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()
    assert "removed or replaced" in host.messages[-1].text
    assert parameters.branchesTable is None


def test_a_scene_closed_during_a_job_leaves_nothing_behind(host: Any, opened: Any) -> None:
    _parameters, section = opened
    go_to(host, section, "branches")
    host.click(section.ui.branchesButton)
    host.close_scene()
    host.wait_until(lambda: not section.context.busy, 60)
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 0
    assert section.branches.trees == {}
    assert not host.messages
