"""Branches that someone has set to main or peripheral, carried over to a tree that was found again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from LiverPlannerLib.vessels.branches import Part, VesselTree, relabel

SAME_RADIUS_MM = 0.05


@dataclass(frozen=True)
class SetByHand:
    """A branch that someone has set to main or peripheral.

    Attributes:
        structure: key of its tree.
        branch: its number.
        radius_mm: by which it is recognized in a tree that was found again.
    """

    structure: str
    branch: int
    radius_mm: float
    part: Part


def set_by_hand(tree: VesselTree, decisions: Iterable[SetByHand]) -> tuple[VesselTree, int]:
    """The tree with the decisions on branches that are still the same, and how many decisions are on others."""
    own = [d for d in decisions if d.structure == tree.structure]
    radii = {b.id: b.radius_mm for b in tree.branches}
    same = [d for d in own if abs(radii.get(d.branch, -1.0) - d.radius_mm) < SAME_RADIUS_MM]
    return relabel(tree, {d.branch: d.part for d in same}), len(own) - len(same)
