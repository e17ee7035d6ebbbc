"""The tab Margins: each lesion to vessels, bile duct and the cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.panels.measure_page import Page, jump_to
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.resection.margins import NEIGHBORS
from LiverPlannerLib.scene import lines
from LiverPlannerLib.scene.tables import Column
from LiverPlannerLib.structures import LESIONS, structure
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.worker_io import unsaved

COLUMNS = (
    Column("lesion", "#", "number", 0, "Lesions are numbered by decreasing size."),
    Column("ml", "ml", "number", 1),
    Column("fate", "Fate", "text", help="How the cut in the tab Remnant affects it."),
    Column("margin_mm", "Cut (mm)", "number", 1, "Shortest distance to the cut; 0 where it goes through the lesion."),
    Column("nearest", "Nearest", "text", help="What lies nearest to the lesion; click the row to see the line to it."),
    *(
        Column(f"to_{key}_mm", f"{structure(key).name} (mm)", "number", 1, "Shortest distance; 0 where they touch.")
        for key in NEIGHBORS
    ),
    *(
        Column(f"contact_{key}_mm2", f"Contact {structure(key).name.lower()} (mm²)", "number", 0, brief=False)
        for key in NEIGHBORS
    ),
    Column(
        "uncertainty_mm",
        "± (mm)",
        "number",
        1,
        "Half the diagonal of a voxel; twice that for a drawn cut.",
        brief=False,
    ),
    Column("centroid_ras", "Centroid (RAS mm)", "text", brief=False),
    Column(
        "line_ras",
        "Line (RAS mm)",
        "text",
        help="Nearest points of the lesion and of the other structure.",
        brief=False,
    ),
)
CUT = "PreopReview.Cut"
"""Attribute of the table's node: `identity` of the cut that its margins are to."""
NAME = Column(
    "name", "Name", "text", help="Name of its segment: lesions with a segment each stay separate where they touch."
)


class MarginsPage(Page):
    """Measured in the worker, with the cut of the tab Remnant where there is one."""

    name = "margins"
    parameter = "marginsTable"

    def connect(self) -> None:
        """Connects button, choice of lesions and table."""
        ui = self.ui
        self._cut = ""  # `identity` of the cut that the margins are to
        for key in LESIONS:
            ui.lesionComboBox.addItem(_("{name}s").format(name=structure(key).name), key)
        self.run = RunButton(
            self.context, ui.marginsButton, ui.marginsProgressBar, ui.marginsProgressLabel, self.measure
        )
        ui.lesionComboBox.connect("activated(int)", lambda *_args: self.section.refresh())
        ui.marginsTable.connect("cellClicked(int,int)", lambda row, _column: self._jump(row))

    def refresh(self, reason: str) -> None:
        """Says why the margins cannot be measured."""
        key = self.ui.lesionComboBox.currentData
        if not reason and not self.live.measures.plan.mask(key).count:
            reason = _("There is no {name} in the plan.").format(name=structure(key).name.lower())
            self.section.show_state(reason)
        self.run.refresh(reason)
        if not reason:
            self.section.remnant.planes.follow()
            self.section.remnant.current_cut()  # of planes that were moved, or deleted, in another tab or module
        self.show_saved(COLUMNS)
        fill_table(
            self.ui.marginsTable,
            self.columns if self.rows else COLUMNS,
            self.rows,
            all_columns=self.ui.allColumnsCheckBox.checked,
        )

    def measure(self) -> None:
        """Starts the job.

        Raises:
            PreopError: there is nothing to measure.
        """
        from PreopReviewLib.panels import dependencies

        dependencies.ensure()
        folder, revision = self.context.new_folder(), self.live.revision
        key = self.ui.lesionComboBox.currentData
        cut = self.section.remnant.current_cut()
        request: dict[str, Any] = {"labels": unsaved(self.live.labels(), "labels"), "lesions": key}
        request |= drawn_request(self.live.drawn_lesions())
        if cut is not None:
            request["remnant"] = unsaved(cut.remnant, "remnant")
            request["planes"] = [[list(p.point), list(p.normal)] for p in cut.planes]
            if cut.surface is not None:
                for name, array in zip(("points", "triangles"), cut.surface, strict=True):
                    np.save(folder / f"{name}.npy", array, allow_pickle=False)
                    request[name] = f"{name}.npy"
        self.start(
            "margins",
            request,
            folder,
            lambda result: self._show(result, revision, cut),
            _("Margins"),
        )

    @property
    def stale(self) -> bool:
        """Whether the plan was edited, or the cut changed, since the margins were measured."""
        remnant = self.section.remnant
        if super().stale or not self.rows:
            return super().stale
        if remnant.cut is None and remnant.rows:  # one that was saved with the scene: its numbers alone are known
            return False
        return identity(remnant.current_cut_quietly()) != self._cut

    def show_saved(self, columns: Any, note: str = "") -> None:
        """Shows the rows that were saved with the scene, and remembers which cut they are to."""
        shown = bool(self.rows)
        super().show_saved(columns, note)
        if self.rows and not shown:
            self._cut = self.saved_table().GetAttribute(CUT) or identity(self.section.remnant.current_cut_quietly())

    def _show(self, result: dict[str, Any], revision: int, cut: Resection | None) -> None:
        named = any(row.get("name") for row in result["rows"])
        self.columns = (COLUMNS[0], NAME, *COLUMNS[1:]) if named else COLUMNS
        self.rows, self.revision, self._cut = result["rows"], revision, identity(cut)
        self.notes = list(result["notes"])
        if cut is None:
            self.notes.append(_("There is no cut: distances to vessels and bile duct only. See the tab Remnant."))
        self.write_node()
        self.saved_table().SetAttribute(CUT, self._cut)
        self.section.refresh()

    def _jump(self, row: int) -> None:
        if not 0 <= row < len(self.rows):
            return
        shown = self.rows[row]
        line = [float(v) for v in (shown.get("line_ras") or "").split()]
        if not line:
            jump_to([float(v) for v in shown["centroid_ras"].split()])
            return
        words = _("Lesion {number} – {name}").format(number=int(shown["lesion"]), name=shown["nearest"].lower())
        lines.show_line(self.parameters.segmentation, line[:3], line[3:], words)
        jump_to(line[:3])

    def forget(self) -> None:
        """The plan was replaced or removed; so is the line."""
        super().forget()
        lines.remove_line(slicer.mrmlScene)


def identity(cut: Resection | None) -> str:
    """A cut in words that are the same for the same cut of the same plan, and only for it."""
    if cut is None:
        return "none"
    planes = [(*plane.point, *plane.normal) for plane in cut.planes]
    return repr((cut.method, [[round(v, 4) for v in plane] for plane in planes], round(cut.remnant_ml, 4)))
