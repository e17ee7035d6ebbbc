"""Which branch feeds or drains each voxel of the liver; territories at any depth of a tree add up to the whole liver.

A voxel is owned by the nearest point of a center line (`owners`). Where that point lies on a branch with branches of
its own, the voxel goes on to the nearest of those, down to a last branch: so the territory of a branch is that of all
last branches downstream of it, territories of one depth add up to the liver, and those of the next to each of them.
Loose pieces that continue no branch own nothing, unless they are so large that they must be a stem of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.territories.owners import AT_ONCE, Voxels, owners
from LiverPlannerLib.vessels.branches import UNCLASSIFIED, VesselTree
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, NothingFound
from PreopReviewLib.images.geometry import Slices, box_of
from PreopReviewLib.nearest import nearest

MODEL_NOTE = (
    "Territories are a model: each liver voxel belongs to the segmented branch that is nearest inside the liver, so "
    "they depend on how deep the branches were segmented."
)
STEM_SHARE = 0.1
"""A loose piece of this share of the tree's volume is not a twig: it keeps a territory of its own."""


@dataclass
class Territories:
    """Owners of all liver voxels in one tree.

    Attributes:
        tree: portal vein: what is fed; hepatic vein: what is drained.
        grid: image whose grid the liver lies on.
        box: of the grid, around the liver.
        liver: (K, J, I) boolean, in the box.
        point: (n,) index of the owning center-line point of each liver voxel, in the order of `np.argwhere(liver)`.
        last: (n,) id of the last branch that each voxel belongs to.
        warnings: what a reader must know.
    """

    tree: VesselTree
    grid: sitk.Image = field(repr=False)
    box: Slices
    liver: np.ndarray = field(repr=False)
    point: np.ndarray = field(repr=False)
    last: np.ndarray = field(repr=False)
    warnings: list[str] = field(default_factory=list)

    @property
    def liver_ml(self) -> float:
        """Of all voxels."""
        return len(self.last) * images.voxel_ml(self.grid)

    @cached_property
    def ml(self) -> np.ndarray:
        """(branches + 1,) ml of each branch with everything downstream, by id; 0 for id 0."""
        total = np.bincount(self.last, minlength=len(self.tree.branches) + 1) * images.voxel_ml(self.grid)
        for branch in reversed(self.tree.branches):  # parents come first
            if branch.parent is not None:
                total[branch.parent] += total[branch.id]
        return total

    def share(self, branch_id: int) -> float:
        """Of the liver that a click on the branch takes, 0 to 1."""
        return float(self.ml[self.tree.branch(branch_id).id] / self.liver_ml)

    def taken(self, branch_ids: Sequence[int]) -> np.ndarray:
        """(n,) boolean, the voxels of the territories of branches, each with everything downstream."""
        chosen = np.zeros(len(self.tree.branches) + 1, bool)
        for branch_id in branch_ids:
            chosen[self.tree.downstream(branch_id)] = True
        return chosen[self.last]

    def groups_at(self, depth: int) -> list[int]:
        """The branches whose territories divide the liver at a depth: of that generation, or last ones before it.

        Raises:
            InputError: a negative depth.
        """
        if depth < 0:
            raise InputError(
                f"depth must not be negative, got {depth}", "Give 0 for whole trees, 1, 2, … for their branches"
            )
        parents = {b.parent for b in self.tree.branches}
        reached: set[int] = set()
        groups = []
        for b in self.tree.branches:
            if b.parent in reached:
                reached.add(b.id)
            elif b.generation >= depth or b.id not in parents or b.generation == UNCLASSIFIED:
                reached.add(b.id)
                groups.append(b.id)
        return [g for g in groups if self.ml[g] > 0]

    def image_of(self, groups: Sequence[int]) -> sitk.Image:
        """Label image (uint16) with the id of the group that each liver voxel belongs to; 0 outside, and in none."""
        value = np.zeros(len(self.tree.branches) + 1, np.uint16)
        for group in groups:
            value[self.tree.downstream(group)] = group
        return self.image(value[self.last])

    def image(self, values: np.ndarray) -> sitk.Image:
        """An image on the grid with one value for each liver voxel (n,), 0 elsewhere."""
        inside = np.zeros(self.liver.shape, values.dtype)
        inside[self.liver] = values
        whole = np.zeros(self.grid.GetSize()[::-1], values.dtype)
        whole[self.box] = inside
        return images.image_like(whole, self.grid)


