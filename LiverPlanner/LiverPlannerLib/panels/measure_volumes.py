"""The tab Volumes: total, functional and standard liver volumes."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from LiverPlannerLib.panels.measure_page import Page
from LiverPlannerLib.panels.tables import fill_table
from LiverPlannerLib.resection.volumetry import VESSELS, Patient, Volumetry, volumetry
from LiverPlannerLib.scene.measures import volume_rows
from LiverPlannerLib.scene.plan_tables import VOLUME_COLUMNS, VOLUMES
from LiverPlannerLib.structures import STRUCTURES
from PreopReviewLib.errors import InputError, PreopError

BSA = (("mosteller", "Mosteller"), ("dubois", "Du Bois"))


class VolumesPage(Page):
    """Volumes follow every edit and every change of height, weight and exclusions."""

    name = VOLUMES
    parameter = "volumesTable"

    def connect(self) -> None:
        """Fills the choice of formulas."""
        box = self.ui.bsaComboBox
        for key, word in BSA:
            box.addItem(word, key)
        box.connect("activated(int)", lambda i: self.parameters.setValue("bsaFormula", BSA[i][0]))
        self._shown: tuple[Any, ...] = ()

    def forget(self) -> None:
        super().forget()
        self._shown = ()

    def refresh(self, reason: str) -> None:
        """Measures what is out of date."""
        self.ui.bsaComboBox.setCurrentIndex([key for key, _word in BSA].index(self.parameters.bsaFormula))
        if reason:
            self.forget()
            fill_table(self.ui.volumesTable, VOLUME_COLUMNS[:3], [])
            return
        signature = (self.live.revision, *self.inputs())
        if signature == self._shown:
            return
        self._shown = signature
        self.columns, self.revision = VOLUME_COLUMNS, self.live.revision
        try:
            result = self.measure(None)
            self.rows, self.notes = volume_rows(result), self.said(result)
        except PreopError as error:
            self.rows, self.notes = [], [str(error)]
        colors = {s.name: s.color for s in STRUCTURES}
        fill_table(self.ui.volumesTable, VOLUME_COLUMNS[:3], self.rows, lambda row: colors.get(row["measure"]))
        self.write_node()

    def inputs(self) -> tuple[Any, ...]:
        """What the numbers depend on beside the plan."""
        p = self.parameters
        return (p.heightCm, p.weightKg, p.bsaFormula, p.excludeCysts, p.excludeVessels)

    def exclude(self) -> tuple[str, ...]:
        """Structures that are not functional liver."""
        p = self.parameters
        return ("tumor", *(("cyst",) if p.excludeCysts else ()), *(VESSELS if p.excludeVessels else ()))

    def patient(self) -> Patient | None:
        """Height and weight; None where one is not given.

        Raises:
            InputError: values that no patient has.
        """
        p = self.parameters
        return Patient(p.heightCm, p.weightKg) if p.heightCm and p.weightKg else None

    def measure(self, remnant: Any | None) -> Volumetry:
        """All volumes, with those of a remnant where there is one.

        Raises:
            PreopError: there is nothing to measure.
        """
        try:
            patient = self.patient()
        except InputError:
            patient = None  # said in the notes; volumes need none
        return volumetry(
            self.live.labels(),
            remnant=remnant,
            patient=patient,
            bsa=self.parameters.bsaFormula,
            exclude=self.exclude(),
            inside=self.live.inside(),
        )

    def said(self, result: Volumetry) -> list[str]:
        """The notes of a result, and what is wrong with height and weight."""
        notes = list(result.notes)
        try:
            self.patient()
        except InputError as error:
            notes.insert(0, str(error))
        if bool(self.parameters.heightCm) != bool(self.parameters.weightKg):
            notes.insert(0, _("Standard volumes need both height and weight."))
        measures = self.live.measures
        return notes + (measures.plan.overlaps() if measures is not None else [])
