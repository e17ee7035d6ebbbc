"""The section Report in the test host: what goes on the page, identity, bad input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from liver_case import asked_of_the_worker

from PreopReviewLib import images

SHAPE = (24, 30, 34)


def gray() -> sitk.Image:
    array = np.random.default_rng(1).normal(100, 6, SHAPE).astype(np.float32)
    array[:, :4] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4, 4, 4))
    return image


def labels() -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[4:18, 8:24, 5:28] = 1
    array[8:12, 12:16, 8:12] = 2
    array[9:11, 18:20, 7:26] = 5
    return images.image_like(array, gray())


@pytest.fixture
def widget(host) -> Any:
    made = host.open_module("LiverPlanner")
    for section in made.sections:
        section.button.collapsed = type(section).__name__ != "ReportSection"
    return made


@pytest.fixture
def report(widget) -> Any:
    return next(s for s in widget.sections if type(s).__name__ == "ReportSection")


@pytest.fixture
def planned(host, widget, report) -> Any:
    """A plan of a small CT, of the patient Jane Doe."""
    import slicer

    from LiverPlannerLib.plan.parts import parts_of
    from LiverPlannerLib.scene import plan as scene_plan
    from PreopReviewLib.scene.nodes import add_volume, put_in_study

    volume = add_volume(slicer.mrmlScene, gray(), "DOE JANE 3mm", (400, 40))
    study = put_in_study(slicer.mrmlScene, [volume], "Doe^Jane", "Liver CT 2026")
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.GetItemParent(study)
    hierarchy.SetItemAttribute(patient, "DICOM.PatientName", "Doe^Jane")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientID", "PID-4711")
    hierarchy.SetItemAttribute(study, "DICOM.StudyDate", "20260102")
    record = {
        "models": {"liver": "somebody-liver 1.0", "tumor": "somebody-lesion 2.0"},
        "volumes_ml": {"liver": 1.0, "tumor": 1.0},
        "warnings": ["Mind the gap."],
    }
    nodes = scene_plan.add_plan(volume, list(parts_of(labels(), surfaces=False)), record)
    parameters = widget.context.parameters
    parameters.inputVolume, parameters.segmentation = volume, nodes.segmentation
    parameters.modelOutput = nodes.model_output
    host.process_events(0.1)
    return nodes


def write(host: Any, widget: Any, report: Any, path: Path) -> str:
    host.dialogs.answer(str(path))
    host.click(report.ui.reportButton)
    host.wait_until(lambda: not widget.context.busy, 120)
    host.process_events(0.1)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_without_a_plan_the_button_says_what_to_do(host, widget, report):
    assert not report.ui.reportButton.enabled
    assert "Choose a volume in the section Segment first." in report.ui.reportButton.toolTip
    assert "Write a report first." in report.ui.openButton.toolTip


def test_a_page_is_written_without_the_patient(host, widget, report, planned, tmp_path):
    text = write(host, widget, report, tmp_path / "case 7.html")
    assert report.written == tmp_path / "case 7.html"
    assert report.ui.openButton.enabled
    assert "Not for clinical use" in text
    assert "Mind the gap." in text
    assert "somebody-liver 1.0" in text
    assert "Portal vein" in text
    files = list(tmp_path.iterdir())
    assert {"case 7_volumes.csv", "case 7_lesions.csv"} <= {f.name for f in files}
    everything = "".join(f.read_text(encoding="utf-8") for f in files)
    everything = re.sub(r"[A-Za-z0-9+/=]{200,}", "", everything).lower()  # pictures and meshes hold any three letters
    for secret in ("doe^", "jane", "4711", "2026-01-02", "20260102", str(tmp_path).lower()):
        assert secret not in everything, secret
    assert host.messages == []


def test_what_was_decided_by_hand_goes_to_the_worker(host, widget, report, planned, tmp_path):
    from LiverPlannerLib.scene import report as scene_report
    from LiverPlannerLib.scene.branches import COLUMNS
    from LiverPlannerLib.scene.plan_tables import put_table

    blank = {c.key: "" if c.kind == "text" else 0 for c in COLUMNS} | {"structure": "Portal vein"}
    rows = [blank | {"id": 1, "main": 1, "radius_mm": 4.5, "overridden": 1}, blank | {"id": 2, "radius_mm": 2.5}]
    parameters = widget.context.parameters
    parameters.branchesTable = put_table(planned.segmentation, None, "branches", COLUMNS, rows)
    request = scene_report.request(parameters, tmp_path, "CT")
    assert request["branches_by_hand"] == [["portal_vein", 1, 4.5, "main"]]
    assert "cysts_by_hand" not in request


def test_a_second_segmentation_without_a_known_segment_is_left_out_and_said(host, widget, report, planned, tmp_path):
    """As a mask of another program is loaded: one segment, called Segment_1."""
    from LiverPlannerLib.scene import report as scene_report
    from LiverPlannerLib.scene.segments import segment_specs, set_structure
    from PreopReviewLib.scene.nodes import add_segmentation

    parameters = widget.context.parameters
    liver = [spec for spec in segment_specs() if spec.key == "liver"]
    reference = add_segmentation(host.scene, labels(), liver, "mask.nii.gz")
    segment = reference.GetSegmentation().GetNthSegment(0)
    segment.SetName("Segment_1")
    segment.SetTerminology("")
    parameters.referenceSegmentation, parameters.reportComparison = reference, True
    host.process_events()
    assert "which of its segments is what" in report.ui.comparisonCheckBox.toolTip
    assert "manual" not in scene_report.request(parameters, tmp_path, "CT")
    set_structure(segment, "liver")
    widget.context.notify("segmentation")
    host.process_events()
    assert report.ui.comparisonCheckBox.enabled
    assert "manual" in scene_report.request(parameters, tmp_path, "CT")


@pytest.mark.slow
def test_the_patient_is_on_the_page_if_asked_for(host, widget, report, planned, tmp_path):
    host.click(report.ui.identityCheckBox)
    assert widget.context.parameters.reportIdentity
    text = write(host, widget, report, tmp_path / "case.html")
    for said in ("Doe Jane", "PID-4711", "2026-01-02"):
        assert said in text


def test_what_a_person_has_corrected_is_marked(host, widget, report, planned, tmp_path):
    content = planned.segmentation.GetSegmentation()
    content.RemoveSegment("tumor")
    text = write(host, widget, report, tmp_path / "case.html")
    assert "somebody-lesion 2.0, corrected by hand" in text
    assert "somebody-liver 1.0, corrected by hand" not in text


def test_the_cut_of_the_planes_is_in_the_report(host, widget, report, planned, tmp_path):
    import slicer

    from LiverPlannerLib.scene.planes import add_plane

    assert not report.ui.remnantCheckBox.enabled
    assert "section Measure" in report.ui.remnantCheckBox.toolTip
    _halve_the_tumor(planned.segmentation)
    middle = images.kji_to_ras(np.array([[11, 16, 16]]), gray())[0]
    widget.context.parameters.cutPlanes = [add_plane(slicer.mrmlScene, middle, 100)]
    host.process_events(0.1)
    assert report.ui.remnantCheckBox.enabled
    text = write(host, widget, report, tmp_path / "case.html")
    assert "Future liver remnant" in text
    assert "Resected part" in text
    assert (tmp_path / "case_resection.csv").is_file()
    assert "HCC S4" in text  # a segment of its own stays a lesion of its own, though the two touch
    assert len((tmp_path / "case_margins.csv").read_text().splitlines()) == 3


def _halve_the_tumor(segmentation: Any) -> None:
    import slicer
    from measured_case import paint

    second = slicer.vtkSegment()
    second.DeepCopy(segmentation.GetSegmentation().GetSegment("tumor"))
    second.SetName("HCC S4")
    segmentation.GetSegmentation().AddSegment(second, "second")
    paint(segmentation, "tumor", (slice(8, 10), slice(12, 16), slice(8, 12)), 0)
    paint(segmentation, "second", (slice(10, 12), slice(12, 16), slice(8, 12)), 0)


@pytest.mark.slow
def test_a_simulated_volume_is_marked_by_itself(host, widget, report, planned, tmp_path):
    planned.volume.SetName("Simulated CT")
    report.refresh()
    assert not report.ui.simulatedCheckBox.enabled
    assert report.ui.simulatedCheckBox.checked
    assert "Simulated image" in write(host, widget, report, tmp_path / "case.html")


@pytest.mark.slow
def test_a_second_segmentation_is_compared(host, widget, report, planned, tmp_path):
    widget.context.parameters.referenceSegmentation = planned.model_output
    host.process_events(0.1)
    assert "This segmentation against the other one" in write(host, widget, report, tmp_path / "case.html")


def test_cancelling_the_dialog_does_nothing(host, widget, report, planned):
    host.dialogs.answer("")
    host.click(report.ui.reportButton)
    assert not widget.context.busy
    assert report.written is None


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_told(host, widget, report, planned, tmp_path):
    (tmp_path / "file").write_text("")
    assert write(host, widget, report, tmp_path / "file" / "case.html") == ""
    assert "is a file, not a folder" in str(host.messages[-1])
    assert report.written is None
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_plan_of_another_volume_is_told(host, widget, report, planned):
    import slicer

    from PreopReviewLib.scene.nodes import add_volume

    far = gray()
    far.SetOrigin((9000, 9000, 9000))
    widget.context.parameters.inputVolume = add_volume(slicer.mrmlScene, far, "other", (400, 40))
    host.process_events(0.1)
    assert not report.ui.reportButton.enabled
    assert "There is no plan yet" in report.ui.reportButton.toolTip, "the plan of a volume belongs to no other"


def test_an_emptied_plan_is_told(host, widget, report, planned, tmp_path):
    planned.segmentation.GetSegmentation().RemoveAllSegments()
    assert write(host, widget, report, tmp_path / "case.html") == ""
    assert host.messages
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_report_that_was_moved_away_is_told(host, widget, report, planned, tmp_path):
    write(host, widget, report, tmp_path / "case.html")
    (tmp_path / "case.html").unlink()
    report.open()
    assert "no longer where it was written" in str(host.messages[-1])


def test_closing_the_scene_while_it_is_written_leaves_no_page(host, widget, report, planned, tmp_path):
    host.dialogs.answer(str(tmp_path / "case.html"))
    host.click(report.ui.reportButton)
    host.close_scene()
    host.wait_until(lambda: not widget.context.busy, 60)
    assert host.messages == []
    assert not report.ui.reportButton.enabled


def test_a_large_volume_is_written_with_a_living_event_loop(
    host, widget, report, planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    widget.context.parameters.modality = "CT"

    def press() -> None:
        report.write(tmp_path / "page.html")

    asked = asked_of_the_worker(host, widget, press, monkeypatch, tmp_path)
    assert asked["out"] == str(tmp_path / "page.html")
    assert asked["labels"]["file"] == "labels.npy"
    assert asked["model_output"]["file"] == "model_output.npy"
