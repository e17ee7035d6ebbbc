"""The liver's commands as tasks of a cohort: the row, the score and the picture of each case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from LiverPlannerLib.structures import LESIONS
from PreopReviewLib.cohort.tasks import BETWEEN, CellValue, Data, Task, mean_of, offer_task, plain_name, plain_row
from PreopReviewLib.evaluation.paper_tables import papers
from PreopReviewLib.structured import read_json

Cells = dict[str, CellValue]
_COMPARED = {
    "dsc": "dsc",
    "hd95_mm": "hd95_mm",
    "assd_mm": "assd_mm",
    "reference_ml": "manual_ml",
    "predicted_ml": "automated_ml",
    "main_dsc": "main_dsc",
    "peripheral_dsc": "peripheral_dsc",
    "nsd": "nsd",
}
"""Columns of a comparison, and what the papers' tables call them (`PreopReviewLib.evaluation.paper_tables`)."""


def plan_row(data: Data, _folder: Path) -> Cells:
    """Volumes by structure and segment, counts of lesions, modality, warnings."""
    row: Cells = {"modality": data.get("modality")}
    row |= {f"{key}_ml": ml for key, ml in data.get("volumes_ml", {}).items()}
    regions = [r["structure"] for r in data.get("regions", ())]
    row |= {f"{key}_count": regions.count(key) for key in LESIONS}
    row |= couinaud_row(data.get("segments") or {})
    row["warnings"] = BETWEEN.join(data.get("warnings", ()))
    row["plan_seconds"] = sum(v for v in data.get("seconds", {}).values())
    return row


def couinaud_row(data: Data, _folder: Path | None = None) -> Cells:
    """The volume of each Couinaud segment, warnings."""
    row: Cells = {f"{plain_name(v['name'])}_ml": v["ml"] for v in data.get("volumes", ())}
    return row | {"warnings": BETWEEN.join(data.get("warnings", ()))}


def compare_row(data: Data, _folder: Path) -> Cells:
    """DSC, distances and volumes by structure that either mask has; counts of lesions by outcome."""
    row: Cells = {}
    for compared in data.get("structures", ()):
        if compared["state"] != "both empty":
            row |= {f"{compared['structure']}_{new}": compared.get(old) for old, new in _COMPARED.items()}
    for lesion in data.get("lesions", ()):
        name = f"{lesion['structure']}_{lesion['outcome']}"
        row[name] = int(row.get(name) or 0) + 1
    row["warnings"] = BETWEEN.join(n for n in data.get("notes", ()) if "empty" in n or "overlap" in n)
    return row


def least_overlap(row: Mapping[str, CellValue]) -> float:
    """The mean DSC of the structures."""
    return mean_of([v for k, v in row.items() if k.endswith("_dsc") and k.count("_dsc") == 1 and "main" not in k])


def volumetry_row(data: Data, _folder: Path | None = None) -> Cells:
    """A column for each measure, with its unit."""
    row = {f"{plain_name(m['measure'])}_{m['unit']}": m["value"] for m in data.get("measures", ())}
    if cut := data.get("resection"):
        row |= {k: v for k, v in plain_row(cut).items() if k.endswith(("_ml", "_share"))}
    row["warnings"] = BETWEEN.join(n for n in data.get("notes", ()) if "incomplete" in n)
    return row


def margins_row(data: Data, _folder: Path | None = None) -> Cells:
    """How many lesions there are, and the smallest distance of any to each neighbor."""
    lesions = data.get("lesions", ())
    row: Cells = {"lesions": len(lesions)}
    for name in dict.fromkeys(k for lesion in lesions for k in lesion if k.endswith("_mm") and k != "uncertainty_mm"):
        values = [lesion[name] for lesion in lesions if lesion.get(name) is not None]
        row[f"smallest_{name}"] = min(values) if values else None
    row["uncertainty_mm"] = max((lesion["uncertainty_mm"] for lesion in lesions), default=None)
    return row


def cysts_row(data: Data, _folder: Path | None = None) -> Cells:
    """Regions and their volume by decision."""
    row: Cells = {"regions": len(data.get("regions", ()))}
    for region in data.get("regions", ()):
        for name, more in ((f"{region['decision']}_count", 1), (f"{region['decision']}_ml", region["ml"])):
            row[name] = (row.get(name) or 0) + more  # type: ignore[operator]
    row["warnings"] = BETWEEN.join(data.get("warnings", ()))
    return row


def radiomics_row(data: Data, _folder: Path) -> Cells:
    """A column for each region's feature."""
    return {
        plain_name(f"{s['structure']}{s['lesion'] or ''}_{name}"): value
        for s in data.get("structures", ())
        for name, value in s["features"].items()
    }


def branches_row(data: Data, _folder: Path) -> Cells:
    """By vessel, how many branches there are and how much of it is main."""
    row: Cells = {}
    for tree in data.get("trees", ()):
        key = tree["structure"]
        row |= {f"{key}_branches": len(tree["branches"]), f"{key}_main_share": tree["main_share"]}
        row[f"{key}_ml"] = sum(b["ml"] for b in tree["branches"])
    return row


def measure_row(_data: Data, folder: Path) -> Cells:
    """The rows of the single measures, which lie in folders of their names."""
    parts: dict[str, Any] = {
        "cysts": ("regions.json", cysts_row),
        "volumetry": ("volumetry.json", volumetry_row),
        "margins": ("margins.json", margins_row),
        "comparison": ("comparison.json", compare_row),
    }
    row: Cells = {}
    warnings = []
    for name, (file, of) in parts.items():
        if (folder / name / file).is_file():
            cells = of(read_json(folder / name / file), folder / name)
            warnings.append(str(cells.pop("warnings", "") or ""))
            row |= cells
        elif name != "comparison":
            row[f"{name}_measured"] = "no"
    row["warnings"] = BETWEEN.join(filter(None, warnings))
    return row


for _task in (
    Task("plan", ("liver", "plan"), plan_row, pictures=("slices.png", "reconstruction.png")),
    Task("compare", ("liver", "compare"), compare_row, least_overlap, ("comparison.png",), papers=papers()),
    Task("measure", ("liver", "measure"), measure_row, pictures=("cysts/overview.png",)),
    Task("cysts", ("liver", "cysts"), cysts_row, pictures=("overview.png",)),
    Task("radiomics", ("liver", "radiomics"), radiomics_row),
    Task("volumetry", ("liver", "volumetry"), volumetry_row),
    Task("margins", ("liver", "margins"), margins_row),
    Task("branches", ("liver", "branches"), branches_row),
    Task("couinaud", ("liver", "couinaud"), couinaud_row),
    Task("report", ("liver", "report"), plain_row, file="report.html", aliases=(("image", "case"),)),
):
    offer_task(_task)
