"""Compare with a box: how well the map shows where a specialist says the tear is."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene.finding import step_back
from RotatorCuffCAMLib.localization import Localization, compare
from RotatorCuffCAMLib.panels.classify import MOVED
from RotatorCuffCAMLib.scene import answer as scene_answer
from RotatorCuffCAMLib.scene import boxes
from RotatorCuffCAMLib.scene import nodes as cuff_scene


class CompareBoxSection(Section):
    """Measures anew whenever box or map change."""

    title = _("Compare with a box")
    ui_file = "CuffCompareBox.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._watched: tuple[Any, list[int]] | None = None
        self._shown: tuple[Any, ...] = ()

    def connect(self) -> None:
        """Prepares the table and connects the button."""
        table = self.ui.boxTable
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Measure"), _("Value")])
        table.verticalHeader().hide()
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.ui.drawButton.connect("clicked(bool)", lambda *_args: self.draw())
        self.button.connect("contentsCollapsed(bool)", lambda _collapsed: self.refresh())

    def refresh(self) -> None:
        """Compares, where there is a box and a map and the section is open."""
        parameters = self.parameters
        self._watch(parameters.tearBox if parameters is not None else None)
        if parameters is not None:
            step_back([parameters.tearBox], self.button.collapsed)
        if parameters is None or self.button.collapsed:
            return
        reason = "" if parameters.inputVolume is not None else _("Choose an MRI first.")
        enable(
            self.ui.drawButton,
            reason,
            _(
                "Click two opposite corners of the tear in a slice view. The box runs along the slices and is as "
                "thick as its shorter side; drag its sides in the other views."
            ),
        )
        box, activation = parameters.tearBox, parameters.activation
        if box is not None:
            boxes.thicken(box)
        if box is None or activation is None or not min(box.GetSize()) > 0:
            missing = _("Draw or choose a box around the tear.") if activation is not None else _("Classify first.")
            self._show(None, missing)
            return
        if scene_answer.moved_since(activation):
            self._show(None, MOVED)
            return
        key = (box.GetID(), box.GetMTime(), activation.GetID(), activation.GetMTime())
        if key == self._shown:
            return
        try:
            localization = compare(cuff_scene.activation_image(activation), boxes.box_of(box))
        except PreopError as error:
            self._show(None, str(error))
            return
        self._show(localization, _("A single case says little; for many cases, use <i>preop cuff localize</i>."))
        self._shown = key

    def _show(self, localization: Localization | None, words: str) -> None:
        self._shown = ()
        rows = localization_rows(localization) if localization is not None else []
        table = self.ui.boxTable
        table.setRowCount(len(rows))
        for r, row in enumerate(rows):
            for c, text in enumerate(row):
                table.setItem(r, c, qt.QTableWidgetItem(text))
        table.resizeColumnsToContents()
        table.visible = bool(rows)
        self.ui.boxLabel.text = words

    def draw(self) -> None:
        """Lets the user place the box by two clicks in a slice view; one that is there is placed anew."""
        before = self.parameters.tearBox
        node = boxes.empty_box(self.parameters.inputVolume, _("Tear box"))
        self.parameters.tearBox = node
        if before is not None:
            slicer.mrmlScene.RemoveNode(before)
        slicer.modules.markups.logic().SetActiveListID(node)
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        interaction.SwitchToSinglePlaceMode()

    def _watch(self, box: Any | None) -> None:
        """Follows the box while it is being dragged."""
        held = self._watched[0] if self._watched else None
        if held is box:
            return
        if self._watched is not None:
            for tag in self._watched[1]:
                held.RemoveObserver(tag)
            self._watched = None
        if box is not None:
            tags = [
                box.AddObserver(event, lambda *_args: self.refresh())
                for event in (
                    slicer.vtkMRMLMarkupsNode.PointModifiedEvent,
                    slicer.vtkMRMLMarkupsNode.PointEndInteractionEvent,
                )
            ]
            self._watched = (box, tags)

    def cleanup(self) -> None:
        """Releases the box."""
        self._watch(None)


def localization_rows(localization: Localization) -> list[tuple[str, str]]:
    """The measures in words."""

    def mm(value: float | None) -> str:
        return _("n/a") if value is None else f"{value:.1f} mm"

    return [
        (_("Maximum in the box (pointing game)"), _("yes") if localization.pointing else _("no")),
        (_("Energy in the box"), f"{localization.energy_inside:.0%}"),
        (_("Overlap of box and half the maximum (IoU)"), f"{localization.iou:.2f}"),
        (_("Centroid to the box's center"), mm(localization.centroid_mm)),
        (_("Maximum to the box's center"), mm(localization.peak_mm)),
    ]
