"""Classify: from the MRI to class, probabilities and map in one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib import worker_io
from PreopReviewLib.errors import InputError
from PreopReviewLib.models.overview import card, models_with_network
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section
from PreopReviewLib.scene import inputs
from RotatorCuffCAMLib.panels.answer_choice import show_alone
from RotatorCuffCAMLib.panels.input import disabled_reason, options_of
from RotatorCuffCAMLib.rendering.fused import field_from
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene.shoulder import Look
from RotatorCuffCAMLib.tears import TEAR_CLASSES

BAR_PIXELS = 150
MOVED = _("The MRI was moved since it was classified, and its map was not: classify it again.")


class ClassifySection(Section):
    """Model, Classify, and what was said; which weights they are stands above the button."""

    title = _("Classify")
    ui_file = "CuffClassify.ui"
    collapsed = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._models: dict[str, dict] = {}
        self._card: Any | None = None

    def connect(self) -> None:
        """Fills the models and connects the buttons."""
        ui = self.ui
        self.run = RunButton(self.context, ui.classifyButton, ui.progressBar, ui.progressLabel, self.classify)
        ui.modelComboBox.connect("activated(int)", self._on_model)
        ui.cardButton.connect("clicked(bool)", lambda *_args: self.show_card())
        self._fill_models()

    def enter(self) -> None:
        """The module is opened: models may have been installed meanwhile."""
        self._fill_models()
        self.refresh()

    def _fill_models(self) -> None:
        packages = models_with_network("VRN")
        self._models = dict(sorted(packages.items(), key=lambda item: item[0] != "tear-synthetic"))
        self.ui.modelComboBox.clear()
        for name in self._models:
            self.ui.modelComboBox.addItem(name)

    def _on_model(self, index: int) -> None:
        self.parameters.model = list(self._models)[index]

    def refresh(self) -> None:
        """Shows the model's warning, the answer, and why the button is off where it is."""
        parameters = self.parameters
        if parameters is None:
            self.run.refresh(_("The scene is being closed."))
            return
        names = list(self._models)
        if parameters.model in names:
            self.ui.modelComboBox.setCurrentIndex(names.index(parameters.model))
        data = self._models.get(parameters.model)
        self.ui.modelWarningLabel.text = (
            f"<b style='color: {warning_color(self.ui.modelWarningLabel)}'>{escape(str(data['intended_use']))}</b>"
            if data
            else ""
        )
        reason = disabled_reason(parameters)
        if not reason and data is None:
            reason = _("There is no model of that name on this computer: choose one above.")
        self.run.refresh(reason)
        record = scene_answer.record_of(parameters.activation)
        self.ui.answerLabel.text = answer_html(record) if record else ""
        self.ui.answerLabel.visible = bool(record)

    def show_card(self) -> Any:
        """The model's card in a window of its own."""
        data = self._models.get(self.parameters.model)
        if data is None:
            return None
        if self._card is None:
            self._card = qt.QTextBrowser()
            self._card.setWindowTitle(_("Model card"))
            self._card.resize(720, 560)
        self._card.setMarkdown(card(self.parameters.model))
        self._card.show()
        return self._card

    # ---- running ----

    def classify(self) -> None:
        """Starts the classification; called by the button.

        Raises:
            PreopError: why it cannot be started. The scene is then as it was.
        """
        start(self.context)

    def cleanup(self) -> None:
        """Closes the window of the card."""
        if self._card is not None:
            self._card.close()
            self._card = None


def start(context: Context) -> None:
    """Classifies the chosen MRI in the worker and shows the answer.

    Raises:
        PreopError: why it cannot be started.
    """
    volume = context.parameters.inputVolume
    inputs.require_volume(volume)
    place = inputs.ijk_to_world(volume)

    def show(context: Context, volume_id: str, folder: Path, result: dict[str, Any]) -> Iterator[None]:
        there = slicer.mrmlScene.GetNodeByID(volume_id)
        if there is not None and not np.allclose(inputs.ijk_to_world(there), place, atol=1e-3):
            raise InputError(_("The MRI was moved while it was being classified"), _("Press the button again"))
        return _show(context, volume_id, folder, result)

    run_on_request(context, "classify", volume.GetID(), show, _("Tear classification"))


