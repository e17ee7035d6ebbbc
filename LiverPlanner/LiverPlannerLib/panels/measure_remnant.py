"""The tab Remnant: what a cut takes and what stays, live while planes are dragged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.cut_described import CutDescribed
from LiverPlannerLib.panels.cut_planes import CutPlanes, live_words
from LiverPlannerLib.panels.cut_shapes import CutShapes
from LiverPlannerLib.panels.later_surfaces import LaterSurfaces
from LiverPlannerLib.panels.measure_kept import KeptPage
from LiverPlannerLib.panels.measure_page import Page, is_shown, set_quietly
from LiverPlannerLib.panels.measure_supply import Supply, supply_words
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.resection.cutting import Resection, resect_by_remnant, with_drawn_lesions
from LiverPlannerLib.resection.volumetry import Volumetry
from LiverPlannerLib.scene.plan_tables import VOLUME_COLUMNS, belong
from LiverPlannerLib.scene.planes import show_sides, sides_of
from LiverPlannerLib.scene.tables import place_beside
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.worker_io import load_image, unsaved

MODES = ("planes", "surface", "territory", "segments", "sparing")


class RemnantPage(Page):
    """Five ways to cut; the result of the last one is what tables, sides and margins are made of."""

    name = "remnant"
    parameter = "remnantTable"

    def connect(self) -> None:
        """Connects the ways to cut."""
        ui = self.ui
        self.cut: Resection | None = None
        self._inputs: tuple[Any, ...] = ()
        self._cut_by: tuple[Any, ...] = ()
        self._liver_shown = True
        self._in_sight = True  # whether this tab, or the one of margins, is open
        self.surfaces = LaterSurfaces(self._on_surfaces)
        self.supply, self.kept = Supply(self), KeptPage(self)
        self.planes = CutPlanes(self)
        self.shapes = CutShapes(self)
        self.described = CutDescribed(self)
        self._radios = {mode: getattr(ui, f"{mode}Radio") for mode in MODES}
        for mode, radio in self._radios.items():
            radio.connect("clicked(bool)", lambda _on, mode=mode: self._choose(mode))
        self.run = RunButton(self.context, ui.cutButton, ui.cutProgressBar, ui.cutProgressLabel, self.start_cut)
        ui.sidesCheckBox.connect("toggled(bool)", lambda *_args: self.show_sides())
        self.planes.connect()
        self.shapes.connect()
        self.described.connect()
        self.supply.connect()
        self.kept.connect()

    def _start_over(self) -> None:
        super().forget()
        self.kept.step_back()
        self.cut = None
        self.surfaces.stop()
        self.planes.forget()
        self.described.forget()

    def forget(self) -> None:
        """The plan was replaced or removed; a loaded scene says whether both sides are shown, else they are."""
        self._start_over()
        self.supply.forget()
        sides = self.parameters and self.parameters.sidesSegmentation
        set_quietly(self.ui.sidesCheckBox, sides is None or is_shown(sides))

    @property
    def way(self) -> CutShapes | CutDescribed:
        """The chosen way to cut, where it is not by planes."""
        return self.described if self.parameters.remnantMode in ("segments", "sparing") else self.shapes

    @property
    def stale(self) -> bool:
        """Whether the plan, or what it was cut by, was changed since."""
        moved = self.parameters.remnantMode != "planes" and self.way.signature() != self._cut_by
        return super().stale or (bool(self.rows) and moved)

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows the chosen way, and measures planes that are out of date."""
        mode = self.parameters.remnantMode
        for name, radio in self._radios.items():
            radio.checked = name == mode
        ui = self.ui
        ui.planesWidget.visible = mode == "planes"
        ui.surfaceWidget.visible = mode == "surface"
        ui.territoryWidget.visible = mode == "territory"
        ui.cutSegmentsWidget.visible = mode == "segments"
        ui.sparingWidget.visible = mode == "sparing"
        ui.cutButton.visible = mode != "planes"
        self.planes.refresh(reason)
        self.shapes.refresh(reason)
        self.described.refresh(reason)
        if mode != "planes":
            missing = reason or self.way.disabled_reason()
            self.run.refresh(missing)
            if not self.rows:
                self.say(missing)
        if reason and not self.rows:
            self.say("")  # what is said was of another plan
        if self.cut is None:
            self.show_sides()  # those of an earlier cut, if there are any, go
        self._refresh_rows(reason)
        self.supply.refresh(reason)
        self.kept.refresh(reason)

    def current_cut_quietly(self) -> Resection | None:
        """The cut that is shown, if nothing has changed since; measures nothing."""
        by_planes = self.parameters.remnantMode == "planes"
        return None if self.stale or (by_planes and not self.planes.measured) else self.cut

    def _refresh_rows(self, reason: str) -> None:
        """New numbers where height, weight or what is functional were changed."""
        inputs = self.section.volumes.inputs()
        if not reason and self.cut is not None and not self.stale and inputs != self._inputs:
            self.show_cut(self.cut, self.revision)
        fill_table(self.ui.remnantTable, VOLUME_COLUMNS[:3], self.rows)
        self.ui.sidesCheckBox.enabled = self.cut is not None
        tooltip = _("Shows both sides of the cut as segments, in slices and in 3D.")
        self.ui.sidesCheckBox.toolTip = tooltip if self.cut is not None else _("Cut the liver first.")

    def _choose(self, mode: str) -> None:
        if mode == self.parameters.remnantMode:
            return
        self._start_over()
        self.parameters.remnantMode = mode
        self.section.refresh()

    def current_cut(self) -> Resection | None:
        """The cut on the plan as it is now; None without one."""
        if self.parameters.remnantMode == "planes":
            self.planes.measure_now()
        return None if self.stale else self.cut

    # ---- cutting ----

    def start_cut(self) -> None:
        """Cuts by a drawn surface or a territory, in the worker.

        Raises:
            PreopError: there is nothing to cut, or to cut with.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        folder, revision, labels = self.context.new_folder(), self.live.revision, self.live.labels()
        request = {"labels": unsaved(labels, "labels"), **self.way.request(folder)}
        signature = self.way.signature()

        def show(result: dict[str, Any]) -> None:
            resection = resect_by_remnant(labels, load_image(folder, result["remnant"]))
            notes = tuple(dict.fromkeys((*result["notes"], *resection.notes)))
            self._cut_by = signature
            surface = None
            if request["kind"] == "surface":
                parts = (np.load(folder / request[name], allow_pickle=False) for name in ("points", "triangles"))
                surface = tuple(parts)
            self.show_cut(replace(resection, method=result["method"], notes=notes, surface=surface), revision)
            self.section.refresh()

        self.start("cut", request, folder, show, _("Cutting the liver"))

    def show_cut(self, cut: Resection, revision: int) -> None:
        """Numbers, table and sides of a cut; lesions with segments of their own have fates of their own."""
        volumes = self.section.volumes
        cut = with_drawn_lesions(cut, self.live.labels(), self.live.drawn_lesions())
        self.cut, self.revision, self.columns, self._inputs = cut, revision, VOLUME_COLUMNS, volumes.inputs()
        result = volumes.measure(cut.remnant)
        self.rows = remnant_rows(cut, result)
        self.notes = [*cut.notes, *volumes.said(result)]
        r = result.remnant
        words = live_words(r.ml, r.to_functional, r.to_weight, cut.resected_ml, r.tumor_ml)
        supply = self.supply.of(cut)
        if supply is not None:
            self.rows += self.supply.rows(supply, result)
            self.notes += [note for note in supply.notes if note not in self.notes]
            words += f"<br>{supply_words(supply)}"
        self.say(words)
        self.kept.step_back()
        fill_table(self.ui.remnantTable, VOLUME_COLUMNS[:3], self.rows)
        self.write_node()
        self.show_sides()
        self.section.show_export()

    def no_cut(self, reason: str) -> None:
        """There is no cut, or not yet."""
        self.forget_cut()
        self.say(reason)
        self.show_sides()
        fill_table(self.ui.remnantTable, VOLUME_COLUMNS[:3], [])

    def forget_cut(self) -> None:
        """Discards the last cut."""
        self.cut, self.rows, self.notes = None, [], []

    def say(self, text: str) -> None:
        """The large line below the ways to cut."""
        self.ui.liveLabel.text = text
        self.ui.liveLabel.visible = bool(text)

    def show_sides(self) -> None:
        """Both sides as segments, where asked for."""
        parameters = self.parameters
        if parameters is None:
            return
        shown = self.ui.sidesCheckBox.checked and self.cut is not None and self.live.measures is not None
        node = parameters.sidesSegmentation
        self.surfaces.stop()
        if shown:
            grid = self.live.measures.plan.grid
            name = _("{plan}: remnant").format(plan=parameters.segmentation.GetName())
            sides = show_sides(slicer.mrmlScene, node, name, grid, self.cut, surfaces=False)
            if node is None:
                place_beside(slicer.mrmlScene, sides, parameters.segmentation)
                belong(sides, parameters.segmentation, "sidesSegmentation")
                parameters.sidesSegmentation = sides
            node = sides
            self.surfaces.start(node, grid, sides_of(self.cut))
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(shown)
        if not shown:
            self._show_liver(True)

    def _on_surfaces(self) -> None:
        """Both sides are there in 3D, and take the place of the liver."""
        self._show_liver(not (self._in_sight and is_shown(self.parameters.sidesSegmentation)))

    def step_back(self, back: bool) -> None:
        """The liver of the plan takes the place of both sides while they are not shown."""
        self._in_sight = not back
        if self.live.measures is not None and not self.surfaces.awaited and is_shown(self.parameters.sidesSegmentation):
            self._show_liver(back)

    def _show_liver(self, shown: bool) -> None:
        """In 3D both sides are the liver: its own surface at the same place would only make them muddy."""
        if shown == self._liver_shown or self.live.measures is None:
            return
        self._liver_shown = shown
        display = self.parameters.segmentation.GetDisplayNode()
        for segment_id, key in self.live.measures.plan.structures.items():
            if key == "liver":
                display.SetSegmentVisibility3D(segment_id, shown)


def remnant_rows(cut: Resection, result: Volumetry) -> list[dict[str, Any]]:
    """Rows of the remnant, of what is taken, and of what becomes of each lesion."""
    others = len(replace(result, remnant=None).as_rows())
    rows = result.as_rows()[others:]  # those of the remnant come last
    rows.append({"measure": _("Resected, all"), "value": cut.resected_ml, "unit": "ml", "how": cut.method})
    rows.append({"measure": _("Resected"), "value": 100 * cut.resected_share, "unit": "%", "how": _("of the liver")})
    for lesion in cut.lesions:
        name = lesion.name or _("Tumor {number}").format(number=lesion.number)
        how = _("{fate}, {share:.0f} % taken").format(fate=lesion.fate, share=100 * lesion.resected_share)
        rows.append({"measure": name, "value": lesion.ml, "unit": "ml", "how": how})
    return rows
