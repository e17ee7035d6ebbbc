"""Correct: the Segment Editor on the plan, and what it changed in the model's output."""

from __future__ import annotations

from html import escape
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.correct_clicks import ClickTools
from LiverPlannerLib.panels.live_plan import live_plan_of
from LiverPlannerLib.panels.measure_page import is_shown
from LiverPlannerLib.panels.plan_editor import plan_editor_of
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.scene.measures import CHANGE_COLUMNS, Change, restore_structure
from LiverPlannerLib.scene.tables import place_beside, write_table
from LiverPlannerLib.structures import structure
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene import nodes


class CorrectSection(Section):
    """The editor is made when the section is opened first: it takes longer to build than the rest of the panel."""

    title = _("Correct")
    ui_file = "Correct.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.live = live_plan_of(context)
        self.plan_editor = plan_editor_of(context)
        self._shown: tuple[Any, ...] = ()
        self._active = False

    def connect(self) -> None:
        """Connects table, buttons and the section's own opening."""
        self.live.users.append(lambda: self.open)
        self.live.observers.append(lambda _keys: self._on_measured())
        self.button.connect("contentsCollapsed(bool)", self._on_collapsed)
        self.ui.changesTable.connect("itemSelectionChanged()", self._show_restore)
        self.ui.restoreButton.connect("clicked(bool)", lambda *_args: self.restore())
        self.ui.outlineCheckBox.connect("toggled(bool)", self.show_outline)
        qt.QVBoxLayout(self.ui.editorFrame).setContentsMargins(0, 0, 0, 0)
        self.clicks = ClickTools(self)
        self.clicks.connect()

    @property
    def open(self) -> bool:
        """Whether the section is open."""
        return not self.button.collapsed

    @property
    def editor(self) -> Any | None:
        """The qMRMLSegmentEditorWidget, or None before it was needed."""
        return self.plan_editor.widget

    @property
    def editor_node(self) -> Any | None:
        """The editor's node."""
        return self.plan_editor.node

    def refresh(self) -> None:
        """Points the editor at the plan and its volume, and shows what has changed."""
        parameters = self.parameters
        if parameters is None:
            self._let_go()
            self.live.forget()
            return
        if not self.open:
            return
        self.live.refresh()
        self._show_state()
        self.clicks.refresh()
        if parameters.segmentation is None:
            self._let_go()
        else:
            self._edit(parameters.segmentation)
        self.show_changes()
        output = parameters.modelOutput
        reason = "" if output is not None else _("There is no model output beside this plan.")
        enable(self.ui.outlineCheckBox, reason, _("Shows the model's original output in the slices, as outlines."))

    def _show_state(self) -> None:
        parameters = self.parameters
        if parameters.segmentation is None:
            text = _("Segment the liver, or choose a segmentation, first.")
        elif parameters.modelOutput is None:
            text = _("Editing <b>{name}</b>.").format(name=parameters.segmentation.GetName())
        else:
            text = _("Editing <b>{name}</b>. The model's output is kept beside it, unchanged.").format(
                name=parameters.segmentation.GetName()
            )
        if self.live.problem:
            text += f"<br>{self.live.problem}"
        text += "".join(f"<br>{words}" for words in self._beware())
        self.ui.stateLabel.text = text
        self.ui.editorFrame.visible = parameters.segmentation is not None

    def _beware(self) -> list[str]:
        """What the last edit took from other segments, what overlaps, and what is not counted; as rich text."""
        warnings = []
        for taken in self.live.taken:
            words = _("Editing {by} took {ml:.1f} ml from {of}.")
            if taken.emptied:
                words = _("Editing {by} took {ml:.1f} ml from {of}, which is empty now.")
            undo = _("Undo gives it back; <i>Masking, Modify other segments: Allow overlap</i> takes nothing.")
            warnings.append(f"<b>{words.format(by=escape(taken.by), of=escape(taken.of), ml=taken.ml)}</b> {undo}")
        if self.live.measures is None:
            return warnings
        warnings += [escape(words) for words in self.live.measures.plan.overlaps()]
        for name in self.live.measures.plan.unknown:
            words = _(
                "{name} is not counted: double-click it and write what it is under Name, e.g. Metastasis or Cyst."
            )
            warnings.append(words.format(name=escape(name)))
        return warnings

    # ---- the editor ----

    def _edit(self, segmentation: Any) -> None:
        editor = self.plan_editor.edit(segmentation)
        if self.ui.editorFrame.layout().indexOf(editor) < 0:
            self.ui.editorFrame.layout().addWidget(editor)
        self._activate()

    def _activate(self) -> None:
        if not self._active and self._entered:
            self.editor.setupViewObservations()
            self.editor.installKeyboardShortcuts()
            self.clicks.install_keys()
            self._active = True

    def release_effect(self) -> None:
        """No effect may paint where a click corrects."""
        if self.editor is not None:
            self.editor.setActiveEffect(None)

    def _deactivate(self) -> None:
        self.clicks.stop()
        self.clicks.remove_keys()
        if self.editor is not None and self._active:
            self.editor.setActiveEffect(None)
            self.editor.uninstallKeyboardShortcuts()
            self.editor.removeViewObservations()
        self._active = False

    def _let_go(self) -> None:
        """The plan, or the whole scene, is gone."""
        self.clicks.forget()
        self._deactivate()
        self.plan_editor.let_go()

    _entered = False

    def enter(self) -> None:
        """The module is opened: a closed scene has taken the editor node with it."""
        self._entered = True
        self.refresh()

    def exit(self) -> None:
        """The module is left: no effect may go on painting, and no key stays taken."""
        self._deactivate()
        self._entered = False

    def cleanup(self) -> None:
        """Releases the scene."""
        self._deactivate()
        self.live.forget()
        self.plan_editor.close()

    def _on_collapsed(self, collapsed: bool) -> None:
        if collapsed:
            self._deactivate()
            return
        self._show_vessels()
        self.refresh()

    def _show_vessels(self) -> None:
        """What is hidden cannot be corrected: the branches in color step back for the vessels that they are made of."""
        parameters = self.parameters
        branches = parameters.branchesSegmentation if parameters is not None else None
        if parameters is None or parameters.segmentation is None or not is_shown(branches):
            return
        branches.GetDisplayNode().SetVisibility(False)
        display = parameters.segmentation.GetDisplayNode()
        for segment_id in nodes.segment_keys(parameters.segmentation):
            display.SetSegmentVisibility(segment_id, True)

    def bind(self, node: Any | None) -> None:
        """Follows another parameter node; after a scene was closed the editor gets a node of the new one."""
        if node is not None:
            self.plan_editor.follow_scene()
        super().bind(node)

    # ---- what has changed ----

    def _on_measured(self) -> None:
        if self.parameters is not None and self.open:
            self._show_state()
        self.show_changes()

    def show_changes(self) -> None:
        """The table of structures against the model output, in the panel and as a node of the scene."""
        parameters = self.parameters
        if parameters is None or not self.open:
            return
        changes = self.live.measures.changes if self.live.measures is not None else []
        columns = CHANGE_COLUMNS if any(c.dsc is not None for c in changes) else CHANGE_COLUMNS[:2]
        rows = [c.as_row() for c in changes]
        signature = (self.live.revision, len(columns), *(tuple(row.values()) for row in rows))
        if signature == self._shown:
            return
        self._shown = signature
        self._keys = [c.key for c in changes]
        colors = {structure(c.key).name: structure(c.key).color for c in changes}
        fill_table(self.ui.changesTable, columns, rows, lambda row: colors[row["structure"]])
        self._write_node(rows)
        self._show_restore()

    def _write_node(self, rows: list[dict[str, Any]]) -> None:
        parameters = self.parameters
        if not rows or parameters.modelOutput is None:
            return
        name = _("{plan}: corrections").format(plan=parameters.segmentation.GetName())
        node = write_table(slicer.mrmlScene, parameters.changesTable, name, CHANGE_COLUMNS, rows)
        if parameters.changesTable is None:
            place_beside(slicer.mrmlScene, node, parameters.segmentation)
            parameters.changesTable = node

    _keys: list[str] = []  # noqa: RUF012  replaced, never changed

    def _chosen(self) -> Change | None:
        row = self.ui.changesTable.currentRow()
        if self.live.measures is None or not 0 <= row < len(self._keys):
            return None
        return next((c for c in self.live.measures.changes if c.key == self._keys[row]), None)

    def _show_restore(self) -> None:
        change = self._chosen()
        if self.parameters is None or self.parameters.modelOutput is None:
            reason = _("There is no model output to restore from.")
        elif change is None:
            reason = _("Choose a structure in the table above first.")
        elif change.dsc == 1:
            reason = _("{name} is unchanged from the model's output.").format(name=structure(change.key).name)
        else:
            reason = ""
        words = _("Restores {name} to the model's output. Can be undone.")
        name = structure(change.key).name if change is not None else ""
        enable(self.ui.restoreButton, reason, words.format(name=name.lower()))

    def restore(self) -> None:
        """Puts the chosen structure back to what the model had drawn."""
        change, parameters = self._chosen(), self.parameters
        if change is None:
            return
        self.plan_editor.save_state(parameters.segmentation)
        with slicer.util.tryWithErrorDisplay(_("Restoring failed."), waitCursor=True):
            restore_structure(parameters.segmentation, parameters.modelOutput, change.key)
        self.live.update()

    def show_outline(self, shown: bool) -> None:
        """The model output as lines in the slices."""
        output = self.parameters.modelOutput if self.parameters is not None else None
        if output is None or output.GetDisplayNode() is None:
            return
        display = output.GetDisplayNode()
        display.SetVisibility3D(False)
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetSliceIntersectionThickness(2)
        display.SetVisibility(shown)
