"""Blood supply of the remnant, live while planes are dragged."""

from __future__ import annotations

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from LiverPlannerLib.panels.measure_page import CutPage
from LiverPlannerLib.perfusion.model import Perfusion, PerfusionModel
from LiverPlannerLib.perfusion.ratios import crossing_words, perfusion_rows
from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.scene.branches import by_hand_request
from LiverPlannerLib.scene.couinaud import couinaud_request
from LiverPlannerLib.territories.files import load_trees
from LiverPlannerLib.territories.tables import name_of_branches
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.worker_io import unsaved


class Supply:
    """What each vein feeds and drains, found once for each state of the plan; then cut as often as needed."""

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
        """The plan was replaced or removed."""
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

        parameters = self.page.parameters
        request = {
            "labels": unsaved(labels, "labels"),
            **couinaud_request(self.page.live.couinaud()),
            **by_hand_request(parameters.branchesTable, parameters.segmentation),
        }
        self.page.start("supply", request, folder, show, _("Following the blood supply"))

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
