"""Main and peripheral branches of a vessel or duct tree (Oh 2023, Table 3).

`main_branches` has the rule; the generation (order) is kept beside it, and a human can set any branch by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import structure as structure_of
from LiverPlannerLib.vessels.graph import (
    Branches,
    Forest,
    Skeleton,
    find_branches,
    nearest_point,
    skeletonize,
    spanning_forest,
)
from LiverPlannerLib.vessels.joining import Joint, find_joints
from LiverPlannerLib.vessels.main_branches import ALPHA, ALPHAS, Rule, decide
from LiverPlannerLib.vessels.roots import choose_end, root_preference, rooted_trees, veins_beyond_cava
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.images.geometry import box_of

Part = Literal["main", "peripheral"]

MAIN, PERIPHERAL = 1, 2  # values of the main image
UNCLASSIFIED = -1  # generation of pieces disconnected from the root


@dataclass(frozen=True)
class Branch:
    """One branch between bifurcations.

    Attributes:
        id: value in the branch image, from 1; parents come before children.
        parent: id of the branch it springs from, None at a root.
        tree: number of its tree, from 1.
        radius_mm: mean along the branch without its first quarter, which lies in the parent.
        length_mm: along the centerline.
        generation: 0 for the trunk; -1 for pieces disconnected from the root.
        main: main or peripheral branch.
        reason: why, in words.
        start, end: indices into the tree's nodes.
        ml: volume of its voxels.
        overridden: whether a human decided.
    """

    id: int
    parent: int | None
    tree: int
    radius_mm: float
    length_mm: float
    generation: int
    main: bool
    reason: str
    start: int
    end: int
    ml: float
    overridden: bool = False


@dataclass
class VesselTree:
    """Branches of one structure.

    Attributes:
        structure: key of the structure, or "".
        branches: by id.
        nodes: (n, 3) RAS positions, mm, of roots, bifurcations and ends.
        points: (N, 3) RAS centerline points; `radii` (N,) mm; `branch_of` (N,) branch ids; `parent_point` (N,).
        trunk_mm: trunk radius R0 of each tree.
        warnings: what a reader must know.
    """

    structure: str
    branches: list[Branch]
    nodes: np.ndarray
    points: np.ndarray
    radii: np.ndarray
    branch_of: np.ndarray
    parent_point: np.ndarray
    trunk_mm: list[float]
    warnings: list[str]
    _mask: sitk.Image = field(repr=False)
    _index: np.ndarray = field(repr=False)
    _branch_of_voxel: np.ndarray = field(repr=False)

    def branch(self, branch_id: int) -> Branch:
        """The branch with that id.

        Raises:
            InputError: there is none.
        """
        if not 1 <= branch_id <= len(self.branches):
            raise InputError(f"There is no branch {branch_id}", f"Branches are numbered 1 to {len(self.branches)}")
        return self.branches[branch_id - 1]

    def downstream(self, branch_id: int) -> list[int]:
        """Ids of the branch and of everything that springs from it."""
        ids = {self.branch(branch_id).id}
        for branch in self.branches:  # parents come first
            if branch.parent in ids:
                ids.add(branch.id)
        return sorted(ids)

    def centerline(self, branch_id: int) -> np.ndarray:
        """(n, 3) RAS points of one branch."""
        return self.points[self.branch_of == self.branch(branch_id).id]

    @property
    def main_share(self) -> float:
        """Share of the volume that is main."""
        total = sum(b.ml for b in self.branches)
        return sum(b.ml for b in self.branches if b.main) / total if total else 0.0

    @cached_property
    def branch_image(self) -> sitk.Image:
        """Branch ids (uint16) on the grid of the mask."""
        return self._painted(np.arange(len(self.branches) + 1, dtype=np.uint16))

    @cached_property
    def main_image(self) -> sitk.Image:
        """1 main, 2 peripheral, 0 outside (uint8)."""
        return self._painted(self._part_of_branch())

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return {
            "structure": self.structure,
            "main_share": self.main_share,
            "trunk_mm": self.trunk_mm,
            "branches": [asdict(b) for b in self.branches],
            "nodes_ras": self.nodes.round(3).tolist(),
            "warnings": self.warnings,
        }

    def _part_of_branch(self) -> np.ndarray:
        return np.array([0, *(MAIN if b.main else PERIPHERAL for b in self.branches)], np.uint8)

    def _painted(self, value_of_branch: np.ndarray) -> sitk.Image:
        array = np.zeros(self._mask.GetSize()[::-1], value_of_branch.dtype)
        array.reshape(-1)[self._index] = value_of_branch[self._branch_of_voxel]
        return images.image_like(array, self._mask)


def split_branches(
    mask: sitk.Image,
    structure: str = "",
    liver_mask: sitk.Image | None = None,
    ivc_mask: sitk.Image | None = None,
    roots_ras: np.ndarray | None = None,
    alpha: float | None = None,
    rule: Rule = "radius",
    overrides: dict[int, Part] | None = None,
) -> VesselTree:
    """Skeleton, branches, and which of them are main.

    Args:
        mask: not 0 is vessel.
        structure: ``portal_vein``, ``hepatic_vein`` or ``bile_duct`` choose how the root is found: the thick end
            nearest the liver's surface (portal vein; needs `liver_mask`), one root for each trunk, nearest the
            inferior vena cava or the dome (hepatic vein), the lowest thick end (bile duct); else the thickest end.
        liver_mask, ivc_mask: on the grid of `mask`.
        roots_ras: (n, 3) points, mm, that decide instead; each tree takes the nearest one within 25 mm.
        alpha: share of the trunk's radius that a main branch has at least; None is `ALPHAS`, or .6.
        rule: ``generation`` takes generations 0 and 1 for main instead.
        overrides: branch id to part.

    Raises:
        InputError: an empty mask, a mask that fills the image, an impossible alpha, an unknown override.
        GeometryError: masks on different grids.
    """
    alpha = ALPHAS.get(structure, ALPHA) if alpha is None else alpha
    if not 0 < alpha <= 1:
        raise InputError(f"The radius ratio {alpha:g} is out of range", "Give a number above 0 and up to 1")
    if structure:
        structure_of(structure)
    _require_mask(mask, liver_mask, ivc_mask)
    drawn = mask
    # Thinning depends on the order of the axes, and an answer must not depend on how a file stores its voxels.
    mask, liver_mask, ivc_mask = (
        m if m is None else images.orient(m, "LPS") for m in _cropped(mask, liver_mask, ivc_mask)
    )
    array = images.array_of(mask) != 0
    skeleton = skeletonize(array, images.spacing_kji(mask))
    points = images.kji_to_ras(skeleton.voxels, mask)
    preference = root_preference(structure, points, liver_mask, ivc_mask)

    def choose_root(members: np.ndarray, ends: np.ndarray) -> int:
        return choose_end(skeleton, points, members, ends, preference, roots_ras)

    forest, branches, rooted, joints = _joined_forest(skeleton, choose_root, structure)
    whole, branches = branches, veins_beyond_cava(branches, structure)
    tree = _on(drawn, _tree(mask, array, structure, skeleton, forest, branches, points, rooted, alpha, rule))
    tree.warnings += _joint_warnings(joints)
    if (whole.trunk != branches.trunk).any():
        tree.warnings.append(
            f"The hepatic vein mask has a trunk of {whole.trunk.max():.1f} mm radius, which is the inferior vena cava: "
            f"main is measured by the thickest vein that leaves it ({branches.trunk.max():.1f} mm)"
        )
    return relabel(tree, overrides) if overrides else tree


def relabel(tree: VesselTree, parts: dict[int, Part]) -> VesselTree:
    """The tree with branches set by hand; nothing else changes.

    Raises:
        InputError: an unknown branch or part.
    """
    branches = list(tree.branches)
    for branch_id, part in parts.items():
        if part not in ("main", "peripheral"):
            raise InputError(f"Branch {branch_id} cannot be set to {part!r}", "Use main or peripheral")
        old = tree.branch(branch_id)
        reason = f"set to {part} by hand (the rule said: {old.reason})"
        branches[branch_id - 1] = replace(old, main=part == "main", reason=reason, overridden=True)
    return replace(tree, branches=branches)


def transfer(tree: VesselTree, mask: sitk.Image) -> sitk.Image:
    """The tree's partition carried over to another mask of the same patient: 1 main, 2 peripheral, 0 outside.

    Each voxel takes the part of the branch that it is nearest to, as the tree's own voxels did. So reference and
    prediction are scored with one partition of space, and the DSC of the whole lies between those of the parts.
    The grids may differ.
    """
    array = images.array_of(mask) != 0
    result = np.zeros(array.shape, np.uint8)
    if array.any():
        places = np.argwhere(array)
        near = nearest_point(images.kji_to_ras(places, mask), tree.points, tree.radii)
        result[tuple(places.T)] = tree._part_of_branch()[tree.branch_of[near]]
    return images.image_like(result, mask)


def _cropped(*masks: sitk.Image | None) -> list[sitk.Image | None]:
    """The masks in the box that holds them all: a scan is several times as large, and so are distances in it."""
    boxes = [box for m in masks if m is not None and (box := box_of(images.array_of(m) != 0, margin=2)) is not None]
    start = tuple(min(box[axis].start for box in boxes) for axis in range(3))
    stop = tuple(max(box[axis].stop for box in boxes) for axis in range(3))
    near = images.Box(start, stop)  # type: ignore[arg-type]
    return [m if m is None else images.crop(m, near) for m in masks]


def _joined_forest(
    skeleton: Skeleton, choose_root: Callable[[np.ndarray, np.ndarray], int], structure: str
) -> tuple[Forest, Branches, np.ndarray, list[Joint]]:
    """Trees with their branches, which of them have a root, and the gaps that were closed."""
    forest = spanning_forest(skeleton, choose_root)
    branches = find_branches(skeleton, forest)
    rooted = rooted_trees(branches, structure)
    joints = find_joints(skeleton, forest, rooted)
    if joints:
        forest = spanning_forest(skeleton, choose_root, np.array([(j.end, j.target) for j in joints]))
        branches = find_branches(skeleton, forest)
        rooted = rooted_trees(branches, structure)
    return forest, branches, rooted, joints


def _joint_warnings(joints: list[Joint]) -> list[str]:
    if not joints:
        return []
    gap = max(j.gap_mm for j in joints)
    return [
        f"{len(joints)} loose piece(s) were joined to the branches that they most plausibly continue, "
        f"across gaps of up to {gap:.0f} mm"
    ]


def _on(mask: sitk.Image, tree: VesselTree) -> VesselTree:
    """The tree with its voxels as the mask, on the same lattice, stores them."""
    if images.same_grid(mask, tree._mask):
        return replace(tree, _mask=mask)
    ids = images.array_of(images.onto_grid(tree.branch_image, mask).labels).ravel()
    index = np.flatnonzero(ids)
    return replace(tree, _mask=mask, _index=index, _branch_of_voxel=ids[index].astype(np.int64))


def _require_mask(mask: sitk.Image, *others: sitk.Image | None) -> None:
    for other in others:
        if other is not None and not images.same_grid(mask, other):
            raise GeometryError("The masks are not on one grid", "Resample them to the vessel mask first")
    array = images.array_of(mask) != 0
    filled = np.count_nonzero(array) / array.size
    if filled == 0:
        raise InputError("The vessel mask is empty", "Check the label image and its values")
    if filled > 0.5 and array.size > 1000:
        raise InputError(f"The vessel mask fills {100 * filled:.0f} % of the image", "Check that it is a vessel mask")


def _tree(
    mask: sitk.Image,
    array: np.ndarray,
    structure: str,
    skeleton: Skeleton,
    forest: Forest,
    branches: Branches,
    points: np.ndarray,
    rooted: np.ndarray,
    alpha: float,
    rule: Rule,
) -> VesselTree:
    index = np.flatnonzero(array)
    voxels = np.stack(np.unravel_index(index, array.shape), 1)
    near = nearest_point(images.kji_to_ras(voxels, mask), points, skeleton.radius)
    of_voxel = branches.of_point[near] + 1
    ml = np.bincount(of_voxel, minlength=len(branches.radius) + 1)[1:] * images.voxel_ml(mask)
    tree_branches, node_points = _numbered(branches, ml, rooted, alpha, rule)
    trunks = [float(branches.trunk[branches.tree == t][0]) for t in range(len(rooted))]
    return VesselTree(
        structure,
        tree_branches,
        points[node_points],
        points,
        skeleton.radius,
        branches.of_point + 1,
        forest.parent,
        trunks,
        _warnings(tree_branches, rooted),
        mask,
        index,
        of_voxel,
    )


def _numbered(
    branches: Branches, ml: np.ndarray, rooted: np.ndarray, alpha: float, rule: Rule
) -> tuple[list[Branch], np.ndarray]:
    """The branches with numbers from 1 on, and the skeleton points that are nodes, which they begin and end at.

    Args:
        ml: volume of each branch.
        rooted: of each tree, whether it has a root.
    """
    ends = np.array(
        [
            (branches.paths[max(p, 0)][-1] if p >= 0 else path[0], path[-1])
            for p, path in zip(branches.parent, branches.paths, strict=True)
        ]
    )
    node_points, node_of = np.unique(ends, return_inverse=True)
    node_of = node_of.reshape(ends.shape)
    tree_branches = []
    for n, (main, reason) in enumerate(decide(branches, ml, rooted, alpha, rule)):
        tree_branches.append(
            Branch(
                id=n + 1,
                parent=int(branches.parent[n]) + 1 if branches.parent[n] >= 0 else None,
                tree=int(branches.tree[n]) + 1,
                radius_mm=float(branches.radius[n]),
                length_mm=float(branches.length[n]),
                generation=int(branches.generation[n]) if rooted[branches.tree[n]] else UNCLASSIFIED,
                main=main,
                reason=reason,
                start=int(node_of[n, 0]),
                end=int(node_of[n, 1]),
                ml=float(ml[n]),
            )
        )
    return tree_branches, node_points


def _warnings(branches: list[Branch], rooted: np.ndarray) -> list[str]:
    loose = int((~rooted).sum())
    if not loose:
        return []
    ml, main = (sum(b.ml for b in branches if not rooted[b.tree - 1] and b.main >= only) for only in (False, True))
    thick = f"; {main:.2f} ml of them are thick enough to be main, the others" if main else " and"
    return [f"{loose} piece(s), {ml:.2f} ml, are disconnected from the root{thick} count as peripheral"]
