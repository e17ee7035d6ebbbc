"""Train on these: a round of training on the finished cases, in a process that outlives Slicer."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from LiverPlannerLib.ground_truth import rounds
from LiverPlannerLib.ground_truth.training import LEAST_CASES, ranking, ready_cases, start_training, starts
from LiverPlannerLib.panels.ground_truth_case import CasesSection
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.run_button import FirstClick

LOOK_MS = 2000
CURVE_WIDTH = 330
SHOWN_NEXT = 5
OWN = ""
"""Choice: the model of the list's last round that was better."""


class TrainOnThese:
    """A choice of the model to start from, one button, a bar, and the result."""

    def __init__(self, section: CasesSection) -> None:
        self.section, self.ui, self.context = section, section.ui, section.context
        self._timer: Any | None = None
        self._first = FirstClick()

    def connect(self) -> None:
        """Connects the button."""
        ui = self.ui
        ui.trainButton.connect("clicked(bool)", lambda *_args: self._clicked())
        self._idle_text, self._idle_tooltip = ui.trainButton.text, ui.trainButton.toolTip
        ui.trainingProgressBar.setRange(0, 100)
        ui.trainingProgressBar.visible = False
        self._timer = timers.repeating(LOOK_MS, self.refresh)

    def cleanup(self) -> None:
        """Stops looking; a round that runs goes on."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    # ---- state ----

    def refresh(self) -> None:
        """Shows how far the newest round is, and why the button is off."""
        if self._timer is None:
            return
        ui, work = self.ui, self.section.work
        ui.trainingWidget.visible = work is not None
        folder = self._round()
        state = self._state(folder)
        running = state is not None and state.phase in ("waiting", "running")
        if running != self._timer.isActive():
            self._timer.start() if running else self._timer.stop()
        if work is None:
            return
        self._fill_models()
        reason = "" if running else self._problem()
        ui.trainButton.text = _("Cancel training") if running else self._idle_text
        ui.trainButton.enabled = not reason
        ui.trainButton.toolTip = reason or (_("Stop the training.") if running else self._idle_tooltip)
        ui.trainModelComboBox.enabled = not running
        ui.trainingProgressBar.visible = running
        if state is not None:
            ui.trainingProgressBar.value = round(100 * state.fraction)
        text = "" if state is None or folder is None else self._words(folder, state)
        ui.trainingLabel.text = text
        ui.trainingLabel.visible = bool(text)
        self._show_curve(state is not None and state.phase == "done")

    def _show_curve(self, done: bool) -> None:
        picture = self.section.work.folder / rounds.FOLDER / rounds.PICTURE
        label, shown = self.ui.curveLabel, done and picture.is_file()
        label.visible = shown
        if shown:  # in a text Qt would leave out rows of it
            curve = qt.QPixmap(str(picture))
            label.setPixmap(curve.scaledToWidth(CURVE_WIDTH, qt.Qt.SmoothTransformation))

    def _round(self) -> Path | None:
        folders = rounds.rounds(self.section.work) if self.section.work is not None else []
        return folders[-1] if folders else None

    def _state(self, folder: Path | None) -> rounds.RoundState | None:
        try:
            return rounds.read_state(folder) if folder is not None else None
        except PreopError as problem:
            return rounds.RoundState("failed", problem=str(problem))

    def _fill_models(self) -> None:
        box = self.ui.trainModelComboBox
        names = starts(self.section.work)
        values = [*([OWN] if rounds.current_model(self.section.work) else []), *names]
        before = [box.itemData(i) for i in range(box.count)]
        if before == values:
            return
        chosen = box.itemData(box.currentIndex) if before else None
        if OWN in values and OWN not in before:
            chosen = OWN  # the next round goes on from the better model
        box.clear()
        for value in values:
            box.addItem(value or _("This list's own"), value)
        box.setCurrentIndex(values.index(chosen) if chosen in values else 0)

    def _problem(self) -> str:
        source = self.ui.sourceComboBox.currentText
        if not source:
            return _("No one has drawn anything yet.")
        if not self.ui.trainModelComboBox.count:
            return _("No installed model that can be trained further draws a structure of this list.")
        try:
            ready = len(ready_cases(self.section.work, source))
        except PreopError as problem:
            return str(problem)
        if ready < LEAST_CASES:
            words = _("{ready} of {least} cases of {name} are finished.")
            return words.format(ready=ready, least=LEAST_CASES, name=source)
        return ""

    def _words(self, folder: Path, state: rounds.RoundState) -> str:
        name = folder.name.replace("_", " ").capitalize()
        if state.phase in ("waiting", "running"):
            return escape(f"{name}: {state.words}")
        if state.phase != "done":
            return escape(f"{name}: {_('ended')}, {state.phase}. {state.problem}")
        gains = "; ".join(f"{k.replace('_', ' ')} {a:.2f} → {b:.2f}" for k, (a, b) in state.gain.items())
        lines = [escape(_("{name}, mean Dice on the held-out cases: {gains}.").format(name=name, gains=gains))]
        if not state.offered:
            lines.append(escape(_("The new model is not better on them; the previous one stays.")))
        else:
            lines.append(escape(_("The new model is now this list's own.")))
            following = ", ".join(f"{case} ({doubt:.2f})" for case, doubt in ranking(self.section.work)[:SHOWN_NEXT])
            if following:
                lines.append(escape(_("Least sure of: {cases}.").format(cases=following)))
        return "<br>".join(lines)

    # ---- the button ----

    def _clicked(self) -> None:
        folder = self._round()
        state = self._state(folder)
        try:
            if folder is None or state is None or state.phase not in ("waiting", "running"):
                self.start()
                self._first.done()
            elif not self._first.is_second:
                rounds.ask_to_cancel(folder)
        except Exception as error:
            self.context.show_error(self._idle_text, error)
        self.refresh()

    def start(self) -> None:
        """Starts a round on what the chosen annotator has finished.

        Raises:
            PreopError: why it cannot be started.
        """
        from PreopReviewLib.panels import dependencies, settings

        self.section.open_case.save()
        dependencies.ensure()
        settings.apply()
        box = self.ui.trainModelComboBox
        start_training(self.section.work, self.ui.sourceComboBox.currentText, box.itemData(box.currentIndex) or None)
