"""From a vessel mask to an oriented skeleton: points, radii, spanning forest, roots, branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from PreopReviewLib.nearest import nearest

MAX_ANISOTROPY = 1.5  # beyond it the mask is resampled first, because thinning does not know the spacing
SPUR_RADII = 1.2  # a side path shorter than this many radii (and two voxels) is not a branch
BRIDGE_MM = 3.0  # components closer than this are one tree
TRUNK_MM = 20.0
END_MM = 10.0
AROUND_STEPS = 4  # volume and length of a thin vessel are averaged over about so many voxels; 2 and 8 do as well
SIDE_BRANCH = 0.55  # of the thicker sibling's radius: below it the stem keeps its generation


@dataclass
class Skeleton:
    """Skeleton points of a mask.

    Attributes:
        voxels: (N, 3) K-J-I coordinates in the source image (fractional where it was resampled).
        points: (N, 3) the same in mm along K, J, I (for distances only).
        radius: (N,) mm.
        links: (E, 2) pairs of neighboring points.
        step: largest voxel side that was thinned on, mm.
    """

    voxels: np.ndarray
    points: np.ndarray
    radius: np.ndarray
    links: np.ndarray
    step: float


def skeletonize(mask: np.ndarray, spacing: np.ndarray) -> Skeleton:
    """Centerline points with radii (distance to the wall) of a K-J-I mask that is not empty.

    Thinning is 3-D medial-surface thinning of Lee 1994 (scikit-image). A mask whose voxels are more than 1.5
    times longer than wide is first interpolated to the smallest side.
    """
    from scipy.spatial import cKDTree
    from skimage.morphology import skeletonize as thin

    box, start = _cropped(mask)
    scale = np.ones(3)
    if spacing.max() > MAX_ANISOTROPY * spacing.min():
        box, scale = _isotropic(box, spacing)
    box = _without_holes(np.pad(box, 1))
    side = spacing / scale
    lines = thin(box)
    if not lines.any():  # thinning removes some blobs of a few voxels altogether
        lines = np.zeros_like(box)
        lines[tuple(np.argwhere(box).mean(0).round().astype(int))] = True
    grid = np.argwhere(lines)
    links = cKDTree(grid).query_pairs(1.74, output_type="ndarray")
    voxels = (grid - 1 + 0.5) / scale - 0.5 + start
    radius = _of_thin_vessels(_radii(box, grid, side), box, grid, side, links)
    return Skeleton(voxels, voxels * spacing, radius, links, float(side.max()))


def _without_holes(box: np.ndarray) -> np.ndarray:
    """A padded mask with the background that the outside does not reach filled: a hole would become a shell."""
    from cc3d import connected_components

    outside = connected_components(~box, connectivity=6)
    return outside != outside[0, 0, 0]


def _radii(box: np.ndarray, grid: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Distance from each skeleton point (n, 3) to the nearest voxel outside, mm.

    The largest of the point and its neighbors, because thinning leaves the axis by up to a voxel: on simulated
    trees the error is then 0.0 ± 0.3 mm at 1.25 mm spacing, against -0.1 ± 0.4 mm.
    """
    from edt import edt

    # (Of a boolean array edt is three times slower, and two threads only wait for each other on one this small.)
    distance = edt(box.view(np.uint8), anisotropy=tuple(side.tolist()), parallel=1)
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    around = np.moveaxis(grid + steps, -1, 0)  # the mask is padded, so that no neighbor is outside
    return distance[tuple(around)].max(0)


