"""Several annotators of one list: where they differ, their consensus, and the data set that follows."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from LiverPlannerLib.ground_truth.work_list import CONSENSUS, PROGRESS
from LiverPlannerLib.panels.ground_truth_case import CasesSection
from LiverPlannerLib.panels.measure_page import jump_to
from LiverPlannerLib.panels.tables import bullets, fill_table
from LiverPlannerLib.scene import ground_truth as in_scene
from LiverPlannerLib.scene.tables import Column
from LiverPlannerLib.structures import structure
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.worker_io import load_image

METHODS = ("staple", "majority")
FORMS = ("nnunet", "monai")
EXPORTS = "PreopReview/TruthExports"
"""Setting: where data sets were written."""
COLUMNS = (
    Column("structure", "Structure", "text"),
    Column("dsc", "DSC", "number", 3, "Overlap of the two, 0 to 1."),
    Column("hd95_mm", "HD95, mm", "number", 1, "Distance of the surfaces, the larger of the two 95th percentiles."),
    Column("predicted_ml", "First, ml", "number", 1),
    Column("reference_ml", "Second, ml", "number", 1),
)


class Several:
    """Three buttons, one table, and the result.

    Attributes:
        rows: of the last disagreement.
        notes: sentences on what was done last.
    """

    def __init__(self, section: CasesSection) -> None:
        self.section, self.ui, self.context = section, section.ui, section.context
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._of = ""

    def connect(self) -> None:
        """Fills the choices and connects the buttons."""
        ui = self.ui
        for words, method in zip((_("STAPLE"), _("Majority")), METHODS, strict=True):
            ui.methodComboBox.addItem(words, method)
        for words, form in zip((_("nnU-Net raw"), _("MONAI datalist")), FORMS, strict=True):
            ui.formComboBox.addItem(words, form)
        run = (self.context, ui.truthProgressBar, ui.truthProgressLabel)
        self.differ = RunButton(run[0], ui.disagreementButton, *run[1:], self.show_disagreement)
        self.agree = RunButton(run[0], ui.consensusButton, *run[1:], self.make_consensus)
        self.out = RunButton(run[0], ui.exportButton, *run[1:], self.export)
        for box in (ui.firstComboBox, ui.secondComboBox, ui.sourceComboBox):
            box.connect("activated(int)", lambda *_args: self.refresh())

    # ---- state ----

    def refresh(self) -> None:
        """Shows who there is, and why buttons are off."""
        ui, work = self.ui, self.section.work
        ui.severalWidget.visible = work is not None
        if work is None:
            self.rows, self.notes = [], []
            return
        people = work.annotators
        _choices(ui.firstComboBox, people, 0)
        _choices(ui.secondComboBox, people, 1)
        has_consensus = (work.folder / CONSENSUS / PROGRESS).exists()
        _choices(ui.sourceComboBox, [*([CONSENSUS] if has_consensus else []), *people], 0)
        case = self.section.open_case.name
        self.differ.refresh(self._disagreement_problem(case, people))
        alone = _("At least two annotators must have finished a case.")
        self.agree.refresh("" if len(people) > 1 else alone)
        self.out.refresh("" if people else _("No one has drawn anything yet."))
        if self._of != case:
            self.rows, self._of = [], case
        fill_table(ui.disagreementTable, COLUMNS, self.rows)
        ui.severalNotesLabel.text = bullets(self.notes)
        ui.severalNotesLabel.visible = bool(self.notes)

    def _disagreement_problem(self, case: str, people: list[str]) -> str:
        work = self.section.work
        if len(people) < 2:
            return _("Only one annotator has begun this list.")
        if not case:
            return _("Open a case first.")
        pair = self._pair()
        if pair[0] == pair[1]:
            return _("Choose two different annotators.")
        for name in pair:
            if not work.label_path(case, name).is_file():
                return _("{name} has not drawn anything in this case yet.").format(name=name)
        return ""

    def _pair(self) -> tuple[str, str]:
        return self.ui.firstComboBox.currentText, self.ui.secondComboBox.currentText

    # ---- what the buttons do; all of it in the worker process ----

    def show_disagreement(self) -> None:
        """Shows where two annotators of the open case differ, as a segment and in a table."""
        self.section.open_case.save()
        first, second = self._pair()
        case = self.section.open_case.name
        request = {"list": str(self.section.work.folder), "case": case, "first": first, "second": second}
        folder = self.context.new_folder()

        def show(result: dict[str, Any]) -> None:
            self.rows = [disagreement_row(row) for row in result["rows"]]
            words = _("{first} and {second} differ in {ml:.2f} ml of {case}.")
            self.notes, self._of = [words.format(first=first, second=second, ml=result["ml"], case=case)], case
            nodes = self.section.open_case.nodes
            if result["ml"] > 0 and nodes is not None and self.section.open_case.name == case:
                name = _("{case}: {first} against {second}").format(case=case, first=first, second=second)
                mask = load_image(folder, result["mask"])
                in_scene.show_disagreement(mask, nodes.volume, name)
                jump_to(in_scene.largest_region(mask))
            else:
                in_scene.remove_disagreement()
            self.section.refresh()

        self._run("disagreement", request, folder, show)

    def make_consensus(self) -> None:
        """Makes the consensus of every case that two have finished."""
        self.section.open_case.save()
        request = {"list": str(self.section.work.folder), "method": METHODS[self.ui.methodComboBox.currentIndex]}

        def show(result: dict[str, Any]) -> None:
            words = _("There is a consensus of {names}.")
            self.notes = [words.format(names=", ".join(result["made"]))]
            self.notes += _left_out(result["left_out"])
            self.section.refresh()
            self.ui.sourceComboBox.setCurrentIndex(self.ui.sourceComboBox.findText(CONSENSUS))

        self._run("consensus", request, self.context.new_folder(), show)

    def export(self) -> None:
        """Asks for a folder and writes the finished cases there as a data set."""
        self.section.open_case.save()
        start = str(qt.QSettings().value(EXPORTS) or "")
        folder = qt.QFileDialog.getExistingDirectory(self.section.widget, _("Empty folder for the data set"), start)
        if not folder:
            return
        qt.QSettings().setValue(EXPORTS, folder)
        request = {
            "list": str(self.section.work.folder),
            "source": self.ui.sourceComboBox.currentText,
            "out": folder,
            "form": FORMS[self.ui.formComboBox.currentIndex],
        }

        def show(result: dict[str, Any]) -> None:
            words = _("Written to {folder}, ready for preop train: {names}.")
            self.notes = [words.format(names=", ".join(result["cases"]), folder=folder), *result["notes"]]
            self.notes += _left_out(result["left_out"])
            self.section.refresh()

        self._run("export", request, self.context.new_folder(), show)

    def _run(self, task: str, request: dict[str, Any], folder: Any, show: Any) -> None:
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        self.context.run_job(
            f"LiverPlannerLib.ground_truth.tasks:{task}", request, folder, on_finished=show, title=_("Ground truth")
        )


def disagreement_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table; where neither has drawn there is nothing to agree on."""
    neither = row["state"] == "both empty"
    return {**row, "structure": structure(row["structure"]).name} | ({"dsc": None, "hd95_mm": None} if neither else {})


def _choices(box: Any, names: list[str], place: int) -> None:
    """The names in a combo box; what was chosen stays so, else the one at `place` is."""
    if [box.itemText(i) for i in range(box.count)] == names:
        return
    chosen = box.currentText if box.count > 1 else ""
    blocked = box.blockSignals(True)
    box.clear()
    for name in names:
        box.addItem(name)
    box.setCurrentIndex(names.index(chosen) if chosen in names else min(place, len(names) - 1))
    box.blockSignals(blocked)


def _left_out(reasons: dict[str, str]) -> list[str]:
    words = _("Left out: {name}: {reason}")
    return [words.format(name=name, reason=reason) for name, reason in reasons.items()]
