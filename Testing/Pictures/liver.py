"""The tutorial of LiverPlanner: a simulated portal-venous CT with a tumour and a cyst, whose truth is known."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .hands import Hands

SEED, SIZE, SPACING = 14, (160, 128, 120), 1.8


def go(hands: Hands) -> None:
    """Goes through every section; one picture or more of each."""
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(SEED, "ct", SIZE, SPACING)
    widget = hands.open("LiverPlanner")
    volume, truth = add_case(phantom)
    widget.context.parameters.inputVolume = volume
    segment(hands)
    cysts(hands)
    three_d(hands)
    correct(hands, volume)
    measure(hands)
    compare(hands, truth)
    with tempfile.TemporaryDirectory() as folder:
        report(hands, Path(folder))
        ground_truth(hands, Path(folder), phantom)


def add_case(phantom: Any) -> tuple[Any, Any]:
    """The simulated CT, and what was planted in it as "Truth"."""
    import slicer

    from LiverPlannerLib.scene.results import segment_specs
    from PreopReviewLib.scene import nodes
    from PreopReviewLib.scene.pictures import gray_window

    volume = nodes.add_volume(slicer.mrmlScene, phantom.image, "Simulated CT", gray_window(phantom.image, "CT"))
    truth = nodes.add_segmentation(slicer.mrmlScene, phantom.labels, segment_specs(), "Truth (planted)", volume)
    truth.GetDisplayNode().SetVisibility(False)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume, truth


def segment(hands: Hands) -> None:
    section = hands.only("SegmentSection")
    hands.click(section.ui.applyButton)
    look_at(hands, "tumour")
    hands.picture("segment")


def cysts(hands: Hands) -> None:
    """The dark one of the lesions, its histogram, and the move to a segment of its own."""
    section = hands.only("CystsSection")
    hands.click(section.ui.findButton)
    section.ui.plotCheckBox.checked = True
    section.ui.regionTable.selectRow(2)
    hands.picture("cysts")
    section.ui.plotCheckBox.checked = False
    hands.click(section.ui.applyCystsButton)


def three_d(hands: Hands) -> None:
    section = hands.only("ThreeDSection")
    hands.click(section.ui.glassButton)
    hands.picture("3d")


def correct(hands: Hands, volume: Any) -> None:
    """A correction beside the tumour, as by a brush."""
    import slicer

    section = hands.only("CorrectSection")
    segmentation = section.context.parameters.segmentation
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "tumour", volume).astype(bool)
    k, j, i = np.argwhere(mask)[mask.sum() // 2]
    mask[k - 2 : k + 3, j - 5 : j + 6, i : i + 9] = True
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, "tumour", volume)
    segmentation.CreateClosedSurfaceRepresentation()  # which that call drops and an effect of the editor keeps
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
    section.tabs.setCurrentIndex(2)
    hands.click(ui.marginsButton)
    hands.picture("margins")
    section.tabs.setCurrentIndex(3)
    hands.click(ui.branchesButton)
    ui.showBranchesCheckBox.checked = True
    hands.picture("branches")
    ui.showBranchesCheckBox.checked = False
    section.tabs.setCurrentIndex(1)
    hands.click(ui.removePlaneButton)


def compare(hands: Hands, truth: Any) -> None:
    section = hands.only("CompareSection")
    section.context.parameters.referenceSegmentation = truth
    section.ui.withComboBox.currentIndex = 0
    hands.process_events(0.3)
    hands.click(section.ui.compareButton)
    section.ui.comparisonTable.selectRow(1)
    hands.picture("compare")


def report(hands: Hands, folder: Path) -> None:
    section = hands.only("ReportSection")
    section.ui.simulatedCheckBox.checked = True
    section.write(folder / "report.html")
    hands.wait()
    hands.picture("report")


def ground_truth(hands: Hands, folder: Path, phantom: Any) -> None:
    """A list of two cases, one of them open."""
    from LiverPlannerLib.ground_truth.cases import find_cases
    from LiverPlannerLib.ground_truth.work_list import create_list
    from PreopReviewLib import images

    cases = folder / "cases"
    cases.mkdir()
    for name in ("case_1", "case_2"):
        images.write_image(phantom.image, cases / f"{name}.nrrd")
    create_list(folder / "list", find_cases(cases, folder / "list"))
    section = hands.only("GroundTruthSection")
    section.ui.annotatorEdit.text = "AB"
    section.open(folder / "list")
    hands.click(section.ui.nextCaseButton)
    hands.picture("ground_truth")


def look_at(hands: Hands, key: str) -> None:
    """Shows the middle of a structure in the slices."""
    import slicer

    center = hands.context.parameters.segmentation.GetSegmentCenterRAS(key)
    assert center is not None, f"there is no {key}"
    slicer.modules.markups.logic().JumpSlicesToLocation(*center, True)
    hands.process_events(0.2)
