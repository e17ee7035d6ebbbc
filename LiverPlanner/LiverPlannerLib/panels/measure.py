"""Measure: volumes, remnant, margins, branches, radiomics and Couinaud segments of the plan, one tab each."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.live_plan import live_plan_of
from LiverPlannerLib.panels.measure_branches import BranchesPage
from LiverPlannerLib.panels.measure_margins import MarginsPage
from LiverPlannerLib.panels.measure_page import NO_PLAN, Page
from LiverPlannerLib.panels.measure_radiomics import RadiomicsPage
from LiverPlannerLib.panels.measure_remnant import RemnantPage
from LiverPlannerLib.panels.measure_segments import SegmentsPage
from LiverPlannerLib.panels.measure_volumes import VolumesPage
from LiverPlannerLib.panels.plan_choice import curves_of
from LiverPlannerLib.panels.tables import FoldedNotes, copy_table, save_table
from LiverPlannerLib.scene import lines
from LiverPlannerLib.scene.territories import territories_node
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene.finding import step_back


class MeasureSection(Section):
    """The tabs, and what they share: the plan's measures, notes, clipboard and CSV."""

    title = _("Measure")
    ui_file = "Measure.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.live = live_plan_of(context)
        self.volumes = VolumesPage(self)
        self.segments = SegmentsPage(self)
        self.remnant = RemnantPage(self)
        self.margins = MarginsPage(self)
        self.branches = BranchesPage(self)
        self.radiomics = RadiomicsPage(self)
        self.pages: tuple[Page, ...] = (
            self.volumes,
            self.remnant,
            self.margins,
            self.branches,
            self.radiomics,
            self.segments,
        )
        self._plan: Any | None = None

    def connect(self) -> None:
        """Connects tabs, pages and export."""
        self.live.users.append(lambda: self.open)
        self.live.observers.append(lambda _keys: self.refresh())
        self.button.connect("contentsCollapsed(bool)", self._on_collapsed)
        self._notes = FoldedNotes(self.ui.notesLabel)
        self.ui.allColumnsCheckBox.connect("toggled(bool)", lambda *_args: self.refresh())
        self.ui.copyButton.connect("clicked(bool)", lambda *_args: self.copy())
        self.ui.saveButton.connect("clicked(bool)", lambda *_args: self.save())
        for page in self.pages:
            page.connect()
        self.tabs = self._make_tabs()
        self._on_tab()

    def _make_tabs(self) -> Any:
        """A bar above the pages. A QTabWidget would always be as high as its highest page."""
        bar = qt.QTabBar()
        bar.objectName = "tabBar"
        bar.setExpanding(False)
        for words in (_("Volumes"), _("Remnant"), _("Margins"), _("Branches"), _("Radiomics"), _("Segments")):
            bar.addTab(words)
        self.ui.tabsFrame.layout().insertWidget(0, bar)
        bar.connect("currentChanged(int)", lambda *_args: self._on_tab())
        return bar

    def _on_collapsed(self, collapsed: bool) -> None:
        self.show_overlays()
        if not collapsed:
            self.refresh()

    def show_overlays(self) -> None:
        """Cuts and branches are seen in the tab where they are worked on, and step back elsewhere."""
        parameters = self.parameters
        if parameters is None:
            return
        curve = parameters.cutSurface
        drawn = [curve] if curve is not None and curve.IsA("vtkMRMLMarkupsNode") else []
        cutting = self.open and self.page in (self.remnant, self.margins)
        kept = self.open and self.page is self.remnant and self.remnant.kept.shown
        step_back([parameters.sidesSegmentation], not cutting or kept)
        step_back([parameters.resectionsSegmentation], not kept)
        step_back(parameters.cutPlanes, not cutting or parameters.remnantMode != "planes")
        step_back(drawn, not cutting or parameters.remnantMode != "surface")
        step_back([node for node in curves_of(parameters.segmentation) if node is not curve], True)
        self.remnant.step_back(not cutting)
        self.segments.step_back(not (self.open and self.page is self.segments))
        step_back([lines.line_of(slicer.mrmlScene)], not (self.open and self.page is self.margins))
        branches = self.open and self.page is self.branches
        step_back([parameters.branchesSegmentation, territories_node(slicer.mrmlScene)], not branches)
        self.branches.step_back(not branches)

    def _on_tab(self) -> None:
        ui = self.ui
        pages = (
            ui.volumesPage,
            ui.remnantPage,
            ui.marginsPage,
            ui.branchesPage,
            ui.radiomicsPage,
            ui.segmentsPage,
        )
        for index, page in enumerate(pages):
            page.visible = index == self.tabs.currentIndex
        self.refresh()

    @property
    def open(self) -> bool:
        """Whether the section is open."""
        return not self.button.collapsed

    @property
    def page(self) -> Page:
        """The tab that is shown."""
        return self.pages[self.tabs.currentIndex]

    def refresh(self) -> None:
        """Measures what is out of date in the tab that is shown."""
        parameters = self.parameters
        if parameters is None:
            self._forget(None)
            return
        if not self.open:
            return
        with resting_views():  # what a tab shows and what steps back is drawn once
            self._refresh(parameters)

    def _refresh(self, parameters: Any) -> None:
        self.live.refresh()
        if parameters.segmentation is not self._plan:
            self._forget(parameters.segmentation)
        reason = NO_PLAN if parameters.segmentation is None else self.live.disabled_reason()
        self.show_state(reason)
        self.page.refresh(reason)
        self.show_export()
        self.show_overlays()

    def show_state(self, reason: str) -> None:
        """Why nothing can be measured in the tab that is shown, a sentence; empty if it can."""
        self.ui.stateLabel.text = reason
        self.ui.stateLabel.visible = bool(reason)

    def show_export(self) -> None:
        """Notes and export of the tab that is shown."""
        page = self.page
        stale = _("The plan or its cut has been edited since: press the button again.")
        self._notes.show(page.notes, stale if page.stale else "")
        self.ui.allColumnsCheckBox.visible = bool(page.rows) and any(not c.brief for c in page.columns)
        reason = "" if page.rows else _("There is no table in this tab yet.")
        enable(self.ui.copyButton, reason, _("Copies the table to the clipboard, for a spreadsheet or a letter."))
        enable(self.ui.saveButton, reason, _("Saves the table, with its notes, to a file."))

    def _forget(self, plan: Any | None) -> None:
        self._plan = plan
        for page in self.pages:
            page.forget()

    def copy(self) -> None:
        """The shown table to the clipboard."""
        copy_table(self.page.columns, self.page.rows)
        slicer.util.showStatusMessage(_("The table is on the clipboard."), 3000)

    def save(self) -> None:
        """The shown table to a CSV file."""
        page = self.page
        try:
            path = save_table(page.name, page.columns, page.rows, page.notes, self.widget)
        except Exception as error:
            self.context.show_error(_("Saving the table"), error)
            return
        if path is not None:
            slicer.util.showStatusMessage(_("Saved {path}").format(path=path), 5000)

    def enter(self) -> None:
        """The module is opened: curves and planes may have been edited elsewhere."""
        self.refresh()

    def exit(self) -> None:
        """The module is left: the mouse is released."""
        self.branches.picking.watch(False)

    def cleanup(self) -> None:
        """Releases planes and timers."""
        self.branches.picking.watch(False)
        self.remnant.shapes.cleanup()
        for page in self.pages:
            page.forget()
