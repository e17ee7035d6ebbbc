"""A row of the table that compares two segmentations, and its columns, for panel, command and report alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from LiverPlannerLib.columns import Column
from LiverPlannerLib.structures import structure

if TYPE_CHECKING:
    from PreopReviewLib.evaluation.overlap import Overlap
    from PreopReviewLib.evaluation.surfaces import SurfaceDistances


@dataclass(frozen=True)
class StructureComparison:
    """One structure; the liver is what the volumes count, with the lesions, vessels and ducts that lie in it.

    Attributes:
        key: of the structure.
        overlap: voxel counts on the reference's grid; DSC, sensitivity, specificity in the liver box.
        distances: mm; every number None where a mask is empty.
        predicted_ml, reference_ml: volumes on the reference's grid.
        main_dsc, peripheral_dsc: of vessels, with one partition for both masks; None where not computed.
    """

    key: str
    overlap: Overlap
    distances: SurfaceDistances
    predicted_ml: float
    reference_ml: float
    main_dsc: float | None = None
    peripheral_dsc: float | None = None

    @property
    def name(self) -> str:
        return structure(self.key).name

    @property
    def difference_ml(self) -> float:
        """Prediction minus reference."""
        return self.predicted_ml - self.reference_ml

    def as_row(self) -> dict[str, Any]:
        """Plain values under names with units; None is n/a."""
        o, d = self.overlap, self.distances
        return {
            "structure": self.key,
            "state": o.state,
            "dsc": o.dsc,
            "sensitivity": o.sensitivity,
            "specificity_liver_box": o.specificity,
            "predicted_ml": self.predicted_ml,
            "reference_ml": self.reference_ml,
            "vd_ml": self.difference_ml,
            "rvd_percent": None if o.relative_volume_difference is None else 100 * o.relative_volume_difference,
            "hd_mm": d.hd,
            "hd95_mm": d.hd95,
            "hd95_convention": d.convention,
            "assd_mm": d.assd,
            "nsd": d.nsd,
            "nsd_tolerance_mm": d.tolerance,
            "main_dsc": self.main_dsc,
            "peripheral_dsc": self.peripheral_dsc,
        }


STATES = {"both": "", "missed": "missing here", "false positive": "only here", "both empty": "in neither"}
NOT_DRAWN = "not drawn"
"""State of a structure that the reference has no segment of: an empty segment says that there is none of it."""
COLUMNS = (
    Column("structure", "Structure", "text"),
    Column("state", "State", "text", help="Whether both have the structure, or only one."),
    Column("dsc", "DSC", "number", 3, "Dice: twice the common volume divided by the sum of both; 1 is identical."),
    Column("sensitivity", "Sensitivity", "number", 3, "Share of the reference that was found.", brief=False),
    Column(
        "specificity_liver_box",
        "Specificity",
        "number",
        3,
        "Share of the background, in the box around the liver, that was left out.",
        brief=False,
    ),
    Column("predicted_ml", "This (ml)", "number", 1),
    Column("reference_ml", "Ref. (ml)", "number", 1),
    Column("vd_ml", "Diff. (ml)", "number", 1, "This minus reference."),
    Column("rvd_percent", "Diff. (%)", "number", 1, "This minus reference, in percent of the reference.", brief=False),
    Column("hd_mm", "HD (mm)", "number", 1, "Largest distance between the surfaces.", brief=False),
    Column("hd95_mm", "HD95 (mm)", "number", 1, "95th percentile of the distance between the surfaces."),
    Column("assd_mm", "ASSD (mm)", "number", 2, "Average distance between the surfaces, both ways."),
    Column("nsd", "NSD", "number", 3, "Share of both surfaces within the tolerance of the other."),
    Column("main_dsc", "Main", "number", 3, "DSC of main branches, by one partition of space for both."),
    Column("peripheral_dsc", "Peripheral", "number", 3, "DSC of the other branches."),
    Column("hd95_convention", "HD95 as", "text", help="Three definitions are in use and give different numbers."),
    Column("nsd_tolerance_mm", "NSD at (mm)", "number", 1),
)
"""Their keys are those of `StructureComparison.as_row`."""
CONVENTIONS = ("hd95_convention", "nsd_tolerance_mm")
"""Columns that say the same in every row; where there are notes, these say it."""


def shown_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the keys of `COLUMNS`, the structure's name in place of its key, and its state in words."""
    words = {"structure": structure(row["structure"]).name, "state": STATES[row["state"]]}
    return {c.key: row.get(c.key) for c in COLUMNS} | words


def not_drawn_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a structure that no one drew in the reference: its volume, and nothing that would judge it."""
    shown = shown_row(row)
    kept = {"structure", "predicted_ml", *CONVENTIONS}
    return {key: value if key in kept else None for key, value in shown.items()} | {"state": NOT_DRAWN}


def columns_of(rows: list[dict[str, Any]], brief: bool = False) -> list[Column]:
    """The columns to show for rows of `shown_row`: the state only where a structure is in one of the two alone."""
    one_sided = any(row["state"] for row in rows)
    return [
        c for c in COLUMNS if c.key not in CONVENTIONS and (c.brief or not brief) and (c.key != "state" or one_sided)
    ]
