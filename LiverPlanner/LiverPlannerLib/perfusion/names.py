"""What people call the branch of a vessel that a cut crosses."""

from __future__ import annotations

import numpy as np

from LiverPlannerLib.structures import structure
from LiverPlannerLib.territories.liver import LiverTrees
from LiverPlannerLib.territories.names import PORTAL_SECTIONS
from LiverPlannerLib.territories.tables import name_of_branches

BESIDE_MM = 15.0
"""An artery or duct so near to a portal branch runs with it."""


class VesselNames:
    """Names of branches, from the territories that they feed or drain.

    Args:
        trees: with named territories.
    """

    def __init__(self, trees: LiverTrees) -> None:
        self._trees = trees
        self._below: dict[str, dict[int, frozenset[str]]] = {}
        for key, territories in trees.territories.items():
            last = name_of_branches(trees.named[key], territories)
            below: dict[int, set[str]] = {b.id: set() for b in territories.tree.branches}
            for branch in reversed(territories.tree.branches):
                if branch.id in last:
                    below[branch.id].add(last[branch.id])
                if branch.parent is not None:
                    below[branch.parent] |= below[branch.id]
            self._below[key] = {b: frozenset(names) for b, names in below.items()}

    def of(self, key: str, branch: int, at: np.ndarray) -> str:
        """The name of a branch of a tree at a place (RAS, mm), e.g. ``right portal vein``."""
        if key == "portal_vein" and key in self._below:
            return self._portal(branch)
        if key == "hepatic_vein" and key in self._below:
            return self._hepatic(branch)
        name = structure(key).name.lower()
        beside = self._beside(at)
        return f"{name} beside the {beside}" if beside else f"{name}, branch {branch}"

    def _portal(self, branch: int) -> str:
        names = self._below["portal_vein"][branch]
        anatomical = {n for n in names if n in PORTAL_SECTIONS}
        if not anatomical:
            return f"portal vein, branch {branch}"
        sides = {n.split()[0] for n in anatomical if n != "caudate"}
        if len(anatomical) == 1:
            return f"{next(iter(anatomical))} portal branch"
        return f"{next(iter(sides))} portal vein" if len(sides) == 1 else "portal vein trunk"

    def _hepatic(self, branch: int) -> str:
        names = sorted(n for n in self._below["hepatic_vein"][branch] if n.endswith("hepatic vein"))
        if len(names) == 1:
            tree = self._trees.trees["hepatic_vein"]
            first = {b for n in self._trees.named["hepatic_vein"] for b in n.branches}
            stem = branch in first or tree.branch(branch).main
            return names[0] if stem else f"tributary of the {names[0]}"
        if len(names) > 2:
            return "common trunk of the hepatic veins"
        if len(names) == 2:
            words = [n.removesuffix(" hepatic vein") for n in names]
            return f"common trunk of the {' and '.join(words)} hepatic vein"
        return f"hepatic vein, branch {branch}"

    def _beside(self, at: np.ndarray) -> str | None:
        tree = self._trees.trees.get("portal_vein")
        if tree is None or "portal_vein" not in self._below:
            return None
        away = np.linalg.norm(tree.points - at, axis=1)
        if away.min() > BESIDE_MM:
            return None
        return self._portal(int(tree.branch_of[away.argmin()]))
