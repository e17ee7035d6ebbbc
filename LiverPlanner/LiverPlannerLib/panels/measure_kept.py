"""Resections that are kept: named, switched, undone, compared side by side, and put on one page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.panels.measure_page import CutPage
from LiverPlannerLib.panels.tables import fill_table, fit_rows
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene.branches import by_hand_request
from LiverPlannerLib.scene.couinaud import couinaud_request
from LiverPlannerLib.scene.kept_cuts import COMPARED_COLUMNS, KeptCuts
from LiverPlannerLib.scene.plan_tables import put_table
from PreopReviewLib.panels.module_widget import scroll_soon
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import enable
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import unsaved

MEASURED = "PreopReview.Measured"
"""Attribute of the comparison's table: what it depended on, see `KeptPage._stamp`."""


class KeptPage:
    """Resections in a list: named, chosen, removed, brought back, compared."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self.kept: KeptCuts | None = None
        self.shown = False  # whether one of the list is shown, in place of the present cut

    def connect(self) -> None:
        """Connects list and buttons."""
        ui = self.ui
        ui.keepButton.connect("clicked(bool)", lambda *_args: self.keep())
        ui.dropButton.connect("clicked(bool)", lambda *_args: self._drop())
        ui.undropButton.connect("clicked(bool)", lambda *_args: self._undrop())
        ui.keptList.connect("itemChanged(QListWidgetItem*)", self._on_renamed)
        ui.keptList.connect("currentRowChanged(int)", self._on_chosen)
        self.run = RunButton(
            self.page.context, ui.compareCutsButton, ui.compareCutsProgressBar, ui.compareCutsProgressLabel, self.start
        )
        self.run_page = RunButton(
            self.page.context, ui.cutsPageButton, ui.compareCutsProgressBar, ui.compareCutsProgressLabel,
            self.write_page,
        )  # fmt: skip
        ui.cutsPageLabel.visible = False

    def refresh(self, reason: str) -> None:
        """Shows the list and what can be done with it."""
        parameters, ui = self.page.parameters, self.ui
        plan = parameters.segmentation
        self.kept = KeptCuts(plan, parameters.resectionsSegmentation) if plan is not None else None
        self._fill()
        none = reason or ("" if self.page.current_cut_quietly() is not None else _("Cut the liver first."))
        enable(ui.keepButton, none, _("Keeps the resection in the list below, and with the scene."))
        chosen = "" if self._chosen() is not None else _("Choose a resection in the list below first.")
        enable(ui.dropButton, chosen, _("Removes the chosen resection from the list."))
        gone = "" if self.kept is not None and self.kept.can_bring_back else _("No resection was removed.")
        enable(ui.undropButton, gone, _("Restores the resection that was removed last."))
        names = self.kept.names if self.kept is not None else []
        missing = reason or ("" if names else _("Keep a resection first."))
        self.run.refresh(missing)
        volume = parameters.inputVolume
        self.run_page.refresh(
            missing or (inputs.volume_problem(volume) if volume is not None else _("There is no volume."))
        )
        ui.keptList.visible = bool(names)
        table = parameters.resectionsTable
        rows = self.kept.compared(table) if self.kept is not None else []
        fill_table(ui.compareCutsTable, COMPARED_COLUMNS, rows)
        stamp = self._stamp() if rows and not reason else ""
        old = bool(stamp) and (table.GetAttribute(MEASURED) or stamp) != stamp
        words = _("The plan, or what counts as functional, was changed since these were compared: compare them again.")
        ui.comparedLabel.text = f"<b>{words}</b>" if old else ""
        ui.comparedLabel.visible = old

    def _stamp(self) -> str:
        """What the comparison depends on beside the resections themselves, in words that change with it."""
        plan = self.page.live.measures.plan
        return repr(([(key, plan.mask(key).count) for key in plan.keys], self.page.section.volumes.inputs()))

    def _fill(self) -> None:
        view, names = self.ui.keptList, self.kept.names if self.kept is not None else []
        row = view.currentRow
        blocked = view.blockSignals(True)
        view.clear()
        for name in names:
            item = qt.QListWidgetItem(name)
            item.setFlags(item.flags() | qt.Qt.ItemIsEditable)
            view.addItem(item)
        view.setCurrentRow(min(row, len(names) - 1))
        fit_rows(view, 5)
        view.blockSignals(blocked)

    def _chosen(self) -> int | None:
        row = self.ui.keptList.currentRow
        return row if self.kept is not None and 0 <= row < len(self.kept.names) else None

    def keep(self) -> None:
        """Keeps the cut that is shown, under a name of its own."""
        cut = self.page.current_cut()
        if cut is None or self.kept is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The resection could not be kept."), waitCursor=True):
            parameters = self.page.parameters
            with resting_views():
                parameters.resectionsSegmentation = self.kept.keep(cut, self.page.live.measures.plan.grid)
        self.page.section.refresh()

    def _drop(self) -> None:
        row = self._chosen()
        if row is not None:
            self.kept.drop(row)
            self.page.section.refresh()

    def _undrop(self) -> None:
        if self.kept is not None and self.kept.can_bring_back:
            self.kept.bring_back()
            self.page.section.refresh()

    def _on_renamed(self, item: Any) -> None:
        row = self.ui.keptList.row(item)
        if self.kept is not None and 0 <= row < len(self.kept.names):
            self.kept.rename(row, item.text())
            self.page.section.refresh()

    def _on_chosen(self, row: int) -> None:
        if self.kept is not None and 0 <= row < len(self.kept.names):
            with resting_views():
                self.kept.show(row)
                self.shown = True
                self.refresh("")
                self.page.section.show_overlays()

    def step_back(self) -> None:
        """The present cut is shown again, and none of the list."""
        if not self.shown:
            return
        self.shown = False
        if self.kept is not None:
            self.kept.hide()
        blocked = self.ui.keptList.blockSignals(True)
        self.ui.keptList.setCurrentRow(-1)
        self.ui.keptList.blockSignals(blocked)
        self.page.section.show_overlays()

    def start(self) -> None:
        """Measures all kept resections, in the worker.

        Raises:
            PreopError: there is no plan, or a kept resection lies on another grid.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        folder, stamp = self.page.context.new_folder(), self._stamp()
        self.page.start(
            "resections", self._request(), folder, lambda result: self._show(result, stamp), _("Comparing resections")
        )

    def write_page(self, path: str | Path | None = None) -> None:
        """Measures them, and writes the page that puts them side by side.

        Args:
            path: of the page; the user is asked if it is not given.

        Raises:
            PreopError: as `start`, or the volume cannot be used.
        """
        from PreopReviewLib.panels import dependencies

        path = path or qt.QFileDialog.getSaveFileName(
            self.page.section.widget, _("Compare on one page"), "resections.html", _("Web pages (*.html)")
        )
        if not path:
            return
        chosen = Path(path)
        chosen = chosen if chosen.suffix.lower() in (".html", ".htm") else chosen.with_name(f"{chosen.name}.html")
        dependencies.ensure()
        plan = self.page.parameters.segmentation
        request = {
            **self._request(),
            "image": inputs.unsaved(self.page.parameters.inputVolume),
            "title": _("Resections compared"),
            "warnings": list(scene_plan.plan_record(plan).get("warnings") or ()),
            "out": str(chosen),
        }
        folder, stamp = self.page.context.new_folder(), self._stamp()
        task = "LiverPlannerLib.report.tasks:write_resections"
        self.page.start(task, request, folder, lambda result: self._on_page(result, stamp), _("Comparing resections"))

    def _on_page(self, result: dict[str, Any], stamp: str) -> None:
        self._show(result, stamp)
        written = Path(result["files"][0])
        words = _("Written: <a href='{link}'>{name}</a>, tables beside it as CSV.")
        self.ui.cutsPageLabel.text = words.format(link=written.as_uri(), name=escape(str(written)))
        self.ui.cutsPageLabel.visible = True

    def _request(self) -> dict[str, Any]:
        page = self.page
        labels = page.live.labels()
        masks = self.kept.masks(labels)
        patient = page.section.volumes.patient()
        return {
            "labels": unsaved(labels, "labels"),
            **drawn_request(page.live.drawn_lesions()),
            **couinaud_request(page.live.couinaud()),
            **by_hand_request(page.parameters.branchesTable, page.parameters.segmentation),
            "names": self.kept.names,
            "patient": [patient.height_cm, patient.weight_kg] if patient is not None else None,
            "exclude": list(page.section.volumes.exclude()),
            **{f"resected_{n}": unsaved(mask, f"resected_{n}") for n, mask in enumerate(masks)},
        }

    def _show(self, result: dict[str, Any], stamp: str) -> None:
        page, parameters = self.page, self.page.parameters
        before = parameters.resectionsTable
        table = put_table(parameters.segmentation, before, "resections", COMPARED_COLUMNS, result["rows"])
        table.SetAttribute(MEASURED, stamp)
        if table is not before:
            parameters.resectionsTable = table
        page.notes = list(dict.fromkeys([*page.notes, *result["notes"]]))
        page.section.refresh()
        scroll_soon(self.ui.compareCutsTable)
