"""Which points of a vessel tree are cut off from its root, and where the cut crosses the vessel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LiverPlannerLib.vessels.branches import VesselTree

NEAR_MM = 3.0
"""Along the center line to both sides of a crossing, the diameter is the mean over so much."""


@dataclass(frozen=True)
class Crossing:
    """One place where the cut goes through a vessel or duct.

    Attributes:
        structure: key.
        branch: id in its tree.
        name: what people call it.
        diameter_mm: twice the distance from the center line to the wall there.
        at_ras: mm.
        territory_ml: what its branch feeds or drains with everything downstream; None for ducts and arteries.
    """

    structure: str
    branch: int
    name: str
    diameter_mm: float
    at_ras: tuple[float, float, float]
    territory_ml: float | None


class Flow:
    """A tree as flow sees it: each point with its way to the root.

    Args:
        tree: any vessel or duct.
    """

    def __init__(self, tree: VesselTree) -> None:
        self.tree = tree
        self.parent = np.asarray(tree.parent_point)
        self.step = np.linalg.norm(tree.points - tree.points[self.parent], axis=1)
        self.step[self.parent < 0] = 0.0
        self._ancestors = _doubled(self.parent)

    def cut(self, taken: np.ndarray) -> np.ndarray:
        """(N,) which points are really taken: a cut that only shaves the wall of a vessel does not sever it.

        A run of taken points that is shorter than the vessel's radius, and after which the vessel goes on in the
        remnant, counts as shaved.

        Args:
            taken: (N,) whether each point lies in what is resected.
        """
        if not taken.any():
            return taken
        inner = taken & (self.parent >= 0) & taken[self.parent]
        up = np.where(inner, self.parent, np.arange(len(taken)))  # within its run, to the point that is first
        length = np.where(inner, self.step, 0.0)
        while True:
            further = up[up]
            if np.array_equal(further, up):
                break
            length = length + length[up]
            up = further
        run = np.where(taken, up, -1)
        longest, widest = np.zeros(len(taken)), np.zeros(len(taken))
        np.maximum.at(longest, run[taken], length[taken])
        np.maximum.at(widest, run[taken], self.tree.radii[taken])
        goes_on = np.zeros(len(taken), bool)
        out = np.flatnonzero(~taken & (self.parent >= 0))
        out = out[taken[self.parent[out]]]
        goes_on[run[self.parent[out]]] = True
        shaved = goes_on & (longest < widest) & (self.parent >= 0)
        return taken & ~shaved[np.maximum(run, 0)]

    def lost(self, cut: np.ndarray) -> np.ndarray:
        """(N,) which points are cut, or have a cut between them and the root."""
        lost = cut.copy()
        for ancestor in self._ancestors:
            lost |= lost[ancestor]
        return lost

    def crossings(self, cut: np.ndarray) -> list[tuple[int, float]]:
        """Points on the far side of each crossing, and the diameter there, mm; `cut` of each point (n,): resected."""
        there = np.flatnonzero((self.parent >= 0) & (cut != cut[self.parent]))
        return [(int(point), self._diameter(int(point))) for point in there]

    def _diameter(self, point: int) -> float:
        same = np.flatnonzero(self.tree.branch_of == self.tree.branch_of[point])
        middle = (self.tree.points[point] + self.tree.points[self.parent[point]]) / 2
        near = same[np.linalg.norm(self.tree.points[same] - middle, axis=1) <= NEAR_MM]
        return 2 * float(self.tree.radii[near if len(near) else [point]].mean())


def _doubled(parent: np.ndarray) -> list[np.ndarray]:
    """The ancestors of every point 1, 2, 4, 8, … steps up; roots are their own."""
    step = np.where(parent < 0, np.arange(len(parent)), parent)
    steps = []
    while True:
        steps.append(step)
        further = step[step]
        if np.array_equal(further, step):
            return steps
        step = further
