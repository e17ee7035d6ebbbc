"""What a surgeon compares a plan with, and what an annotator draws, by mouse events."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from LiverPlannerSelfTest import make_ct
from mouse import choose, click, wait, work
from surgeon import Surgeon

SMALL_ROUNDS = Path(__file__).resolve().parents[1] / "unit" / "ground_truth" / "small_rounds.py"


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


def truth_is_drawn_blind_and_ticked_where_it_is_drawn() -> None:
    me = Surgeon()
    with me.listed(["one"]) as (truth, _folder):
        assert not me.plan.GetDisplayNode().GetVisibility()
        assert truth.ui.caseWidget.visible
        assert truth.ui.caseWidget.parent().name == "Correct"
        box = truth.open_case._boxes["liver"]
        box.setFocus()
        box.activated(2)
        work(0.3)
        assert truth.mine.state("one").status["liver"] == "done"


def the_next_case_is_drawn_with_the_same_tool() -> None:
    me = Surgeon()
    with me.listed(["one", "two"]) as (truth, folder):
        correct = next(s for s in me.widget.built if type(s).__name__ == "CorrectSection")
        correct.editor.setCurrentSegmentID("tumor")
        me.effect(correct, "Paint")
        me.red.look_at(me.ras(24, 22, 18))
        me.red.click(me.ras(24, 22, 18))
        me.next_case(truth, truth.ui.nextHereButton, "two")
        assert (folder / "ab" / "one.nii.gz").is_file()
        assert not truth.ui.caseWidget.visibleRegion().isEmpty(), "the panel has stayed where one draws"
        me.red.look_at(me.ras(24, 22, 18))
        me.red.click(me.ras(24, 22, 18))
        work(0.5)
        assert truth.open_case.dirty
        assert _is_drawn(me, "tumor")


@contextmanager
def _small_round() -> Iterator[Path]:
    """Ten small cases of which eight are finished, and a small model for rounds of seconds: the list's folder."""
    from LiverPlannerLib.panels import ground_truth_training as training
    from PreopReviewLib.jobs.python import environment, find_python

    before, start = os.environ.get("PREOP_MODELS"), training.start_training
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([find_python(), str(SMALL_ROUNDS), folder], env=environment(), check=True)
        os.environ["PREOP_MODELS"] = str(Path(folder) / "models")
        training.start_training = partial(start, minutes=0.15)
        try:
            yield Path(folder) / "list"
        finally:
            training.start_training = start
            os.environ.pop("PREOP_MODELS")
            if before is not None:
                os.environ["PREOP_MODELS"] = before


def a_model_that_learned_from_what_is_finished_draws_the_next_case() -> None:
    me = Surgeon()
    with _small_round() as folder:
        truth = me.open_list(folder)
        ui = truth.ui
        choose(ui.trainModelComboBox, "start")
        click(ui.trainButton)
        assert ui.trainButton.text == "Cancel training", ui.trainButton.toolTip
        assert ui.trainingProgressBar.visible
        wait(lambda: ui.trainButton.text != "Cancel training")
        words = ui.trainingLabel.text
        assert "this list&#x27;s own" in words, words
        assert ui.curveLabel.visible, "the curve"
        assert (folder / "training" / "curve.png").is_file()
        assert ui.trainModelComboBox.currentText == "This list's own"
        name = re.search(r"Least sure of: (\w+)", words).group(1)
        me.next_case(truth, ui.nextCaseButton, name)
        assert _is_drawn(me, "liver"), "what the new model has drawn is there to be corrected"
        boxes = truth.open_case._boxes
        boxes["liver"].activated(2)
        work(0.3)
        assert truth.work.label_path(name, "ab").is_file()
        truth.close_list()


FLOWS: tuple[Callable[[], None], ...] = (
    a_mask_of_another_program_is_compared_and_said_to_be_old_after_an_edit,
    truth_is_drawn_blind_and_ticked_where_it_is_drawn,
    the_next_case_is_drawn_with_the_same_tool,
    a_model_that_learned_from_what_is_finished_draws_the_next_case,
)
