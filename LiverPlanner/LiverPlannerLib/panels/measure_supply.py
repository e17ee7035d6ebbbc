"""Blood supply of the remnant, live while planes are dragged; resections that are kept, and compared side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.panels.measure_page import CutPage
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.perfusion.model import Perfusion, PerfusionModel
from LiverPlannerLib.perfusion.ratios import crossing_words, perfusion_rows
from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.scene.kept_cuts import COMPARED_COLUMNS, KeptCuts
from LiverPlannerLib.scene.plan_tables import put_table
from LiverPlannerLib.territories.files import load_trees
from LiverPlannerLib.territories.tables import name_of_branches
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import enable
from PreopReviewLib.worker_io import unsaved


class Supply:
    """What each vein feeds and drains, found once for each state of the plan; then cut as often as one likes."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self._model: PerfusionModel | None = None
        self._revision = -1
        self.notes: list[str] = []

    def connect(self) -> None:
        """Connects the button."""
        ui = self.ui
        self.run = RunButton(
            self.page.context, ui.supplyButton, ui.supplyProgressBar, ui.supplyProgressLabel, self.start
        )

    def forget(self) -> None:
        """The plan is another one, or gone."""
        self._model, self._revision, self.notes = None, -1, []

    def refresh(self, reason: str) -> None:
        """Shows whether the supply can be found, or is known."""
        self.run.refresh(reason)
        self.ui.supplyButton.visible = self.model is None

    @property
    def model(self) -> PerfusionModel | None:
        """Of the plan as it is now; None where it was not found, or the plan was edited since."""
        return self._model if self._revision == self.page.live.revision else None

    def portal_names(self) -> tuple[dict[int, str], dict[int, float]]:
        """Name of the section, and share of the liver, of each portal branch; empty where the supply is not known."""
        trees = self.model.trees if self.model is not None else None
        if trees is None or "portal_vein" not in trees.territories:
            return {}, {}
        territories, named = trees.territories["portal_vein"], trees.named["portal_vein"]
        shares = {b.id: territories.share(b.id) for b in territories.tree.branches}
        return name_of_branches(named, territories), shares

    def start(self) -> None:
        """Finds trees and territories, in the worker.

        Raises:
            PreopError: there is no plan.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        folder, revision, labels = self.page.context.new_folder(), self.page.live.revision, self.page.live.labels()

        def show(result: dict[str, Any]) -> None:
            trees = load_trees(result["trees"], folder, labels)
            self._model = PerfusionModel(trees, self.page.section.volumes.exclude())
            self._revision, self.notes = revision, list(result["notes"])
            if self.page.cut is not None:
                self.page.show_cut(self.page.cut, self.page.revision)
            self.page.section.refresh()

        self.page.start("supply", {"labels": unsaved(labels, "labels")}, folder, show, _("Following the blood supply"))

    def words(self, taken: np.ndarray) -> str:
        """One line on what a cut costs, for the live label; empty where the supply is not known."""
        return supply_words(self.model.measure(taken, crossings=False)) if self.model is not None else ""

    def of(self, cut: Resection) -> Perfusion | None:
        """What a cut does; None where the supply is not known, or the cut was made on other labels."""
        if self.model is None:
            return None
        try:
            return self.model.measure(self.model.taken(cut.resected))
        except PreopError:
            return None

    def rows(self, perfusion: Perfusion, result: Any) -> list[dict[str, Any]]:
        """Rows for the table of the remnant."""
        crossed = crossing_words(perfusion)
        rows = perfusion_rows(perfusion, result)
        rows.append(
            {
                "measure": _("Vessels and ducts crossed"),
                "value": float(len(perfusion.crossings)),
                "unit": "",
                "how": crossed or _("none"),
            }
        )
        return rows


def supply_words(perfusion: Perfusion) -> str:
    """What loses its supply, as rich text."""
    parts = []
    if perfusion.no_inflow_ml is not None:
        parts.append(_("{ml:.0f} ml without inflow").format(ml=perfusion.no_inflow_ml))
    if perfusion.no_outflow_ml is not None:
        parts.append(_("{ml:.0f} ml congested").format(ml=perfusion.no_outflow_ml))
    if perfusion.functional_ml is not None and len(parts) == 2:
        parts.append(_("<b>{ml:.0f} ml keep both</b>").format(ml=perfusion.functional_ml))
    return _("Model: {parts}").format(parts=" · ".join(parts)) if parts else ""


class KeptPage:
    """Resections in a list: named, chosen, removed, brought back, compared."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self.kept: KeptCuts | None = None

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
        self.run.refresh(reason or ("" if names else _("Keep a resection first.")))
        ui.keptList.visible = bool(names)
        table = parameters.resectionsTable
        rows = self.kept.compared(table) if self.kept is not None else []
        fill_table(ui.compareCutsTable, COMPARED_COLUMNS, rows)

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
        view.setFixedHeight(22 * min(max(len(names), 1), 5) + 6)
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
            self.kept.show(row)
            self.refresh("")

    def start(self) -> None:
        """Measures all kept resections, in the worker.

        Raises:
            PreopError: there is no plan, or a kept resection lies on another grid.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        page, parameters = self.page, self.page.parameters
        folder, labels = page.context.new_folder(), page.live.labels()
        masks = self.kept.masks(labels)
        patient = page.section.volumes.patient()
        request: dict[str, Any] = {
            "labels": unsaved(labels, "labels"),
            **drawn_request(page.live.drawn_lesions()),
            "names": self.kept.names,
            "patient": [patient.height_cm, patient.weight_kg] if patient is not None else None,
            "exclude": list(page.section.volumes.exclude()),
            **{f"resected_{n}": unsaved(mask, f"resected_{n}") for n, mask in enumerate(masks)},
        }

        def show(result: dict[str, Any]) -> None:
            before = parameters.resectionsTable
            table = put_table(parameters.segmentation, before, "resections", COMPARED_COLUMNS, result["rows"])
            if table is not before:
                parameters.resectionsTable = table
            page.notes = list(dict.fromkeys([*page.notes, *result["notes"]]))
            page.section.refresh()

        page.start("resections", request, folder, show, _("Comparing resections"))
