"""Curves, surfaces and portal branches of the tab Remnant: what else a liver can be cut by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.measure_page import CutPage, jump_to
from LiverPlannerLib.panels.tables import fit_rows
from LiverPlannerLib.resection.curved_cut import is_flat
from LiverPlannerLib.scene.planes import PLANE_COLORS, drawn, keep_slice
from LiverPlannerLib.scene.tables import place_beside
from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.section import enable

QUIET_MS = 400
"""So long after the last move of a point the liver is cut again."""
MOST_BRANCHES = 24
"""The territory of a branch smaller than these is not a resection."""


class CutShapes:
    """A drawn curve, a closed surface, or ticked portal branches."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self._branches: list[int] = []
        self._watched: tuple[Any, int] | None = None
        self._drawing: Any | None = None
        self._moved = timers.single_shot(QUIET_MS, self._cut_again)

    def connect(self) -> None:
        """Connects selector, button and list."""
        ui = self.ui
        ui.surfaceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._on_surface)
        ui.drawCurveButton.connect("clicked(bool)", self._on_draw)
        ui.territoryList.connect("itemChanged(QListWidgetItem*)", self._on_ticked)
        ui.territoryList.connect("currentRowChanged(int)", self._on_chosen)
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        changed = interaction.InteractionModeChangedEvent
        self._observed = (interaction, interaction.AddObserver(changed, self._on_placing))

    def cleanup(self) -> None:
        """Releases the interaction node."""
        self._moved.stop()
        self._follow(None)
        interaction, tag = self._observed
        interaction.RemoveObserver(tag)

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows the chosen node and the portal branches."""
        parameters = self.page.parameters
        blocked = self.ui.surfaceSelector.blockSignals(True)
        self.ui.surfaceSelector.setCurrentNode(parameters.cutSurface)
        self.ui.surfaceSelector.blockSignals(blocked)
        self.ui.drawCurveButton.checked = self._placing()
        enable(
            self.ui.drawCurveButton, reason,
            _("Click a line across the liver in one slice, or points on its surface in 3D; right click ends."),
        )  # fmt: skip
        self._follow(parameters.cutSurface)
        words = self._how_it_cuts(parameters.cutSurface)
        self.ui.curveLabel.text = words
        self.ui.curveLabel.visible = bool(words)
        self.ui.flippedCheckBox.visible = parameters.cutSurface is None or parameters.cutSurface.IsA(
            "vtkMRMLMarkupsNode"
        )
        self._fill()

    def _how_it_cuts(self, node: Any | None) -> str:
        """What the chosen curve will do, before it is done; empty where that is plain."""
        if node is None or not node.IsA("vtkMRMLMarkupsNode"):
            return ""
        try:
            points = drawn(node)[1]
        except PreopError:
            return ""
        try:
            flat = is_flat(points)
        except PreopError as error:  # they lie on one line
            return str(error)
        if flat:
            return _("Drawn in one slice: cuts straight through the liver, perpendicular to that slice.")
        return _("Drawn in space: cuts along the smooth surface through its points.")

    def _follow(self, node: Any | None) -> None:
        """Cuts again while the points of the curve that has cut are dragged."""
        watched = self._watched[0] if self._watched else None
        if watched is node:
            return
        if self._watched:
            self._watched[0].RemoveObserver(self._watched[1])
        self._watched = None
        if node is not None and node.IsA("vtkMRMLMarkupsNode"):
            self._watched = (node, node.AddObserver(node.PointModifiedEvent, lambda *_args: self._moved.start()))

    def _cut_again(self) -> None:
        page = self.page
        if page.parameters is None or page.parameters.remnantMode != "surface":
            return
        page.section.refresh()
        if page.cut is None or not page.stale:
            return
        if page.context.busy:
            self._moved.start()
        elif not self.disabled_reason() and not self._placing():
            page.start_cut()

    def disabled_reason(self) -> str:
        """Why the button Cut is off, a sentence; empty if it is on."""
        parameters = self.page.parameters
        if parameters.remnantMode == "territory":
            if self._tree() is None:
                return _("Find the branches of the portal vein first, in the tab Branches.")
            return "" if parameters.territoryBranches else _("Tick a portal branch in the list above first.")
        try:
            drawn(parameters.cutSurface)
        except PreopError as error:
            return str(error)
        return ""

    def _tree(self) -> Any | None:
        return self.page.section.branches.trees.get("portal_vein")

    def _fill(self) -> None:
        view, tree = self.ui.territoryList, self._tree()
        view.visible = tree is not None
        if tree is None:
            return
        reach = {b.id: sum(tree.branch(d).ml for d in tree.downstream(b.id)) for b in tree.branches if b.generation > 0}
        self._branches = sorted(sorted(reach, key=lambda i: -reach[i])[:MOST_BRANCHES])
        ticked = set(self.page.parameters.territoryBranches)
        named, shares = self.page.supply.portal_names()
        blocked, row = view.blockSignals(True), view.currentRow
        view.clear()
        for number in self._branches:
            branch = tree.branch(number)
            words = _("Branch {id} · order {order} · {radius:.1f} mm radius · {ml:.1f} ml in all")
            text = words.format(id=number, order=branch.generation, radius=branch.radius_mm, ml=reach[number])
            if number in shares:
                text += _(" · {share:.0f} % of the liver").format(share=100 * shares[number])
            if number in named:
                text += f" · {named[number]}"
            item = qt.QListWidgetItem(text)
            item.setCheckState(qt.Qt.Checked if number in ticked else qt.Qt.Unchecked)
            view.addItem(item)
        view.setCurrentRow(row)
        fit_rows(view, 8)
        view.blockSignals(blocked)

    # ---- editing ----

    def _on_surface(self, node: Any | None) -> None:
        if self.page.parameters is not None:
            self.page.parameters.cutSurface = node

    def _on_ticked(self, _item: Any) -> None:
        view = self.ui.territoryList
        ticked = [n for r, n in enumerate(self._branches) if view.item(r).checkState() == qt.Qt.Checked]
        self.page.parameters.territoryBranches = ticked

    def _on_chosen(self, row: int) -> None:
        tree = self._tree()
        if tree is not None and 0 <= row < len(self._branches):
            line = tree.centerline(self._branches[row])
            jump_to(line[len(line) // 2])

    def _on_draw(self, pressed: bool) -> None:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if not pressed:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
            return
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLMarkupsCurveNode", slicer.mrmlScene.GenerateUniqueName(_("Cut curve"))
        )
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetSelectedColor(*PLANE_COLORS[0])
        node.GetDisplayNode().SetPropertiesLabelVisibility(False)
        node.GetDisplayNode().SetPointLabelsVisibility(False)
        place_beside(slicer.mrmlScene, node, self.page.parameters.segmentation)
        self.page.parameters.cutSurface = self._drawing = node
        # The logic's own StartPlaceMode asks for a point list, whatever list is active.
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetActivePlaceNodeID(node.GetID())
        interaction.SetPlaceModePersistence(1)
        interaction.SetCurrentInteractionMode(interaction.Place)
        self.ui.drawCurveButton.checked = True

    def _on_placing(self, *_args: Any) -> None:
        """Placing has begun, or ended by a right click: now the points can be counted."""
        if not self._placing() and self._drawing is not None:
            keep_slice(self._drawing, slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode"))
            self._drawing = None
        if self.page.parameters is not None and self.page.parameters.remnantMode == "surface":
            self.page.section.refresh()

    def _placing(self) -> bool:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        return interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place

    def signature(self) -> tuple[Any, ...]:
        """What a cut depends on beside the plan: another signature, another cut."""
        parameters = self.page.parameters
        node = parameters.cutSurface
        if parameters.remnantMode == "territory":
            return tuple(parameters.territoryBranches)
        if node is None:
            return ()
        if node.IsA("vtkMRMLModelNode"):
            return (node.GetID(), node.GetPolyData() and node.GetPolyData().GetMTime())
        points = [node.GetNthControlPointPositionWorld(n) for n in range(node.GetNumberOfControlPoints())]
        return (node.GetID(), bool(parameters.cutFlipped), tuple(tuple(round(v, 2) for v in p) for p in points))

    # ---- for the worker ----

    def request(self, folder: Path) -> dict[str, Any]:
        """What `measure_tasks.cut` needs beside the labels; writes its files.

        Raises:
            InputError: there is nothing to cut with.
        """
        parameters = self.page.parameters
        if parameters.remnantMode == "territory":
            return self._territory(folder)
        kind, points, triangles = drawn(parameters.cutSurface)
        np.save(folder / "points.npy", points, allow_pickle=False)
        request = {"kind": kind, "points": "points.npy", "flipped": bool(parameters.cutFlipped)}
        if triangles is not None:
            np.save(folder / "triangles.npy", triangles, allow_pickle=False)
            request["triangles"] = "triangles.npy"
        return request

    def _territory(self, folder: Path) -> dict[str, Any]:
        from LiverPlannerLib.vessels.trees import save_tree

        tree, branches = self._tree(), list(self.page.parameters.territoryBranches)
        if tree is None or self.page.section.branches.stale:
            raise InputError(_("The branches are older than the plan"), _("Find them again, in the tab Branches"))
        return {"kind": "territory", "tree": save_tree(tree, folder / "tree.npz").name, "branches": branches}