def find_territories(labels: sitk.Image, tree: VesselTree, inside: np.ndarray | None = None) -> Territories:
    """The owner of every liver voxel.

    Args:
        labels: values of the table of structures; vessels in the liver belong to it.
        tree: found in these labels; any tree, or one on another grid of the same patient.
        inside: (K, J, I), of `inside_liver`, where it is known already.

    Raises:
        NothingFound: there is no liver, or the tree has no branch that could own anything.
        GeometryError: `inside` does not fit the labels.
    """
    inside = inside_liver(labels) if inside is None else inside
    if inside.shape != labels.GetSize()[::-1]:
        raise GeometryError("The liver and the labels differ in size", "Take both from one image")
    box = box_of(inside)
    if box is None:
        raise NothingFound("There is no liver in the label image", "Check its values: the liver is 1")
    owning, warnings = _owning_branches(tree)
    liver = inside[box]
    spacing = images.spacing_kji(labels)
    chosen = np.flatnonzero(np.isin(tree.branch_of, owning))
    points = images.ras_to_kji(tree.points[chosen], labels) - [s.start for s in box]
    vessel = images.array_of(labels)[box] != 0
    point = chosen[owners(liver, spacing, points, tree.radii[chosen], vessel)].astype(np.int32)
    last = _last_branches(tree, point, Voxels(liver), spacing, points * spacing, chosen)
    return Territories(tree, labels, box, liver, point, last, warnings)


def _owning_branches(tree: VesselTree) -> tuple[list[int], list[str]]:
    """Ids of the branches that may own parenchyma, and warnings about the others."""
    by_tree: dict[int, float] = {}
    for b in tree.branches:
        by_tree[b.tree] = by_tree.get(b.tree, 0.0) + b.ml
    loose = {b.tree for b in tree.branches if b.generation == UNCLASSIFIED}
    whole = sum(by_tree.values())
    stems = {t for t in loose if by_tree[t] >= STEM_SHARE * whole}
    lost = loose - stems
    warnings = []
    if lost:
        ml = sum(by_tree[t] for t in lost)
        warnings.append(
            f"{len(lost)} loose piece(s) of {ml:.2f} ml of vessel continue no branch and get no territory: what they "
            "supply went to their neighbors"
        )
    if stems:
        ml = sum(by_tree[t] for t in stems)
        warnings.append(
            f"{len(stems)} piece(s) of {ml:.1f} ml of vessel are disconnected from the root and count as separate "
            "stems; the segmentation may be interrupted"
        )
    owning = [b.id for b in tree.branches if b.tree not in lost]
    if not owning:
        raise NothingFound("The tree has no branch with a root", "Correct the segmentation of the vessel")
    return owning, warnings


def _last_branches(
    tree: VesselTree,
    point: np.ndarray,
    voxels: Voxels,
    spacing: np.ndarray,
    points: np.ndarray,
    chosen: np.ndarray,
) -> np.ndarray:
    """(n,) the last branch of each voxel: from its owning point downwards, always to the nearest point.

    Args:
        point: (n,) owning points.
        points: (m, 3) mm, of the tree's points `chosen`.
    """
    from scipy.spatial import cKDTree

    parents = {b.parent for b in tree.branches if b.parent is not None}
    branch_of = tree.branch_of[chosen]
    last_of_point = tree.branch_of.astype(np.int32).copy()  # of each point, made from the ends upwards
    owner = tree.branch_of[point]
    last = owner.astype(np.int32)
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(len(tree.branches) + 2))
    for branch in reversed(tree.branches):
        if branch.id not in parents:
            continue
        below = np.isin(branch_of, tree.downstream(branch.id)[1:])
        if not below.any():
            continue
        search = cKDTree(points[below])
        further = last_of_point[chosen[below]]
        own = branch_of == branch.id
        last_of_point[chosen[own]] = further[search.query(points[own])[1]]
        mine = order[bounds[branch.id] : bounds[branch.id + 1]]
        for first in range(0, len(mine), AT_ONCE):
            some = mine[first : first + AT_ONCE]
            last[some] = further[nearest(search, voxels[some] * spacing)[1]]
    return last
