"""Vessels and lesions corrected by a click: pure functions from labels and a place to the voxels that change."""

from __future__ import annotations

from LiverPlannerLib.vessels.edit.by_click import apply, cut, extend, grow, join, remove, rename, rename_pick, shrink
from LiverPlannerLib.vessels.edit.changes import Edit
from LiverPlannerLib.vessels.edit.lesions import merge, not_a_lesion, recode, split
from LiverPlannerLib.vessels.edit.network import Pick, VesselNetwork

__all__ = [
    "Edit",
    "Pick",
    "VesselNetwork",
    "apply",
    "cut",
    "extend",
    "grow",
    "join",
    "merge",
    "not_a_lesion",
    "recode",
    "remove",
    "rename",
    "rename_pick",
    "shrink",
    "split",
]
