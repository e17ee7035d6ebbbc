"""Branches of the tab Branches picked in the views: lit under the mouse, chosen in the table by a click."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import slicer

from LiverPlannerLib.panels.aiming import Aiming
from LiverPlannerLib.scene.click_edits import show_line
from LiverPlannerLib.vessels.aim import Sight
from LiverPlannerLib.vessels.branches import VesselTree

NEAR_MM = 1.5
"""So far outside a vessel's wall a slice view's mouse still points at it."""

PickedBranch = tuple[str, int]
"""Structure key and number of a branch."""


class BranchPicking:
    """Follows the mouse while the tab is open.

    Args:
        trees: gives the branches, by structure.
        over: called with the branch under the mouse, or None, when it changes.
        chosen: called with a branch that was clicked, and whether that was in 3D.
    """

    def __init__(
        self,
        trees: Callable[[], Mapping[str, VesselTree]],
        over: Callable[[PickedBranch | None], None],
        chosen: Callable[[PickedBranch, bool], None],
    ) -> None:
        self._trees, self._over, self._chosen = trees, over, chosen
        self._aiming = Aiming(self._on_move, self._on_click)
        self._light: Any | None = None
        self._lit: PickedBranch | None = None

    def watch(self, on: bool) -> None:
        """Begins, or ends."""
        if on:
            self._aiming.start()
        else:
            self._aiming.stop()
            self._show(None)

    def at(self, aimed: np.ndarray | Sight) -> PickedBranch | None:
        """The branch that the mouse points at; None where there is none."""
        trees = list(self._trees().items())
        if not sum(len(tree.points) for _key, tree in trees):
            return None
        points = np.concatenate([tree.points for _key, tree in trees])
        radii = np.concatenate([tree.radii for _key, tree in trees])
        if isinstance(aimed, Sight):
            hit = aimed.first(points, radii)
        else:
            outside = np.linalg.norm(points - aimed, axis=1) - radii
            hit = int(outside.argmin()) if outside.min() <= NEAR_MM else None
        if hit is None:
            return None
        for key, tree in trees:
            if hit < len(tree.points):
                return key, int(tree.branch_of[hit])
            hit -= len(tree.points)
        return None

    def _on_move(self, aimed: np.ndarray | Sight) -> None:
        self._show(self.at(aimed))

    def _on_click(self, aimed: np.ndarray | Sight) -> None:
        branch = self.at(aimed)
        if branch is not None:
            self._chosen(branch, isinstance(aimed, Sight))

    def _show(self, branch: PickedBranch | None) -> None:
        """Lights a branch up, and what lies downstream of it."""
        if branch == self._lit:
            return
        self._lit = branch
        self._over(branch)
        if branch is None:
            if self._light is not None and self._light.GetScene() is not None:
                self._light.GetDisplayNode().SetVisibility(False)
            return
        tree = self._trees()[branch[0]]
        points = np.flatnonzero(np.isin(tree.branch_of, tree.downstream(branch[1])))
        number = np.full(len(tree.points), -1)
        number[points] = np.arange(len(points))
        parents = tree.parent_point[points]
        links = np.stack([number[points], np.where(parents >= 0, number[parents], -1)], 1)
        links = links[(links >= 0).all(1)]
        self._light = show_line(slicer.mrmlScene, self._light, tree.points[points], tree.radii[points], links)
