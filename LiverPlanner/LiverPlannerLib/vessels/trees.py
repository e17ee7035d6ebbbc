"""Vessel trees in files: from the worker that finds branches to the panel that shows and changes them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.vessels.branches import Branch, VesselTree
from PreopReviewLib.errors import GeometryError

_ARRAYS = ("nodes", "points", "radii", "branch_of", "parent_point", "_index", "_branch_of_voxel")


def save_tree(tree: VesselTree, path: str | Path) -> Path:
    """Everything of a tree but its mask, as .npz."""
    path = Path(path)
    words = {
        "structure": tree.structure,
        "trunk_mm": tree.trunk_mm,
        "warnings": tree.warnings,
        "branches": [asdict(b) for b in tree.branches],
        "size": tree._mask.GetSize(),
    }
    arrays = {name.lstrip("_"): getattr(tree, name) for name in _ARRAYS}
    np.savez(path, words=np.array(json.dumps(words)), **arrays)
    return path


def load_tree(path: str | Path, mask: sitk.Image) -> VesselTree:
    """The tree of `save_tree` on the mask that it was found in.

    Raises:
        GeometryError: a mask of another size.
    """
    with np.load(Path(path), allow_pickle=False) as file:
        words = json.loads(str(file["words"]))
        arrays = {name: file[name.lstrip("_")] for name in _ARRAYS}
    if tuple(words["size"]) != tuple(mask.GetSize()):
        raise GeometryError("The branches belong to another mask", "Find them again")
    branches = [Branch(**b) for b in words["branches"]]
    return VesselTree(
        words["structure"],
        branches,
        arrays["nodes"],
        arrays["points"],
        arrays["radii"],
        arrays["branch_of"],
        arrays["parent_point"],
        words["trunk_mm"],
        words["warnings"],
        mask,
        arrays["_index"],
        arrays["_branch_of_voxel"],
    )
