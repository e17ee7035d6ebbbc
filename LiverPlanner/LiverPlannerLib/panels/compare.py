"""Compare: the plan against a second segmentation, or against what the model had drawn."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.columns import Column
from LiverPlannerLib.comparison.columns import COLUMNS, columns_of, not_drawn_row, shown_row
from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.panels.compared_pair import ComparedPair
from LiverPlannerLib.panels.measure_page import NO_PLAN
from LiverPlannerLib.panels.segment_meanings import SegmentMeanings, nothing_known
from LiverPlannerLib.panels.tables import FoldedNotes, copy_table, fill_table, save_table
from LiverPlannerLib.scene.comparison import (
    EXTRA_COLOR,
    MISSED_COLOR,
    Pair,
    choose_differences,
    effort_words,
    show_differences,
)
from LiverPlannerLib.scene.tables import Row, place_beside, read_table, write_table
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.evaluation.surfaces import CONVENTIONS, DESCRIPTIONS
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene.finding import step_back
from PreopReviewLib.worker_io import save_steps, unsaved

WITH = ("reference", "model")
FEW = ("structure", "state", "dsc", "hd95_mm", "predicted_ml", "reference_ml")
"""Columns that are shown at first."""

NOTES = "PreopReview.Notes"
"""Attribute of the table node that keeps what must be read with it."""
_CONVENTION_WORDS = {
    "max-of-two": _("larger of both directions (as MONAI)"),
    "pooled": _("both directions together (as medpy)"),
    "area-weighted": _("weighted by area (as DeepMind)"),
}
_KEY_OF = {s.name: s.key for s in STRUCTURES}
_COLOR_OF = {s.name: s.color for s in STRUCTURES}


class CompareSection(Section):
    """One table for all structures; the differences of the chosen one as segments.

    Attributes:
        rows, notes: of the comparison that is shown.
    """

    title = _("Compare")
    ui_file = "Compare.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.pair, self._running = ComparedPair(self._show_summary), ComparedPair(self._show_summary)
        self._table: Any | None = None
        self._summary = ""

    def connect(self) -> None:
        """Fills the choices and connects the buttons."""
        ui = self.ui
        for key, words in zip(
            WITH, (_("a second segmentation"), _("the model output: what was corrected")), strict=True
        ):
            ui.withComboBox.addItem(words, key)
        for index, name in enumerate(CONVENTIONS):
            ui.conventionComboBox.addItem(_CONVENTION_WORDS[name], name)
            ui.conventionComboBox.setItemData(index, f"{name}: {DESCRIPTIONS[name]}", qt.Qt.ToolTipRole)
        for box, color in ((ui.missedCheckBox, MISSED_COLOR), (ui.extraCheckBox, EXTRA_COLOR)):
            square = qt.QPixmap(12, 12)
            square.fill(qt.QColor.fromRgbF(*color))
            box.setIcon(qt.QIcon(square))
        self.run = RunButton(
            self.context, ui.compareButton, ui.compareProgressBar, ui.compareProgressLabel, self.compare
        )
        ui.withComboBox.connect("activated(int)", lambda i: self.parameters.setValue("comparedWith", WITH[i]))
        ui.conventionComboBox.connect(
            "activated(int)", lambda i: self.parameters.setValue("hd95Convention", CONVENTIONS[i])
        )
        ui.comparisonTable.connect("itemSelectionChanged()", self.show_chosen)
        for box in (ui.missedCheckBox, ui.extraCheckBox):
            box.connect("toggled(bool)", lambda *_args: self.show_chosen())
        self._notes = FoldedNotes(ui.notesLabel)
        self.meanings = SegmentMeanings(self.context, ui.referenceMeaningTable)
        ui.allColumnsCheckBox.connect("toggled(bool)", lambda *_args: self.refresh())
        ui.copyButton.connect("clicked(bool)", lambda *_args: copy_table(COLUMNS, self.rows))
        ui.saveButton.connect("clicked(bool)", lambda *_args: self.save())
        self.button.connect("contentsCollapsed(bool)", lambda _collapsed: self.refresh())

    # ---- state ----

    def refresh(self) -> None:
        """Shows the choices, why they cannot be compared, and the last comparison."""
        parameters = self.parameters
        if parameters is None:
            self._forget()
            return
        self.show_overlays()
        if self.button.collapsed:
            return
        ui = self.ui
        ui.withComboBox.setCurrentIndex(WITH.index(parameters.comparedWith))
        ui.conventionComboBox.setCurrentIndex(CONVENTIONS.index(parameters.hd95Convention))
        by_hand = parameters.comparedWith == "reference"
        ui.referenceLabel.visible = ui.referenceSelector.visible = by_hand
        self.meanings.show_in(ui.referenceMeaningButton, parameters.referenceSegmentation if by_hand else None)
        self.run.refresh(self.disabled_reason())
        if parameters.comparisonTable is not self._table:  # of another plan, or deleted
            self._forget()
            self._read(parameters.comparisonTable)
        self._show_rows()

    def _read(self, table: Any | None) -> None:
        """Takes the comparison of another plan, or one that was saved with the scene."""
        self._table = table
        if table is None:
            return
        self.pair.follow(table)
        self.rows, self.notes = read_table(table, COLUMNS), (table.GetAttribute(NOTES) or "").splitlines()

    def disabled_reason(self) -> str:
        """Why the button is off, a sentence; empty if it is on. Looks at no voxel."""
        parameters = self.parameters
        plan, other = parameters.segmentation, self.other()
        if plan is None:
            return NO_PLAN
        if other is None and parameters.comparedWith == "model":
            return _("There is no model output beside this plan.")
        if other is None:
            return _("Choose the second segmentation above first.")
        if other.GetID() == plan.GetID():
            return _("The second segmentation is the plan itself. Choose another one.")
        return nothing_known(other)

    def show_overlays(self) -> None:
        """Differences are seen where they are worked on."""
        step_back([self.parameters.differencesSegmentation], self.button.collapsed)

    def other(self) -> Any | None:
        """What the plan is compared with."""
        parameters = self.parameters
        return parameters.modelOutput if parameters.comparedWith == "model" else parameters.referenceSegmentation

    def _chosen(self) -> tuple[Any | None, Any | None]:
        """What is judged, and what it is judged by: of the model output and its correction the latter is right."""
        plan, other = self.parameters.segmentation, self.other()
        return (other, plan) if self.parameters.comparedWith == "model" else (plan, other)

    def _columns(self) -> list[Column]:
        """The few that fit into the panel, or all."""
        if self.ui.allColumnsCheckBox.checked:
            return columns_of(self.rows)
        return [c for c in columns_of(self.rows, brief=True) if c.key in FEW]

    def _show_rows(self) -> None:
        ui = self.ui
        fill_table(
            ui.comparisonTable,
            self._columns(),
            self.rows,
            lambda row: _COLOR_OF.get(row["structure"]),
        )
        self._show_summary()
        self._notes.show(self.notes)
        ui.allColumnsCheckBox.visible = bool(self.rows)
        reason = "" if self.rows else _("Compare first.")
        enable(ui.copyButton, reason, _("Copies the table to the clipboard, for a spreadsheet or a letter."))
        enable(ui.saveButton, reason, _("Saves the table, with its notes, to a file."))
        node = self.parameters.differencesSegmentation
        reason = "" if node is not None else _("Compare first.")
        enable(ui.missedCheckBox, reason, _("What only the other segmentation contains, in red."))
        enable(ui.extraCheckBox, reason, _("What only the plan contains, in lime."))

    def _show_summary(self) -> None:
        """What is compared with what, the result in a sentence, and why it may not be what one takes it for."""
        problem = self.pair.problem(*self._chosen()) if self.rows and self.parameters is not None else ""
        lines = [f"<b>{escape(problem)}</b>"] if problem else []
        if self.rows:
            lines.append(escape(self._table.GetName()) + ".")
        lines += [self._summary] if self._summary else []
        self.ui.summaryLabel.text = "<br>".join(lines)
        self.ui.summaryLabel.visible = bool(lines)

    def _forget(self) -> None:
        self.rows, self.notes, self._summary, self._table = [], [], "", None
        self.pair.forget()

    def enter(self) -> None:
        """The module is opened: segments may have been named in another one."""
        self.refresh()

    # ---- comparing ----

    def compare(self) -> None:
        """Starts the job.

        Raises:
            PreopError: the two cannot be compared; says why.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        parameters = self.parameters
        effort = parameters.comparedWith == "model"
        pair = Pair(*self._chosen())
        prediction, reference = pair.labels()
        self._running.begin(pair.prediction.node, pair.reference.node)
        folder = self.context.new_folder()
        request = {
            "prediction": unsaved(prediction, "prediction"),
            "reference": unsaved(reference, "reference"),
            **drawn_request(pair.prediction.lesions_on(prediction), "drawn_prediction"),
            **drawn_request(pair.reference.lesions_on(reference), "drawn_reference"),
            "convention": parameters.hd95Convention,
            "tolerance": float(parameters.nsdTolerance),
            "branches": bool(parameters.compareBranches),
        }
        self.context.run_job(
            "LiverPlannerLib.measure_tasks:compare",
            save_steps(request, folder),
            folder,
            on_finished=lambda result: self._show(result, folder, pair, effort),
            title=_("Comparison"),
        )

    def _show(self, result: dict[str, Any], folder: Path, pair: Pair, effort: bool) -> None:
        parameters = self.parameters
        judged, right = pair.prediction.node, pair.reference.node
        if self._running.gone:
            raise InputError(
                _("A segmentation was removed while it was being compared"), _("Choose it again, then press Compare")
            )
        if parameters.segmentation not in (judged, right):
            raise InputError(_("The plan was replaced while it was being compared"), _("Press Compare again"))
        drawn = {row["structure"] for row in result["rows"]} if effort else set(pair.reference.keys)
        self.rows = [(shown_row if row["structure"] in drawn else not_drawn_row)(row) for row in result["rows"]]
        lesions = {key: counts for key, counts in result["lesions"].items() if key in drawn}
        self.notes = [*pair.notes(), *result["notes"]]
        self.pair.forget()
        self.pair, self._running = self._running, self.pair
        self._summary = effort_words(result["rows"]) if effort else _lesion_words(lesions)
        name = f"{judged.GetName()} / {right.GetName()}"
        self._write_table(_("Comparison {pair}").format(pair=name))
        node = show_differences(
            slicer.mrmlScene,
            parameters.differencesSegmentation,
            _("Differences {pair}").format(pair=name),
            pair.grid,
            folder,
            result["differences"],
        )
        if parameters.differencesSegmentation is None:
            place_beside(slicer.mrmlScene, node, parameters.segmentation)
            parameters.differencesSegmentation = node
        self._show_rows()
        self.show_overlays()
        self.show_chosen()

    def _write_table(self, name: str) -> None:
        parameters = self.parameters
        before = parameters.comparisonTable
        node = write_table(slicer.mrmlScene, before, name, COLUMNS, self.rows)
        node.SetAttribute(NOTES, "\n".join(self.notes))
        self.pair.write(node)
        self._table = node
        if before is None:
            place_beside(slicer.mrmlScene, node, parameters.segmentation)
            parameters.comparisonTable = node

    # ---- looking ----

    def show_chosen(self) -> None:
        """The differences of the structure that is chosen in the table."""
        if self.parameters is None or self.parameters.differencesSegmentation is None:
            return
        row = self.ui.comparisonTable.currentRow()
        key = _KEY_OF.get(self.rows[row]["structure"]) if 0 <= row < len(self.rows) else None
        missed, extra = self.ui.missedCheckBox.checked, self.ui.extraCheckBox.checked
        choose_differences(self.parameters.differencesSegmentation, key, missed, extra)

    def save(self) -> None:
        """The table to a CSV file."""
        try:
            path = save_table("comparison", COLUMNS, self.rows, self.notes, self.widget)
        except PreopError as error:
            self.context.show_error(_("Saving the table"), error)
            return
        if path is not None:
            slicer.util.showStatusMessage(_("Saved {path}").format(path=path), 5000)


def _lesion_words(lesions: dict[str, dict[str, int]]) -> str:
    """Lesions found, missed and false, in a sentence; empty without any."""
    words = []
    for key, counts in lesions.items():
        name = next(s.name for s in STRUCTURES if s.key == key)
        words.append(_("<b>{name}s:</b> {found} found, {missed} missed, {false} false.").format(name=name, **counts))
    return " ".join(words)
