"""Names of territories: sections of the portal vein, and the hepatic veins, from position and Couinaud segments.

A name goes to whole branches: the tree is divided into branches with everything downstream so that the fewest ml lie in
segments that do not fit their name. What nothing fits keeps its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.territories.areas import Territories
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError

PORTAL_SECTIONS: dict[str, dict[int, float]] = {
    "right anterior": {5: 0.0, 8: 0.0},
    "right posterior": {6: 0.0, 7: 0.0},
    "left medial": {4: 0.0},
    "left lateral": {2: 0.0, 3: 0.0},
    "caudate": {1: 0.0},
}
"""Which Couinaud segments a section has; the number says how badly one fits, 0 to 1 (1 where it is not listed)."""
HEPATIC_VEINS: dict[str, dict[int, float]] = {
    "right hepatic vein": {6: 0.0, 7: 0.0, 5: 0.35, 8: 0.35},
    "middle hepatic vein": {4: 0.1, 5: 0.25, 8: 0.25},
    "left hepatic vein": {2: 0.0, 3: 0.0, 4: 0.4},
}
"""The right vein runs between anterior and posterior section, the middle one between 4 and 5/8: they share."""
INFERIOR = "inferior right hepatic vein"
INFERIOR_MM = 25.0
"""A right vein that enters the vena cava so far below the highest one is an inferior one (3 to 6 cm is usual)."""
SPLIT_SHARE = 0.01
"""Of the liver that a further branch must bring into fitting segments, to be named for itself."""
LEAST_FIT = 0.5


@dataclass(frozen=True)
class NamedTerritory:
    """A territory as people call it.

    Attributes:
        name: ``right anterior``, ``middle hepatic vein``, or ``branch 12`` where no name fits.
        branches: ids, each with everything downstream.
        ml, share: size, and share of the liver, 0 to 1.
        fit: share of it that lies in segments that fit the name; None for numbers.
    """

    name: str
    branches: tuple[int, ...]
    ml: float
    share: float
    fit: float | None


def named_territories(territories: Territories, segments: sitk.Image | None = None) -> list[NamedTerritory]:
    """Territories under their anatomical names; together they are the whole liver.

    Args:
        territories: of a portal or hepatic vein.
        segments: Couinaud segments 1 to 8 on the same grid; without them, and for other trees, the first branches keep
            their numbers.

    Raises:
        GeometryError: the segments lie on another grid.
    """
    names = {"portal_vein": PORTAL_SECTIONS, "hepatic_vein": HEPATIC_VEINS}.get(territories.tree.structure)
    if segments is None or names is None:
        return [_numbered(territories, g) for g in territories.groups_at(1)]
    if not images.same_grid(segments, territories.grid):
        raise GeometryError("The segments are not on the grid of the labels", "Resample them to the labels")
    return _merged(territories, _divided(territories, segments, names), names)


def _numbered(territories: Territories, branch: int) -> NamedTerritory:
    return NamedTerritory(f"branch {branch}", (branch,), float(territories.ml[branch]), territories.share(branch), None)


def _by_segment(territories: Territories, segments: sitk.Image) -> np.ndarray:
    """(branches + 1, 9) ml of each segment in the territory of each branch with everything downstream."""
    values = images.array_of(segments)[territories.box][territories.liver].astype(np.int64)
    values = np.where((values >= 1) & (values <= 8), values, 0)
    count = len(territories.tree.branches) + 1
    table = np.bincount(territories.last * 9 + values, minlength=9 * count).reshape(count, 9)
    table = table * images.voxel_ml(territories.grid)
    for branch in reversed(territories.tree.branches):
        if branch.parent is not None:
            table[branch.parent] += table[branch.id]
    return table


def _divided(
    territories: Territories, segments: sitk.Image, names: Mapping[str, Mapping[int, float]]
) -> list[tuple[int, str, float]]:
    """Branches that get a name with everything downstream: id, name, share in fitting segments.

    Least cost over all ways to divide the tree: ml in segments that do not fit, and a price for each division.
    """
    tree, table = territories.tree, _by_segment(territories, segments)
    misfit = np.array([[1.0, *(fits.get(s, 1.0) for s in range(1, 9))] for fits in names.values()])
    as_one = table @ misfit.T
    price = SPLIT_SHARE * territories.liver_ml
    children: dict[int, list[int]] = {}
    for b in tree.branches:
        if b.parent is not None:
            children.setdefault(b.parent, []).append(b.id)
    cost = np.zeros(len(tree.branches) + 1)
    whole = np.ones(len(tree.branches) + 1, bool)
    for b in reversed(tree.branches):
        cost[b.id] = as_one[b.id].min() + price
        if b.id in children:
            parts = cost[children[b.id]].sum()
            whole[b.id] = cost[b.id] <= parts
            cost[b.id] = min(cost[b.id], parts)
    stack = [b.id for b in tree.branches if b.parent is None]
    groups = []
    while stack:
        branch = stack.pop()
        if not whole[branch]:
            stack += children[branch]
        elif territories.ml[branch] > 0:
            best = int(as_one[branch].argmin())
            fit = 1 - float(as_one[branch, best]) / float(territories.ml[branch])
            groups.append((branch, list(names)[best], fit))
    return sorted(groups)


def _merged(
    territories: Territories, divided: list[tuple[int, str, float]], names: Mapping[str, Mapping[int, float]]
) -> list[NamedTerritory]:
    """One territory for each name; what fits no name keeps its number."""
    if territories.tree.structure == "hepatic_vein":
        divided = _with_inferior(territories, divided)
    by_name: dict[str, list[tuple[int, float]]] = {}
    for branch, name, fit in divided:
        by_name.setdefault(name if fit >= LEAST_FIT else f"branch {branch}", []).append((branch, fit))
    order = [*names, INFERIOR]
    merged = []
    for name in sorted(by_name, key=lambda n: (order.index(n) if n in order else len(order), by_name[n][0])):
        ids = tuple(branch for branch, _fit in by_name[name])
        ml = float(territories.ml[list(ids)].sum())
        fit = sum(f * float(territories.ml[b]) for b, f in by_name[name]) / ml
        merged.append(NamedTerritory(name, ids, ml, ml / territories.liver_ml, fit if name in order else None))
    return merged


def _with_inferior(territories: Territories, divided: list[tuple[int, str, float]]) -> list[tuple[int, str, float]]:
    """Right veins of a root of their own, far below the highest one, are inferior right hepatic veins."""
    tree = territories.tree
    right = [branch for branch, name, _fit in divided if name == "right hepatic vein"]
    if len(right) < 2:
        return divided
    main = max(right, key=lambda b: territories.ml[b])
    height = {b: float(tree.nodes[tree.branch(b).start][2]) for b in right}
    lower = {b for b in right if b != main and height[b] < height[main] - INFERIOR_MM and _leaves_stem(territories, b)}
    return [(b, INFERIOR if b in lower else name, fit) for b, name, fit in divided]


def _leaves_stem(territories: Territories, branch: int) -> bool:
    """Whether a branch springs from the vena cava in the mask, or from nothing: it is not a twig of another vein."""
    from LiverPlannerLib.vessels.roots import CAVA_MM

    parent = territories.tree.branch(branch).parent
    return parent is None or territories.tree.branch(parent).radius_mm >= CAVA_MM
