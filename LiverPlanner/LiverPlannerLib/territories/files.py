"""Trees with their territories in files: from the worker that finds them to the panel that cuts them live."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import mask_of
from LiverPlannerLib.territories.areas import Territories
from LiverPlannerLib.territories.liver import LiverTrees
from LiverPlannerLib.territories.names import NamedTerritory
from LiverPlannerLib.vessels.trees import load_tree, save_tree
from PreopReviewLib.errors import GeometryError


def save_trees(trees: LiverTrees, folder: str | Path) -> dict[str, Any]:
    """Writes everything but the labels into a folder.

    Returns:
        Plain values for `load_trees`.
    """
    folder = Path(folder)
    record: dict[str, Any] = {"trees": {}, "territories": {}, "named": {}}
    record |= {"missing": trees.missing, "doubts": trees.doubts}
    for key, tree in trees.trees.items():
        record["trees"][key] = save_tree(tree, folder / f"tree_{key}.npz").name
    for key, territories in trees.territories.items():
        path = folder / f"territories_{key}.npz"
        box = np.array([(s.start, s.stop) for s in territories.box])
        np.savez(path, box=box, liver=np.packbits(territories.liver), point=territories.point, last=territories.last)
        record["territories"][key] = {"file": path.name, "warnings": territories.warnings}
        record["named"][key] = [asdict(n) for n in trees.named[key]]
    return record


def load_trees(record: dict[str, Any], folder: str | Path, labels: sitk.Image) -> LiverTrees:
    """The trees of `save_trees` on the labels that they were found in.

    Raises:
        GeometryError: labels of another size.
    """
    folder = Path(folder)
    loaded = LiverTrees(labels, missing=dict(record["missing"]), doubts=list(record["doubts"]))
    for key, name in record["trees"].items():
        loaded.trees[key] = load_tree(folder / name, mask_of(labels, key))
    for key, saved in record["territories"].items():
        with np.load(folder / saved["file"], allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("box", "liver", "point", "last")}
        box = tuple(slice(int(a), int(b)) for a, b in arrays["box"])
        shape = tuple(s.stop - s.start for s in box)
        liver = np.unpackbits(arrays["liver"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        if int(np.count_nonzero(liver)) != len(arrays["point"]):
            raise GeometryError("The territories belong to another liver", "Find them again")
        loaded.territories[key] = Territories(
            loaded.trees[key],
            labels,
            box,
            liver,
            arrays["point"],
            arrays["last"],
            list(saved["warnings"]),  # type: ignore[arg-type]
        )
        loaded.named[key] = [NamedTerritory(**{**n, "branches": tuple(n["branches"])}) for n in record["named"][key]]
    return loaded
