"""Input: the MRI, which shoulder, and the cube around the humeral head."""

from __future__ import annotations

from html import escape
from typing import Any

import slicer
from slicer.i18n import tr as _

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section
from PreopReviewLib.scene import inputs
from PreopReviewLib.scene.finding import step_back
from PreopReviewLib.worker_io import save_steps
from RotatorCuffCAMLib.panels.answer_choice import AnswerChoice
from RotatorCuffCAMLib.region import LATERALITY
from RotatorCuffCAMLib.scene import cube as scene_cube

SIDES = ("auto", "R", "L")
UNSURE = 0.3


class InputSection(Section):
    """What is looked at, and why it cannot be where it cannot."""

    title = _("Input and cube")
    ui_file = "CuffInput.ui"
    collapsed = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._head_words = ""
        self._known: tuple[str, str] = ("", "")
        self._answers = AnswerChoice(lambda: self.parameters)

    def connect(self) -> None:
        """Fills the combo box and connects the buttons."""
        ui = self.ui
        for side, words in zip(SIDES, (_("Automatic"), _("Right"), _("Left")), strict=True):
            ui.sideComboBox.addItem(words, side)
        ui.sideComboBox.connect("activated(int)", lambda i: self.parameters.setValue("side", SIDES[i]))
        self.button.connect("contentsCollapsed(bool)", lambda _collapsed: self.refresh())
        self.run = RunButton(self.context, ui.headButton, ui.headProgressBar, ui.headProgressLabel, self.find_head)

    def refresh(self) -> None:
        """Shows what kind of series it is."""
        parameters = self.parameters
        if parameters is None:
            self.run.refresh(_("The scene is being closed."))
            return
        self._answers.refresh()
        step_back([parameters.cubeRoi], self.button.collapsed)
        self.ui.sideComboBox.setCurrentIndex(SIDES.index(parameters.side))
        reason = disabled_reason(parameters)
        self.run.refresh(reason)
        self.ui.seriesLabel.text = f"<b>{escape(reason)}</b>" if reason else self._series_words()

    def _series_words(self) -> str:
        volume = self.parameters.inputVolume
        plane, off, count = scene_cube.plane_of(volume)
        lines = [
            _("{plane} series of {count} slices, {off:.0f}° out of the plane.").format(
                plane=plane.capitalize(), count=count, off=off
            )
        ]
        if plane != "coronal":
            lines.append(
                _("<b>The network was trained on coronal series only: its answer to this one is unreliable.</b>")
            )
        lines.append(self._side_words(volume))
        if self._known[0] == volume.GetID() and self._head_words:
            lines.append(self._head_words)
        elif self.parameters.cubeRoi is None:
            lines.append(_("No box: the humeral head is located when you press Classify."))
        return "<br>".join(lines)

    @staticmethod
    def _side_words(volume: Any) -> str:
        dicom = inputs.dicom_words(volume)
        side = next((dicom[k] for k in LATERALITY if dicom.get(k) in ("R", "L")), None)
        if side is None:
            return _("DICOM does not say which shoulder it is: <i>Automatic</i> goes by its position.")
        return _("DICOM: {side} shoulder.").format(side=_("right") if side == "R" else _("left"))

    # ---- the head ----

    def find_head(self) -> None:
        """Looks for the head in the worker; called by the button.

        Raises:
            PreopError: why it cannot be started.
        """
        from PreopReviewLib.panels import dependencies

        volume = self.parameters.inputVolume
        dependencies.ensure()
        folder = self.context.new_folder()
        request = {
            "image": inputs.unsaved(volume),
            "source": volume.GetName(),
            "any_plane": bool(self.parameters.anyPlane),
        }
        identifier = volume.GetID()
        self.context.run_job(
            "RotatorCuffCAMLib.tasks:find_head",
            save_steps(request, folder),
            folder,
            on_finished=lambda result: self._on_found(identifier, result),
            title=_("Humeral head"),
        )

    def _on_found(self, volume_id: str, result: dict[str, Any]) -> None:
        volume = slicer.mrmlScene.GetNodeByID(volume_id)
        if volume is None:
            raise InputError(_("The MRI was removed in the meantime"), _("Load it again"))
        sure = result["confidence"]
        words = _("Humeral head found, confidence {sure:.2f}.").format(sure=sure)
        if sure < UNSURE:
            words = _("<b>The humeral head was found with low confidence ({sure:.2f}): drag the box.</b>").format(
                sure=sure
            )
        self._head_words, self._known = words, (volume_id, "")
        self.parameters.inputVolume = volume  # another one may have been chosen meanwhile
        self._answers.refresh()
        roi = scene_cube.place_cube(volume, self.parameters.cubeRoi, result["center_lps"], result["edge_mm"])
        scene_cube.keep_guess(roi, result["radius_mm"], sure)
        self.parameters.cubeRoi = roi
        self.refresh()

    def bind(self, node: Any | None) -> None:
        """Another scene: what was found before belongs to the last one."""
        self._head_words = ""
        self._answers.forget()
        super().bind(node)


def disabled_reason(parameters: Any) -> str:
    """Why the chosen MRI cannot be classified, a sentence; empty if it can."""
    volume = parameters.inputVolume
    if volume is None:
        return _("Load a coronal MRI of a shoulder, or choose it above, first.")
    try:
        inputs.require_volume(volume)
        scene_cube.require_series(volume, bool(parameters.anyPlane))
    except PreopError as error:
        return str(error)
    return ""


def options_of(parameters: Any) -> dict[str, Any]:
    """What the worker needs to know, from the panel's parameters (fields of `cuff.CuffOptions`)."""
    from RotatorCuffCAMLib.tears import tear_class

    roi = parameters.cubeRoi
    center, edge = scene_cube.cube_of(roi) if roi is not None else (None, None)
    guess = scene_cube.guess_of(roi) if roi is not None else {}
    chosen = parameters.mapClass
    return {
        "center_lps": center,
        "edge_mm": edge,
        "side": None if parameters.side == "auto" else parameters.side,
        "class_index": None if chosen == "predicted" else tear_class(chosen).index,
        "method": parameters.method,
        "repetitions": int(parameters.repetitions),
        "any_plane": bool(parameters.anyPlane),
        **guess,
    }
