"""Resections along territories: of branches by number, or of sections and veins by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Resection, resect_by_mask
from LiverPlannerLib.structures import mask_of
from LiverPlannerLib.territories.areas import MODEL_NOTE, Territories, find_territories
from LiverPlannerLib.territories.names import named_territories
from LiverPlannerLib.vessels.branches import VesselTree, split_branches
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, NothingFound


def resect_by_branches(
    labels: sitk.Image, tree: VesselTree, branches: Sequence[int], territories: Territories | None = None
) -> Resection:
    """Takes the territories of branches, each with everything downstream of it; their stems stay.

    Args:
        labels: values of the table of structures.
        tree: of the portal or a hepatic vein, found in these labels.
        branches: ids in the tree.
        territories: of this tree in these labels, where they are known already.

    Raises:
        NothingFound: there is no liver.
        InputError: no branch, an unknown one, or the whole tree.
        GeometryError: the tree was found on another grid.
    """
    if not images.same_grid(tree.branch_image, labels):
        raise GeometryError("The branches and the labels lie on different grids", "Find the branches in these labels")
    ids = sorted({branch_id for branch in branches for branch_id in tree.downstream(branch)})
    if not ids:
        raise InputError("No branch was chosen", "Choose a branch downstream of the trunk")
    territories = territories or find_territories(labels, tree)
    taken = images.array_of(territories.image(territories.taken(branches).astype(np.uint8))) > 0
    of_branch = images.array_of(tree.branch_image)
    taken = np.where(of_branch > 0, np.isin(of_branch, ids), taken)  # a branch goes whole, and its stem stays
    notes = (MODEL_NOTE, *(f"{w}." for w in (*tree.warnings, *territories.warnings)))
    words = "portal territory" if tree.structure != "hepatic_vein" else "drainage area"
    resection = resect_by_mask(labels, taken, words, "Choose another branch")
    return replace(resection, notes=(*resection.notes, *notes))


def resect_by_territories(labels: sitk.Image, wanted: Sequence[str], segments: sitk.Image | None = None) -> Resection:
    """Takes territories of the portal vein by branch number (``4``) or by name (``right anterior``).

    Args:
        labels: values of the table of structures, with a portal vein.
        wanted: numbers and names, in any mixture.
        segments: Couinaud segments, see `couinaud.volumes.divide`; found by the shipped network where names need them.

    Raises:
        NothingFound: there is no portal vein, or no liver.
        InputError: an unknown number or name, or all of the liver.
    """
    portal = mask_of(labels, "portal_vein")
    if not images.array_of(portal).any():
        raise NothingFound("There is no portal vein for a territory", "Segment it first, or cut by planes or a surface")
    tree = split_branches(portal, "portal_vein", mask_of(labels, "liver"))
    territories = find_territories(labels, tree)
    words = [" ".join(str(w).lower().replace("_", " ").replace("-", " ").split()) for w in wanted]
    branches, doubts = [int(w) for w in words if w.isdigit()], []
    if len(branches) < len(words):
        from LiverPlannerLib.couinaud.volumes import divide

        division = divide(labels, given=segments)
        branches += _by_name(territories, [w for w in words if not w.isdigit()], division.labels)
        doubts = division.warnings
    resection = resect_by_branches(labels, tree, branches, territories)
    method = f"portal territory ({', '.join(words)})"
    return replace(resection, method=method, notes=(*doubts, *resection.notes))


def _by_name(territories: Territories, names: list[str], segments: sitk.Image) -> list[int]:
    named = {n.name: n for n in named_territories(territories, segments)}
    for side in ("right", "left"):
        parts = [n for name, n in named.items() if name.startswith(f"{side} ")]
        if parts:
            named.setdefault(side, replace(parts[0], name=side, branches=tuple(b for p in parts for b in p.branches)))
    unknown = [n for n in names if n not in named]
    if unknown:
        raise InputError(
            f"There is no territory called {unknown[0]!r} in this liver", f"It has {', '.join(sorted(named))}"
        )
    return [branch for name in names for branch in named[name].branches]
