"""The tutorial of LiverPlanner on a case: every section is used, and photographed.

What a case does not have (a lesion on a scan without any, a reference) is left out, and said on the terminal.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .cases import Case, simulated_ct
from .hands import Hands

MARGIN = 1.25
"""Field of view of the slices by the largest extent of the liver."""
TO_CORRECT = ("tumor", "cyst", "hepatic_vein", "portal_vein", "liver")


def go(hands: Hands, case: Case | None = None) -> None:
    """Goes through every section; one picture or more of each."""
    import slicer

    case = case or simulated_ct()
    widget = hands.open("LiverPlanner")
    volume, reference = add_case(case)
    widget.context.parameters.inputVolume = volume
    segment(hands)
    candidates(hands)
    cysts(hands)
    three_d(hands)
    correct(hands, volume)
    measure(hands)
    compare(hands, reference)
    with tempfile.TemporaryDirectory(prefix="plan_") as folder:
        report(hands, Path(folder))
        drawn, eye = masks(hands, volume), camera()
        place = eye.GetPosition(), eye.GetFocalPoint(), eye.GetViewUp()
        slicer.mrmlScene.Clear()
        ground_truth(hands, Path(folder), case, drawn, place)


def add_case(case: Case) -> tuple[Any, Any | None]:
    """The volume, and the segmentation to compare with, if there is one."""
    import slicer

    from LiverPlannerLib.scene.segments import segment_specs
    from PreopReviewLib.images.windows import gray_window
    from PreopReviewLib.scene import nodes

    volume = nodes.add_volume(slicer.mrmlScene, case.image, case.title, gray_window(case.image, case.modality))
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    if case.labels is None:
        return volume, None
    reference = nodes.add_segmentation(slicer.mrmlScene, case.labels, segment_specs(), case.reference, volume)
    reference.GetDisplayNode().SetVisibility(False)
    return volume, reference


def segment(hands: Hands) -> None:
    """The plan; the slices stay where the module itself goes: at the largest lesion, or the liver's center."""
    section = hands.only("SegmentSection")
    hands.click(section.ui.applyButton)
    closer(hands, hands.context.parameters.segmentation)
    hands.picture("segment")


def candidates(hands: Hands) -> None:
    """The largest candidate, chosen in the list and shown in the slices."""
    section = hands.only("CandidatesSection")
    if not section.ui.candidateTable.rowCount:
        print("there are no lesion candidates", flush=True)
        return
    section.ui.candidateTable.selectRow(0)
    closer(hands, hands.context.parameters.segmentation)
    hands.picture("candidates")


def cysts(hands: Hands) -> None:
    """The largest cyst (or lesion), its histogram, and the move to a segment of its own."""
    from LiverPlannerLib.scene import cysts as scene_cysts

    section = hands.only("CystsSection")
    if not hands.click_if_on(section.ui.findButton):
        hands.picture("cysts")
        return
    section.ui.plotCheckBox.checked = True
    regions = scene_cysts.regions_of(section.table)
    section.ui.regionTable.selectRow(
        max(range(len(regions)), key=lambda i: (regions[i].decision == "cyst", regions[i].ml))
    )
    hands.picture("cysts")
    section.ui.plotCheckBox.checked = False
    hands.click(section.ui.applyCystsButton)


def three_d(hands: Hands) -> None:
    section = hands.only("ThreeDSection")
    hands.click(section.ui.glassButton)
    hands.picture("3d")


