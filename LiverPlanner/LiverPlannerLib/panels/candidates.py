"""Lesion candidates: one list, a click shows the place, two buttons accept or dismiss."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.scene import candidates as scene_candidates
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.section import Section, enable


class CandidatesSection(Section):
    """What one network alone calls tumor, until someone has looked at it."""

    title = _("Lesion candidates")
    ui_file = "Candidates.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._candidates: list[scene_candidates.SceneCandidate] = []
        self._filling = False
        self._problem = ""

    def connect(self) -> None:
        """Sets up the table and connects the buttons."""
        table = self.ui.candidateTable
        titles = ("#", "ml", "R", "A", "S")
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        table.connect("itemSelectionChanged()", self._on_row)
        table.connect("cellClicked(int,int)", lambda *_args: self._on_row())
        self.ui.acceptButton.connect("clicked(bool)", lambda *_args: self.decide(True))
        self.ui.dismissButton.connect("clicked(bool)", lambda *_args: self.decide(False))

    def refresh(self) -> None:
        """Lists the candidates of the present segmentation."""
        segmentation = self.parameters.segmentation if self.parameters is not None else None
        self._candidates, self._problem = [], ""
        if segmentation is not None:
            try:
                self._candidates = scene_candidates.candidates_of(segmentation)
            except PreopError as error:
                self._problem = str(error)
        self._fill()
        self._enable()

    def _fill(self) -> None:
        table, row = self.ui.candidateTable, self.ui.candidateTable.currentRow()
        self._filling = True
        table.setRowCount(len(self._candidates))
        for i, one in enumerate(self._candidates):
            shown = (str(one.number), f"{one.ml:.2f}", *(f"{v:.0f}" for v in one.center_ras))
            for j, words in enumerate(shown):
                item = qt.QTableWidgetItem(words)
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                table.setItem(i, j, item)
        if not 0 <= row < len(self._candidates):
            table.clearSelection()
        table.resizeColumnsToContents()
        self._filling = False
        table.visible = bool(self._candidates)
        self.ui.candidatesLabel.text = (
            _(
                "Seen by one network alone, which also takes dark bands, uneven perfusion or, on MRI, vessels for "
                "tumor. They count as liver until accepted."
            )
            if self._candidates
            else self._problem or _("There are no lesion candidates.")
        )

    def _enable(self) -> None:
        reason = "" if self.selected() else _("Choose a candidate in the list first.")
        enable(self.ui.acceptButton, reason, _("The candidate becomes a liver tumor and counts as one."))
        enable(self.ui.dismissButton, reason, _("Removes the candidate from the list; it stays liver."))

    def selected(self) -> scene_candidates.SceneCandidate | None:
        """The candidate of the current row, or None."""
        row = self.ui.candidateTable.currentRow()
        return self._candidates[row] if 0 <= row < len(self._candidates) else None

    def _on_row(self) -> None:
        one = self.selected()
        if self._filling or one is None:
            return
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *one.center_ras)
        self._enable()

    def decide(self, accepted: bool) -> None:
        """Accepts or dismisses the chosen candidate; what goes wrong is shown."""
        one: Any = self.selected()
        if one is None:
            return
        try:
            scene_candidates.decide(self.parameters.segmentation, one.number, accepted)
        except Exception as error:  # a button's slot: nothing above catches it
            self.context.show_error(_("Lesion candidates"), error)
        self.context.notify("segmentation")
        self.refresh()
