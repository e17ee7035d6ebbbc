"""The section Measure: volumes, their export, margins, branches and radiomics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from measure_section import go_to, open_measures, run, shown
from measured_case import make_labels, paint

from LiverPlannerLib.resection.volumetry import Patient, volumetry
from LiverPlannerLib.scene.branches import COLUMNS as BRANCH_COLUMNS
from LiverPlannerLib.scene.plan_tables import VOLUME_COLUMNS
from LiverPlannerLib.scene.tables import read_table
from LiverPlannerLib.structures import structure
from PreopReviewLib.scene import nodes


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    return open_measures(host)


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
    paint(parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    tumor = float(shown(table)["Liver tumor"])
    host.wait_until(lambda: float(shown(table)["Liver tumor"]) > tumor, 20)
    parameters.heightCm = 1.72
    parameters.weightKg = 74
    host.process_events()
    assert "cm, not m" in section.ui.notesLabel.toolTip
    parameters.weightKg = 0
    host.process_events()
    assert "both height and weight" in section.ui.notesLabel.toolTip


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


# ---- margins, branches, radiomics ----


def test_margins_use_the_cut_and_say_when_they_are_old(host: Any, opened: Any) -> None:
    parameters, section = opened
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    table = section.ui.marginsTable
    shown = [c for c in range(table.columnCount) if not table.isColumnHidden(c)]
    titles = [table.horizontalHeaderItem(c).text() for c in shown]
    assert titles[:5] == ["#", "ml", "Fate", "Cut\n(mm)", "Nearest"]
    header = table.horizontalHeader()
    assert not header.stretchLastSection, "a number that is cut off reads as another one"
    assert header.sectionSize(shown[-1]) >= table.sizeHintForColumn(shown[-1])
    rows = section.margins.rows
    assert len(rows) == 2
    assert {row["fate"] for row in rows} <= {"resected", "in the remnant", "cut"}
    assert parameters.marginsTable.GetNumberOfRows() == 2
    assert "edited since" not in section.ui.notesLabel.toolTip
    paint(parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    section.live.update()
    assert "edited since" in section.ui.notesLabel.toolTip


def test_a_row_of_the_margins_shows_the_shortest_distance_as_a_line(host: Any, opened: Any) -> None:
    from LiverPlannerLib.scene.lines import line_of

    _parameters, section = opened
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    table = section.ui.marginsTable
    hidden = [table.isColumnHidden(c) for c in range(table.columnCount)]
    assert sum(not h for h in hidden) < 9
    table.cellClicked.emit(0, 0)
    row, line = section.margins.rows[0], line_of(host.scene)
    assert row["nearest"].lower() in line.GetName()
    reach = min(v for k, v in row.items() if k.startswith("to_") and k.endswith("_mm") and v is not None)
    assert line.GetLineLengthWorld() == pytest.approx(reach, abs=0.05)
    assert line.GetName().endswith(f": {reach:.1f} mm")
    assert line.GetPropertiesLabelText() == "", "Slicer would write the length once more, with four digits"
    table.cellClicked.emit(1, 0)
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode") == 1
    go_to(host, section, "volumes")
    assert not line_of(host.scene).GetDisplayNode().GetVisibility3D()
    go_to(host, section, "margins")
    host.click(section.ui.allColumnsCheckBox)
    assert not any(table.isColumnHidden(c) for c in range(table.columnCount))


def test_notes_are_one_line_with_their_number_until_they_are_clicked(host: Any) -> None:
    import qt

    from LiverPlannerLib.panels.tables import FoldedNotes

    label = qt.QLabel()
    notes = FoldedNotes(label)
    notes.show(["Only one."])
    assert label.text == "Only one."
    notes.show(["First.", "Second.", "Third."], "Edited since.")
    assert "3 notes" in label.text
    assert "Edited since." in label.text
    assert "Second." not in label.text
    assert "Second." in label.toolTip
    label.linkActivated.emit("notes")
    assert "Second." in label.text
    notes.show([])
    assert label.text == ""


def test_lesions_with_segments_of_their_own_stay_apart_where_they_touch(host: Any, opened: Any) -> None:
    import slicer

    parameters, section = opened
    content = parameters.segmentation.GetSegmentation()
    second = slicer.vtkSegment()
    second.DeepCopy(content.GetSegment("tumor"))
    second.SetName("HCC S4")
    content.AddSegment(second, "second")
    paint(parameters.segmentation, "second", (slice(None),) * 3, 0)
    paint(parameters.segmentation, "second", (slice(14, 17), slice(24, 28), slice(16, 20)))
    section.live.update()
    go_to(host, section, "remnant")
    host.click(section.ui.addPlaneButton)
    assert "HCC S4" in [row["measure"] for row in section.remnant.rows]
    go_to(host, section, "margins")
    run(host, section, section.ui.marginsButton)
    assert sorted(row["name"] for row in section.margins.rows) == ["HCC S4", "Liver tumor", "Liver tumor"]
    assert section.ui.marginsTable.horizontalHeaderItem(1).text() == "Name"
    assert parameters.marginsTable.GetNumberOfRows() == 3


def test_margins_without_a_tumor_say_why_not(host: Any, opened: Any) -> None:
    parameters, section = opened
    parameters.segmentation.GetSegmentation().RemoveSegment("tumor")
    section.live.update()
    go_to(host, section, "margins")
    assert not section.ui.marginsButton.enabled
    assert "no liver tumor in the plan" in section.ui.marginsButton.toolTip
    assert "no liver tumor in the plan" in section.ui.stateLabel.text  # a page with nothing but a dead button is none
    go_to(host, section, "volumes")
    assert not section.ui.stateLabel.text


def test_territories_are_colored_and_give_branches_their_names_ml_and_percent(host: Any, opened: Any) -> None:
    from LiverPlannerLib.scene.territories import territories_node

    _parameters, section = opened
    go_to(host, section, "branches")
    run(host, section, section.ui.branchesButton)
    assert territories_node(host.scene) is None
    host.choose(section.ui.vesselComboBox, "Portal vein")
    host.click(section.ui.territoriesCheckBox)
    host.wait_until(lambda: not section.context.busy, 240.0)
    node = territories_node(host.scene)
    assert node is not None, host.messages
    assert node.GetDisplayNode().GetVisibility()
    content = node.GetSegmentation()
    names = [content.GetNthSegment(n).GetName() for n in range(content.GetNumberOfSegments())]
    assert names
    assert all(name.endswith("%") for name in names)
    trunks = [row for row in section.branches.shown_rows if row["parent"] is None and row["territory_percent"]]
    assert sum(row["territory_percent"] for row in trunks) == pytest.approx(100, abs=0.5)
    go_to(host, section, "volumes")
    assert not node.GetDisplayNode().GetVisibility3D()
    go_to(host, section, "branches")
    host.click(section.ui.territoriesCheckBox)
    assert not node.GetDisplayNode().GetVisibility()


def test_a_branch_is_lit_and_chosen_in_3d_and_slices(host: Any, opened: Any, pictures_possible: None) -> None:
    _parameters, section = opened
    go_to(host, section, "branches")
    run(host, section, section.ui.branchesButton)
    page, view = section.branches, host.app.layoutManager().threeDWidget(0).threeDView()
    view.rotateToViewAxis(3)
    key, wanted = "hepatic_vein", 1
    line = page.trees[key].centerline(wanted)
    place = line[len(line) // 2]
    renderer, mouse = view.renderWindow().GetRenderers().GetFirstRenderer(), view.interactor()
    renderer.SetWorldPoint(*place, 1.0)
    renderer.WorldToDisplay()
    mouse.SetEventInformation(*[round(v) for v in renderer.GetDisplayPoint()[:2]], 0, 0, "\0", 0, None)
    mouse.InvokeEvent("MouseMoveEvent")
    assert page.picking._light.GetDisplayNode().GetVisibility()
    lit = page.picking._lit
    for event in ("LeftButtonPressEvent", "LeftButtonReleaseEvent"):
        mouse.InvokeEvent(event)
    host.process_events()
    row = page.shown_rows[section.ui.branchesTable.currentRow()]
    assert (row["structure"], row["id"]) == (structure(lit[0]).name, lit[1])
    cross = host.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    cross.SetCursorPositionXYZ([0.0, 0.0, 0.0], host.app.layoutManager().sliceWidget("Red").mrmlSliceNode())
    cross.SetCursorPositionRAS(place.tolist())
    assert page.picking._lit == (key, wanted)
    slice_mouse = host.app.layoutManager().sliceWidget("Red").sliceView().interactor()
    for event in ("LeftButtonPressEvent", "LeftButtonReleaseEvent"):
        slice_mouse.InvokeEvent(event)
    host.process_events()
    row = page.shown_rows[section.ui.branchesTable.currentRow()]
    assert (row["structure"], row["id"]) == (structure(key).name, wanted)
    go_to(host, section, "volumes")
    assert not page.picking._light.GetDisplayNode().GetVisibility()


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


def test_radiomics_says_when_its_package_is_missing(host: Any, opened: Any, monkeypatch: Any) -> None:
    from LiverPlannerLib.radiomics import features as radiomics

    _parameters, section = opened
    monkeypatch.setattr(radiomics, "find_spec", lambda name: None)
    go_to(host, section, "radiomics")
    host.click(section.ui.radiomicsButton)
    assert "needs the package mirp" in host.messages[-1].text
    assert not section.context.busy


@pytest.mark.slow
def test_features_of_lesions_are_a_table_of_the_scene(host: Any, opened: Any) -> None:
    pytest.importorskip("mirp", reason="MIRP is not installed (pip install 'preopreview[radiomics]')")
    parameters, section = opened
    go_to(host, section, "radiomics")
    run(host, section, section.ui.radiomicsButton)
    assert not host.messages
    assert len(section.radiomics.rows) > 50
    assert {c.key for c in section.radiomics.columns} <= {"feature", "tumor_1", "tumor_2", "cyst_1"}
    assert parameters.radiomicsTable.GetNumberOfRows() == len(section.radiomics.rows)
