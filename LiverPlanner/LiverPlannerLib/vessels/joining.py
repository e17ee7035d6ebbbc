"""Loose pieces of a vessel tree joined to the branch that they most plausibly continue: direction, radius, gap.

Networks and thick slices leave veins in pieces. A piece is entered where a thick end of it (or a fork whose stem is
lost) points at a branch that is at least as thick, or at the end of one that points back; a piece that continues
nothing is left loose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LiverPlannerLib.vessels.graph import Forest, Skeleton

GAP_MM = 25.0
"""Longest gap between two walls that is looked across: center lines end a radius before a thick trunk does."""
MOST_COST = 30.0
"""mm of straight gap that gap, bends and steps in radius may amount to. Chosen with the weights below on gaps of 6 mm
in 32 branches of two labeled patients; `python -m Testing.Benchmarks territories` measures them on more."""
SIDE_COST, SIDE_SHARE = 4.0, 0.4
"""What it costs, in mm and as a share of the gap, to leave the side of a branch and not its end."""
RADIUS_COST, WRONG_END_COST = 5.0, 8.0
"""mm by unit of the logarithm of the radii: of a step at the joint, and of entering at an end that is not thick."""
NEAR_MM = 10.0
"""Points of a tree so near to one of its points say where that one points: away from their middle."""
BLUNT_COST = 10.0
"""mm, for a point that points nowhere, since its tree goes on to both sides."""
LEAST_ENDNESS, LEAST_COSINE = 0.4, 0.2
OWN_ROOT_MM = 15.0
"""A tree whose trunk comes this close to another's root does not continue it: both enter the vena cava."""
OWN_ROOT_COST = 15.0


@dataclass(frozen=True)
class Joint:
    """A gap that was closed.

    Attributes:
        end, target: skeleton points on both sides; the flow crosses from `target` to `end` or back.
        gap_mm: between the walls.
        cost: mm, how implausible.
    """

    end: int
    target: int
    gap_mm: float
    cost: float


def find_joints(skeleton: Skeleton, forest: Forest, rooted: np.ndarray) -> list[Joint]:
    """The joints that make loose trees part of others, the most plausible ones first.

    Args:
        skeleton: points.
        forest: its trees.
        rooted: (T,) whether each tree has a root of its own. The largest one keeps it; another rooted one is joined
            only where it continues a branch far from that branch's root.
    """
    trees = len(rooted)
    if trees == 1:
        return []
    candidates = _candidates(skeleton, forest, _look_around(skeleton, forest))
    if not candidates:
        return []
    depth = _way_to_root(skeleton, forest)
    size = np.bincount(forest.tree, weights=skeleton.radius**2, minlength=trees)
    joined = np.zeros(trees, bool)
    joined[np.flatnonzero(rooted)[size[rooted].argmax()]] = True
    keeps_root = rooted & ~_continues(candidates, forest, rooted, depth)
    joined |= keeps_root
    joints: list[Joint] = []
    candidates.sort(key=lambda j: j.cost)
    while True:  # as a minimum spanning tree grows: a piece may join a piece that joins the tree
        for joint in candidates:
            if not joined[forest.tree[joint.end]] and joined[forest.tree[joint.target]]:
                break
        else:
            return joints
        joined[forest.tree[joint.end]] = True
        joints.append(joint)


