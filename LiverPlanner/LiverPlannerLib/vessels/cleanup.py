"""Post-processing of vessel trees as named steps, each usable alone.

- `hysteresis`: gaps. A vessel is kept down to a low probability where it is connected to one of high probability.
- `drop_islands`: islands. Small components go unless they lie close to the main tree.
- `separate_trees`: portal and hepatic veins that touch or change their name on the way are told apart along the
  branches of their common center line: the evidence of a whole branch decides, neighbors agree unless the evidence
  is strong, the more so the thicker they are; branches at the vena cava are hepatic.
- `carried_on`: where touching is chance, only what is sure is named, and its names go on along the rest.
- `half_contrast` and `regrown`: edges. A vessel ends where the image has fallen to a share of the vessel's own
  contrast, and goes on where it has not.

All work on arrays (K, J, I) with the spacing of their axes in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Spacing = Sequence[float]
TYPICAL_RADIUS_MM = 2.5
GROWTH = 0.7
"""Power of a branch's length with which its evidence grows. It and the price were chosen on 16 phantoms and two CTs of
3D-IRCADb; on the phantoms, powers of .3 to 1 and prices of 1 to 16 change the share of right names by .02 only."""


@dataclass(frozen=True)
class Branches:
    """The center line of a vessel mask, cut at its forks.

    Attributes:
        voxels: (N, 3) center-line voxels.
        branch: (N,) number of the branch each belongs to.
        links: (M, 2) pairs of branches that meet.
    """

    voxels: np.ndarray
    branch: np.ndarray
    links: np.ndarray

    @property
    def count(self) -> int:
        return int(self.branch.max()) + 1 if len(self.branch) else 0


def hysteresis(probability: np.ndarray, high: float = 0.5, low: float = 0.3) -> np.ndarray:
    """Voxels above `low` that connect (26 neighbors) through such voxels to one above `high`."""
    import cc3d

    parts = cc3d.connected_components(np.require(probability > low, requirements="CW"), connectivity=26)
    kept = np.zeros(int(parts.max()) + 1, bool)
    kept[np.unique(parts[probability > high])] = True
    kept[0] = False
    return kept[parts]


def drop_islands(
    mask: np.ndarray,
    spacing: Spacing,
    least_ml: float = 0.1,
    near_mm: float = 3.0,
    near_ml: float = 0.02,
    keep_largest: bool = True,
) -> np.ndarray:
    """The mask without components below `least_ml`, unless they are within `near_mm` of the largest one.

    Args:
        near_ml: components below this go even beside the main tree.
        keep_largest: the largest stays however small it is (a tree has one; lesions have none).
    """
    import cc3d
    import edt

    parts, count = cc3d.connected_components(np.require(mask, requirements="CW"), connectivity=26, return_N=True)
    if count == 0:
        return mask.copy()
    volume = np.bincount(parts.ravel(), minlength=count + 1) * (float(np.prod(spacing)) / 1000)
    volume[0] = 0
    kept = volume >= least_ml
    kept[volume.argmax()] |= keep_largest
    doubtful = np.flatnonzero((volume >= near_ml) & ~kept)
    if len(doubtful):
        away = edt.edt(np.require(parts != volume.argmax(), requirements="CW"), anisotropy=tuple(spacing), parallel=1)
        candidates = np.isin(parts, doubtful)
        nearest = np.full(count + 1, np.inf)
        np.minimum.at(nearest, parts[candidates], away[candidates])
        kept |= (nearest <= near_mm) & (volume >= near_ml)
    kept[0] = False
    return kept[parts]


def vessel_contrast(vessel: np.ndarray, image: np.ndarray, parenchyma: np.ndarray) -> float:
    """Median difference to the parenchyma in the middle of a tree; 0 if it is below one standard deviation.

    Args:
        vessel: bool (K, J, I), one tree.
        image: lightly smoothed, same shape.
        parenchyma: its local mean there, same shape.
    """
    from scipy import ndimage

    if not vessel.any():
        return 0.0
    depth = ndimage.distance_transform_cdt(vessel, "taxicab")
    middle = depth >= min(3, int(depth.max()))
    above = image[middle] - parenchyma[middle]
    contrast = float(np.median(above))
    spread = 1.4826 * float(np.median(np.abs(above - contrast)))
    return contrast if abs(contrast) > spread else 0.0


def half_contrast(
    vessel: np.ndarray, image: np.ndarray, parenchyma: np.ndarray, contrast: float, share: float = 0.3
) -> np.ndarray:
    """The vessel's voxels that have at least `share` of its contrast against the parenchyma beside it.

    Args:
        vessel, image, parenchyma: as for `vessel_contrast`.
        contrast: what it says; bright and dark vessels alike. 0 cuts nothing.
    """
    if contrast == 0:
        return vessel.copy()
    out = vessel.copy()
    out[vessel] = (image[vessel] - parenchyma[vessel]) / contrast >= share
    return out


def regrown(
    vessel: np.ndarray,
    image: np.ndarray,
    parenchyma: np.ndarray,
    contrast: float,
    allowed: np.ndarray,
    spacing: Spacing,
    share: float = 0.5,
    reach_mm: float = 3.0,
) -> np.ndarray:
    """The vessel and what goes on from it, within `reach_mm`, with at least `share` of its contrast.

    Args:
        vessel, image, parenchyma, contrast: as for `half_contrast`.
        allowed: bool (K, J, I), where it may grow.
    """
    import edt
    from scipy import ndimage

    if contrast == 0 or not vessel.any():
        return vessel.copy()
    near = edt.edt((~vessel).view(np.uint8), anisotropy=tuple(spacing), parallel=1) <= reach_mm
    like = near & allowed
    like[like] = (image[like] - parenchyma[like]) / contrast >= share
    return ndimage.binary_propagation(vessel, np.ones((3, 3, 3), bool), mask=like | vessel)


def find_branches(mask: np.ndarray) -> Branches:
    """Thin the mask (Lee's 3D thinning), cut the center line at its forks, and note which branches meet."""
    from scipy import ndimage
    from skimage.morphology import skeletonize

    line = skeletonize(mask) > 0
    neighbors = ndimage.convolve(line.astype(np.uint8), np.ones((3, 3, 3), np.uint8), mode="constant") - 1
    forks = line & (neighbors > 2)
    around = np.ones((3, 3, 3), bool)
    parts, count = ndimage.label(line & ~forks, around)
    knots, knot_count = ndimage.label(forks, around)
    voxels = np.argwhere(line)
    branch = parts[line].astype(int) - 1
    at_fork = branch < 0
    branch[at_fork] = count + knots[line][at_fork] - 1
    return Branches(voxels, branch, _links(parts, knots, count) if count + knot_count else np.zeros((0, 2), int))


def _links(parts: np.ndarray, knots: np.ndarray, count: int) -> np.ndarray:
    names = np.where(parts > 0, parts, 0) + np.where(knots > 0, knots + count, 0)
    links = []
    inner = tuple(slice(1, -1) for _ in range(3))
    padded = np.pad(names, 1)
    center = padded[inner]
    for shift in np.ndindex(3, 3, 3):
        moved = padded[tuple(slice(s, s + n) for s, n in zip(shift, names.shape, strict=True))]
        meet = (center > 0) & (moved > center)
        links.append(np.stack([center[meet], moved[meet]], 1))
    return np.unique(np.concatenate(links), axis=0) - 1


def separate_trees(
    vessel: np.ndarray,
    portal: np.ndarray,
    hepatic: np.ndarray,
    spacing: Spacing,
    cava: np.ndarray | None = None,
    agreement: float = 10.0,
    most_evidence: float = 1.5,
) -> np.ndarray:
    """Which vessel voxels are portal: one name for each branch, chosen for the whole graph at once.

    The sum over branches of the evidence against their name, plus the price of each pair of meeting branches with
    different names, is made least by a minimum cut (exact for two names). Evidence grows more slowly than a branch's
    length, because a network that errs does so on a whole stretch; the price grows with the cross-section that goes
    on, because a thick vein does not change its name on the way while thin ones touch by chance.

    Args:
        vessel: bool, both trees together.
        portal, hepatic: probabilities of the two.
        spacing: mm.
        cava: bool, vena cava; branches within 3 mm of it are taken for hepatic.
        agreement: price of a change of name where two branches of 2.5 mm radius meet, in log-odds.
        most_evidence: log-odds of one voxel are cut to ± this.

    Returns:
        bool array, true where a vessel voxel is portal.
    """
    from scipy import ndimage
    from scipy.spatial import cKDTree

    if not vessel.any():
        return np.zeros(vessel.shape, bool)
    branches = find_branches(vessel)
    if branches.count == 0:
        return vessel & (portal > hepatic)
    odds = np.clip(np.log((portal + 1e-3) / (hepatic + 1e-3)), -most_evidence, most_evidence)
    where = np.argwhere(vessel)
    scale = np.asarray(spacing, float)
    nearest = cKDTree(branches.voxels * scale).query(where * scale)[1]
    owner = branches.branch[nearest]
    length = np.maximum(np.bincount(branches.branch, minlength=branches.count), 1)
    volume = np.maximum(np.bincount(owner, minlength=branches.count), 1)
    evidence = np.bincount(owner, odds[vessel], branches.count) / volume * length**GROWTH
    at_cava = _beside(cava, branches, spacing)
    evidence[at_cava] = np.minimum(evidence[at_cava], 0) - most_evidence * 4
    depth = _distance(vessel, spacing)[tuple(branches.voxels.T)]
    radius = ndimage.median(depth, branches.branch, np.arange(branches.count))
    price = agreement * (radius[branches.links].min(1) / TYPICAL_RADIUS_MM) ** 2
    is_portal = _least_cost(evidence, branches.links, price)
    out = np.zeros(vessel.shape, bool)
    out[vessel] = is_portal[owner]
    return out


def carried_on(is_portal: np.ndarray, named: np.ndarray, vessel: np.ndarray, lean: np.ndarray) -> np.ndarray:
    """The names of a part of the trees, carried on along the rest of them.

    Args:
        is_portal: bool (K, J, I), what of `named` is portal.
        named: bool, the part that has names.
        vessel: bool, both trees whole.
        lean: positive where a voxel is rather portal; a piece that touches nothing named goes by its sum.

    Returns:
        bool array, true where a vessel voxel is portal.
    """
    import cc3d
    from skimage.segmentation import watershed

    start = np.where(named, np.where(is_portal, 1, 2), 0)
    names = watershed(np.zeros(vessel.shape, np.uint8), start, np.ones((3, 3, 3), bool), mask=vessel)
    out = names == 1
    alone = vessel & (names == 0)
    pieces = cc3d.connected_components(alone, connectivity=26)
    total = np.bincount(pieces.ravel(), lean.ravel(), int(pieces.max()) + 1)
    out[alone] = total[pieces[alone]] > 0
    return out


def _distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Of each voxel of the mask to the nearest outside, mm."""
    import edt

    return edt.edt(np.require(mask, requirements="CW"), anisotropy=tuple(spacing), parallel=1)


def _beside(cava: np.ndarray | None, branches: Branches, spacing: Spacing) -> np.ndarray:
    """Numbers of the branches within 3 mm of the vena cava."""
    if cava is None or not cava.any():
        return np.zeros(0, int)
    return np.unique(branches.branch[_distance(~cava, spacing)[tuple(branches.voxels.T)] <= 3.0])


def _least_cost(evidence: np.ndarray, links: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Names (true = portal) of least total cost, by a minimum cut between a portal source and a hepatic sink."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    count = len(evidence)
    source, sink = count, count + 1
    unit = 1000
    strength = np.rint(np.abs(evidence) * unit).astype(np.int32)
    for_portal = evidence > 0
    heads = np.where(for_portal, source, np.arange(count))
    tails = np.where(for_portal, np.arange(count), sink)
    pair = np.rint(price * unit).astype(np.int32)
    rows = np.concatenate([heads, links[:, 0], links[:, 1]])
    columns = np.concatenate([tails, links[:, 1], links[:, 0]])
    values = np.concatenate([strength, pair, pair])
    graph = coo_matrix((values, (rows, columns)), shape=(count + 2, count + 2)).tocsr()
    flow = maximum_flow(graph, source, sink).flow
    rest = graph - flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, directed=True, return_predecessors=False)
    portal = np.zeros(count + 2, bool)
    portal[reached] = True
    return portal[:count]
