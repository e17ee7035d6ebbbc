"""Lesion candidates: one list, a click shows the place, two buttons accept or dismiss."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.live_plan import live_plan_of
from LiverPlannerLib.panels.plan_editor import plan_editor_of
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.scene import candidates as scene_candidates
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import FirstClick
from PreopReviewLib.panels.section import Section, enable


class CandidatesSection(Section):
    """What one network alone calls tumor, until someone has looked at it."""

    title = _("Lesion candidates")
    ui_file = "Candidates.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.live = live_plan_of(context)
        self.editor = plan_editor_of(context)
        self._candidates: list[scene_candidates.SceneCandidate] = []
        self._shown: tuple[Any, int] | None = None
        self._filling = False
        self._first = FirstClick()

    def connect(self) -> None:
        """Sets up the table, connects the buttons, and follows what others edit."""
        self.live.users.append(lambda: self.open)
        self.live.observers.append(lambda _keys: self.refresh())
        self.button.connect("contentsCollapsed(bool)", lambda collapsed: collapsed or self.refresh())
        table = self.ui.candidateTable
        table.verticalHeader().setVisible(False)
        table.connect("itemSelectionChanged()", self._on_row)
        table.connect("cellClicked(int,int)", lambda *_args: self._on_row())
        self.ui.acceptButton.connect("clicked(bool)", lambda *_args: self._clicked(True))
        self.ui.dismissButton.connect("clicked(bool)", lambda *_args: self._clicked(False))
        self.ui.undoButton.connect("clicked(bool)", lambda *_args: self.undo())

    @property
    def open(self) -> bool:
        """Whether the section is open."""
        return not self.button.collapsed

    def bind(self, node: Any | None) -> None:
        """Follows another parameter node."""
        if node is not None:
            self.editor.follow_scene()
        super().bind(node)

    def cleanup(self) -> None:
        """Releases the scene."""
        self.live.forget()
        self.editor.close()

    def refresh(self) -> None:
        """Lists the candidates of the plan as it is."""
        if self.parameters is None or self.parameters.segmentation is None:
            self._candidates, self._shown = [], None
            if self.parameters is None:
                self.live.forget()
        elif not self.open:
            return
        else:
            self.live.refresh()
            shown = (self.parameters.segmentation, self.live.revision)
            if shown != self._shown:
                measures = self.live.measures
                self._candidates = scene_candidates.candidates_of(measures.plan) if measures is not None else []
                self._shown = shown
        self._fill()
        self._enable()

    def _fill(self) -> None:
        table, row = self.ui.candidateTable, self.ui.candidateTable.currentRow()
        self._filling = True
        fill_table(table, scene_candidates.COLUMNS, [one.as_row() for one in self._candidates])
        if not 0 <= row < len(self._candidates):
            table.clearSelection()
        self._filling = False
        self.ui.candidatesLabel.text = (
            _(
                "Seen by one network alone, which also takes dark bands, uneven perfusion or, on MRI, vessels for "
                "tumor. They count as liver until accepted."
            )
            if self._candidates
            else self.live.problem or _("There are no lesion candidates.")
        )

    def _enable(self) -> None:
        reason = "" if self.selected() else _("Choose a candidate in the list first.")
        enable(self.ui.acceptButton, reason, _("The candidate becomes a liver tumor and counts as one."))
        enable(self.ui.dismissButton, reason, _("Removes the candidate from the list; it stays liver."))
        plan = self.parameters.segmentation if self.parameters is not None else None
        nothing = "" if plan is not None and self.editor.can_undo(plan) else _("There is nothing to undo.")
        words = _("Takes back the last edit of the plan, as Undo in the section Correct does.")
        enable(self.ui.undoButton, nothing, words)

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

    def _clicked(self, accepted: bool) -> None:
        if self._first.is_second:  # the next candidate is chosen by now
            return
        self.decide(accepted)
        self._first.done()

    def decide(self, accepted: bool) -> None:
        """Accepts or dismisses the chosen candidate, and goes on to the next; what goes wrong is shown."""
        one = self.selected()
        self.live.update()  # an edit of this moment may have changed what the list shows
        if one is None or one not in self._candidates:
            return
        plan = self.parameters.segmentation
        self.editor.save_state(plan)
        try:
            scene_candidates.decide(self.live.measures.plan, one.number, accepted, surfaces=False)
        except Exception as error:  # a button's slot: nothing above catches it
            self.context.show_error(_("Lesion candidates"), error)
        self._changed()

    def undo(self) -> None:
        """Takes back the last edit of the plan, by Slicer's own undo."""
        self.editor.undo()
        self._changed()

    def _changed(self) -> None:
        self.live.update()
        self.context.notify("segmentation")
        self._on_row()
