"""A plan in words, tables and plain values: what its files and its scene say of it."""

from __future__ import annotations

import datetime
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from LiverPlannerLib.couinaud.checks import SHAPE_ALONE
from LiverPlannerLib.plan.measures import Region
from LiverPlannerLib.plan.pipeline import LiverPlan
from LiverPlannerLib.structures import structure
from PreopReviewLib import NOT_FOR_CLINICAL_USE, __version__, images
from PreopReviewLib.csv_text import csv_text

RECORD, SEGMENTS_FILE = "plan.json", "segments.nii.gz"
SIMULATED = "SIMULATED"
"""How the origin of an image begins that a program made."""
PACKAGES = ("torch", "monai", "SimpleITK", "numpy", "slicer-core")


def write_volumes(plan: LiverPlan, path: Path) -> None:
    """The volumes as CSV: one row per structure, then one per numbered region, then one per Couinaud segment."""
    rows = [["structure", "region", "ml", "voxels", "diameter_mm", "center_r", "center_a", "center_s", "model"]]
    unit = images.voxel_ml(plan.image)
    for key, ml in plan.volumes_ml.items():
        model = plan.models.get(key, "")
        rows.append([structure(key).name, "all", f"{ml:.3f}", round(ml / unit), "", "", "", "", model])
    for region in plan.regions:
        place = [f"{v:.1f}" for v in region.centroid_ras]
        name = structure(region.structure).name
        rows.append([name, region.number, f"{region.ml:.3f}", region.voxels, region.diameter_mm, *place, ""])
    for v in plan.couinaud.volumes if plan.couinaud else ():
        rows.append([v.name, "all", f"{v.ml:.3f}", v.voxels, "", "", "", "", plan.couinaud.model])
    path.write_text(csv_text(rows), encoding="utf-8", newline="")


def summary(plan: LiverPlan, source: str, seconds: float) -> str:
    """The plain-text summary: what was found, by which model, how long it took, and the warnings."""
    spacing = " × ".join(f"{v:g}" for v in plan.image.GetSpacing())
    size = " × ".join(map(str, plan.image.GetSize()))
    lines = [
        "PreopReview liver plan",
        NOT_FOR_CLINICAL_USE,
        "",
        f"Image      {source}",
        f"           {plan.modality}, {size} voxels of {spacing} mm",
        f"Made       {datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
        "",
        "Volumes",
    ]
    for key, ml in plan.volumes_ml.items():
        lines.append(f"  {structure(key).name:<20}{ml:>10.1f} ml   by {plan.models.get(key, 'union')}")
    places = plan.couinaud.places if plan.couinaud else {}
    for region in plan.regions:
        what = f"{structure(region.structure).name} {region.number}"
        place = f", {places[region.structure, region.number]}" if places else ""
        lines.append(f"    {what:<18}{region.ml:>10.2f} ml   {region.diameter_mm:.0f} mm across{place}{_seen(region)}")
    if plan.couinaud is not None:
        by_shape = ", from the liver's shape alone" if SHAPE_ALONE in plan.couinaud.notes else ""
        lines += ["", f"Couinaud segments   by {plan.couinaud.model}{by_shape}"]
        lines += [f"  {v.name:<26}{v.ml:>10.1f} ml   {v.share:.1%} of the liver" for v in plan.couinaud.volumes]
    lines += ["", "Warnings"] + [f"  - {w}" for w in plan.warnings or ["none"]]
    lines += ["", "Notes"] + [f"  - {n}" for n in plan.notes or ["none"]]
    lines += ["", "Time"] + [f"  {step:<20}{value:>10.1f} s" for step, value in plan.seconds.items()]
    lines += [f"  {'in all':<20}{seconds:>10.1f} s   on {plan.device}", "", "Versions"]
    lines += [f"  {name:<20}{_version(name)}" for name in PACKAGES]
    lines += [f"  {'Python':<20}{platform.python_version()}", f"  {'PreopReview':<20}{__version__}", ""]
    return "\n".join(lines)


def _seen(region: Region) -> str:
    """Which models saw a lesion, and how sure the lesion network was."""
    if not region.seen_by:
        return ""
    sure = "" if region.sureness is None else f", lesion network at most {region.sureness:.2f}"
    return f", seen by {' and '.join(region.seen_by)}{sure}"


def record(plan: LiverPlan, path: Path, origin: str = "") -> dict:
    """plan.json: what the summary says, for programs; volumes in ml, sizes I-J-K, spacing in mm, centers RAS."""
    return {
        "preopreview": __version__,
        "not_for_clinical_use": True,
        "made": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "image": {
            "path": str(path),
            "origin": origin,
            "simulated": origin.startswith(SIMULATED),
            "size": list(plan.image.GetSize()),
            "spacing_mm": list(plan.image.GetSpacing()),
        },
        **as_dict(plan),
        "versions": {"Python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def record_for_scene(plan: LiverPlan) -> dict:
    """What a scene keeps of a plan: `as_dict`, and the rows of its volumes table."""
    from LiverPlannerLib.resection.volumetry import volumetry

    return as_dict(plan) | {"volumetry": volumetry(plan.labels).as_rows()}


def as_dict(plan: LiverPlan) -> dict:
    """Plain values of a plan, as programs and the scene keep them."""
    return {
        "modality": plan.modality,
        "volumes_ml": plan.volumes_ml,
        "regions": [asdict(r) for r in plan.regions],
        "warnings": plan.warnings,
        "notes": plan.notes,
        "models": plan.models,
        "device": plan.device,
        "seconds": plan.seconds,
        "segments": plan.couinaud.as_dict() if plan.couinaud else None,
    }
