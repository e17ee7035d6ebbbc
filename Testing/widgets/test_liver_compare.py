"""The section Compare: two segmentations in one table, and their differences as segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured_case import cells, make_labels, open_plan, paint

from LiverPlannerLib.comparison.pair import compare
from LiverPlannerLib.scene.segments import segment_specs
from PreopReviewLib import images
from PreopReviewLib.scene import nodes


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "CompareSection")
    return widget.context.parameters, sections["CompareSection"]


def manual_labels() -> Any:
    labels = make_labels()
    array = images.array_of(labels).copy()
    array[14:20, 22:24, 26:29] = 1  # half of the hepatic vein is missing
    array[array == 3] = 1  # no cyst
    array[10:12, 27:30, 14:38] = 5  # a thicker portal vein
    return images.image_like(array, labels)


def add_reference(host: Any, parameters: Any, labels: Any | None = None, name: str = "Manual") -> Any:
    node = nodes.add_segmentation(host.scene, labels or manual_labels(), segment_specs(), name)
    parameters.referenceSegmentation = node
    host.process_events()
    return node


def run(host: Any, section: Any) -> None:
    host.click(section.ui.compareButton)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()


def test_one_table_has_every_structure_as_the_library_compares_it(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    assert not host.messages
    expected = compare(make_labels(), manual_labels())
    rows = {row[0]: row for row in cells(section.ui.comparisonTable)}
    assert set(rows) == {row.name for row in expected.rows}
    for row in expected.rows:
        assert rows[row.name][2] == (f"{row.overlap.dsc:.3f}" if row.name != "Liver cyst" else "n/a")
    assert rows["Liver cyst"][1] == "not drawn"
    assert rows["Liver cyst"][5] == "n/a"  # HD95
    assert "max-of-two" in section.ui.notesLabel.toolTip
    assert parameters.comparisonTable.GetNumberOfRows() == len(expected.rows)


def test_the_differences_of_the_chosen_structure_are_shown(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    node = parameters.differencesSegmentation
    display = node.GetDisplayNode()
    assert not display.GetVisibility()
    names = [row[0] for row in cells(section.ui.comparisonTable)]
    section.ui.comparisonTable.setCurrentCell(names.index("Portal vein"), 0)
    host.process_events()
    assert display.GetVisibility()
    assert display.GetSegmentVisibility("portal_vein_missed")
    assert not display.GetSegmentVisibility("cyst_extra")
    missed = next(s for s in nodes.read_segments(node) if s.key == "portal_vein_missed")
    expected = (images.array_of(manual_labels()) == 5) & (images.array_of(make_labels()) != 5)
    assert np.array_equal(images.array_of(missed.mask) > 0, expected)
    section.ui.missedCheckBox.checked = False
    host.process_events()
    assert not display.GetVisibility()


def test_conventions_are_named_and_give_their_own_numbers(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    host.choose(section.ui.conventionComboBox, "both directions together (as medpy)")
    run(host, section)
    assert parameters.hd95Convention == "pooled"
    assert "(pooled)" in section.ui.notesLabel.toolTip
    expected = compare(make_labels(), manual_labels(), convention="pooled").row("hepatic_vein").distances.hd95
    row = next(r for r in section.rows if r["structure"] == "Hepatic vein")
    assert row["hd95_mm"] == pytest.approx(expected)


def test_the_correction_effort_is_the_model_output_against_the_plan(host: Any, opened: Any) -> None:
    parameters, section = opened
    host.choose(section.ui.withComboBox, "the model output: what was corrected")
    run(host, section)
    assert "nothing was corrected" in section.ui.summaryLabel.text
    paint(parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    run(host, section)
    assert "Most of all the" in section.ui.summaryLabel.text
    row = next(r for r in section.rows if r["structure"] == "Liver tumor")
    assert row["dsc"] < 1
    assert row["vd_ml"] < 0  # the model had less


def test_another_grid_is_resampled_and_said(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters, images.resample_spacing(manual_labels(), (3.0, 3.0, 4.0), "label"))
    run(host, section)
    assert not host.messages
    assert "resampled to the grid of the reference" in section.ui.notesLabel.toolTip


def test_segmentations_that_do_not_overlap_are_refused(host: Any, opened: Any) -> None:
    parameters, section = opened
    far = manual_labels()
    far.SetOrigin((2000.0, 0.0, 0.0))
    add_reference(host, parameters, far)
    run(host, section)
    assert "do not overlap in space" in host.messages[-1].text
    assert section.ui.comparisonTable.rowCount == 0


def test_the_button_says_why_it_is_off(host: Any, opened: Any) -> None:
    parameters, section = opened
    assert "Choose the second segmentation" in section.ui.compareButton.toolTip
    parameters.referenceSegmentation = parameters.segmentation
    host.process_events()
    assert "is the plan itself" in section.ui.compareButton.toolTip
    parameters.modelOutput = None
    parameters.comparedWith = "model"
    host.process_events()
    assert "no model output" in section.ui.compareButton.toolTip
    parameters.segmentation = None
    host.process_events()
    assert "Segment the liver" in section.ui.compareButton.toolTip


def test_a_reference_without_grid_without_known_segments_or_empty_is_said(host: Any, opened: Any) -> None:
    parameters, section = opened
    parameters.referenceSegmentation = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    host.process_events()
    host.click(section.ui.compareButton)
    assert "'drawn' has no reference geometry" in host.messages[-1].text
    reference = add_reference(host, parameters)
    for number, key in enumerate(nodes.segment_keys(reference)):
        segment = reference.GetSegmentation().GetSegment(key)
        segment.SetName(f"Thing {number}")
        segment.SetTerminology("")
    section.enter()
    assert "No segment of Manual is known here" in section.ui.compareButton.toolTip
    reference.GetSegmentation().RemoveAllSegments()
    section.enter()
    host.click(section.ui.compareButton)
    assert "'Manual' has no segments" in host.messages[-1].text
    assert not section.context.busy


def test_renamed_segments_are_matched_by_their_codes_and_unknown_ones_named(host: Any, opened: Any) -> None:
    parameters, section = opened
    reference = add_reference(host, parameters)
    reference.GetSegmentation().GetSegment("portal_vein").SetName("VP")
    duct = reference.GetSegmentation().GetSegment("bile_duct")
    duct.SetName("Thing")
    duct.SetTerminology("")
    run(host, section)
    rows = {row["structure"]: row for row in section.rows}
    assert rows["Portal vein"]["state"] == ""
    assert rows["Bile duct"]["state"] == "not drawn"
    shown = {row[0]: row[1] for row in cells(section.ui.comparisonTable)}
    assert (shown["Portal vein"], shown["Bile duct"]) == ("", "not drawn")  # beside the name, where it is seen
    assert "Thing of Manual" in section.ui.notesLabel.toolTip


def test_the_reference_may_go_while_the_job_runs(host: Any, opened: Any) -> None:
    parameters, section = opened
    reference = add_reference(host, parameters)
    host.click(section.ui.compareButton)
    host.scene.RemoveNode(reference)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()
    taken = parameters.referenceSegmentation  # Slicer's selector may take a neighbor instead: here only the plan itself
    assert taken is None or taken.GetID() == parameters.segmentation.GetID()
    assert not section.ui.compareButton.enabled
    assert "was removed while it was being compared" in host.messages[-1].text
    assert section.rows == []


def test_a_comparison_is_saved_with_the_scene_and_to_a_file(host: Any, opened: Any, tmp_path: Path) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    table, notes = cells(section.ui.comparisonTable), section.notes
    host.dialogs.answer(str(tmp_path / "table.csv"))
    host.click(section.ui.saveButton)
    assert "hd95_convention" in (tmp_path / "table.csv").read_text("utf-8-sig").splitlines()[0]
    host.load_scene(host.save_scene(tmp_path / "case.mrb"))
    assert cells(section.ui.comparisonTable) == table
    assert section.notes == notes
    names = [row[0] for row in table]
    section.ui.comparisonTable.setCurrentCell(names.index("Portal vein"), 0)
    host.process_events()
    assert section.parameters.differencesSegmentation.GetDisplayNode().GetVisibility()


def test_a_closed_scene_leaves_no_table(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    host.close_scene()
    assert section.ui.comparisonTable.rowCount == 0
    assert section.rows == []


def test_what_nobody_drew_is_not_judged(host: Any, opened: Any) -> None:
    """A reference with the liver alone: nothing is known of lesions and vessels."""
    parameters, section = opened
    liver = [spec for spec in segment_specs() if spec.key == "liver"]
    parameters.referenceSegmentation = nodes.add_segmentation(host.scene, make_labels(), liver, "Liver alone")
    run(host, section)
    assert not host.messages
    rows = {row["structure"]: row for row in section.rows}
    assert rows["Liver"]["dsc"] == pytest.approx(1.0)
    tumor = rows["Liver tumor"]
    assert (tumor["state"], tumor["dsc"], tumor["hd95_mm"], tumor["reference_ml"]) == ("not drawn", None, None, None)
    assert tumor["predicted_ml"] > 0
    assert "false" not in section.ui.summaryLabel.text


def test_differences_step_back_while_the_section_is_closed(host: Any, opened: Any) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    names = [row[0] for row in cells(section.ui.comparisonTable)]
    section.ui.comparisonTable.setCurrentCell(names.index("Portal vein"), 0)
    host.process_events()
    display = parameters.differencesSegmentation.GetDisplayNode()
    for closed in (False, True, False):
        section.button.collapsed = closed
        host.process_events()
        assert (bool(display.GetVisibility2D()), bool(display.GetVisibility3D())) == (not closed, not closed)
        assert display.GetVisibility()


def test_numbers_say_whose_they_are_and_that_one_was_edited_since(host: Any, opened: Any) -> None:
    parameters, section = opened
    reference = add_reference(host, parameters)
    run(host, section)
    said = section.ui.summaryLabel
    assert f"{parameters.segmentation.GetName()} / Manual" in said.text
    assert "edited" not in said.text
    paint(parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    host.process_events()
    assert f"{parameters.segmentation.GetName()} has been edited since" in said.text
    run(host, section)
    assert "edited" not in said.text
    other = add_reference(host, parameters, name="Another")
    assert "with Manual, not what is chosen above" in said.text
    run(host, section)
    assert "not what is chosen" not in said.text
    assert "/ Another" in said.text
    paint(reference, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    host.process_events()
    assert "edited" not in said.text, "it is not compared any more"
    host.scene.RemoveNode(other)
    host.process_events()
    assert section.rows
    assert "with Another, not what is chosen above" in said.text


def test_a_comparison_is_followed_again_after_its_scene_was_loaded(host: Any, opened: Any, tmp_path: Path) -> None:
    parameters, section = opened
    add_reference(host, parameters)
    run(host, section)
    host.load_scene(host.save_scene(tmp_path / "case.mrb"))
    assert section.rows
    assert "/ Manual" in section.ui.summaryLabel.text
    paint(section.parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    host.process_events()
    assert "has been edited since" in section.ui.summaryLabel.text


def test_another_plan_has_its_own_comparison_or_none(host: Any, opened: Any) -> None:
    parameters, section = opened
    first = parameters.segmentation
    reference = add_reference(host, parameters)
    run(host, section)
    rows = section.rows
    parameters.segmentation = nodes.add_segmentation(host.scene, make_labels(), segment_specs(), "Another plan")
    host.process_events()
    assert section.rows == []
    assert section.ui.comparisonTable.rowCount == 0
    parameters.segmentation = first
    parameters.referenceSegmentation = reference
    host.process_events()
    assert [row["structure"] for row in section.rows] == [row["structure"] for row in rows]
    assert "edited" not in section.ui.summaryLabel.text


def test_a_plan_that_is_chosen_while_another_is_compared_keeps_its_own_comparison(host: Any, opened: Any) -> None:
    parameters, section = opened
    reference = add_reference(host, parameters)
    first = parameters.segmentation
    run(host, section)
    table, rows = parameters.comparisonTable, cells(section.ui.comparisonTable)
    second = nodes.add_segmentation(host.scene, manual_labels(), segment_specs(), "Second")
    parameters.segmentation = second
    parameters.referenceSegmentation = reference
    host.process_events()
    host.click(section.ui.compareButton)
    parameters.segmentation = first
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()
    assert "was replaced while it was being compared" in host.messages[-1].text
    assert parameters.comparisonTable is table
    assert table.GetName().startswith(f"Comparison {first.GetName()}")
    assert cells(section.ui.comparisonTable) == rows


def test_a_segment_of_the_reference_without_a_meaning_gets_one_in_the_panel(host: Any, opened: Any) -> None:
    """As a mask of another program is loaded: one segment, called Segment_1."""
    parameters, section = opened
    liver = [spec for spec in segment_specs() if spec.key == "liver"]
    reference = nodes.add_segmentation(host.scene, make_labels(), liver, "mask.nii.gz")
    segment = reference.GetSegmentation().GetNthSegment(0)
    segment.SetName("Segment_1")
    segment.SetTerminology("")
    parameters.referenceSegmentation = reference
    host.process_events()
    ui = section.ui
    assert "1 not counted" in ui.referenceMeaningButton.text
    assert "say below which of its segments is the liver" in ui.compareButton.toolTip.lower()
    host.choose(ui.referenceMeaningTable.cellWidget(0, 1), "Liver")
    assert "not counted" not in ui.referenceMeaningButton.text
    run(host, section)
    assert not host.messages
    assert next(row for row in section.rows if row["structure"] == "Liver")["dsc"] == pytest.approx(1.0)
