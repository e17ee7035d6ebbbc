"""The remnant's share of the liver, of a standard liver and of the body, with and without what loses its supply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from LiverPlannerLib.perfusion.model import Perfusion
from LiverPlannerLib.resection.volumetry import Volumetry


@dataclass(frozen=True)
class Ratios:
    """One way to count the remnant.

    Attributes:
        what: in words.
        ml: of it.
        to_functional: of the functional liver volume, 0 to 1; None where nothing is functional.
        standardized: of each standard volume of the volumetry; None without one.
        to_weight: in g per g of body weight at 1 g/ml; None without a weight.
    """

    what: str
    ml: float
    to_functional: float | None
    standardized: tuple[float | None, ...]
    to_weight: float | None


def ratios(perfusion: Perfusion, volumetry: Volumetry) -> list[Ratios]:
    """The whole remnant, then without what loses inflow, outflow, and either: those that are known."""
    lost = (
        ("FLR", 0.0),
        ("FLR without what loses its portal inflow", perfusion.no_inflow_ml),
        ("FLR without what loses its venous outflow", perfusion.no_outflow_ml),
        ("Functional remnant: FLR without both", _either(perfusion)),
    )
    return [_ratios(what, perfusion.remnant_ml - ml, volumetry) for what, ml in lost if ml is not None]


def _either(perfusion: Perfusion) -> float | None:
    known = perfusion.no_inflow_ml is not None and perfusion.no_outflow_ml is not None
    return perfusion.remnant_ml - perfusion.functional_ml if known and perfusion.functional_ml is not None else None


def _ratios(what: str, ml: float, volumetry: Volumetry) -> Ratios:
    functional, patient = volumetry.volumes.functional, volumetry.patient
    return Ratios(
        what,
        ml,
        ml / functional if functional > 0 else None,
        tuple(None if e.ml is None else ml / e.ml for e in volumetry.estimates),
        ml / (1000 * patient.weight_kg) if patient else None,
    )


def perfusion_rows(perfusion: Perfusion, volumetry: Volumetry) -> list[dict[str, Any]]:
    """Rows of measure, value, unit and explanation, as `Volumetry.as_rows` makes them; None is n/a."""
    rows: list[dict[str, Any]] = []

    def row(measure: str, value: float | None, unit: str, how: str) -> None:
        rows.append({"measure": measure, "value": value, "unit": unit, "how": how})

    row("Remnant without portal inflow", perfusion.no_inflow_ml, "ml", "model of the segmented portal vein")
    row("Remnant without venous outflow (congested)", perfusion.no_outflow_ml, "ml", "model of the hepatic veins")
    row("Remnant without both", perfusion.neither_ml, "ml", "counted in both of the above")
    for r in ratios(perfusion, volumetry)[1:]:
        row(r.what, r.ml, "ml", "model")
        row(f"{r.what}, of the functional volume", _percent(r.to_functional), "%", "model")
        for e, share in zip(volumetry.estimates, r.standardized, strict=True):
            row(f"{r.what}, sFLR, {e.label}", _percent(share), "%", "model; of the standard volume")
        if r.to_weight is not None:
            row(f"{r.what}, of body weight", 100 * r.to_weight, "%", "model; 1 g/ml")
    return rows


def crossing_rows(perfusion: Perfusion) -> list[dict[str, Any]]:
    """One row for each vessel or duct that the cut crosses."""
    return [
        {
            "vessel": c.name,
            "structure": c.structure,
            "branch": c.branch,
            "diameter_mm": round(c.diameter_mm, 1),
            "at_ras": " ".join(f"{v:.1f}" for v in c.at_ras),
            "territory_ml": None if c.territory_ml is None else round(c.territory_ml, 1),
        }
        for c in perfusion.crossings
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def crossing_words(perfusion: Perfusion, most: int = 6) -> str:
    """The widest crossings in one line, e.g. ``right portal vein 9.1 mm, middle hepatic vein 6.0 mm``."""
    return words_of([f"{c.name} {c.diameter_mm:.1f} mm" for c in perfusion.crossings], most)


def words_of(names: Sequence[str], most: int) -> str:
    """Names with commas; how many more there are, if there are more than `most`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
