"""The cyst filter in the scene: the regions as a table, decisions by rule or hand, and cysts moved to their segment.

Everything is kept with the table node: measures and overrides as an attribute, the regions as a hidden label map and
their histograms as a hidden table that it refers to. So a threshold or a rule is tried without measuring again, and
all of it comes back with the scene.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from LiverPlannerLib.cysts import rules as cyst_rules
from LiverPlannerLib.cysts.fit import HOUNSFIELD
from LiverPlannerLib.cysts.rules import CystRegion, LiverLevel, Settings
from LiverPlannerLib.scene.tables import Column, place_beside, write_table
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.scene import inputs
from PreopReviewLib.scene.finding import nodes_of_class

STATE = "PreopReview.Cysts"
REGIONS, ORIGINS = "PreopReview.CystRegions", "PreopReview.CystOrigins"
HISTOGRAMS, SEGMENTATION = "PreopReview.CystHistograms", "PreopReview.CystsOf"

COLUMNS = (
    Column("id", "Region", decimals=0, help="Number of the region, the largest first."),
    Column("ml", "ml", decimals=2, help="Volume by voxel counting."),
    Column("fit_mean", "M (HU)", help="Mean of the Gaussian fitted to the smoothed histogram."),
    Column("fit_sd", "σ (HU)", help="Standard deviation of the fitted Gaussian."),
    Column("r2", "R²", decimals=2, help="How well the Gaussian fits."),
    Column("core_median", "Core median (HU)", help="Median of the region eroded by one voxel."),
    Column("decision", "Decision", "text", help="cyst, tumor, or undecided (which stays a tumor)."),
    Column("by_hand", "By hand", "flag", help="Whether someone has set the decision."),
    Column("reason", "Reason", "text", help="Why."),
    Column("r", "R (mm)", help="Centroid."),
    Column("a", "A (mm)", help="Centroid."),
    Column("s", "S (mm)", help="Centroid."),
)


def rule_of(name: str) -> str:
    """The rule of the filter for a value of the parameter: default is robust."""
    return "robust" if name == "default" else name


def request(segmentation: Any, volume: Any, rule: str, threshold: float) -> dict[str, Any]:
    """What `tasks.cysts` needs; its images are written by `worker_io.save_steps`.

    Raises:
        InputError, NothingFound, GeometryError: the volume or the segmentation cannot be used, or has no lesion.
    """
    from LiverPlannerLib.lesions import drawn_request
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from PreopReviewLib import worker_io

    voxels = SegmentVoxels(segmentation)
    if not any(m.count for key in ("tumor", "cyst") for m in voxels.of(key)):
        raise NothingFound(
            f"The segmentation {segmentation.GetName()} has no lesion", "Segment lesions, or draw them, first"
        )
    labels = voxels.labels()
    return {
        "image": inputs.unsaved(volume),
        "labels": worker_io.unsaved(labels, "labels"),
        **drawn_request(voxels.lesions_on(labels)),
        "options": {"rule": rule, "threshold": threshold, "modality": "CT", "reconsider_cysts": True},
    }


def show(
    result: Mapping[str, Any], folder: Path, segmentation: Any, node: Any | None, rule: str, threshold: float
) -> Any:
    """Puts the result of `tasks.cysts` into the scene.

    Args:
        node: the table node to fill again, or None.

    Returns:
        vtkMRMLTableNode.

    Raises:
        InputError: the segments of lesions have been removed meanwhile; the scene is then as it was.
    """
    from PreopReviewLib.worker_io import load_image

    labels = load_image(folder, result["region_labels"])
    segments, origins = _origins(labels, segmentation)
    scene = segmentation.GetScene()
    name = f"{segmentation.GetName()} cysts"
    if node is None or node.GetScene() is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
        place_beside(scene, node, segmentation)
    _keep_image(node, REGIONS, "regions", labels, segmentation)
    _keep_image(node, ORIGINS, "origins", origins, segmentation)
    _keep_histograms(node, folder)
    node.SetNodeReferenceID(SEGMENTATION, segmentation.GetID())
    state = {
        "regions": result["regions"],
        "liver": result["liver"],
        "warnings": result["warnings"],
        "rule": rule,
        "threshold": threshold,
        "overrides": {},
        "segments": segments,
        "measured_at": inputs.ijk_to_world(node.GetNodeReference(REGIONS)).tolist(),
        "applied": False,
    }
    write_state(node, state)
    return node


def _keep_image(node: Any, role: str, what: str, labels: Any, segmentation: Any) -> None:
    """A label image on the segmentation's lattice as a hidden volume, under the segmentation's transform."""
    import vtk

    from LiverPlannerLib.scene.segments import grid_of
    from PreopReviewLib import images
    from PreopReviewLib.images.vtk_images import fill, ijk_to_ras

    scene = segmentation.GetScene()
    kept = node.GetNodeReference(role) or scene.AddNewNodeByClass(
        "vtkMRMLLabelMapVolumeNode", f"{node.GetName()} {what}"
    )
    kept.SetHideFromEditors(True)
    grid = grid_of(segmentation)
    world = vtk.vtkMatrix4x4()
    world.DeepCopy((grid.to_node @ np.linalg.inv(grid.to_ras)).ravel())
    matrix = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(world, ijk_to_ras(labels), matrix)
    kept.SetIJKToRASMatrix(matrix)
    kept.SetAndObserveImageData(fill(vtk.vtkImageData(), images.array_of(labels).astype(np.int16)))
    kept.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
    node.SetNodeReferenceID(role, kept.GetID())


def _keep_histograms(node: Any, folder: Path) -> None:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    table = vtk.vtkTable()
    columns = {"hu": HOUNSFIELD.centers}
    for name in ("counts", "smoothed", "core"):
        rows = np.load(folder / f"{name}.npy", allow_pickle=False)
        columns |= {f"{name}_{n}": row for n, row in enumerate(rows, 1)}
    for name, values in columns.items():
        column = numpy_to_vtk(np.ascontiguousarray(values, float), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    kept = node.GetNodeReference(HISTOGRAMS)
    if kept is None:
        kept = node.GetScene().AddNewNodeByClass("vtkMRMLTableNode", f"{node.GetName()} histograms")
    kept.SetAndObserveTable(table)
    kept.SetHideFromEditors(True)
    node.SetNodeReferenceID(HISTOGRAMS, kept.GetID())


def _origins(labels: Any, segmentation: Any) -> tuple[dict[str, str], Any]:
    """Where every voxel of a region comes from, for `revert`.

    Returns:
        the segments of tumor and cyst, identifier to structure, and an image (uint8) of their numbers, from 1.
    """
    from LiverPlannerLib.scene.lattice import painted, place
    from LiverPlannerLib.scene.segments import SegmentVoxels
    from PreopReviewLib import images

    voxels = SegmentVoxels(segmentation)
    start, array = place(labels, voxels.grid.to_ras)
    names = {i: key for i, key in voxels.structures.items() if key in ("tumor", "cyst")}
    if not names:
        raise InputError("The lesions were removed while they were measured", "Segment them again, then find cysts")
    origins = np.zeros(array.shape, np.uint8)
    for number, identifier in enumerate(names, 1):
        origins[painted(voxels.masks[identifier], start, array.shape) & (array > 0)] = number
    return names, images.image_like(origins, labels)


# ---- state ----


def state_of(node: Any | None) -> dict[str, Any]:
    """What is kept with a table node; empty if it is not of the cyst filter."""
    text = node.GetAttribute(STATE) if node is not None else None
    return json.loads(text) if text else {}


def table_of(segmentation: Any) -> Any | None:
    """The table node of the cyst filter that belongs to a segmentation, or None."""
    tables = nodes_of_class(segmentation.GetScene(), "vtkMRMLTableNode")
    return next((node for node in tables if state_of(node) and is_of(node, segmentation)), None)


def regions_of(node: Any | None) -> list[CystRegion]:
    """The regions as they are decided now: by the rule, and by hand on top."""
    state = state_of(node)
    if not state:
        return []
    liver = LiverLevel(**state["liver"]) if state["liver"] else None
    settings = Settings(state["rule"], state["threshold"], HOUNSFIELD, liver)
    regions = []
    for plain in state["regions"]:
        region = cyst_rules.decided(_region(plain), settings)
        by_hand = state["overrides"].get(str(region.id))
        regions.append(cyst_rules.overridden(region, by_hand) if by_hand else region)
    return regions


def _region(plain: Mapping[str, Any]) -> CystRegion:
    """A region from plain values; those that another version of PreopReview has kept besides are skipped."""
    known = {f.name for f in fields(CystRegion)}
    values = {k: v for k, v in plain.items() if k in known}
    return CystRegion(**(values | {"centroid_ras": tuple(plain["centroid_ras"])}))


def decide(node: Any, rule: str, threshold: float) -> None:
    """Decides all regions by another rule or threshold; nothing is measured again, overrides stay."""
    state = state_of(node)
    if state and (state["rule"], state["threshold"]) != (rule, threshold):
        write_state(node, state | {"rule": rule, "threshold": threshold})


def override(node: Any, region_id: int, decision: str | None) -> None:
    """Decides one region by hand, or (None) leaves it to the rule again."""
    state = state_of(node)
    overrides = dict(state["overrides"])
    overrides.pop(str(region_id), None)
    if decision is not None:
        overrides[str(region_id)] = decision
    write_state(node, state | {"overrides": overrides})


def write_state(node: Any, state: dict[str, Any]) -> None:
    """Keeps a state with a table node, and writes its rows."""
    blocked = node.StartModify()
    node.SetAttribute(STATE, json.dumps(state))
    rows = []
    for region in regions_of(node):
        r, a, s = region.centroid_ras
        shown = {c.key: getattr(region, c.key, None) for c in COLUMNS}
        rows.append(shown | {"by_hand": region.overridden, "r": r, "a": a, "s": s})
    write_table(node.GetScene(), node, node.GetName(), COLUMNS, rows)
    node.EndModify(blocked)


def forget_overrides(node: Any) -> None:
    """Leaves every region to the rule."""
    write_state(node, state_of(node) | {"overrides": {}})


def is_of(node: Any, segmentation: Any | None) -> bool:
    """Whether a table node belongs to a segmentation."""
    return segmentation is not None and node.GetNodeReferenceID(SEGMENTATION) == segmentation.GetID()


def has_lesions(segmentation: Any, keys: Sequence[str] = ("tumor", "cyst")) -> bool:
    """Whether a segmentation has a segment of tumor or cyst (or of `keys`), empty or not; reads no voxel."""
    from LiverPlannerLib.scene.segments import structure_of_segment
    from PreopReviewLib.scene.nodes import segment_keys

    content = segmentation.GetSegmentation()
    structures = (structure_of_segment(content.GetSegment(key)) for key in segment_keys(segmentation))
    return any(s is not None and s.key in keys for s in structures)


def place_of(node: Any, region: CystRegion) -> tuple[float, float, float]:
    """Where a region is now, RAS mm: its centroid, moved with the segmentation since it was measured."""
    kept = node.GetNodeReference(REGIONS)
    start = state_of(node).get("measured_at")
    if kept is None or start is None:
        return region.centroid_ras
    now = inputs.ijk_to_world(kept)
    moved = now @ np.linalg.inv(np.array(start)) @ [*region.centroid_ras, 1.0]
    return tuple(float(v) for v in moved[:3])  # type: ignore[return-value]
