"""What a report takes from the scene: image, plan, cut, second segmentation, and, if asked for, the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from LiverPlannerLib.lesions import drawn_request
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene.branches import by_hand_request
from LiverPlannerLib.scene.comparison import has_unknown_alone
from LiverPlannerLib.scene.couinaud import couinaud_request, read_couinaud, segments_node
from LiverPlannerLib.scene.cysts import is_of, regions_of
from LiverPlannerLib.scene.segments import SegmentVoxels
from PreopReviewLib.errors import InputError
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import unsaved

SIMULATED = "PreopReview.Simulated"
"""Attribute of a volume node that was made by a program; its value is "1"."""
_IDENTITY = {
    "PatientName": "Patient",
    "PatientID": "Patient ID",
    "PatientBirthDate": "Born",
    "PatientSex": "Sex",
    "StudyDate": "Study date",
    "StudyDescription": "Study",
    "SeriesModality": "Modality",
}


def is_simulated(volume: Any | None) -> bool:
    """Whether a volume says of itself, by attribute or name, that a program made it."""
    if volume is None:
        return False
    return volume.GetAttribute(SIMULATED) == "1" or "simulated" in (volume.GetName() or "").lower()


def has_cut(parameters: Any) -> bool:
    """Whether something is there to cut the liver with, in the way chosen in the section Measure."""
    if parameters.remnantMode == "planes":
        return bool(cut_planes(parameters))
    if parameters.remnantMode == "surface":
        return parameters.cutSurface is not None
    if parameters.remnantMode == "territory":
        return bool(parameters.territoryBranches)
    return bool(described_cut(parameters))


def described_cut(parameters: Any) -> dict[str, Any]:
    """The chosen segments, or tumors with a margin, for `resections.plans.make_resection`; empty where none are."""
    if parameters.remnantMode == "sparing":
        lesions = list(parameters.sparingLesions)
        return {"sparing": float(parameters.sparingMargin), "lesions": lesions} if lesions else {}
    if parameters.cutPreset:
        return {"preset": parameters.cutPreset}
    return {"segments": list(parameters.cutSegments)} if parameters.cutSegments else {}


def cut_planes(parameters: Any) -> list[Any]:
    """The planes that cut: in the scene, and shown."""
    planes = [node for node in parameters.cutPlanes if node is not None]
    return [n for n in planes if n.GetDisplayNode() is None or n.GetDisplayNode().GetVisibility()]


def request(parameters: Any, folder: Path, modality: str) -> dict[str, Any]:
    """What `report.tasks.write` takes besides where to; its images are written by `worker_io.save_steps`.

    Args:
        parameters: the module's parameter node; its report fields say what goes in.
        folder: for the drawn surface of a cut.
        modality: ``CT`` or ``MR``.

    Raises:
        PreopError: the volume or a segmentation cannot be used.
    """
    volume, plan = parameters.inputVolume, parameters.segmentation
    if plan is None:
        raise InputError("There is no segmentation to report on", "Press Apply in the section Segment first")
    voxels = _voxels(plan)
    record = scene_plan.plan_record(plan)
    asked: dict[str, Any] = {
        "image": inputs.unsaved(volume),
        **_labels(voxels, "labels"),
        **couinaud_request(read_couinaud(segments_node(plan))),
        "modality": modality,
        "record": {key: record.get(key) for key in ("models", "warnings", "notes", "volumes_ml")},
        "unknown": voxels.unknown,
        "title": parameters.reportTitle.strip(),
        "simulated": bool(parameters.reportSimulated or is_simulated(volume)),
        "identity": identity_of(volume) if parameters.reportIdentity else [],
        "patient": [parameters.heightCm, parameters.weightKg] if parameters.heightCm and parameters.weightKg else None,
        **_by_hand(parameters, plan),
        "cysts": {"threshold": parameters.cystThreshold, "rule": _rule(parameters.cystRule)},
    }
    if parameters.modelOutput is not None:
        asked |= _labels(_voxels(parameters.modelOutput), "model_output")
    reference = parameters.referenceSegmentation
    if parameters.reportComparison and reference is not None and not has_unknown_alone(reference):
        asked |= _labels(_voxels(reference), "manual")
    if parameters.reportRemnant and has_cut(parameters):
        asked["cut"] = _cut(parameters, folder)
    return asked


def _by_hand(parameters: Any, plan: Any) -> dict[str, Any]:
    """What a person has decided about branches and cysts of this plan, where the program had decided otherwise."""
    decided, cysts = by_hand_request(parameters.branchesTable, plan), parameters.cystsTable
    if cysts is not None and is_of(cysts, plan):
        regions = [region for region in regions_of(cysts) if region.overridden]
        decided["cysts_by_hand"] = [[region.id, region.voxels, region.decision] for region in regions]
    return decided


def _rule(chosen: str) -> str:
    return "robust" if chosen == "default" else chosen


def _voxels(node: Any) -> SegmentVoxels:
    voxels = SegmentVoxels(node)
    voxels.require()
    return voxels


def _labels(voxels: SegmentVoxels, name: str) -> dict[str, Any]:
    """The labels under a name, and which lesions the segmentation holds apart; see `lesions.drawn_request`."""
    labels = voxels.labels()
    return {name: unsaved(labels, name), **drawn_request(voxels.lesions_on(labels), f"{name}_drawn")}


def _cut(parameters: Any, folder: Path) -> dict[str, Any]:
    """What `measure_tasks` calls a request to cut, with planes as one more kind.

    Raises:
        InputError: a plane that is not placed, or a surface that is not closed.
    """
    import numpy as np

    from LiverPlannerLib.scene.planes import drawn, plane_of

    if parameters.remnantMode == "planes":
        planes = [plane_of(node) for node in cut_planes(parameters)]
        return {"kind": "planes", "planes": [[list(p.point), list(p.normal)] for p in planes]}
    if parameters.remnantMode == "territory":
        return {"kind": "territory", "branches": list(parameters.territoryBranches)}
    if parameters.remnantMode != "surface":
        return {"kind": "described", "plan": described_cut(parameters)}
    kind, points, triangles = drawn(parameters.cutSurface)
    np.save(folder / "cut_points.npy", points, allow_pickle=False)
    asked = {"kind": kind, "points": "cut_points.npy", "flipped": bool(parameters.cutFlipped)}
    if triangles is not None:
        np.save(folder / "cut_triangles.npy", triangles, allow_pickle=False)
        asked["triangles"] = "cut_triangles.npy"
    return asked


def identity_of(volume: Any) -> list[list[str]]:
    """What the subject hierarchy knows of the patient and the study of a volume; else the volume's name."""
    hierarchy = volume.GetScene().GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(volume)
    values: dict[str, str] = {}
    while item and item != hierarchy.GetSceneItemID():
        for tag in _IDENTITY:
            value = hierarchy.GetItemAttribute(item, f"DICOM.{tag}")
            if value and tag not in values:
                values[tag] = value
        item = hierarchy.GetItemParent(item)
    rows = [[words, _plain(values[tag])] for tag, words in _IDENTITY.items() if tag in values]
    return rows or [["Volume", volume.GetName()]]


def _plain(value: str) -> str:
    if len(value) == 8 and value.isdigit():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value.replace("^", " ").strip()
