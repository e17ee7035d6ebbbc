"""Distances of each lesion to the vessels that decide: main branches and those with a name, or any twig on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from LiverPlannerLib.lesions import DrawnLesions, numbered_regions
from LiverPlannerLib.perfusion.names import VesselNames
from LiverPlannerLib.resection.margins import face_centers
from LiverPlannerLib.structures import structure
from LiverPlannerLib.territories.liver import LiverTrees
from LiverPlannerLib.vessels.branches import VesselTree
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.geometry import box_of
from PreopReviewLib.nearest import nearest

Which = Literal["main", "any"]


@dataclass(frozen=True)
class VesselMargin:
    """One lesion and one vessel.

    Attributes:
        lesion: its number, by decreasing size.
        vessel: what people call it.
        structure: key of the tree.
        mm: between the walls; 0 where they touch.
        contact_mm: length of the vessel, along its center line, that touches the lesion; 0 without contact.
    """

    lesion: int
    vessel: str
    structure: str
    mm: float
    contact_mm: float


def vessel_margins(
    trees: LiverTrees, lesions: str = "tumor", which: Which = "main", drawn: DrawnLesions | None = None
) -> list[VesselMargin]:
    """Every lesion against every vessel, the nearest first within a lesion.

    Args:
        trees: with named territories, of the labels that hold the lesions.
        lesions: key of their structure.
        which: ``main``: main branches, and the largest stem of each named territory; ``any``: twigs, too.
        drawn: which lesions the file holds apart.

    Raises:
        NothingFound: there is no such lesion.
        InputError: an unknown `which`.
    """
    from scipy.spatial import cKDTree

    if which not in ("main", "any"):
        raise InputError(f"Unknown choice of vessels: {which!r}", "Use main or any")
    regions = numbered_regions(trees.labels, lesions, drawn)
    if not regions:
        raise NothingFound(f"There is no {structure(lesions).name.lower()} in the label image", "Check its values")
    mm = images.spacing_kji(trees.labels)
    walls = [(key, name, ids, face_centers_of(key, trees, ids) * mm) for key, name, ids in _groups(trees, which)]
    searches = [(key, name, ids, cKDTree(wall)) for key, name, ids, wall in walls if len(wall)]
    margins = []
    for number, (box, inside) in enumerate(regions, start=1):
        faces = (face_centers(inside) + [s.start for s in box]) * mm
        own = []
        for key, name, ids, search in searches:
            distance = nearest(search, faces)[0]
            closest = float(distance.min())
            touching = faces[distance < 1e-6] / mm
            contact = _length(trees, key, ids, touching) if len(touching) else 0.0
            own.append(VesselMargin(number, name, key, closest, contact))
        margins += sorted(own, key=lambda m: m.mm)
    return margins


def face_centers_of(key: str, trees: LiverTrees, ids: list[int]) -> np.ndarray:
    """Centers of the faces around branches of a tree, (N, 3) voxels K, J, I."""
    tree = trees.trees[key]
    wanted = np.zeros(len(tree.branches) + 1, bool)
    wanted[ids] = True
    branch = images.array_of(tree.branch_image)
    around = box_of(branch != 0)  # a vessel fills a small part of a scan
    mask = wanted[branch[around]] if around is not None else np.zeros((1, 1, 1), bool)
    box = box_of(mask)
    if around is None or box is None:
        return np.zeros((0, 3))
    low = [a.start + b.start for a, b in zip(around, box, strict=True)]
    return face_centers(mask[box]) + low


def _groups(trees: LiverTrees, which: Which) -> Iterator[tuple[str, str, list[int]]]:
    """Key, name and branches of each vessel."""
    names = VesselNames(trees)
    for key, tree in trees.trees.items():
        named = [n for n in trees.named.get(key, []) if n.fit is not None]
        first = {max(n.branches, key=lambda b, key=key: trees.territories[key].ml[b]) for n in named}
        groups: dict[str, list[int]] = {}
        for b in tree.branches:
            if which == "any" or b.main or b.id in first:
                groups.setdefault(_name(names, key, tree, b.id), []).append(b.id)
        for name, ids in groups.items():
            yield key, name, ids


def _name(names: VesselNames, key: str, tree: VesselTree, branch: int) -> str:
    """Of a vein its own name; of ducts and arteries that of the structure, for they carry no territory."""
    if key in ("portal_vein", "hepatic_vein"):
        return names.of(key, branch, tree.centerline(branch)[0] if len(tree.centerline(branch)) else tree.nodes[0])
    return structure(key).name.lower()


def _length(trees: LiverTrees, key: str, ids: list[int], touching: np.ndarray) -> float:
    from scipy.spatial import cKDTree

    tree = trees.trees[key]
    points = np.flatnonzero(np.isin(tree.branch_of, ids))
    near = np.unique(cKDTree(tree.points[points]).query(images.kji_to_ras(touching, trees.labels))[1])
    reached = points[near]
    before = tree.parent_point[reached]
    steps = np.linalg.norm(tree.points[reached] - tree.points[before], axis=1)
    return float(steps[before >= 0].sum())


def margin_rows(margins: list[VesselMargin]) -> list[dict[str, Any]]:
    """Plain values under names with units."""
    return [
        {
            "lesion": m.lesion,
            "vessel": m.vessel,
            "structure": m.structure,
            "mm": round(m.mm, 1),
            "contact_mm": round(m.contact_mm, 1),
        }
        for m in margins
    ]
