"""The tab Branches: main and peripheral branches of veins and bile duct, to be overruled by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.branch_picking import BranchPicking, PickedBranch
from LiverPlannerLib.panels.later_surfaces import LaterSurfaces
from LiverPlannerLib.panels.measure_page import Page, is_shown, jump_to, set_quietly
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.scene.branches import (
    COLUMNS,
    branch_parts,
    branch_rows,
    main_color,
    peripheral_color,
    set_by_hand_in,
    show_branches,
)
from LiverPlannerLib.scene.tables import place_beside, read_table
from LiverPlannerLib.scene.territories import show_territories, territories_node
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from LiverPlannerLib.vessels.branches import VesselTree, relabel
from LiverPlannerLib.vessels.by_hand import SetByHand, set_by_hand
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import enable
from PreopReviewLib.scene import nodes
from PreopReviewLib.worker_io import unsaved

_KEY_OF = {s.name: s.key for s in STRUCTURES}
_MAIN = [c.key for c in COLUMNS].index("main")


class BranchesPage(Page):
    """Found in the worker; what is ticked by hand is kept in the table node, and applied again after a new search.

    Attributes:
        trees: by structure key; empty after a scene was loaded, until they are found again.
    """

    name = "branches"
    parameter = "branchesTable"

    def connect(self) -> None:
        """Connects button, choice of vessel and table."""
        ui = self.ui
        self.trees: dict[str, VesselTree] = {}
        self._shown_supply: Any | None = None
        self._in_sight = False
        self.picking = BranchPicking(lambda: self.trees, self._say, self.choose)
        self.run = RunButton(
            self.context, ui.branchesButton, ui.branchesProgressBar, ui.branchesProgressLabel, self.find
        )
        ui.vesselComboBox.connect("activated(int)", lambda *_args: self._on_vessel())
        ui.showBranchesCheckBox.connect("toggled(bool)", lambda *_args: self._show_segments())
        ui.territoriesCheckBox.connect("toggled(bool)", lambda *_args: self._on_territories())
        ui.branchesTable.connect("itemChanged(QTableWidgetItem*)", self._on_ticked)
        ui.branchesTable.connect("cellClicked(int,int)", lambda row, _column: self._jump(row))
        self._timer = timers.single_shot(300, self._show_segments)
        self.surfaces = LaterSurfaces(self._show_in_place)

    def forget(self) -> None:
        super().forget()
        self.trees = {}
        self.picking.watch(False)
        self._timer.stop()
        self.surfaces.stop()
        set_quietly(self.ui.showBranchesCheckBox, is_shown(self.parameters and self.parameters.branchesSegmentation))

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows the branches of the chosen vessel, also those of a loaded scene."""
        plan = self.live.measures.plan if self.live.measures is not None else None
        if not reason and not any(plan.mask(s.key).count for s in STRUCTURES if s.vascular):
            reason = _("There are no vessels and no bile duct in the plan.")
            self.section.show_state(reason)
        self.run.refresh(reason)
        self.show_saved(COLUMNS, _("These branches were saved with the scene. Find them again to change or show them."))
        if self.trees and self._supply() is not self._shown_supply:
            self._show_rows()
            self._on_territories()
        self._fill_vessels()
        self._fill()
        set_quietly(self.ui.showBranchesCheckBox, is_shown(self.parameters.branchesSegmentation))
        there = bool(self.trees) or self.parameters.branchesSegmentation is not None
        words = _("Main branches in the vessel's own color, peripheral ones in a paler one.")
        enable(self.ui.showBranchesCheckBox, "" if there else _("Find the branches first."), words)

    def _supply(self) -> Any | None:
        """Territories of the plan as it is now, where the blood supply was followed; else None."""
        model = self.section.remnant.supply.model
        return model.trees if model is not None else None

    def _on_vessel(self) -> None:
        self._fill()
        self._on_territories()

    def _on_territories(self) -> None:
        """Shows what the chosen vein feeds or drains; follows the blood supply first, where that was not done."""
        plan, box = self.parameters and self.parameters.segmentation, self.ui.territoriesCheckBox
        if plan is None or self.live.measures is None:
            return
        supply, key = self._supply(), _KEY_OF.get(self.ui.vesselComboBox.currentText)
        if box.checked and supply is None and not self.context.busy:
            with slicer.util.tryWithErrorDisplay(_("The blood supply could not be followed.")):
                self.section.remnant.supply.start()
            return
        node = territories_node(slicer.mrmlScene)
        known = supply is not None and key in supply.territories
        if box.checked and known:
            grid = self.live.measures.plan.grid
            node = show_territories(plan, grid, supply.territories[key], supply.named[key])
        if node is not None:
            node.GetDisplayNode().SetVisibility(box.checked and known)

    def _fill_vessels(self) -> None:
        names = list(dict.fromkeys(row["structure"] for row in self.rows))
        box = self.ui.vesselComboBox
        if [box.itemText(i) for i in range(box.count)] != names:
            blocked = box.blockSignals(True)
            box.clear()
            for name in names:
                box.addItem(name, _KEY_OF[name])
            box.blockSignals(blocked)
        box.visible = self.ui.showBranchesCheckBox.visible = self.ui.territoriesCheckBox.visible = bool(names)

    @property
    def shown_rows(self) -> list[Any]:
        """The rows of the chosen vessel."""
        return [row for row in self.rows if row["structure"] == self.ui.vesselComboBox.currentText]

    def _fill(self) -> None:
        fill_table(
            self.ui.branchesTable,
            COLUMNS[1:],
            self.shown_rows,
            lambda row: (main_color if row["main"] else peripheral_color)(_KEY_OF[row["structure"]]),
            checkable="main" if self.trees else "",
            all_columns=self.ui.allColumnsCheckBox.checked,
        )

    # ---- finding ----

    def find(self) -> None:
        """Starts the job.

        Raises:
            PreopError: there is nothing to search.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        folder, revision, labels = self.context.new_folder(), self.live.revision, self.live.labels()
        self.start(
            "branches",
            {"labels": unsaved(labels, "labels")},
            folder,
            lambda result: self._show(result, folder, labels, revision),
            _("Branches"),
        )

    def _show(self, result: dict[str, Any], folder: Path, labels: Any, revision: int) -> Iterator[None]:
        from LiverPlannerLib.vessels.trees import load_tree

        by_hand, trees = self._by_hand(), {}
        for key, file in result["trees"].items():
            tree = load_tree(folder / file, mask_of(labels, key))
            trees[key], _lost = set_by_hand(tree, by_hand)
            yield
        self.trees = trees
        absent = ", ".join(structure(key).name.lower() for key in result["absent"])
        self.notes = list(result["notes"]) + ([_("Not in the plan: {names}.").format(names=absent)] if absent else [])
        self.revision = revision
        self._show_rows()
        yield
        with resting_views():
            self.picking.watch(self.section.open and self.section.page is self)
            set_quietly(self.ui.showBranchesCheckBox, True)
            self._show_segments()
            self.section.refresh()

    def _show_rows(self) -> None:
        self._shown_supply = self._supply()
        self.columns, self.rows = COLUMNS, branch_rows(self.trees, self._supply())
        self.write_node()
        self._fill_vessels()
        self._fill()

    def _by_hand(self) -> list[SetByHand]:
        """The branches that were ticked by hand."""
        table = self.saved_table()
        return set_by_hand_in(read_table(table, COLUMNS)) if table is not None else []

    # ---- by hand ----

    def _on_ticked(self, item: Any) -> None:
        if item.column() != _MAIN - 1 or not self.trees:
            return
        row = self.shown_rows[item.row()]
        self.set_main(_KEY_OF[row["structure"]], int(row["id"]), item.checkState() == qt.Qt.Checked)

    def set_main(self, key: str, branch: int, main: bool) -> None:
        """Overrules the computation for one branch.

        Raises:
            InputError: there is no such branch.
        """
        self.trees[key] = relabel(self.trees[key], {branch: "main" if main else "peripheral"})
        self._show_rows()
        self.section.show_export()
        self._timer.start()

    def _show_segments(self) -> None:
        """Main and peripheral branches as segments, their surfaces in a moment."""
        parameters = self.parameters
        if parameters is None or self.live.measures is None:
            return
        shown = self.ui.showBranchesCheckBox.checked
        node = parameters.branchesSegmentation
        if shown and self.trees:
            name = _("{plan}: branches").format(plan=parameters.segmentation.GetName())
            grid = self.live.measures.plan.grid
            branch_segments = show_branches(slicer.mrmlScene, node, name, grid, self.trees, surfaces=False)
            self.surfaces.start(branch_segments, grid, branch_parts(self.trees))
            if node is None:
                place_beside(slicer.mrmlScene, branch_segments, parameters.segmentation)
                parameters.branchesSegmentation = branch_segments
            node = branch_segments
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(shown)
            self._show_in_place()

    def _show_in_place(self) -> None:
        """Vessels of the plan step back for their branches: not before these have surfaces, or 3D would be empty."""
        node = self.parameters.branchesSegmentation if self.parameters is not None else None
        if node is None or self.live.measures is None:
            return
        in_place = self._in_sight and is_shown(node)
        if not (in_place and self.surfaces.awaited):
            self._show_vessels(not in_place, {key.rsplit("_", 1)[0] for key in nodes.segment_keys(node)})

    def step_back(self, back: bool) -> None:
        """The vessels of the plan take the place of their branches while those are not shown."""
        node = self.parameters.branchesSegmentation
        self._in_sight = not back
        self.picking.watch(bool(self.trees) and not back)
        if is_shown(node):
            self._show_in_place()

    def _show_vessels(self, shown: bool, keys: set[str]) -> None:
        display = self.parameters.segmentation.GetDisplayNode()
        for segment_id, key in self.live.measures.plan.structures.items():
            if key in keys:
                display.SetSegmentVisibility(segment_id, shown)

    # ---- picked in the views ----

    def _say(self, picked: PickedBranch | None) -> None:
        """What the branch under the mouse is, in the status bar."""
        row = self._row_of(picked) if picked is not None else None
        words = ""
        if row is not None:
            words = _("{vessel}, branch {id}").format(vessel=row["structure"], id=int(row["id"]))
            words += f": {row['name']}" if row["name"] else ""
            if row["territory_ml"] is not None:
                words += _(", {ml:.0f} ml, {percent:.1f} % of the liver").format(
                    ml=row["territory_ml"], percent=row["territory_percent"]
                )
        slicer.util.showStatusMessage(words)

    def _row_of(self, picked: PickedBranch) -> Any | None:
        key, branch = picked
        return next((r for r in self.rows if _KEY_OF[r["structure"]] == key and int(r["id"]) == branch), None)

    def choose(self, picked: PickedBranch, in_3d: bool) -> None:
        """Chooses a branch in the table; one that was clicked in 3D is looked up in the slices, too."""
        row, ui = self._row_of(picked), self.ui
        if row is None:
            return
        ui.vesselComboBox.setCurrentIndex(ui.vesselComboBox.findText(row["structure"]))
        self._on_vessel()
        place = self.shown_rows.index(row)
        ui.branchesTable.selectRow(place)
        ui.branchesTable.scrollToItem(ui.branchesTable.item(place, 0))
        if in_3d:
            self._jump(place)

    def _jump(self, row: int) -> None:
        rows = self.shown_rows
        if not 0 <= row < len(rows) or not self.trees:
            return
        line = self.trees[_KEY_OF[rows[row]["structure"]]].centerline(int(rows[row]["id"]))
        if len(line):
            jump_to(line[len(line) // 2])