def _continues(candidates: list[Joint], forest: Forest, rooted: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which rooted trees are rather the outer part of another one."""
    continues = np.zeros(len(rooted), bool)
    for joint in candidates:
        if joint.cost <= OWN_ROOT_COST and depth[joint.target] > OWN_ROOT_MM:
            continues[forest.tree[joint.end]] = True
    return continues


def _way_to_root(skeleton: Skeleton, forest: Forest) -> np.ndarray:
    """Length of the center line from each point to its root, mm."""
    way = np.zeros(len(forest.parent))
    for point in forest.order:
        before = forest.parent[point]
        if before >= 0:
            way[point] = way[before] + np.linalg.norm(skeleton.points[point] - skeleton.points[before])
    return way


@dataclass(frozen=True)
class _Surroundings:
    """Of each point: the unit vector (N, 3) away from the points of its tree around it, how much of an end it is (0 to
    1), and the radius of the vessel there, without the tapering tip."""

    away: np.ndarray
    endness: np.ndarray
    radius: np.ndarray


def _look_around(skeleton: Skeleton, forest: Forest) -> _Surroundings:
    from scipy.spatial import cKDTree

    away, radius = np.zeros_like(skeleton.points), skeleton.radius.copy()
    for tree in range(len(forest.roots)):
        members = np.flatnonzero(forest.tree == tree)
        points = skeleton.points[members]
        for n, near in zip(members, cKDTree(points).query_ball_point(points, NEAR_MM), strict=True):
            away[n] = skeleton.points[n] - points[near].mean(0)
            radius[n] = np.median(skeleton.radius[members[near]])
    length = np.linalg.norm(away, axis=1)
    endness = np.clip(length / (NEAR_MM / 2), 0, 1)  # at the end of a straight line the middle is 5 mm away
    return _Surroundings(away / np.maximum(length, 1e-9)[:, None], endness, np.maximum(radius, skeleton.radius))


def _candidates(skeleton: Skeleton, forest: Forest, around: _Surroundings) -> list[Joint]:
    """For each tree and each other one the cheapest pair of points in reach."""
    from scipy.spatial import cKDTree

    trees = len(forest.roots)
    thickest = np.zeros(trees)
    np.maximum.at(thickest, forest.tree, around.radius)
    search = cKDTree(skeleton.points)
    small = np.bincount(forest.tree, minlength=trees) <= 3
    best: dict[tuple[int, int], Joint] = {}
    entries = np.flatnonzero((around.endness >= LEAST_ENDNESS) | small[forest.tree])
    reach = search.query_ball_point(skeleton.points[entries], GAP_MM + skeleton.radius[entries] + thickest.max())
    for end, near in zip(entries.tolist(), reach, strict=True):
        tree = int(forest.tree[end])
        targets = np.asarray(near, int)
        targets = targets[forest.tree[targets] != tree]
        if not len(targets):
            continue
        gap, cost = _costs(skeleton, around, end, targets)
        cost += WRONG_END_COST * np.log(thickest[tree] / around.radius[end])
        for n in np.flatnonzero((cost <= MOST_COST) & (gap <= GAP_MM)):
            pair = (tree, int(forest.tree[targets[n]]))
            if pair not in best or cost[n] < best[pair].cost:
                best[pair] = Joint(end, int(targets[n]), float(gap[n]), float(cost[n]))
    return list(best.values())


def _costs(skeleton: Skeleton, around: _Surroundings, end: int, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gap between the walls, and how implausible it is that a vessel goes on from each target into a point, mm."""
    way = skeleton.points[targets] - skeleton.points[end]
    length = np.maximum(np.linalg.norm(way, axis=1), 1e-6)
    way /= length[:, None]
    gap = np.maximum(length - around.radius[end] - around.radius[targets], 0.0)
    straight = way @ around.away[end]
    back = -(way * around.away[targets]).sum(1)
    ratio = np.log(around.radius[end] / around.radius[targets])
    cost = gap + 1.5 * length * (1 - straight) + BLUNT_COST * (1 - around.endness[end])
    as_end = 0.75 * length * (1 - back) + RADIUS_COST * np.abs(ratio) + BLUNT_COST * (1 - around.endness[targets])
    as_side = SIDE_COST + SIDE_SHARE * gap + 2 * RADIUS_COST * np.maximum(ratio, 0.0)
    cost = cost + np.minimum(as_end, as_side)
    return gap, np.where(straight < LEAST_COSINE, np.inf, cost)