def _of_thin_vessels(
    radius: np.ndarray, box: np.ndarray, grid: np.ndarray, side: np.ndarray, links: np.ndarray
) -> np.ndarray:
    """The radii (n,) with those below two voxels taken, the more so the thinner, from volume and length around a point.

    Distances to the wall come in steps there, and no vessel has less than one voxel: on twelve phantoms of 2 mm voxels
    radii of 0.9, 1.3, 1.7 and 2.2 mm measure 2.1, 2.1, 2.2 and 2.7 mm by them, and 1.4, 1.7, 2.0 and 2.4 mm by this.
    """
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import cKDTree

    count = len(grid)
    by_wall = np.clip(radius / side.max() - 1, 0, 1)
    if count < 2 or (by_wall == 1).all():
        return radius
    points = grid * side
    owner = nearest(cKDTree(points), np.argwhere(box) * side)[1]
    volume = np.bincount(owner, minlength=count) * side.prod()
    length = np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1)
    chain = minimum_spanning_tree(coo_matrix((length, tuple(links.T)), shape=(count, count)).tocsr())
    chain = (chain + chain.T).tocoo()  # each point's half of the way to its neighbors, none counted twice at a corner
    along = np.bincount(chain.row, chain.data / 2, minlength=count)
    spread = coo_matrix((np.ones(len(chain.row)), (chain.row, chain.col)), shape=(count, count)) + identity(count)
    spread = (spread.multiply(1 / spread.sum(0))).tocsr()
    measured = along > 0
    for _ in range(AROUND_STEPS):
        volume, along = spread @ volume, spread @ along
    by_volume = np.sqrt(volume / np.pi / np.maximum(along, 1e-6))
    mixed = by_wall * radius + (1 - by_wall) * by_volume
    return np.where(measured, np.minimum(radius, mixed), radius)


def _cropped(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(int(p[0]), int(p[-1]) + 1) for p in places)
    return mask[box], np.array([s.start for s in box])


def _isotropic(box: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import distance_transform_edt, zoom

    counts = np.maximum(np.round(np.array(box.shape) * spacing / spacing.min()).astype(int), 1)
    scale = counts / np.array(box.shape)
    padded = np.pad(box, 1)  # signed distance, because interpolating the mask itself makes steps
    signed = distance_transform_edt(padded, sampling=spacing) - distance_transform_edt(~padded, sampling=spacing)
    fine = zoom(signed, (counts + 2 * scale) / np.array(padded.shape), order=1, grid_mode=True, mode="nearest") > 0
    margin = np.round((np.array(fine.shape) - counts) / 2).astype(int)
    fine = fine[tuple(slice(m, m + c) for m, c in zip(margin, counts, strict=True))]
    return fine, scale


@dataclass
class Forest:
    """The skeleton as oriented trees.

    Attributes:
        parent: (N,) parent point, -1 at roots.
        order: points, parents before children.
        tree: (N,) index of the tree of each point.
        roots: root point of each tree.
    """

    parent: np.ndarray
    order: np.ndarray
    tree: np.ndarray
    roots: list[int]


def spanning_forest(
    skeleton: Skeleton,
    choose_root: Callable[[np.ndarray, np.ndarray], int],
    joints: np.ndarray | None = None,
    bridge: bool = True,
) -> Forest:
    """Loop-free trees that keep the thick paths: minimum spanning forest by length over squared radius.

    Args:
        skeleton: the skeleton.
        choose_root: from the points of a tree and the end points among them to its root.
        joints: (J, 2) pairs of points that belong together across a gap (see `joining`).
        bridge: whether pieces whose walls are less than 3 mm apart are one tree.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

    count = len(skeleton.radius)
    bridges = _bridges(skeleton) if bridge else np.zeros((0, 2), int)
    links = np.concatenate([skeleton.links, bridges, np.zeros((0, 2), int) if joints is None else joints])
    a, b = links.T if len(links) else (np.zeros(0, int), np.zeros(0, int))
    length = np.linalg.norm(skeleton.points[a] - skeleton.points[b], axis=1)
    weight = length / np.minimum(skeleton.radius[a], skeleton.radius[b]) ** 2
    weight[len(skeleton.links) :] += 1e6  # a bridge is the last resort
    weight[len(skeleton.links) + len(bridges) :] += 1e9  # and a joint comes after it
    graph = minimum_spanning_tree(coo_matrix((weight, (a, b)), shape=(count, count)).tocsr())
    graph = graph + graph.T
    trees, tree = connected_components(graph, directed=False)
    degree = np.diff(graph.indptr)
    parent, order, roots = np.full(count, -1), [], []
    for members in np.split(np.argsort(tree, kind="stable"), np.cumsum(np.bincount(tree, minlength=trees))[:-1]):
        ends = members[degree[members] <= 1]
        root = choose_root(members, ends)
        path, before = breadth_first_order(graph, root, directed=False)
        parent[path[1:]] = before[path[1:]]
        order.append(path)
        roots.append(int(root))
    return Forest(parent, np.concatenate(order), tree, roots)


def _bridges(skeleton: Skeleton) -> np.ndarray:
    """(B, 2) links between pieces whose walls are less than 3 mm apart, from the ends of the pieces."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    count, none = len(skeleton.radius), np.zeros((0, 2), int)
    a, b = skeleton.links.T if len(skeleton.links) else (np.zeros(0, int), np.zeros(0, int))
    pieces, piece = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)
    if pieces == 1:
        return none
    ends = np.flatnonzero(np.bincount(np.concatenate([a, b]), minlength=count) <= 1)
    reach = BRIDGE_MM + skeleton.radius[ends] + skeleton.radius.max()
    neighbors = cKDTree(skeleton.points).query_ball_point(skeleton.points[ends], reach)
    source = np.repeat(ends, [len(f) for f in neighbors])
    target = np.concatenate([np.asarray(f, int) for f in neighbors]) if len(ends) else source
    gap = np.linalg.norm(skeleton.points[source] - skeleton.points[target], axis=1)
    gap -= skeleton.radius[source] + skeleton.radius[target]
    near = (piece[source] != piece[target]) & (gap < BRIDGE_MM)
    return np.stack([source[near], target[near]], 1)


