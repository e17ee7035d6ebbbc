"""The section Measure: the remnant's blood supply, and resections that are kept and compared."""

from __future__ import annotations

from typing import Any

import pytest
from measure_section import go_to, run
from measured_case import cells, open_plan, paint


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    widget, sections = open_plan(host, "MeasureSection")
    section = sections["MeasureSection"]
    go_to(host, section, "remnant")
    return widget.context.parameters, section


def test_resections_are_kept_named_switched_removed_and_brought_back(host: Any, opened: Any) -> None:
    parameters, section = opened
    ui = section.ui
    assert "Cut the liver first" in ui.keepButton.toolTip
    host.click(ui.addPlaneButton)
    host.click(ui.keepButton)
    first = section.remnant.cut.resected_ml
    host.click(ui.flipPlaneButton)
    host.click(ui.keepButton)
    kept = section.remnant.kept.kept
    assert kept.names == ["One plane", "One plane 2"]
    ui.keptList.item(0).setText("Right side")
    host.process_events()
    assert section.remnant.kept.kept.names == ["Right side", "One plane 2"]
    display = parameters.resectionsSegmentation.GetDisplayNode()
    ui.keptList.setCurrentRow(0)
    host.process_events()
    ids = [parameters.resectionsSegmentation.GetSegmentation().GetNthSegmentID(n) for n in (0, 1)]
    assert [display.GetSegmentVisibility(i) for i in ids] == [True, False]
    masks = section.remnant.kept.kept.masks(section.live.labels())
    from PreopReviewLib import images

    ml = [images.array_of(m).sum() * images.voxel_ml(m) for m in masks]
    assert ml[0] == pytest.approx(first, rel=0.01)
    host.click(ui.dropButton)
    assert section.remnant.kept.kept.names == ["One plane 2"]
    host.click(ui.undropButton)
    assert section.remnant.kept.kept.names == ["Right side", "One plane 2"]


def test_kept_resections_are_compared_side_by_side(host: Any, opened: Any) -> None:
    parameters, section = opened
    host.click(section.ui.addPlaneButton)
    host.click(section.ui.keepButton)
    host.click(section.ui.flipPlaneButton)
    host.click(section.ui.keepButton)
    run(host, section, section.ui.compareCutsButton)
    assert not host.messages
    rows = cells(section.ui.compareCutsTable)
    assert [row[0] for row in rows] == ["One plane", "One plane 2"]
    assert section.ui.comparedLabel.isHidden()
    section.ui.excludeVesselsCheckBox.checked = True
    host.process_events()
    assert "compare them again" in section.ui.comparedLabel.text
    section.ui.excludeVesselsCheckBox.checked = False
    host.process_events()
    assert section.ui.comparedLabel.isHidden()
    paint(parameters.segmentation, "tumor", (slice(12, 18), slice(20, 26), slice(20, 26)))
    host.wait_until(lambda: "compare them again" in section.ui.comparedLabel.text, 20)
    run(host, section, section.ui.compareCutsButton)
    assert section.ui.comparedLabel.isHidden()
    rows = cells(section.ui.compareCutsTable)
    whole = float(rows[0][1]) + float(rows[1][1])
    assert whole == pytest.approx(section.live.measures.plan.volume_ml("liver"), rel=0.03)
    assert parameters.resectionsTable is not None


def test_kept_resections_are_compared_on_one_page(host: Any, opened: Any, tmp_path: Any) -> None:
    _parameters, section = opened
    assert not section.ui.cutsPageButton.enabled
    host.click(section.ui.addPlaneButton)
    host.click(section.ui.keepButton)
    host.click(section.ui.flipPlaneButton)
    host.click(section.ui.keepButton)
    host.dialogs.answer(str(tmp_path / "two"))
    run(host, section, section.ui.cutsPageButton)
    assert not host.messages
    page = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert page.count("One plane 2") > 1
    assert "Side by side" in page
    assert (tmp_path / "two_resections.csv").is_file()
    assert "two.html" in section.ui.cutsPageLabel.text
    assert [row[0] for row in cells(section.ui.compareCutsTable)] == ["One plane", "One plane 2"]


def test_the_supply_follows_the_plane(host: Any, opened: Any) -> None:
    _parameters, section = opened
    host.click(section.ui.addPlaneButton)
    assert "inflow" not in section.ui.liveLabel.text
    run(host, section, section.ui.supplyButton)
    assert not host.messages
    assert "without inflow" in section.ui.liveLabel.text
    assert "congested" in section.ui.liveLabel.text
    measures = [row["measure"] for row in section.remnant.rows]
    assert "Remnant without portal inflow" in measures
    assert "Vessels and ducts crossed" in measures
    assert any("not a measurement" in note for note in section.remnant.notes)
    before = section.ui.liveLabel.text
    host.click(section.ui.flipPlaneButton)
    assert section.ui.liveLabel.text != before
