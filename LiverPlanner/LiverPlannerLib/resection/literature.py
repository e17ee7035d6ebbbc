"""Literature values that people compare a remnant with, and growth after portal vein embolization.

Shown with their source and beside the measured value; never as advice.
"""

from __future__ import annotations

from dataclasses import dataclass

from LiverPlannerLib.resection.volumetry import Volumetry
from PreopReviewLib.errors import InputError

DISCLAIMER = "Literature values for orientation; not advice, and not a judgment of this patient."


@dataclass(frozen=True)
class LiteratureValue:
    """A value from the literature.

    Attributes:
        measure: ``sFLR``, ``FLR/body weight``, ``GRWR``.
        situation: the patients it was found in.
        value: as printed, with its sign and unit.
        source: where.
    """

    measure: str
    situation: str
    value: str
    source: str


_TABLE = "PMC6422720, Table 1"
LITERATURE: tuple[LiteratureValue, ...] = (
    LiteratureValue("sFLR", "normal liver", "≥ 20 %", f"Kishi; {_TABLE}"),
    LiteratureValue("sFLR", "normal liver", "≥ 25–26.6 %", "Vauthey 2000; PMC1774834"),
    LiteratureValue("sFLR", "more than 3 months of chemotherapy", "≥ 30 %", f"Shindoh; {_TABLE}"),
    LiteratureValue("sFLR", "fibrosis or cirrhosis", "≥ 40 %", f"Azoulay (Kubota: 40–50 %); {_TABLE}"),
    LiteratureValue("sFLR", "right hepatectomy", "> 30 %", "synapse.koreamed.org/articles/1040587"),
    LiteratureValue("FLR/body weight", "major hepatectomy", "> 0.5 %", "Truant; PubMed 17189109"),
    LiteratureValue("FLR/body weight", "platelets below 140 × 10⁹/l", "< 0.55 % was the high-risk group", "PMC7002877"),
    LiteratureValue("FLR/functional volume", "living donor, remnant", "≥ 30–35 %", "commonly cited, no single source"),
    LiteratureValue("GRWR", "living donor, graft", "≥ 0.8 %", "commonly cited, no single source"),
)


@dataclass(frozen=True)
class Hypertrophy:
    """Growth of the remnant between two measurements.

    Attributes:
        formula: of the standard volume behind both sFLR.
        before, after: sFLR, as shares.
        degree: after minus before, in percentage points (degree of hypertrophy).
        kinetic_growth: degree per week, percentage points; None without the time.
        growth_ml, relative_growth: FLR after minus before, and that over before (None where there was none).
    """

    formula: str
    before: float
    after: float
    degree: float
    kinetic_growth: float | None
    growth_ml: float
    relative_growth: float | None


def hypertrophy(
    before: Volumetry, after: Volumetry, weeks: float | None = None, formula: str = "Vauthey"
) -> Hypertrophy:
    """Growth of the remnant, e.g. after portal vein embolization: DH = sFLR after - sFLR before; KGR = DH / weeks.

    Both sFLR use the standard volume of the earlier examination, so that a change in weight does not count as growth.

    Raises:
        InputError: a volumetry without remnant or patient, a formula without a volume, or no positive time.
    """
    if before.remnant is None or after.remnant is None:
        raise InputError("Growth needs a remnant in both examinations", "Give a resection or a remnant mask for each")
    if weeks is not None and not weeks > 0:
        raise InputError(f"weeks between the examinations must be positive, got {weeks:g}", "Check the dates")
    estimate = next((e for e in before.estimates if e.name == formula and e.ml is not None), None)
    if estimate is None or estimate.ml is None:
        raise InputError(f"No standard volume can be computed by {formula}", "Give height and weight of the patient")
    first, second = before.remnant.ml / estimate.ml, after.remnant.ml / estimate.ml
    degree = 100 * (second - first)
    growth = after.remnant.ml - before.remnant.ml
    return Hypertrophy(
        formula,
        first,
        second,
        degree,
        None if weeks is None else degree / weeks,
        growth,
        growth / before.remnant.ml if before.remnant.ml else None,
    )
