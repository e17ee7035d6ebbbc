"""Couinaud segments, and tumors with a margin, of the tab Remnant: resections that are chosen instead of drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from LiverPlannerLib.lesions import drawn_request, regions_of
from LiverPlannerLib.panels.measure_page import CutPage, jump_to, set_quietly
from LiverPlannerLib.panels.tables import fit_rows
from LiverPlannerLib.resections.presets import PRESETS
from LiverPlannerLib.scene.couinaud import couinaud_request, segments_node
from LiverPlannerLib.scene.report import described_cut
from PreopReviewLib import images

SEGMENTS = tuple(range(1, 9))
SHOWN_LESIONS = 8
"""A list is so many rows high at most; more are scrolled to."""


class CutDescribed:
    """A resection by its name, by segments, or around tumors."""

    def __init__(self, page: CutPage) -> None:
        self.page, self.ui = page, page.ui
        self._listed = -1  # revision of the plan whose tumors are listed
        self._centers: list[tuple[float, float, float]] = []

    def connect(self) -> None:
        """Fills the list of resections, and connects it, boxes and list of tumors."""
        ui = self.ui
        ui.presetComboBox.addItem(_("Choose a resection, or segments below"), "")
        for name, segments in PRESETS.items():
            words = f"{name[0].upper()}{name[1:]} ({', '.join(f'S{n}' for n in segments)})"
            ui.presetComboBox.addItem(words, name)
        ui.presetComboBox.connect("activated(int)", lambda row: self._on_preset(ui.presetComboBox.itemData(row)))
        self._boxes = {n: getattr(ui, f"cutSegment{n}CheckBox") for n in SEGMENTS}
        for box in self._boxes.values():
            box.connect("clicked(bool)", lambda *_args: self._on_boxes())
        ui.sparingList.connect("itemChanged(QListWidgetItem*)", lambda *_args: self._on_ticked())
        ui.sparingList.connect("currentRowChanged(int)", self._on_chosen)

    # ---- state ----

    def refresh(self, reason: str) -> None:
        """Shows what is chosen."""
        parameters = self.page.parameters
        if parameters.remnantMode == "segments":
            row = self.ui.presetComboBox.findData(parameters.cutPreset)
            self.ui.presetComboBox.setCurrentIndex(max(row, 0))
            for number, box in self._boxes.items():
                set_quietly(box, number in parameters.cutSegments)
        elif parameters.remnantMode == "sparing" and not reason and self._listed != self.page.live.revision:
            self._list_tumors()

    def _list_tumors(self) -> None:
        """The tumors as they are now, by decreasing size, as results number them; all are ticked first."""
        live, view = self.page.live, self.ui.sparingList
        labels, drawn = live.labels(), live.drawn_lesions()
        regions = regions_of(labels, "tumor", drawn)
        count, first = len(regions), self._listed < 0
        ticked = {n for n in self.page.parameters.sparingLesions if n <= count}
        if first and not ticked:
            ticked = set(range(1, count + 1))
        unit = images.voxel_ml(labels)
        self._centers = []
        blocked, row = view.blockSignals(True), view.currentRow
        view.clear()
        for number in range(1, count + 1):
            box, mask = regions.mask(number)
            self._centers.append(_center(box, mask, labels))
            words = _("Tumor {number} · {ml:.2f} ml").format(number=number, ml=float(mask.sum()) * unit)
            item = qt.QListWidgetItem(words)
            item.setCheckState(qt.Qt.Checked if number in ticked else qt.Qt.Unchecked)
            view.addItem(item)
        view.setCurrentRow(row)
        fit_rows(view, SHOWN_LESIONS)
        view.blockSignals(blocked)
        self._listed = live.revision
        self.page.parameters.sparingLesions = sorted(ticked)

    def forget(self) -> None:
        """The plan was replaced or removed."""
        self._listed, self._centers = -1, []

    def disabled_reason(self) -> str:
        """Why the button Cut is off, a sentence; empty if it is on."""
        parameters = self.page.parameters
        if parameters.remnantMode == "sparing":
            if not self._centers:
                return _("There is no tumor in the plan.")
            return "" if parameters.sparingLesions else _("Tick a tumor in the list above first.")
        if segments_node(parameters.segmentation) is None:
            return _("Divide the liver into segments first, in the tab Segments.")
        return "" if parameters.cutSegments else _("Choose a resection, or tick segments, first.")

    def signature(self) -> tuple[Any, ...]:
        """What a cut depends on beside the plan: another signature, another cut."""
        return tuple((key, str(value)) for key, value in described_cut(self.page.parameters).items())

    # ---- editing ----

    def _on_preset(self, name: str) -> None:
        import slicer

        parameters = self.page.parameters
        with slicer.util.NodeModify(parameters):
            parameters.cutPreset = name
            if name:
                parameters.cutSegments = list(PRESETS[name])
        if name and self.ui.cutButton.enabled:
            self.ui.cutButton.click()  # one choice, one cut

    def _on_boxes(self) -> None:
        import slicer

        chosen = [n for n, box in self._boxes.items() if box.checked]
        parameters = self.page.parameters
        with slicer.util.NodeModify(parameters):
            parameters.cutPreset = next((name for name, taken in PRESETS.items() if list(taken) == chosen), "")
            parameters.cutSegments = chosen

    def _on_ticked(self) -> None:
        view = self.ui.sparingList
        rows = [r for r in range(len(self._centers)) if view.item(r).checkState() == qt.Qt.Checked]
        self.page.parameters.sparingLesions = [row + 1 for row in rows]

    def _on_chosen(self, row: int) -> None:
        if 0 <= row < len(self._centers):
            jump_to(self._centers[row])

    # ---- for the worker ----

    def request(self, _folder: Path) -> dict[str, Any]:
        """What `measure_tasks.cut` needs beside the labels."""
        live = self.page.live
        return {
            "kind": "described",
            "plan": described_cut(self.page.parameters),
            **drawn_request(live.drawn_lesions()),
            **couinaud_request(live.couinaud()),
        }


def _center(box: Any, mask: Any, labels: Any) -> tuple[float, float, float]:
    """Centroid of a region, RAS mm."""
    import numpy as np

    middle = np.argwhere(mask).mean(axis=0) + [s.start for s in box]
    return tuple(images.kji_to_ras(middle[None], labels)[0].tolist())