def end_thickness(skeleton: Skeleton, members: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Radius (mm) of the vessel at each end (n,): median over the points within 10 mm, without much thinner ones.

    So neither the tip counts, which tapers, nor a twig beside it.
    """
    from scipy.spatial import cKDTree

    points, radius = skeleton.points[members], skeleton.radius[members]
    near = cKDTree(points).query_ball_point(skeleton.points[ends], END_MM)
    own = skeleton.radius[ends] / 2
    around = (radius[n] for n in near)
    return np.array([np.median(r[r >= least]) for r, least in zip(around, own, strict=True)])


@dataclass
class Branches:
    """Points grouped into branches, parents before children; arrays per branch.

    `of_point` is the branch of each point (side spurs belong to the branch they sit on); `trunk` is R0 of the
    branch's tree.
    """

    of_point: np.ndarray
    parent: np.ndarray
    tree: np.ndarray
    radius: np.ndarray
    length: np.ndarray
    generation: np.ndarray
    trunk: np.ndarray
    paths: list[np.ndarray]


def find_branches(skeleton: Skeleton, forest: Forest) -> Branches:
    """Branches between true bifurcations, with radius, length and generation (order)."""
    steps = np.linalg.norm(skeleton.points - skeleton.points[forest.parent], axis=1)
    steps[forest.parent < 0] = 0
    children = _real_children(skeleton, forest, steps)
    paths: list[np.ndarray] = []
    parent, tree = [], []
    of_point = np.full(len(steps), -1)
    for number, root in enumerate(forest.roots):
        stack = [(root, -1)]
        while stack:
            point, before = stack.pop()
            path = [point]
            while len(children[path[-1]]) == 1:
                path.append(children[path[-1]][0])
            of_point[path] = len(paths)
            stack += [(child, len(paths)) for child in reversed(children[path[-1]])]
            paths.append(np.array(path))
            parent.append(before)
            tree.append(number)
    for point in forest.order:  # spurs
        if of_point[point] < 0:
            of_point[point] = of_point[forest.parent[point]]
    radius = np.array([skeleton.radius[p[len(p) // 4 :]].mean() for p in paths])
    length = np.array([steps[p].sum() for p in paths])
    trunks = _trunk_radii(skeleton, forest, steps)[tree]
    generation = _generations(parent, radius)
    return Branches(of_point, np.array(parent), np.array(tree), radius, length, generation, trunks, paths)


def _real_children(skeleton: Skeleton, forest: Forest, steps: np.ndarray) -> list[list[int]]:
    """Children of each point without those that only lead to a spur."""
    reach = np.zeros(len(steps))
    for point in forest.order[::-1]:
        before = forest.parent[point]
        if before >= 0:
            reach[before] = max(reach[before], reach[point] + steps[point])
    children: list[list[int]] = [[] for _ in steps]
    for point in forest.order:
        if forest.parent[point] >= 0:
            children[forest.parent[point]].append(int(point))
    for point, below in enumerate(children):
        if len(below) > 1:
            least = SPUR_RADII * skeleton.radius[point] + 2 * skeleton.step
            real = [c for c in below if reach[c] + steps[c] > least]
            children[point] = real or [max(below, key=lambda c: reach[c] + steps[c])]
    return children


def _trunk_radii(skeleton: Skeleton, forest: Forest, steps: np.ndarray) -> np.ndarray:
    """R0 of each tree (T,), mm: the largest median radius of any 20 mm on a way from the root, or the first 10 to 20.

    Not of the first 20 mm, because a mask often begins with a thin rim: where a vein leaves the vena cava, or where a
    trunk is cut off obliquely.
    """
    way = np.zeros(len(steps))
    for point in forest.order:
        if forest.parent[point] >= 0:
            way[point] = way[forest.parent[point]] + steps[point]
    back = np.arange(len(steps))
    window = [skeleton.radius]
    while True:  # from each point towards the root, as far as 20 mm
        back = np.where(back >= 0, forest.parent[back], -1)
        inside = (back >= 0) & (way - way[back] <= TRUNK_MM)
        if not inside.any():
            break
        back = np.where(inside, back, -1)
        window.append(np.where(inside, skeleton.radius[back], np.nan))
    typical = np.nanmedian(np.stack(window), axis=0)
    longest = np.zeros(len(forest.roots))
    np.maximum.at(longest, forest.tree, way)
    full = way >= np.minimum(longest, TRUNK_MM / 2)[forest.tree] - 1e-9  # half, where the root lies between ends
    trunk = np.zeros(len(forest.roots))
    np.maximum.at(trunk, forest.tree[full], typical[full])
    return trunk


def _generations(parent: list[int], radius: np.ndarray) -> np.ndarray:
    """0 at roots, +1 at a true bifurcation; past a thin side branch the stem keeps its generation."""
    thickest: dict[int, list[float]] = {}
    for n, before in enumerate(parent):
        thickest.setdefault(before, []).append(radius[n])
    generation = np.zeros(len(parent), int)
    for n, before in enumerate(parent):
        if before < 0:
            continue
        siblings = np.array(thickest[before])
        large = siblings >= SIDE_BRANCH * siblings.max()
        stem = radius[n] == siblings.max() and large.sum() == 1
        generation[n] = generation[before] + (0 if stem else 1)
    return generation


def nearest_point(positions: np.ndarray, points: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """For each position (n, 3) the number of the point (N, 3) of least power distance d² − r² among four nearest."""
    from scipy.spatial import cKDTree

    k = min(4, len(points))
    distance, near = nearest(cKDTree(points), positions, k=k)
    distance, near = distance.reshape(-1, k), near.reshape(-1, k)
    best = (distance**2 - radii[near] ** 2).argmin(1)
    return near[np.arange(len(near)), best]
