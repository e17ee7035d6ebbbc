"""Cysts: which lesions are cysts, why, and moving them to their own segment and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels import modality
from LiverPlannerLib.panels.plan_editor import plan_editor_of
from LiverPlannerLib.panels.segment import fill
from LiverPlannerLib.scene import cyst_segments
from LiverPlannerLib.scene import cysts as scene_cysts
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene.plan_tables import belong
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import save_steps

RULES = ("default", "lin2024")
HEADERS = ("cyst", "id", "ml", "fit_mean", "fit_sd", "r2", "decision")
TOO_MANY_ROWS = 8


class CystsSection(Section):
    """Threshold and rule, a table of regions to look at and to overrule, apply and revert."""

    title = _("Cysts")
    ui_file = "Cysts.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.editor = plan_editor_of(context)
        self._shown = ""
        self._filling = False
        self._layout_before: int | None = None

    def connect(self) -> None:
        """Sets up the table and connects the buttons."""
        ui = self.ui
        fill(ui.ruleComboBox, RULES, (_("Core median, may be undecided"), _("Fitted mean (Lin 2024)")))
        ui.ruleComboBox.connect("activated(int)", lambda i: self._set_rule(RULES[i]))
        titles = (_("Cyst"), "#", _("Volume\n(ml)"), _("Mean\n(HU)"), _("SD\n(HU)"), "R²", _("Decision"))
        ui.regionTable.setColumnCount(len(titles))
        ui.regionTable.setHorizontalHeaderLabels(titles)
        ui.regionTable.verticalHeader().setVisible(False)
        ui.regionTable.horizontalHeader().setStretchLastSection(True)
        ui.regionTable.connect("itemSelectionChanged()", self._on_row)
        ui.regionTable.connect("cellClicked(int,int)", lambda *_args: self._on_row())
        ui.regionTable.connect("itemChanged(QTableWidgetItem*)", self._on_checked)
        self.run_button = RunButton(self.context, ui.findButton, ui.cystProgressBar, ui.cystProgressLabel, self.find)
        ui.applyCystsButton.connect("clicked(bool)", lambda *_args: self._guarded(self.apply))
        ui.revertCystsButton.connect("clicked(bool)", lambda *_args: self._guarded(self.revert))
        ui.contourButton.connect("clicked(bool)", lambda *_args: self._guarded(self.contour))
        ui.byRuleButton.connect("clicked(bool)", lambda *_args: self.by_rule())
        ui.plotCheckBox.connect("toggled(bool)", self._show_plot)

    # ---- showing ----

    def refresh(self) -> None:
        """Decides by the parameters' rule and threshold, shows the table, and turns buttons on or off."""
        parameters = self.parameters
        if parameters is None:
            self._shown = ""
            self.ui.regionTable.setRowCount(0)
            self.run_button.refresh(_("The scene is being closed."))
            return
        self.ui.ruleComboBox.setCurrentIndex(RULES.index("lin2024" if parameters.cystRule == "lin2024" else "default"))
        reason = self.disabled_reason()
        node = self.table
        if node is not None:
            scene_cysts.decide(node, scene_cysts.rule_of(parameters.cystRule), parameters.cystThreshold)
        self.run_button.refresh(reason)
        self.ui.offLabel.text = reason
        self.ui.offLabel.visible = bool(reason)
        for widget in (self.ui.thresholdSlider, self.ui.ruleComboBox):
            widget.enabled = not reason
        self._fill_table(node)
        self._enable(node)

    @property
    def table(self) -> Any | None:
        """The table node of the present segmentation, or None."""
        node = self.parameters.cystsTable if self.parameters is not None else None
        if not scene_cysts.state_of(node):
            return None
        return node if scene_cysts.is_of(node, self.parameters.segmentation) else None

    def disabled_reason(self) -> str:
        """Why cysts cannot be looked for, a sentence; empty if they can."""
        parameters = self.parameters
        if parameters.segmentation is None:
            return _("There is no segmentation yet: segment the liver first.")
        if parameters.inputVolume is None or inputs.volume_problem(parameters.inputVolume):
            return _("Choose the volume above first.")
        kind = parameters.modality if parameters.modality != "auto" else modality.known(parameters.inputVolume)
        if kind == "MR":
            return _(
                "Off on MRI: the rule compares Hounsfield units, which only a CT has, and none has been published for "
                "MRI. Lesions can be moved between Liver tumor and Liver cyst in the section Correct."
            )
        if not scene_cysts.has_lesions(parameters.segmentation):
            return _("The segmentation has no lesion.")
        return scene_plan.apart_problem(parameters.segmentation, parameters.inputVolume)

    def _enable(self, node: Any | None) -> None:
        ui = self.ui
        none = "" if node is not None else _("Find the cysts first.")
        moved = none or ("" if scene_cysts.state_of(node).get("applied") else _("Nothing has been applied yet."))
        enable(ui.applyCystsButton, none, _("Move the regions ticked as cysts to the segment Liver cyst, the others to "
                                            "Liver tumor. Nothing is deleted."))  # fmt: skip
        enable(ui.revertCystsButton, moved, _("Put every region back into the segment it was found in."))
        drawn = "" if self._has_tumors() else _("The segmentation has no tumor.")
        words = _(
            "Expansion and corrosion of Lin 2024: tumors closed by 2 mm and grown by 1 mm inside the liver, as "
            "clinicians draw them. The paper gives no radii: these are ours."
        )
        enable(ui.contourButton, drawn, words)
        by_hand = none or ("" if scene_cysts.state_of(node).get("overrides") else _("No decision was set manually."))
        enable(ui.byRuleButton, by_hand, _("Discard manual decisions and classify all regions by the rule."))
        enable(ui.plotCheckBox, none, _("Show the histogram of the selected region, its fit and the threshold."))
        ui.regionTable.visible = ui.reasonLabel.visible = node is not None

    def _has_tumors(self) -> bool:
        plan = self.parameters.segmentation
        return plan is not None and scene_cysts.has_lesions(plan, ("tumor",))

    def _fill_table(self, node: Any | None) -> None:
        text = node.GetAttribute(scene_cysts.STATE) if node is not None else ""
        if text == self._shown:
            return
        self._shown = text
        table = self.ui.regionTable
        row = table.currentRow()
        self._filling = True
        regions = scene_cysts.regions_of(node)
        table.setRowCount(len(regions))
        for i, region in enumerate(regions):
            self._fill_row(i, region)
        table.resizeColumnsToContents()
        height = table.horizontalHeader().height + 4
        height += sum(table.rowHeight(i) for i in range(min(len(regions), TOO_MANY_ROWS)))
        table.setFixedHeight(height)
        self._filling = False
        if 0 <= row < len(regions):
            self._tell(regions[row])
        else:
            self.ui.reasonLabel.text = self._summary(node, regions)

    def _fill_row(self, i: int, region: Any) -> None:
        tick = qt.QTableWidgetItem()
        tick.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
        tick.setCheckState(qt.Qt.Checked if region.decision == "cyst" else qt.Qt.Unchecked)
        self.ui.regionTable.setItem(i, 0, tick)
        shown = (
            str(region.id),
            f"{region.ml:.2f}",
            f"{region.fit_mean:.0f}",
            f"{region.fit_sd:.0f}",
            f"{region.r2:.2f}",
            _words(region),
        )
        for j, words in enumerate(shown, 1):
            item = qt.QTableWidgetItem(words)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            if j < len(HEADERS) - 1:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(region.reason)
            self.ui.regionTable.setItem(i, j, item)

    def _summary(self, node: Any | None, regions: list[Any]) -> str:
        if node is None:
            return ""
        number = {d: sum(r.decision == d for r in regions) for d in ("cyst", "tumor", "undecided")}
        cysts = _("1 suspected cyst") if number["cyst"] == 1 else _("{n} suspected cysts").format(n=number["cyst"])
        tumors = _("1 tumor") if number["tumor"] == 1 else _("{n} tumors").format(n=number["tumor"])
        words = _("{cysts}, {tumors}, {undecided} undecided. Click a row to see the region.")
        text = words.format(cysts=cysts, tumors=tumors, undecided=number["undecided"])
        return " ".join([text] + [f"{w}." for w in scene_cysts.state_of(node)["warnings"]])

    def _tell(self, region: Any) -> None:
        reason = region.reason[:1].upper() + region.reason[1:]
        self.ui.reasonLabel.text = _("Region {number}: {reason}.").format(number=region.id, reason=reason)

    # ---- the surgeon's hand ----

    def selected(self) -> Any | None:
        """The region of the current row, or None."""
        row = self.ui.regionTable.currentRow()
        regions = scene_cysts.regions_of(self.table)
        return regions[row] if 0 <= row < len(regions) else None

    def _on_row(self) -> None:
        region = self.selected()
        if self._filling or region is None:
            return
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *scene_cysts.place_of(self.table, region))
        self._tell(region)
        if self.ui.plotCheckBox.checked:
            self._plot(region)

    def _on_checked(self, item: Any) -> None:
        if self._filling or item.column() != 0:
            return
        region = scene_cysts.regions_of(self.table)[item.row()]
        decision = "cyst" if item.checkState() == qt.Qt.Checked else "tumor"
        self.ui.regionTable.setCurrentCell(item.row(), 0)
        scene_cysts.override(self.table, region.id, decision)
        self.refresh()

    def by_rule(self) -> None:
        """Forgets all decisions by hand."""
        scene_cysts.forget_overrides(self.table)
        self.refresh()

    def _set_rule(self, rule: str) -> None:
        if self.parameters is not None:
            self.parameters.cystRule = rule

    # ---- finding ----

    def find(self) -> None:
        """Starts measuring the lesions; called by the button.

        Raises:
            PreopError: why it cannot be started.
        """
        from PreopReviewLib.panels import dependencies

        parameters = self.parameters
        if modality.chosen(parameters) == "MR":
            raise InputError(_("The cyst rule needs a CT"), _("Choose CT as modality if this is one"))
        dependencies.ensure()
        rule, threshold = scene_cysts.rule_of(parameters.cystRule), parameters.cystThreshold
        segmentation = parameters.segmentation
        folder = self.context.new_folder()
        request = scene_cysts.request(segmentation, parameters.inputVolume, rule, threshold)
        identifier = segmentation.GetID()
        self.context.run_job(
            "LiverPlannerLib.tasks:cysts",
            save_steps(request, folder),
            folder,
            on_finished=lambda result: self._show_result(identifier, folder, result, rule, threshold),
            title=_("Cysts"),
        )

    def _show_result(
        self, identifier: str, folder: Path, result: dict[str, Any], rule: str, threshold: float
    ) -> Iterator[None]:
        segmentation = slicer.mrmlScene.GetNodeByID(identifier)
        if segmentation is None:
            raise InputError(_("The segmentation was removed in the meantime"), _("Segment the liver again"))
        yield
        node = scene_cysts.show(result, folder, segmentation, scene_cysts.table_of(segmentation), rule, threshold)
        belong(node, segmentation, "cystsTable")
        if self.parameters.segmentation is not segmentation:  # another plan was chosen meanwhile
            return
        self.parameters.cystsTable = node
        self.ui.regionTable.clearSelection()
        self.context.notify("cysts")

    # ---- the segmentation ----

    def _guarded(self, action: Any) -> None:
        try:
            action()
        except Exception as error:  # a button's slot: nothing above catches it
            self.context.show_error(_("Cysts"), error)
        self.refresh()

    def apply(self) -> None:
        """Moves the regions to the segments that they were decided to belong to."""
        self.editor.save_state(self.parameters.segmentation)
        cyst_segments.apply(self.table)
        self.context.notify("segmentation")

    def contour(self) -> None:
        """Draws the tumors a little larger, as clinicians do."""
        self.editor.save_state(self.parameters.segmentation)
        changed = cyst_segments.contour_tumors(self.parameters.segmentation)
        self.context.notify("segmentation")
        if changed[0] == changed[1]:
            raise InputError(
                _("No outline has changed: the voxels are larger than 2 mm, which is twice the growth"),
                _("Use the image at its own resolution"),
            )
        words = _("Tumors grew from {before:.2f} to {after:.2f} ml.").format(before=changed[0], after=changed[1])
        slicer.util.showStatusMessage(words, 8000)

    def revert(self) -> None:
        """Moves the regions back."""
        self.editor.save_state(self.parameters.segmentation)
        cyst_segments.revert(self.table)
        self.context.notify("segmentation")

    # ---- plot ----

    def _show_plot(self, on: bool) -> None:
        """Shows the plot view beside the slices, and the layout of before when it is switched off."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if not on:
            self._restore_layout()
            return
        if self._layout_before is None:
            self._layout_before = manager.layout
        if self.table is None:
            return
        region = self.selected()
        if region is None and self.ui.regionTable.rowCount:
            self.ui.regionTable.setCurrentCell(0, 1)
            region = self.selected()
        if region is not None:
            self._plot(region)

    def _plot(self, region: Any) -> None:
        from LiverPlannerLib.scene import cyst_plot as scene_cyst_plot

        chart = scene_cyst_plot.plot_region(self.table, region.id)
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def _restore_layout(self) -> None:
        manager = slicer.app.layoutManager()
        if self._layout_before is not None and manager is not None:
            manager.setLayout(self._layout_before)
        self._layout_before = None

    def exit(self) -> None:
        """The module is left: the layout of before comes back."""
        if self.ui.plotCheckBox.checked:
            self.ui.plotCheckBox.setChecked(False)


def _words(region: Any) -> str:
    words = {"cyst": _("cyst"), "tumor": _("tumor"), "undecided": _("undecided (stays tumor)")}[region.decision]
    return _("{decision}, by hand").format(decision=words) if region.overridden else words
