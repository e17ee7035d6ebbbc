"""What a surgeon compares a plan with, and what an annotator draws, by mouse events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from LiverPlannerSelfTest import make_ct
from mouse import choose, click, wait, work
from surgeon import Surgeon


def _mask_on_a_coarser_grid(me: Surgeon) -> Any:
    """The liver as another program may load it: one segment without a meaning, two voxels of the plan wide."""
    _volume, labels = make_ct()
    spacing, origin = me.volume.GetSpacing(), me.volume.GetOrigin()
    slicer.mrmlScene.RemoveNode(_volume)
    coarse = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "coarse")
    slicer.util.updateVolumeFromArray(coarse, (labels[::2, ::2, ::2] > 0).astype(np.uint8))
    coarse.CopyOrientation(me.volume)
    coarse.SetSpacing([2 * s for s in spacing])
    coarse.SetOrigin(origin)
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mask.nii.gz")
    mask.SetReferenceImageGeometryParameterFromVolumeNode(coarse)
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(coarse, mask)
    slicer.mrmlScene.RemoveNode(coarse)
    mask.GetSegmentation().GetNthSegment(0).SetName("Segment_1")
    return mask


def _is_drawn(me: Surgeon, key: str) -> bool:
    plan, volume = me.parameters.segmentation, me.parameters.inputVolume
    return bool(slicer.util.arrayFromSegmentBinaryLabelmap(plan, key, volume).any())


def a_mask_of_another_program_is_compared_and_said_to_be_old_after_an_edit() -> None:
    me = Surgeon()
    mask = _mask_on_a_coarser_grid(me)
    compare = me.open("CompareSection")
    ui = compare.ui
    me.choose_node(ui.referenceSelector, mask)
    assert not ui.compareButton.enabled
    click(ui.referenceMeaningButton, (40, 10))
    choose(ui.referenceMeaningTable.cellWidget(0, 1), "Liver")
    assert compare.disabled_reason() == ""
    click(ui.compareButton)
    wait(lambda: compare.rows and not me.widget.context.busy)
    rows = {row["structure"]: row for row in compare.rows}
    assert rows["Liver"]["dsc"] > 0.9
    assert rows["Liver tumor"]["dsc"] is None, "nobody drew it"
    place = ui.comparisonTable.visualItemRect(ui.comparisonTable.item(0, 0)).center()
    click(ui.comparisonTable.viewport(), (place.x(), place.y()))
    display = me.parameters.differencesSegmentation.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisibility3D()
    assert "edited" not in ui.summaryLabel.text, "that its surfaces are made is no edit"
    correct = me.open("CorrectSection")
    assert not display.GetVisibility3D()
    me.brush(correct, "tumor", me.red, me.ras(32, 12, 20), me.ras(36, 12, 20))
    me.open("CompareSection")
    assert display.GetVisibility3D()
    assert "has been edited since" in ui.summaryLabel.text
    assert me.plan.GetName() in ui.summaryLabel.text


def the_next_case_is_drawn_with_the_same_tool() -> None:
    from LiverPlannerLib.ground_truth.cases import find_cases
    from LiverPlannerLib.ground_truth.work_list import create_list

    me = Surgeon()
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        images.mkdir()
        for name in ("one", "two"):
            slicer.util.saveNode(me.volume, str(images / f"{name}.nrrd"))
        create_list(Path(folder) / "list", find_cases(images, Path(folder) / "list"), ("liver", "tumor"))
        truth = me.open("GroundTruthSection")
        truth.ui.annotatorEdit.text = "ab"
        truth.open(Path(folder) / "list")
        click(truth.ui.nextCaseButton)
        wait(lambda: truth.open_case.name == "one" and not me.widget.context.busy)
        correct = next(s for s in me.widget.built if type(s).__name__ == "CorrectSection")
        correct.editor.setCurrentSegmentID("tumor")
        me.effect(correct, "Paint")
        me.red.look_at(me.ras(24, 22, 18))
        me.red.click(me.ras(24, 22, 18))
        truth.ui.nextHereButton.setFocus()  # as a click of the window system does
        click(truth.ui.nextHereButton)
        wait(lambda: truth.open_case.name == "two" and not me.widget.context.busy)
        work(1.0)
        assert (Path(folder) / "list" / "ab" / "one.nii.gz").is_file()
        assert not truth.ui.caseWidget.visibleRegion().isEmpty(), "the panel has stayed where one draws"
        me.red.look_at(me.ras(24, 22, 18))
        me.red.click(me.ras(24, 22, 18))
        work(0.5)
        assert truth.open_case.dirty
        assert _is_drawn(me, "tumor")
        truth.close_list()


FLOWS: tuple[Callable[[], None], ...] = (
    a_mask_of_another_program_is_compared_and_said_to_be_old_after_an_edit,
    the_next_case_is_drawn_with_the_same_tool,
)
