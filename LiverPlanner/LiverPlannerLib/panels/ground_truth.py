"""Ground truth: a list of cases to draw, one after the other, by several annotators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.ground_truth.annotation import Annotation, CaseState, is_finished
from LiverPlannerLib.ground_truth.cases import cases_of_series
from LiverPlannerLib.ground_truth.lock import InUse
from LiverPlannerLib.ground_truth.training import ranking
from LiverPlannerLib.ground_truth.work_list import (
    DEFAULT_STRUCTURES,
    WorkList,
    create_list,
    open_list,
    require_annotator,
)
from LiverPlannerLib.panels.ground_truth_case import OpenCase
from LiverPlannerLib.panels.ground_truth_several import Several
from LiverPlannerLib.panels.ground_truth_training import TrainOnThese
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.scene import ground_truth as in_scene
from LiverPlannerLib.scene.tables import Column
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable

LIST, ANNOTATOR, IMAGES = "PreopReview/TruthList", "PreopReview/TruthAnnotator", "PreopReview/TruthImages"
"""Settings: the list that was open last, who drew, and where images were looked for."""
COLUMNS = (
    Column("case", "Case", "text"),
    Column("state", "State", "text", help="How many structures are done, or found to be absent."),
    Column("minutes", "min", "number", 1, help="Time spent on it; pauses of more than two minutes do not count."),
    Column("comment", "Comment", "text"),
)


class GroundTruthSection(Section):
    """The list, its cases, the case that is open, and what several annotators have in common.

    Attributes:
        work: the list that is open, or None.
        mine: what this annotator has done of it, or None. It is on disk at every change.
        open_case: the case in the scene.
    """

    title = _("Ground truth")
    ui_file = "GroundTruth.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.work: WorkList | None = None
        self.mine: Annotation | None = None
        self.open_case = OpenCase(self)
        self.several = Several(self)
        self.training = TrainOnThese(self)

    def connect(self) -> None:
        """Fills the choices and connects the buttons."""
        ui = self.ui
        for s in STRUCTURES:
            ui.structuresComboBox.addItem(s.name, s.key)
        model = ui.structuresComboBox.model()
        for row, s in enumerate(STRUCTURES):
            checked = qt.Qt.Checked if s.key in DEFAULT_STRUCTURES else qt.Qt.Unchecked
            ui.structuresComboBox.setCheckState(model.index(row, 0), checked)
        ui.annotatorEdit.text = _setting(ANNOTATOR)
        run = (self.context, ui.truthProgressBar, ui.truthProgressLabel)
        self.new_button = RunButton(run[0], ui.newListButton, *run[1:], self.new_list)
        self.open_button = RunButton(run[0], ui.openCaseButton, *run[1:], self.open_chosen)
        self.next_button = RunButton(run[0], ui.nextCaseButton, *run[1:], self.open_next)
        ui.openListButton.connect("clicked(bool)", lambda *_args: self._guarded(self.ask_for_list))
        ui.dicomListButton.connect("clicked(bool)", lambda *_args: self._guarded(self.new_list_of_dicom))
        ui.annotatorEdit.connect("editingFinished()", lambda: self._guarded(self.change_annotator))
        ui.casesTable.connect("itemSelectionChanged()", lambda: self.refresh())
        ui.casesTable.connect("cellDoubleClicked(int,int)", lambda *_args: self._on_double_click())
        self.open_case.connect()
        self.several.connect()
        self.training.connect()

    def bind(self, node: Any | None) -> None:
        """The scene is being closed, or is another one: what was drawn is saved first."""
        if node is None:
            self.open_case.leave()
        super().bind(node)

    # ---- state ----

    def refresh(self) -> None:
        """Shows the list and why buttons are off."""
        if self.parameters is None:
            return
        ui = self.ui
        ui.listLabel.text = self.work.folder.name if self.work is not None else _("none")
        ui.listLabel.toolTip = str(self.work.folder) if self.work is not None else ""
        self._fill_cases()
        reason = self.disabled_reason()
        enable(ui.openListButton, self._busy(), _("Opens a folder with a list, and continues where it was left."))
        none = "" if ui.structuresComboBox.checkedIndexes() else _("Tick a structure to draw first.")
        self.new_button.refresh(none)
        no_dicom = "" if in_scene.dicom_files() else _("Slicer's DICOM database holds no CT or MRI.")
        enable(ui.dicomListButton, none or no_dicom, _("Makes a list of every CT and MRI in Slicer's DICOM database."))
        self.open_button.refresh(reason or ("" if self.chosen() else _("Choose a case in the table first.")))
        finished = _("Every case is finished.") if self.mine is not None and self.mine.next_case() is None else ""
        self.next_button.refresh(reason or finished)
        self.open_case.refresh()
        self.several.refresh()
        self.training.refresh()

    def disabled_reason(self) -> str:
        """Why no case can be opened, a sentence; empty if one can."""
        if self.work is None:
            return _("Open a list, or make one, first.")
        if self.mine is None:
            return _("Type your initials or name above first.")
        return ""

    def _busy(self) -> str:
        return _("A computation is running. Wait for it, or cancel it.") if self.context.busy else ""

    def _fill_cases(self) -> None:
        rows = []
        for case in self.work.cases if self.work is not None else ():
            state = self.mine.state(case.name) if self.mine is not None else CaseState()
            unsaved = self.open_case.unsaved_seconds if case.name == self.open_case.name else 0.0
            rows.append(
                {
                    "case": case.name,
                    "state": state_words(state),
                    "minutes": (state.seconds + unsaved) / 60,
                    "comment": " ".join(filter(None, (state.unusable, state.comment))),
                }
            )
        fill_table(self.ui.casesTable, COLUMNS, rows)

    def chosen(self) -> str:
        """The name of the case chosen in the table; empty if there is none."""
        row = self.ui.casesTable.currentRow()
        return self.work.cases[row].name if self.work is not None and 0 <= row < len(self.work.cases) else ""

    # ---- the list ----

    def ask_for_list(self) -> None:
        """Asks for the folder of a list and opens it."""
        folder = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder of the list"), _setting(LIST))
        if folder:
            self.open(folder)

    def open(self, folder: str | Path, take_over: bool = False) -> None:
        """Opens a list as the annotator that the panel names.

        Raises:
            PreopError: it is not a list, damaged, or open elsewhere. What was open before stays open.
        """
        work = open_list(folder)
        name = self.ui.annotatorEdit.text.strip()
        mine = self._annotation(work, name, take_over) if name else None
        self.close_list()
        self.work, self.mine = work, mine
        qt.QSettings().setValue(LIST, str(work.folder))
        self.refresh()

    def _annotation(self, work: WorkList, name: str, take_over: bool) -> Annotation:
        """What an annotator has done of a list; the user may take it over from someone who seems to have it open."""
        if self.mine is not None and (self.mine.work, self.mine.annotator) == (work, name):
            self.close_list()
        try:
            return Annotation(work, name, take_over)
        except InUse as problem:
            asked = _("{problem}\n\nTake it over? Anyone who has it open will no longer be able to save.").format(
                problem=problem
            )
            if not slicer.util.confirmYesNoDisplay(asked, windowTitle=_("Ground truth")):
                raise
            return Annotation(work, name, take_over=True)

    def close_list(self) -> None:
        """Saves what was drawn, and lets others have the list."""
        self.open_case.leave()
        if self.mine is not None:
            self.mine.close()
        self.work, self.mine = None, None

    def change_annotator(self) -> None:
        """Continues as the annotator that was typed.

        Raises:
            InputError: the name cannot be used.
        """
        name = self.ui.annotatorEdit.text.strip()
        if self.mine is not None and name == self.mine.annotator:
            return
        if name:
            require_annotator(name)
        qt.QSettings().setValue(ANNOTATOR, name)
        if self.work is not None:
            work = self.work
            self.close_list()
            in_scene.remove_cases()
            self.work = work
            self.mine = self._annotation(work, name, False) if name else None
        self.refresh()

    def structures(self) -> list[str]:
        """The structures ticked for a new list."""
        return [STRUCTURES[index.row()].key for index in self.ui.structuresComboBox.checkedIndexes()]

    def new_list(self) -> None:
        """Asks for a folder with images and one for the list, and makes it in the worker process."""
        from PreopReviewLib.panels import dependencies

        images = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder with the images"), _setting(IMAGES))
        if not images:
            return
        target = qt.QFileDialog.getExistingDirectory(self.widget, _("Empty folder for the list"), images)
        if not target:
            return
        qt.QSettings().setValue(IMAGES, images)
        dependencies.ensure()
        self.context.run_job(
            "LiverPlannerLib.ground_truth.tasks:new_list",
            {"source": images, "list": target, "structures": self.structures()},
            self.context.new_folder(),
            on_finished=lambda _result: self.open(target),
            title=_("New list"),
        )

    def new_list_of_dicom(self) -> None:
        """Asks for a folder and makes a list of the series of Slicer's DICOM database."""
        target = qt.QFileDialog.getExistingDirectory(self.widget, _("Empty folder for the list"), _setting(LIST))
        if target:
            create_list(target, cases_of_series(in_scene.dicom_series(), target), self.structures())
            self.open(target)

    # ---- cases ----

    def open_chosen(self) -> None:
        """Opens the case chosen in the table."""
        self.open_case.open(self.chosen())

    def open_next(self) -> None:
        """Saves the case that is open, and opens the next that is not finished: the one a model is least sure of."""
        case = self.mine.next_case(self.open_case.name or None, [name for name, _doubt in ranking(self.work)])
        if case is None:
            raise InputError(_("Every case is finished"), _("Export the list, or choose a case in the table"))
        self.open_case.open(case.name)

    def _on_double_click(self) -> None:
        if self.ui.openCaseButton.enabled:
            self.ui.openCaseButton.click()

    def _guarded(self, action: Any) -> None:
        try:
            action()
        except Exception as error:  # nothing above a slot catches it
            self.context.show_error(self.title, error)
            self.refresh()

    # ---- coming and going ----

    def enter(self) -> None:
        """The module is opened: time counts again."""
        self.open_case.enter()
        self.refresh()

    def exit(self) -> None:
        """The module is left: what was drawn is saved, and time stops."""
        self.open_case.leave()

    def cleanup(self) -> None:
        """Lets others have the list; a round of training goes on."""
        self.training.cleanup()
        self.close_list()


def state_words(state: CaseState) -> str:
    """The state of a case, in a word or two."""
    if state.unusable:
        return _("unusable")
    if not state.status or all(s == "to do" for s in state.status.values()):
        return _("to do")
    if is_finished(state):
        return _("finished")
    done = sum(s in ("done", "absent") for s in state.status.values())
    return _("{done} of {all}").format(done=done, all=len(state.status))


def _setting(key: str) -> str:
    return str(qt.QSettings().value(key) or "")
