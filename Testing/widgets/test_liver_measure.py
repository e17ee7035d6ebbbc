"""The section Measure: volumes, remnant, margins, branches and radiomics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measured_case import cells, make_labels, open_plan, paint

from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from LiverPlannerLib.resection.volumetry import Patient, volumetry
from LiverPlannerLib.scene.branches import COLUMNS as BRANCH_COLUMNS
from LiverPlannerLib.scene.measures import VOLUME_COLUMNS
from LiverPlannerLib.scene.tables import read_table
from PreopReviewLib.scene import nodes

TABS = {"volumes": 0, "remnant": 1, "margins": 2, "branches": 3, "radiomics": 4}


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "MeasureSection")
    return widget.context.parameters, sections["MeasureSection"]


def go_to(host: Any, section: Any, tab: str) -> None:
    section.tabs.setCurrentIndex(TABS[tab])
    host.process_events()


def run(host: Any, section: Any, button: Any) -> None:
    """Clicks and waits for the job."""
    host.click(button)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()


def shown(table: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in cells(table)}


# ---- volumes ----


def test_volumes_are_those_of_the_command(host: Any, opened: Any) -> None:
    parameters, section = opened
    parameters.heightCm, parameters.weightKg = 172, 74
    host.process_events()
    expected = volumetry(make_labels(), patient=Patient(172, 74)).as_rows()
    rows = read_table(parameters.volumesTable, VOLUME_COLUMNS)
    assert [r["measure"] for r in rows] == [r["measure"] for r in expected]
    assert [r["value"] for r in rows] == [pytest.approx(r["value"], rel=1e-5) for r in expected]
    assert shown(section.ui.volumesTable)["Total liver volume (TLV)"] == f"{expected[0]['value']:.0f}"


def test_volumes_follow_edits_exclusions_and_the_patient(host: Any, opened: Any) -> None:
    parameters, section = opened
    table = section.ui.volumesTable
    before = float(shown(table)["Functional liver volume"])
    section.ui.excludeVesselsCheckBox.checked = True
    host.process_events()
    assert float(shown(table)["Functional liver volume"]) < before
    paint(parameters.segmentation, "tumour", (slice(12, 18), slice(20, 26), slice(20, 26)))
    tumour = float(shown(table)["Liver tumour"])
    host.wait_until(lambda: float(shown(table)["Liver tumour"]) > tumour, 20)
    parameters.heightCm = 1.72
    parameters.weightKg = 74
    host.process_events()
    assert "cm, not m" in section.ui.notesLabel.text
    parameters.weightKg = 0
    host.process_events()
    assert "both height and weight" in section.ui.notesLabel.text


def test_without_a_plan_or_with_an_empty_one_a_sentence_says_so(host: Any, opened: Any) -> None:
    parameters, section = opened
    for key in nodes.segment_keys(parameters.segmentation):
        paint(parameters.segmentation, key, (slice(None),) * 3, 0)
    section.live.update()
    assert "are empty" in section.ui.stateLabel.text
    assert section.ui.volumesTable.rowCount == 0
    parameters.segmentation.GetSegmentation().RemoveAllSegments()
    section.live.update()
    assert "has no segments" in section.ui.stateLabel.text
    parameters.segmentation = None
    host.process_events()
    assert "Segment the liver" in section.ui.stateLabel.text
    assert not section.ui.saveButton.enabled
    assert "no table" in section.ui.saveButton.toolTip


# ---- export ----


def test_the_table_goes_to_the_clipboard_and_to_a_file(host: Any, opened: Any, tmp_path: Path) -> None:
    import qt

    section = opened[1]
    host.click(section.ui.copyButton)
    assert qt.QApplication.clipboard().text().startswith("Measure\tValue\tUnit\tHow\nTotal liver volume (TLV)\t")
    host.dialogs.answer(str(tmp_path / "volumes"))
    host.click(section.ui.saveButton)
    text = (tmp_path / "volumes.csv").read_text("utf-8-sig")
    assert text.startswith("measure,value,unit,how\nTotal liver volume (TLV),")
    assert text.rstrip().splitlines()[-1].startswith("# ")


def test_a_folder_that_cannot_be_written_is_an_error_in_words(host: Any, opened: Any, tmp_path: Path) -> None:
    _parameters, section = opened
    (tmp_path / "file").write_text("")
    host.dialogs.answer(str(tmp_path / "file" / "volumes.csv"))
    host.click(section.ui.saveButton)
    assert "cannot be written" in host.messages[-1].text
    assert "Choose a folder" in host.messages[-1].text


# ---- remnant ----


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
    host.wait_until(lambda: "takes nothing" in section.ui.liveLabel.text, 20)
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
    assert not parameters.segmentation.GetDisplayNode().GetSegmentVisibility3D("liver")
    section.ui.sidesCheckBox.checked = False
    host.process_events()
    assert not node.GetDisplayNode().GetVisibility()
    assert parameters.segmentation.GetDisplayNode().GetSegmentVisibility3D("liver")


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
    for dy, dz in ((-30, -20), (30, -20), (30, 20), (-30, 20)):
        curve.AddControlPointWorld(vtk.vtkVector3d(x + 5, y + dy, z + dz))
    section.refresh()
    run(host, section, section.ui.cutButton)
    assert not host.messages
    labels = make_labels()
    plane = resect_by_planes(labels, [Plane((x + 5, y, z), (1.0, 0.0, 0.0))])
    assert section.remnant.cut.resected_ml == pytest.approx(plane.resected_ml, rel=0.02)
    assert "a drawn curve" in [row["how"] for row in section.remnant.rows]
    curve.SetNthControlPointPositionWorld(0, x + 15, y - 30, z - 20)
    section.refresh()
    assert "cut by, was edited since" in section.ui.notesLabel.text
    assert section.remnant.current_cut() is None


# ---- margins, branches, territory, radiomics ----


def test_margins_use_the_cut_and_say_when_they_are_old(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    titles = [section.ui.marginsTable.horizontalHeaderItem(c).text() for c in range(4)]
    assert titles == ["Lesion", "Volume\n(ml)", "Fate", "To the\ncut (mm)"]
    rows = section.margins.rows
    assert len(rows) == 2
    assert {row["fate"] for row in rows} <= {"resected", "in the remnant", "cut"}
    assert parameters.marginsTable.GetNumberOfRows() == 2
    assert "edited since" not in section.ui.notesLabel.text
    paint(parameters.segmentation, "tumour", (slice(12, 18), slice(20, 26), slice(20, 26)))
    section.live.update()
    assert "edited since" in section.ui.notesLabel.text


def test_margins_without_a_tumour_say_why_not(host: Any, opened: Any) -> None:
    parameters, section = opened
    parameters.segmentation.GetSegmentation().RemoveSegment("tumour")
    section.live.update()
    go_to(host, section, "margins")
    assert not section.ui.marginsButton.enabled
    assert "no liver tumour in the plan" in section.ui.marginsButton.toolTip
    assert "no liver tumour in the plan" in section.ui.stateLabel.text  # a page with nothing but a dead button is none
    go_to(host, section, "volumes")
    assert not section.ui.stateLabel.text


def test_a_branch_that_hangs_on_no_root_has_no_order_and_comes_last(host: Any) -> None:
    from types import SimpleNamespace

    from LiverPlannerLib.scene.branches import branch_rows

    branch = {"id": 1, "main": False, "radius_mm": 2.0, "length_mm": 9.0, "ml": 0.1, "parent": None, "reason": ""}
    tree = SimpleNamespace(branches=[SimpleNamespace(**branch, generation=g, overridden=False) for g in (-1, 0)])
    order = next(c for c in BRANCH_COLUMNS if c.key == "generation")
    assert [order.shown(row["generation"]) for row in branch_rows({"portal_vein": tree})] == ["0", "–"]


def test_branches_are_overruled_by_hand_and_that_is_kept(host: Any, opened: Any) -> None:
    import qt

    parameters, section = opened
    go_to(host, section, "branches")
    run(host, section, section.ui.branchesButton)
    assert set(section.branches.trees) == {"portal_vein", "hepatic_vein", "bile_duct"}
    before = section.branches.shown_rows[0]["main"]
    section.ui.branchesTable.item(0, 1).setCheckState(qt.Qt.Unchecked if before else qt.Qt.Checked)
    host.process_events(0.5)
    row = section.branches.shown_rows[0]
    assert (row["main"], row["overridden"]) == (not before, True)
    assert read_table(parameters.branchesTable, BRANCH_COLUMNS)[0]["overridden"]
    run(host, section, section.ui.branchesButton)
    assert section.branches.shown_rows[0]["main"] is (not before)
    assert parameters.branchesSegmentation.GetDisplayNode().GetVisibility()
    section.ui.showBranchesCheckBox.checked = False
    host.process_events()
    assert not parameters.branchesSegmentation.GetDisplayNode().GetVisibility()
    assert parameters.segmentation.GetDisplayNode().GetSegmentVisibility("portal_vein")


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
    assert "approximation" in section.ui.notesLabel.text
    assert len(parameters.territoryBranches) == 1


def test_radiomics_says_when_its_package_is_missing(host: Any, opened: Any, monkeypatch: Any) -> None:
    from LiverPlannerLib.radiomics import features as radiomics

    _parameters, section = opened
    monkeypatch.setattr(radiomics, "find_spec", lambda name: None)
    go_to(host, section, "radiomics")
    host.click(section.ui.radiomicsButton)
    assert "needs the package mirp" in host.messages[-1].text
    assert not section.context.busy


def test_features_of_lesions_are_a_table_of_the_scene(host: Any, opened: Any) -> None:
    pytest.importorskip("mirp", reason="MIRP is not installed (pip install 'preopreview[radiomics]')")
    parameters, section = opened
    go_to(host, section, "radiomics")
    run(host, section, section.ui.radiomicsButton)
    assert not host.messages
    assert len(section.radiomics.rows) > 50
    assert {c.key for c in section.radiomics.columns} <= {"feature", "tumour", "cyst"}
    assert parameters.radiomicsTable.GetNumberOfRows() == len(section.radiomics.rows)


# ---- the scene ----


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
    assert "Find them again" in section.ui.notesLabel.text
    go_to(host, section, "margins")
    assert cells(section.ui.marginsTable) == margins
    assert "saved with the scene" in section.ui.notesLabel.text


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
