"""The tab Segments: Couinaud segments of the plan as they are now, and their borders as planes to be moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from LiverPlannerLib.panels.later_surfaces import LaterSurfaces
from LiverPlannerLib.panels.measure_page import Page, jump_to
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.scene import couinaud as scene_couinaud
from LiverPlannerLib.scene.segments import grid_of
from LiverPlannerLib.scene.tables import Column, place_beside
from LiverPlannerLib.structures import SEGMENTS, structure
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import enable
from PreopReviewLib.worker_io import load_image, unsaved

COLUMNS = (
    Column("segment", "Segment", "text"),
    Column("ml", "ml", help="By voxel counting, with lesions and vessels in it."),
    Column("percent", "% of liver", help="Of all segments together."),
    Column("lesions", "Lesions", "text", help="Those of which it holds a twentieth or more.", missing=""),
)
FIRST = "middle"
"""The border that has handles first: the main one, between the right and the left liver."""
MOVING_MS, QUIET_MS = 100, 400
"""While a plane moves, volumes are shown at most so often; when it has rested so long, the segments follow."""


class SegmentsPage(Page):
    """Volumes and lesions by segment follow every edit of the segments, by planes or in the Segment Editor."""

    name = "segments"
    parameter = "segmentsTable"

    def connect(self) -> None:
        """Connects buttons, table and timers."""
        ui = self.ui
        self.run = RunButton(self.context, ui.divideButton, ui.divideProgressBar, ui.divideProgressLabel, self.divide)
        self._shown: tuple[Any, ...] = ()
        self._said: list[str] = []
        self._before: Any | None = None
        self._by_planes: Any | None = None
        self._observed: list[tuple[Any, int]] = []
        self._last: dict[str, Any] = {}  # where each border's plane was last; None for a border that is not there
        self._places: tuple[Any, ...] = ()
        self._surfaces = LaterSurfaces(lambda: None)
        ui.showCouinaudCheckBox.connect("toggled(bool)", lambda on: self._show_in_color(on))
        ui.bordersButton.connect("clicked(bool)", self._on_borders)
        ui.borderComboBox.connect("activated(int)", lambda *_args: self._choose_border())
        ui.undoBordersButton.connect("clicked(bool)", lambda *_args: self.undo_borders())
        ui.segmentsTable.connect("cellClicked(int,int)", lambda row, _column: self._jump(row))
        self._moving = timers.single_shot(MOVING_MS, self._follow)
        self._resting = timers.single_shot(QUIET_MS, self.apply_borders)

    def forget(self) -> None:
        super().forget()
        self._shown, self._said, self._before, self._by_planes = (), [], None, None
        self._last = {}
        self._moving.stop()
        self._resting.stop()
        self._surfaces.stop()
        self._watch([])

    @property
    def node(self) -> Any | None:
        """The plan's Couinaud segments, or None."""
        return scene_couinaud.segments_node(self.parameters.segmentation if self.parameters is not None else None)

    @property
    def borders(self) -> list[Any]:
        """The border planes of the plan."""
        plan = self.parameters.segmentation if self.parameters is not None else None
        return scene_couinaud.border_nodes(slicer.mrmlScene, plan) if plan is not None else []

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows the segments, and measures them where something is out of date."""
        node = self.node
        if node is None and not reason and self.borders:  # the segments were deleted: nothing is left to divide
            self.remove_borders()
            self._said, self._before = [], None
        self.run.refresh(reason)
        self._show_buttons(reason, node)
        if reason or node is None:
            self.rows, self.notes, self._shown = [], self._said, ()
            fill_table(self.ui.segmentsTable, COLUMNS, [])
            return
        self._watch(self.borders)
        signature = (self.live.revision, node.GetID())
        if signature == self._shown:
            return
        self._shown = signature
        self.columns, self.revision = COLUMNS, self.live.revision
        try:
            self.rows, self.notes = self._measured(self.live.couinaud()), self._said
        except PreopError as error:
            self.rows, self.notes = [], [str(error)]
        self._fill()
        self.write_node()

    def _show_buttons(self, reason: str, node: Any | None) -> None:
        ui = self.ui
        none = reason or ("" if node is not None else _("Divide the liver into segments first."))
        tip = _(
            "Shows the borders between the segments as planes, along the three hepatic veins, the portal bifurcation "
            "and the left portal vein. Drag or turn one, and the liver is divided by all of them; segment 1 stays."
        )
        enable(ui.bordersButton, none, tip)
        undo = none or ("" if self._before is not None else _("No plane has been moved."))
        enable(ui.undoBordersButton, undo, _("Puts the segments back to what they were before planes were moved."))
        borders = self.borders
        ui.bordersButton.checked = ui.borderComboBox.visible = ui.borderLabel.visible = bool(borders)
        if ui.borderComboBox.count != len(borders):
            ui.borderComboBox.clear()
            for border in borders:
                ui.borderComboBox.addItem(border.GetName(), border.GetAttribute(scene_couinaud.BORDER))
            ui.borderComboBox.setCurrentIndex(ui.borderComboBox.findData(FIRST))
            self._choose_border()
        ui.showCouinaudCheckBox.enabled = node is not None
        blocked = ui.showCouinaudCheckBox.blockSignals(True)
        ui.showCouinaudCheckBox.checked = node is not None and bool(node.GetDisplayNode().GetVisibility())
        ui.showCouinaudCheckBox.blockSignals(blocked)
        if not borders:
            hint = _("To correct by hand: open the module Segment Editor and choose “{name}”. All measures follow.")
            ui.bordersLabel.text = hint.format(name=node.GetName()) if node is not None else ""

    def _measured(self, segments: Any | None) -> list[dict[str, Any]]:
        """A row for each segment."""
        from LiverPlannerLib.couinaud.volumes import segment_volumes, segments_of_lesions
        from PreopReviewLib import images

        if segments is None:
            return []
        labels = self.live.labels()
        there = images.onto_grid(segments, labels, "segments", "plan").labels
        lesions: dict[int, list[str]] = {s.label: [] for s in SEGMENTS}
        for (key, number), words in segments_of_lesions(labels, there, self.live.drawn_lesions()).items():
            for name in words.split("/"):
                if name[1:].isdigit():
                    lesions[int(name[1:])].append(f"{structure(key).name} {number}")
        return [
            {"segment": v.name, "ml": v.ml, "percent": 100 * v.share, "lesions": ", ".join(lesions[s.label])}
            for s, v in zip(SEGMENTS, segment_volumes(segments), strict=True)
        ]

    def _fill(self) -> None:
        colors = {s.name: s.color for s in SEGMENTS}
        fill_table(self.ui.segmentsTable, COLUMNS, self.rows, lambda row: colors.get(row["segment"]))

    def _choose_border(self) -> None:
        box = self.ui.borderComboBox
        scene_couinaud.choose_border(self.borders, box.itemData(box.currentIndex) or "")

    def _show_in_color(self, on: bool) -> None:
        if self.node is not None:
            self.node.GetDisplayNode().SetVisibility(on)

    def step_back(self, back: bool) -> None:
        """Takes segments and planes out of the views while another tab is worked on, or brings them back."""
        from PreopReviewLib.scene.finding import step_back

        own = self.borders
        step_back([self.node, *own], back)
        step_back([n for n in scene_couinaud.border_nodes(slicer.mrmlScene) if n not in own], True)

    def _jump(self, row: int) -> None:
        node = self.node
        if node is None or not 0 <= row < len(SEGMENTS):
            return
        center = node.GetSegmentCenterRAS(SEGMENTS[row].key)
        if center is not None:
            jump_to(center)

    # ---- dividing ----

    def divide(self) -> None:
        """Divides the liver by its shape, in the worker; asks before segments that are there are replaced.

        Raises:
            PreopError: there is no plan.
        """
        from PreopReviewLib.panels import dependencies

        question = _("Divide the liver again? The present segments, with all corrections, are replaced.")
        if self.node is not None and not slicer.util.confirmOkCancelDisplay(question):
            return
        dependencies.ensure()
        folder, labels = self.context.new_folder(), self.live.labels()

        def show(result: dict[str, Any]) -> None:
            self._said = list(result["notes"])
            self.remove_borders()
            self._before = None
            self._write(load_image(Path(folder), result["segments"]))

        self.start("couinaud", {"labels": unsaved(labels, "labels")}, folder, show, _("Couinaud segments"))

    def _write(self, segments: Any) -> None:
        """Puts segments into the plan's node, shows them, and lets everything follow."""
        new = self.node is None
        node = scene_couinaud.write_couinaud(self.parameters.segmentation, segments, surfaces=False)
        self._surfaces.start(node, grid_of(node), scene_couinaud.parts_of_couinaud(segments))
        if new:
            node.GetDisplayNode().SetVisibility(self.ui.showCouinaudCheckBox.checked)
        self._shown = ()
        self.live.update()
        self.section.refresh()

    # ---- border planes ----

    def _on_borders(self, on: bool) -> None:
        try:
            with resting_views():
                if on:
                    self.show_borders()
                else:
                    self.remove_borders()
                self.section.refresh()
        except PreopError as error:
            self.context.show_error(_("Border planes"), error)
            self.section.refresh()

    def show_borders(self) -> None:
        """Adds the planes that come nearest to the present borders.

        Raises:
            PreopError: there are no segments, or only one.
        """
        from LiverPlannerLib.couinaud.borders import BORDERS, agreement, fit_borders, segments_by_planes

        segments = self.live.couinaud()
        if segments is None:
            return
        planes = fit_borders(segments)
        share = agreement(segments, segments_by_planes(segments, planes))
        for node in scene_couinaud.add_borders(
            self.parameters.segmentation, planes, 0.9 * scene_couinaud.extent_mm(segments)
        ):
            place_beside(slicer.mrmlScene, node, self.parameters.segmentation)
        words = _(
            "The planes reproduce {share:.0%} of the present division. It stays until one is dragged or turned; then "
            "the liver is divided by all of them."
        )
        self._last = dict.fromkeys(BORDERS) | planes
        self.ui.bordersLabel.text = words.format(share=share)
        self.ui.showCouinaudCheckBox.checked = True
        self._watch(self.borders)

    def remove_borders(self) -> None:
        """Takes the planes away; the segments stay."""
        self._watch([])
        for node in self.borders:
            slicer.mrmlScene.RemoveNode(node)

    def undo_borders(self) -> None:
        """Puts the segments back to what they were before planes were moved, and takes the planes away."""
        before, self._before, self._by_planes = self._before, None, None
        with resting_views():
            self.remove_borders()
            if before is not None:
                self._write(before)
            self.section.refresh()

    def _watch(self, nodes: list[Any]) -> None:
        if [node for node, _tag in self._observed] == nodes:
            return
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = [(node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_moved)) for node in nodes]
        self._places = self._signature()

    def _signature(self) -> tuple[Any, ...]:
        return tuple((n.GetID(), n.GetCenterWorld(), n.GetNormalWorld()) for n, _tag in self._observed)

    def _on_moved(self, *_args: Any) -> None:
        if self._signature() == self._places:
            return  # only its look was changed
        if not self._moving.isActive():
            self._moving.start()
        self._resting.start()

    def _divided(self) -> Any | None:
        """The liver divided by the planes where they are now."""
        from LiverPlannerLib.couinaud.borders import segments_by_planes

        present = self.live.couinaud()
        if present is None or not self._observed:
            return None
        there = [node for node, _tag in self._observed if node.GetScene() is not None]
        planes = scene_couinaud.planes_of_borders(there)
        self._last |= planes
        return segments_by_planes(present, self._kept(present, planes) | planes)

    def _kept(self, present: Any, planes: dict[str, Any]) -> dict[str, Any]:
        """Planes of the borders whose own were deleted: where they were, or as the present division has them."""
        from LiverPlannerLib.couinaud.borders import BORDERS, fit_borders

        lacking = set(BORDERS) - set(planes)
        if not lacking <= set(self._last):
            self._last = dict.fromkeys(BORDERS) | fit_borders(present) | self._last
        return {key: self._last[key] for key in lacking if self._last[key] is not None}

    def _follow(self) -> None:
        """The volumes of the planes where they are now."""
        if self.parameters is None or self.node is None:
            return
        try:
            divided = self._divided()
            if divided is not None:
                self.rows = self._measured(divided)
                self._fill()
        except PreopError as error:
            self.ui.bordersLabel.text = str(error)

    def apply_borders(self) -> None:
        """Divides the liver by the planes where they are now."""
        from LiverPlannerLib.couinaud.whole_segments import fill_unreached, whole_segments
        from PreopReviewLib import images

        self._resting.stop()
        self._moving.stop()
        if self.parameters is None or self.node is None or self._signature() == self._places:
            return
        self._places = self._signature()
        try:
            divided = self._divided()
        except PreopError as error:
            self.ui.bordersLabel.text = str(error)
            return
        if divided is None:
            return
        present = self.live.couinaud()
        if self._by_planes is None or not _alike(present, self._by_planes):
            self._before = present  # corrected by hand since: this is what undo brings back
        self.ui.bordersLabel.text = _("The liver is divided by the planes.")
        self._said = [_("The segments are divided by border planes that were set by hand.")]
        array = images.array_of(divided)
        pieces = whole_segments(array.copy())
        pieces = fill_unreached(pieces, array > 0, images.spacing_kji(divided))
        with resting_views():
            self._write(images.image_like(pieces, divided))
        self._by_planes = self.live.couinaud()


def _alike(one: Any, other: Any) -> bool:
    """Whether two images of segments are the same voxels."""
    from PreopReviewLib import images

    return images.same_grid(one, other) and bool((images.array_of(one) == images.array_of(other)).all())
