"""Several resections of one liver, measured alike and put side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from LiverPlannerLib.lesions import DrawnLesions
from LiverPlannerLib.perfusion.model import Perfusion, PerfusionModel
from LiverPlannerLib.perfusion.ratios import Ratios, crossing_words, ratios, words_of
from LiverPlannerLib.resection.cutting import Resection, with_drawn_lesions
from LiverPlannerLib.resection.margins import Margins, measure_margins
from LiverPlannerLib.resection.volumetry import NOT_FUNCTIONAL, Patient, Volumetry, volumetry
from LiverPlannerLib.resections.bands import BANDS_MM, Band, safety_bands
from LiverPlannerLib.resections.donation import Graft, graft_of
from LiverPlannerLib.structures import structure
from LiverPlannerLib.territories.liver import LiverTrees
from PreopReviewLib import images
from PreopReviewLib.errors import NothingFound
from PreopReviewLib.progress import CancelToken, Progress, silent


@dataclass(frozen=True)
class Measured:
    """One resection with its measures.

    Attributes:
        name: as the user calls it.
        resection, volumetry: what it takes and leaves.
        margins: None where there is no tumor.
        perfusion: None where there is no vein.
        bands: of the cut surface by its distance to the tumor; empty where there is none.
        graft: as a living donation; None unless a recipient's weight was given.
    """

    name: str
    resection: Resection
    volumetry: Volumetry
    margins: Margins | None
    perfusion: Perfusion | None
    bands: tuple[Band, ...] = ()
    graft: Graft | None = None

    @property
    def counts(self) -> list[Ratios]:
        """The remnant by each way to count it; empty without veins."""
        return ratios(self.perfusion, self.volumetry) if self.perfusion else []


@dataclass(frozen=True)
class Compared:
    """The result of `compare_resections`.

    Attributes:
        resections: in the order given.
        notes: sentences that hold for all of them.
    """

    resections: tuple[Measured, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)

    def as_rows(self) -> list[dict[str, Any]]:
        """One row for each resection, plain values under names with units; None is n/a."""
        return [_row(m) for m in self.resections]


def compare_resections(
    labels: sitk.Image,
    resections: Mapping[str, Resection],
    trees: LiverTrees,
    *,
    patient: Patient | None = None,
    recipient_kg: float | None = None,
    exclude: Sequence[str] = NOT_FUNCTIONAL,
    limits_mm: tuple[float, float] = BANDS_MM,
    drawn: DrawnLesions | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Compared:
    """Measures several resections alike.

    Args:
        labels: values of the table of structures.
        resections: by name, made on these labels.
        trees: of these labels.
        patient: for standard volumes.
        recipient_kg: weight of the recipient of a living donation.
        exclude: structures that are not functional liver.
        limits_mm: of the safety bands.
        drawn: which lesions of the labels their file holds apart.

    Raises:
        GeometryError: a resection lies on another grid.
        InputError: a weight or limits that are not possible.
    """
    cancel = cancel or CancelToken()
    has_tumor = bool((images.array_of(labels) == structure("tumor").label).any())
    notes = list(trees.warnings)
    model = None
    try:
        model = PerfusionModel(trees, exclude)
    except NothingFound as nothing:
        notes.append(f"Inflow and outflow are n/a. {nothing.problem}.")
    compared = []
    for n, (name, resection) in enumerate(resections.items()):
        cancel.raise_if_cancelled()
        progress(n / len(resections), f"Measuring {name}")
        resection = with_drawn_lesions(resection, labels, drawn)
        volumes = volumetry(labels, remnant=resection.remnant, patient=patient, exclude=exclude)
        compared.append(
            Measured(
                name,
                resection,
                volumes,
                measure_margins(labels, resection, drawn=drawn) if has_tumor else None,
                model.measure(model.taken(resection.resected)) if model else None,
                safety_bands(labels, resection, limits_mm) if has_tumor else (),
                graft_of(resection, labels, volumes, recipient_kg) if recipient_kg is not None else None,
            )
        )
    progress(1.0, "Compared")
    every = [note for m in compared for note in (m.perfusion.notes if m.perfusion else ())]
    return Compared(tuple(compared), tuple(dict.fromkeys([*notes, *every])))


def _row(m: Measured) -> dict[str, Any]:
    remnant, perfusion = m.volumetry.remnant, m.perfusion
    assert remnant is not None  # it was measured with one
    functional = m.counts[-1] if len(m.counts) > 1 else None
    first = 0 if m.volumetry.estimates else None
    fates = [f.fate for f in m.resection.lesions]
    row: dict[str, Any] = {
        "resection": m.name,
        "takes": m.resection.method,
        "resected_ml": m.resection.resected_ml,
        "resected_percent": 100 * m.resection.resected_share,
        "flr_ml": remnant.ml,
        "flr_percent": _percent(remnant.to_functional),
        "sflr_percent": None if first is None else _percent(remnant.standardized[first]),
        "flr_weight_percent": _percent(remnant.to_weight),
        "no_inflow_ml": perfusion.no_inflow_ml if perfusion else None,
        "no_outflow_ml": perfusion.no_outflow_ml if perfusion else None,
        "neither_ml": perfusion.neither_ml if perfusion else None,
        "supplied_flr_ml": functional.ml if functional else None,
        "supplied_flr_percent": _percent(functional.to_functional) if functional else None,
        "supplied_sflr_percent": None
        if functional is None or first is None
        else _percent(functional.standardized[first]),
        "tumors_resected": fates.count("resected") if fates else None,
        "tumors_cut": fates.count("cut") if fates else None,
        "tumors_left": fates.count("in the remnant") if fates else None,
        "smallest_margin_mm": m.margins.smallest_mm if m.margins else None,
        **{f"cut_{band.name}_cm2": band.cm2 for band in m.bands},
        "vessels_crossed": len(perfusion.crossings) if perfusion else None,
        "largest_crossed": crossing_words(perfusion, 4) if perfusion else None,
    }
    if m.graft is not None:
        row |= {"graft_ml": m.graft.ml, "grwr_percent": m.graft.grwr_percent}
    return row


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def fate_words(m: Measured) -> str:
    """What becomes of the tumors, e.g. ``2 resected, 1 cut``."""
    fates = [f.fate for f in m.resection.lesions]
    kinds = (("resected", "resected"), ("cut", "cut"), ("in the remnant", "left"))
    return words_of([f"{fates.count(fate)} {words}" for fate, words in kinds if fate in fates], 3) or "no tumor"