def run_on_request(context: Context, task: str, node_id: str, show: Callable[..., Iterator[None]], title: str) -> None:
    """Runs a task of the worker on what the panel asks for.

    Args:
        task: of `RotatorCuffCAMLib.tasks`.
        node_id: of the node that the answer belongs to.
        show: called with the context, that node, the folder and the answer; steps that show it.

    Raises:
        PreopError: why it cannot be started.
    """
    from PreopReviewLib.panels import dependencies

    dependencies.ensure()
    request = request_of(context.parameters)
    folder = context.new_folder()
    context.run_job(
        f"RotatorCuffCAMLib.tasks:{task}",
        worker_io.save_steps(request, folder),
        folder,
        on_finished=lambda result: show(context, node_id, folder, result),
        title=title,
    )


def request_of(parameters: Any) -> dict[str, Any]:
    """What the worker is told of the chosen MRI.

    Raises:
        PreopError: it cannot be used.
    """
    volume = parameters.inputVolume
    inputs.require_volume(volume)
    return {
        "image": inputs.unsaved(volume),
        "source": volume.GetName(),
        "model": parameters.model,
        "options": options_of(parameters),
    }


def _show(context: Context, volume_id: str, folder: Path, result: dict[str, Any]) -> Iterator[None]:
    volume = slicer.mrmlScene.GetNodeByID(volume_id)
    if volume is None:
        raise InputError(_("The MRI was removed while it was being classified"), _("Load it again"))
    activation = worker_io.load_image(folder, result["activation"])
    cube = worker_io.load_image(folder, result["cube"])
    answer = scene_answer.result_of(result["summary"], activation, cube)
    field = field_from(worker_io.load_image(folder, result["field"]), result["levels"])
    yield
    parameters = context.parameters
    cuff_nodes = yield from scene_answer.add_answer_steps(
        volume, inputs.image_of(volume), answer, result["summary"], field, look_of_panel(parameters)
    )
    with slicer.util.NodeModify(parameters):
        parameters.inputVolume = volume  # another one may have been chosen meanwhile
        parameters.activation = cuff_nodes.activation
        parameters.hotRegion = cuff_nodes.hot
    show_alone(volume)
    scene_answer.set_opacity(cuff_nodes.activation, parameters.opacity)
    context.notify("answer")


def warning_color(label: Any) -> str:
    """A red that is read on the label's ground, in the light style and in the dark one."""
    dark = label.palette.color(qt.QPalette.Window).lightness() < 128
    return "#ff8a80" if dark else "#b42318"


def look_of_panel(parameters: Any) -> Look:
    """How the panel wants a shoulder to be drawn."""
    return Look(parameters.preset, parameters.tissueOpacity, bool(parameters.cutOpen), parameters.threshold)


def answer_html(record: dict[str, Any]) -> str:
    """Class, bars of the probabilities, and the warnings."""
    rows = []
    for tear in TEAR_CLASSES:
        chance = record["probabilities"][tear.key]
        color = "#{:02x}{:02x}{:02x}".format(*(round(255 * v) for v in tear.color))
        width = max(1, round(BAR_PIXELS * chance))
        name = escape(tear.name)
        name = f"<b>{name}</b>" if tear.key == record["class"] else name
        spread = record["spread"]
        value = f"{chance:.2f}" + (f" ± {spread[tear.key]:.2f}" if spread else "")
        bar = f"<table cellspacing=0 cellpadding=0><tr><td bgcolor='{color}' width='{width}'>&nbsp;</td></tr></table>"
        rows.append(f"<tr><td>{name}&nbsp;&nbsp;</td><td align='right'>{value}&nbsp;</td><td>{bar}</td></tr>")
    lines = [
        _("<b>{name}</b>. Score of any tear: {score:.2f}.").format(
            name=escape(record["class_name"]), score=record["tear_score"]
        ),
        f"<table cellspacing=2>{''.join(rows)}</table>",
    ]
    if record["warnings"]:
        items = "".join(f"<li>{escape(w[0].upper() + w[1:])}.</li>" for w in record["warnings"])
        lines.append(_("<b>Beware:</b>") + f"<ul style='margin: 0px;'>{items}</ul>")
    lines.append(
        _("<small>{model}, {seconds:.2f} s. Research only; not for diagnosis.</small>").format(
            model=escape(record["model"]), seconds=record["seconds"]
        )
    )
    return "".join(f"<p style='margin: 2px;'>{line}</p>" for line in lines)