def correct(hands: Hands, volume: Any) -> None:
    """A correction beside the first structure that is there, as by a brush."""
    import slicer

    section = hands.only("CorrectSection")
    segmentation = section.context.parameters.segmentation
    key = next(k for k in TO_CORRECT if segmentation.GetSegmentation().GetSegment(k) is not None)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, key, volume).astype(bool)
    k, j, i = np.argwhere(mask)[mask.sum() // 2]
    spacing = np.array(volume.GetSpacing())
    across, along = (max(1, round(mm / step)) for mm, step in zip((8.0, 14.0), spacing[:2][::-1], strict=True))
    through = max(1, round(3.5 / spacing[2]))
    there = np.stack(np.indices(mask.shape), -1) - (k, j, i)
    stroke = (np.square(there / (through, across, along)).sum(-1) <= 1) & (there[..., 2] >= 0)
    look_at(hands, key)
    hands.stroke(section.editor, key, stroke)
    hands.process_events(1.5)
    hands.picture("correct")


def measure(hands: Hands) -> None:
    """The tabs, each with its result."""
    section = hands.only("MeasureSection")
    ui = section.ui
    section.context.parameters.heightCm, section.context.parameters.weightKg = 172, 74
    hands.picture("volumes")
    section.tabs.setCurrentIndex(1)
    hands.click(ui.addPlaneButton)
    ui.sidesCheckBox.checked = True
    hands.picture("remnant")
    ui.sidesCheckBox.checked = False
    for plane in section.remnant.planes.nodes:
        plane.GetDisplayNode().SetHandlesInteractive(False)  # done with: they hide what is behind them
    section.tabs.setCurrentIndex(2)
    if hands.click_if_on(ui.marginsButton):
        hands.click_row(ui.marginsTable, ui.marginsTable.rowCount - 1)  # the smallest lesion, and what lies nearest
    hands.picture("margins")
    section.tabs.setCurrentIndex(3)
    if hands.click_if_on(ui.branchesButton):
        ui.showBranchesCheckBox.checked = True
    hands.picture("branches")
    ui.showBranchesCheckBox.checked = False
    section.tabs.setCurrentIndex(4)
    if hands.click_if_on(ui.radiomicsButton):
        hands.picture("radiomics")
    section.tabs.setCurrentIndex(5)
    borders(hands, ui)
    section.tabs.setCurrentIndex(1)
    hands.click(ui.removePlaneButton)


def borders(hands: Hands, ui: Any) -> None:
    """The Couinaud segments with the planes between them, which reach beyond the liver."""
    if not hands.click_if_on(ui.bordersButton):
        return
    ui.showCouinaudCheckBox.checked = True
    look_at(hands, "liver")
    eye = camera().GetCamera()
    eye.Dolly(1 / MARGIN)
    hands.picture("borders")
    eye.Dolly(MARGIN)
    hands.click(ui.bordersButton)
    ui.showCouinaudCheckBox.checked = False


def compare(hands: Hands, reference: Any | None) -> None:
    """With the reference; without one, with what the model drew: the correction's effort."""
    section = hands.only("CompareSection")
    section.context.parameters.referenceSegmentation = reference
    section.ui.withComboBox.currentIndex = 0 if reference is not None else 1
    hands.process_events(0.3)
    hands.click(section.ui.compareButton)
    alike = [i for i, row in enumerate(section.rows) if row["structure"] != "Liver" and row["dsc"] and row["dsc"] < 1]
    section.ui.comparisonTable.selectRow(alike[0] if alike else 0)
    hands.picture("compare")
    section.ui.missedCheckBox.checked = section.ui.extraCheckBox.checked = False


def report(hands: Hands, folder: Path) -> None:
    section = hands.only("ReportSection")
    section.write(folder / "liver_report.html")
    hands.wait()
    hands.picture("report")


def masks(hands: Hands, volume: Any) -> dict[str, Any]:
    """The plan's structures as arrays."""
    import slicer

    plan = hands.context.parameters.segmentation
    keys = [plan.GetSegmentation().GetNthSegmentID(i) for i in range(plan.GetSegmentation().GetNumberOfSegments())]
    return {key: slicer.util.arrayFromSegmentBinaryLabelmap(plan, key, volume) for key in keys}


def ground_truth(hands: Hands, folder: Path, case: Case, drawn: dict[str, Any], place: tuple) -> None:
    """A list of two cases in an empty scene, one of them open and begun, seen from where the plan was seen."""
    import slicer

    from LiverPlannerLib.ground_truth.cases import find_cases
    from LiverPlannerLib.ground_truth.work_list import create_list
    from PreopReviewLib import images

    cases = folder / "cases"
    cases.mkdir()
    for name in ("case_1", "case_2"):
        images.write_image(case.image, cases / f"{name}.nrrd")
    create_list(folder / "list", find_cases(cases, folder / "list"))
    section = hands.only("GroundTruthSection")
    section.ui.annotatorEdit.text = "AB"
    section.open(folder / "list")
    hands.click(section.ui.nextCaseButton)
    case_nodes = section.open_case.nodes
    for key, mask in drawn.items():
        if case_nodes.segmentation.GetSegmentation().GetSegment(key) is not None:
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, case_nodes.segmentation, key, case_nodes.volume)
    case_nodes.segmentation.CreateClosedSurfaceRepresentation()
    section.mine.set_status("case_1", "liver", "done")
    section.refresh()
    look_at_node(hands, case_nodes.segmentation, "liver")
    closer(hands, case_nodes.segmentation)
    eye = camera()
    eye.SetPosition(place[0])
    eye.SetFocalPoint(place[1])
    eye.SetViewUp(place[2])
    eye.ResetClippingRange()
    hands.picture("ground_truth")


def camera() -> Any:
    """Of the first 3D view."""
    import slicer

    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCameraNode")


def closer(hands: Hands, segmentation: Any) -> None:
    """Lets the slices show the liver and a little around it: a body with its table is mostly black."""
    import slicer

    bounds = [0.0] * 6
    surface = segmentation.GetClosedSurfaceInternalRepresentation("liver")
    surface.GetBounds(bounds)
    wanted = MARGIN * max(bounds[2 * a + 1] - bounds[2 * a] for a in range(3))
    middle = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for i in range(logics.GetNumberOfItems()):
        node = logics.GetItemAsObject(i).GetSliceNode()
        wide, high, deep = node.GetFieldOfView()
        factor = wanted / min(wide, high)
        if factor < 1:
            node.SetFieldOfView(wide * factor, high * factor, deep)
        place = [node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        across = max(range(3), key=lambda row: abs(node.GetSliceToRAS().GetElement(row, 2)))
        node.JumpSliceByCentering(*(place[a] if a == across else middle[a] for a in range(3)))
    hands.process_events(0.2)


def look_at(hands: Hands, key: str) -> None:
    """Shows the middle of a structure of the plan in the slices."""
    look_at_node(hands, hands.context.parameters.segmentation, key)


def look_at_node(hands: Hands, segmentation: Any, key: str) -> None:
    import slicer

    center = segmentation.GetSegmentCenterRAS(key)
    assert center is not None, f"there is no {key}"
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *center)
    hands.process_events(0.2)
