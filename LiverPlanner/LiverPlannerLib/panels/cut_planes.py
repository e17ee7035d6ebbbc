"""Cut planes of the tab Remnant: added, flipped, removed; followed while they are dragged."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from LiverPlannerLib.panels.measure_page import CutPage, jump_to
from LiverPlannerLib.panels.tables import fit_rows
from LiverPlannerLib.resection.live_cut import LiveCut
from LiverPlannerLib.scene.plan_tables import CUT_PLANES, belong
from LiverPlannerLib.scene.planes import RIGHT, add_plane, cut_by_planes, flip, plane_of, size_handles
from LiverPlannerLib.scene.tables import place_beside
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.section import enable

LIVE_MS, QUIET_MS = 30, 400
"""While a plane moves, volumes are shown at most so often; when it has rested so long, all else is measured."""


class CutPlanes:
    """The planes of the parameter node. A plane that is hidden does not cut."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self._observed: list[tuple[Any, int]] = []
        self._live: tuple[tuple[Any, ...], LiveCut] | None = None
        self._measured: tuple[Any, ...] = ()
        self._moving = timers.single_shot(LIVE_MS, self._follow)
        self._resting = timers.single_shot(QUIET_MS, self.measure_now)

    def connect(self) -> None:
        """Connects buttons and list."""
        ui = self.ui
        ui.addPlaneButton.connect("clicked(bool)", lambda *_args: self._on_add())
        ui.flipPlaneButton.connect("clicked(bool)", lambda *_args: self._with_chosen(flip))
        ui.removePlaneButton.connect("clicked(bool)", lambda *_args: self._with_chosen(slicer.mrmlScene.RemoveNode))
        ui.planesList.connect("currentRowChanged(int)", lambda *_args: self._show_buttons(""))
        ui.planesList.connect("itemChanged(QListWidgetItem*)", self._on_item)

    def forget(self) -> None:
        """The plan was replaced or removed."""
        self._moving.stop()
        self._resting.stop()
        self._watch([])
        self._live, self._measured = None, ()

    @property
    def nodes(self) -> list[Any]:
        """The planes that are in the scene."""
        return [node for node in self.page.parameters.cutPlanes if node is not None]

    @property
    def active(self) -> list[Any]:
        """The planes that cut: those that are shown."""
        return [node for node in self.nodes if node.GetDisplayNode() is None or node.GetDisplayNode().GetVisibility()]

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows the list; measures in a moment where something is out of date."""
        nodes = self.nodes
        self.follow()
        self._fill(nodes)
        self._show_buttons(reason)
        if self.page.parameters.remnantMode != "planes":
            return
        if reason:
            if self.page.cut is not None:  # of the plan as it was before it could not be measured
                self.page.no_cut("")
            self._measured = ()
            return
        if not self.active:
            self.page.no_cut(_("Add a plane, then drag and turn it in the 3D view."))
            self._measured = ()
        elif self._signature() != self._measured:
            self.measure_now()

    @property
    def measured(self) -> bool:
        """Whether the cut is that of the planes where they are now."""
        return bool(self.active) and self._signature() == self._measured

    def follow(self) -> None:
        """Measures again when a plane is moved, in whichever tab is shown."""
        self._watch(self.nodes if self.page.parameters.remnantMode == "planes" else [])

    def _signature(self) -> tuple[Any, ...]:
        places = tuple((n.GetID(), n.GetCenterWorld(), n.GetNormalWorld(), n.GetIsPlaneValid()) for n in self.active)
        return (self.page.live.revision, places)

    def _fill(self, nodes: list[Any]) -> None:
        view = self.ui.planesList
        blocked = view.blockSignals(True)
        row = view.currentRow
        view.clear()
        for node in nodes:
            item = qt.QListWidgetItem(node.GetName())
            item.setData(qt.Qt.UserRole, node.GetID())
            display = node.GetDisplayNode()
            item.setCheckState(qt.Qt.Checked if display.GetVisibility() else qt.Qt.Unchecked)
            item.setData(qt.Qt.DecorationRole, qt.QColor.fromRgbF(*display.GetSelectedColor()))
            view.addItem(item)
        view.setCurrentRow(min(max(row, 0), len(nodes) - 1))
        view.visible = bool(nodes)
        fit_rows(view, 5)
        view.blockSignals(blocked)

    def _show_buttons(self, reason: str) -> None:
        enable(self.ui.addPlaneButton, reason, _("Adds a cutting plane through the middle of the liver."))
        none = reason or ("" if self._chosen() is not None else _("Choose a plane in the list below first."))
        enable(
            self.ui.flipPlaneButton, none, _("Flips the chosen plane: the arrow points to the side that is resected.")
        )
        enable(self.ui.removePlaneButton, none, _("Removes the chosen plane from the scene."))

    def _chosen(self) -> Any | None:
        nodes, row = self.nodes, self.ui.planesList.currentRow
        return nodes[row] if 0 <= row < len(nodes) else None

    # ---- editing ----

    def add(self) -> Any:
        """Adds a plane through the middle of the liver.

        Raises:
            PreopError: there is no liver, or packages that this needs were not installed.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        parameters, live = self.page.parameters, self._live_cut()
        number = len(parameters.cutPlanes)
        normal = (RIGHT, (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))[number % 3]
        name = slicer.mrmlScene.GenerateUniqueName(_("Cut plane"))
        plan = parameters.segmentation

        def mine(node: Any, _display: Any) -> None:
            belong(node, plan, CUT_PLANES)

        with resting_views():
            node = add_plane(slicer.mrmlScene, live.center_ras, 0.8 * live.size_mm, normal, name, mine)
            place_beside(slicer.mrmlScene, node, plan)
            parameters.cutPlanes = [*self.nodes, node]
            if number == 0:
                jump_to(live.center_ras)
            self.page.section.refresh()
            self.ui.planesList.setCurrentRow(number)  # what was added is what the buttons act on
        return node

    def _on_add(self) -> None:
        try:
            self.add()
        except PreopError as error:
            self.page.context.show_error(_("Cut plane"), error)

    def _with_chosen(self, action: Any) -> None:
        node = self._chosen()
        if node is None:
            return
        with resting_views():
            action(node)
            self.page.parameters.cutPlanes = self.nodes
            self.page.section.refresh()

    def _on_item(self, item: Any) -> None:
        node = slicer.mrmlScene.GetNodeByID(item.data(qt.Qt.UserRole))
        if node is not None:
            node.GetDisplayNode().SetVisibility(item.checkState() == qt.Qt.Checked)
            self.page.section.refresh()

    # ---- following ----

    def _watch(self, nodes: list[Any]) -> None:
        if [node for node, _tag in self._observed if not node.IsA("vtkMRMLDisplayNode")] == nodes:
            return
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = [(node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_moved)) for node in nodes]
        displays = [node.GetDisplayNode() for node in nodes if node.GetDisplayNode() is not None]
        self._observed += [
            (display, display.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, _event: size_handles(caller)))
            for display in displays
        ]

    def _on_moved(self, *_args: Any) -> None:
        if self._signature() == self._measured:
            return  # only its look was changed
        if not self._moving.isActive():
            self._moving.start()
        self._resting.start()

    def _live_cut(self) -> LiveCut:
        key = (self.page.live.revision, self.page.section.volumes.exclude())
        if self._live is None or self._live[0] != key:
            live = self.page.live
            self._live = (key, LiveCut(live.labels(), key[1], live.inside()))
        return self._live[1]

    def _follow(self) -> None:
        """The volumes of the planes where they are now, in milliseconds."""
        if self.page.parameters is None or not self.active:
            return
        try:
            planes = [plane_of(node) for node in self.active]
            volumes, supply = self._live_cut().cut(planes), self.page.supply
            costs = supply.words(self._live_cut().taken(planes)) if supply.model is not None else ""
            patient = self.page.section.volumes.patient()
        except PreopError as error:
            self.page.say(str(error))
            return
        weight = patient.weight_kg if patient is not None else 0.0
        to_weight = volumes.functional_remnant_ml / (1000 * weight) if weight else None
        figures = (volumes.functional_remnant_ml, volumes.remnant_share, to_weight)
        words = live_words(*figures, volumes.resected_ml, volumes.tumor_remnant_ml)
        self.page.say(f"{words}<br>{costs}" if costs else words)

    def measure_now(self) -> None:
        """Everything that follows from the planes where they are now, if it is out of date."""
        self._resting.stop()
        if self.page.parameters is None:
            return
        if not self.active:
            self._measured = ()
            if self.page.cut is not None:  # by a plane that was deleted, or hidden, since
                self.page.no_cut("")
            return
        if self._signature() == self._measured:
            return
        self._measured = self._signature()
        if find_spec("cc3d") is None:  # a scene that was planned on another computer
            self.page.no_cut(
                _("The Python packages needed for this are not installed. Press Add plane to install them.")
            )
            return
        try:
            live = self.page.live
            cut = cut_by_planes(live.labels(), self.active, live.inside())
            with resting_views():
                self.page.show_cut(cut, self.page.live.revision)
        except PreopError as error:
            self.page.no_cut(str(error))


def live_words(
    remnant_ml: float, to_functional: float | None, to_weight: float | None, resected_ml: float, tumor_ml: float
) -> str:
    """The remnant in one look, as rich text."""
    stays = []
    if to_functional is not None:
        stays.append(_("<b>{percent:.0f} %</b> of the functional liver").format(percent=100 * to_functional))
    if to_weight is not None:
        stays.append(_("{percent:.2f} % of body weight").format(percent=100 * to_weight))
    goes = [_("{ml:.0f} ml taken").format(ml=resected_ml)]
    if tumor_ml > 0:
        goes.append(_("<b>{ml:.1f} ml of tumor remain</b>").format(ml=tumor_ml))
    large = _("{ml:.0f} ml remain").format(ml=remnant_ml)
    first = f"<span style='font-size: x-large;'><b>{large}</b></span>"
    return f"{first}<br>{' · '.join(stays)}<br>{' · '.join(goes)}"
