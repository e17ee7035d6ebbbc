"""The section Measure: resections that are chosen by name, by Couinaud segments, or around tumors."""

from __future__ import annotations

from typing import Any

import pytest
from measure_section import go_to, open_measures, run
from test_liver_segments import slabs

from LiverPlannerLib.resections.plans import Liver, make_resection
from LiverPlannerLib.resections.presets import PRESETS
from LiverPlannerLib.scene import couinaud as scene_couinaud


@pytest.fixture
def opened(host: Any) -> tuple[Any, Any]:
    parameters, section = open_measures(host)
    go_to(host, section, "remnant")
    return parameters, section


def choose(host: Any, section: Any, name: str) -> None:
    box = section.ui.presetComboBox
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()


def test_a_hepatectomy_is_cut_by_choosing_its_name(host: Any, opened: Any) -> None:
    parameters, section = opened
    section.live.refresh()
    segments = slabs(section)
    scene_couinaud.write_couinaud(parameters.segmentation, segments)
    section.ui.segmentsRadio.click()
    host.process_events()
    assert "Choose a resection" in section.ui.cutButton.toolTip
    choose(host, section, "right hepatectomy")
    assert not host.messages
    wanted = make_resection(Liver(section.live.labels(), segments), {"segments": [5, 6, 7, 8]})
    assert section.remnant.cut.resected_ml == pytest.approx(wanted.resected_ml, rel=1e-6)
    assert [n for n in range(1, 9) if getattr(section.ui, f"cutSegment{n}CheckBox").checked] == [5, 6, 7, 8]
    host.click(section.ui.keepButton)
    assert section.remnant.kept.kept.names == ["Right hepatectomy (S5, S6, S7, S8)"]


def test_a_ticked_segment_changes_the_name_and_outdates_the_cut(host: Any, opened: Any) -> None:
    parameters, section = opened
    section.live.refresh()
    scene_couinaud.write_couinaud(parameters.segmentation, slabs(section))
    section.ui.segmentsRadio.click()
    host.process_events()
    choose(host, section, "left lateral sectionectomy")
    section.ui.cutSegment4CheckBox.click()
    host.process_events()
    assert parameters.cutPreset == "left hepatectomy"
    assert list(parameters.cutSegments) == list(PRESETS["left hepatectomy"])
    assert section.remnant.current_cut() is None
    section.ui.cutSegment1CheckBox.click()
    host.process_events()
    assert section.ui.presetComboBox.currentData == ""
    run(host, section, section.ui.cutButton)
    assert section.remnant.cut.method == "Couinaud segments S1, S2, S3, S4"


def test_without_segments_the_way_to_them_is_said_where_one_looks(host: Any, opened: Any) -> None:
    _parameters, section = opened
    section.ui.segmentsRadio.click()
    host.process_events()
    assert not section.ui.cutButton.enabled
    assert "in the tab Segments" in section.ui.liveLabel.text


def test_ticked_tumors_are_taken_with_their_margin(host: Any, opened: Any) -> None:
    import qt

    parameters, section = opened
    section.ui.sparingRadio.click()
    host.process_events()
    view = section.ui.sparingList
    assert view.count == 2
    assert list(parameters.sparingLesions) == [1, 2]
    view.item(0).setCheckState(qt.Qt.Unchecked)
    section.ui.sparingMarginSpinBox.value = 5
    host.process_events()
    run(host, section, section.ui.cutButton)
    assert not host.messages
    wanted = make_resection(Liver(section.live.labels()), {"sparing": 5.0, "lesions": [2]})
    assert section.remnant.cut.resected_ml == pytest.approx(wanted.resected_ml, rel=1e-6)
    view.item(1).setCheckState(qt.Qt.Unchecked)
    host.process_events()
    assert "Tick a tumor" in section.ui.cutButton.toolTip
    section.refresh()
    assert view.item(1).checkState() == qt.Qt.Unchecked, "what nobody ticked is not taken"


def test_a_chosen_resection_is_in_the_report(host: Any, opened: Any, tmp_path: Any) -> None:
    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.report.tasks import resection_of
    from LiverPlannerLib.scene import report as scene_report

    parameters, section = opened
    section.live.refresh()
    segments = slabs(section)
    scene_couinaud.write_couinaud(parameters.segmentation, segments)
    section.ui.segmentsRadio.click()
    host.process_events()
    assert not scene_report.has_cut(parameters)
    choose(host, section, "left hepatectomy")
    assert scene_report.has_cut(parameters)
    asked = scene_report.request(parameters, tmp_path, "CT")["cut"]
    plan = Labels(section.live.labels(), couinaud=segments)
    assert resection_of(plan, asked, tmp_path).resected_ml == pytest.approx(section.remnant.cut.resected_ml, rel=1e-6)


def test_kept_resections_belong_to_their_plan(host: Any, opened: Any) -> None:
    """Compared with another plan's liver they would be resections that nobody made."""
    parameters, section = opened
    host.click(section.ui.addPlaneButton)
    host.click(section.ui.keepButton)
    run(host, section, section.ui.compareCutsButton)
    mine, kept = parameters.segmentation, parameters.resectionsSegmentation
    other = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Another plan")
    other.CreateDefaultDisplayNodes()
    parameters.segmentation = other
    host.process_events()
    assert parameters.resectionsSegmentation is None
    assert parameters.resectionsTable is None
    assert section.remnant.kept.kept is None or section.remnant.kept.kept.names == []
    assert not kept.GetDisplayNode().GetVisibility()
    parameters.segmentation = mine
    host.process_events()
    assert parameters.resectionsSegmentation is kept
    assert section.ui.keptList.count == 1
    assert section.ui.compareCutsTable.rowCount == 1
