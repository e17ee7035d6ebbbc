"""The tab Radiomics: features of each structure, on request."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.panels.measure_page import Page
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.radiomics.features import region_name
from LiverPlannerLib.radiomics.settings import units_of
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene.tables import Column
from LiverPlannerLib.structures import LESIONS
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import Unsaved, unsaved

PACKAGE = "mirp>=2.4"
CHOICES = ("lesions", "all")


class RadiomicsPage(Page):
    """Computed in the worker by MIRP, which is an optional package."""

    name = "radiomics"
    parameter = "radiomicsTable"

    def connect(self) -> None:
        """Connects the button."""
        ui = self.ui
        ui.radiomicsComboBox.addItem(_("Tumors and cysts"), CHOICES[0])
        ui.radiomicsComboBox.addItem(_("All structures"), CHOICES[1])
        ui.radiomicsComboBox.connect("activated(int)", lambda *_args: self.section.refresh())
        self.run = RunButton(
            self.context, ui.radiomicsButton, ui.radiomicsProgressBar, ui.radiomicsProgressLabel, self.measure
        )

    def refresh(self, reason: str) -> None:
        """Says why features cannot be computed."""
        if not reason and self._volume() is None:
            reason = _("The plan has no volume. Choose the CT or MRI in the section Segment.")
        if not reason:
            reason = scene_plan.apart_problem(self.parameters.segmentation, self._volume())
        if not reason and not self._keys():
            reason = _("There is no tumor and no cyst in the plan. Choose all structures.")
        self.run.refresh(reason)
        node = self.saved_table()
        if node is not None:
            table = node.GetTable()
            self.show_saved(columns_of([table.GetColumnName(n) for n in range(1, table.GetNumberOfColumns())]))
        fill_table(self.ui.radiomicsTable, self.columns, self.rows)

    def _volume(self) -> Any | None:
        plan = self.parameters.segmentation
        return (scene_plan.volume_of(plan) if plan is not None else None) or self.parameters.inputVolume

    def _keys(self) -> list[str]:
        plan = self.live.measures.plan
        present = [key for key in plan.keys if plan.mask(key).count]
        if self.ui.radiomicsComboBox.currentData == "all":
            return present
        return [key for key in present if key in LESIONS]

    def measure(self) -> None:
        """Starts the job; asks first to install the optional package where it is missing.

        Raises:
            PreopError: there is nothing to measure, a volume that cannot be used, or the package is missing.
        """
        from LiverPlannerLib.radiomics.features import require_library
        from PreopReviewLib.panels import dependencies

        dependencies.ensure(PACKAGE)
        require_library()

        folder, revision, volume = self.context.new_folder(), self.live.revision, self._volume()
        modality = self.parameters.modality
        request = {
            "image": inputs.unsaved(volume),
            **self._labels_on(volume),
            "structures": self._keys(),
            "modality": inputs.guess_modality(volume) if modality == "auto" else modality,
        }
        self.start(
            "radiomics",
            request,
            folder,
            lambda result: self._show(result, revision),
            _("Radiomics"),
        )

    def _labels_on(self, volume: Any) -> dict[str, Any]:
        """The plan on the volume's grid, with its lesions where they have segments of their own."""
        from LiverPlannerLib.labels import Labels

        plan = self.live.measures.plan
        array, drawn = plan.array_on(volume), self.live.drawn_lesions()
        if array is not None and drawn is None:
            return {"labels": Unsaved(array, inputs.world_geometry(volume), "labels")}
        whole = plan.labels(None)
        moved = Labels(whole, lesions=drawn and plan.lesions_on(whole)).onto(inputs.grid_image(volume), onto="volume")
        return {"labels": unsaved(moved.labels, "labels"), **drawn_request(moved.lesions)}

    def _show(self, result: dict[str, Any], revision: int) -> None:
        by_region = {s["region"]: s["features"] for s in result["structures"] if s["features"]}
        names = list(dict.fromkeys(name for features in by_region.values() for name in features))
        self.columns = columns_of(list(by_region))
        self.rows = [{"feature": name} | {key: by_region[key].get(name) for key in by_region} for name in names]
        settings = ", ".join(f"{k} {v}" for k, v in result["settings"].items())
        scale = [result["settings"][key] for key in ("normalize", "scale", "shift")]
        self.notes = [units_of(*scale), f"{result['library']}: {settings}."]
        self.notes += [f"{region_name(s['region'])}: {s['note']}." for s in result["structures"] if s["note"]]
        self.revision = revision
        self.write_node()
        self.section.refresh()


def columns_of(keys: list[str]) -> tuple[Column, ...]:
    """The names of features, and a column for each structure."""
    return (Column("feature", "Feature", "text"), *(Column(key, region_name(key), "number", 4) for key in keys))
