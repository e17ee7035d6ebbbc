"""All vessels of a case as one network of center-line points, each with a name: what a click points at.

Center lines are found once, for each structure by itself, and joined where two structures touch; names live on the
points. So a branch that is renamed joins the tree that it touches and leaves the other, and no center line is found
again; what is drawn brings its own line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.structures import STRUCTURES, mask_of, structure_of_label
from LiverPlannerLib.vessels.edit.changes import nearest_labeled
from LiverPlannerLib.vessels.graph import Branches, Forest, Skeleton, find_branches, skeletonize, spanning_forest
from LiverPlannerLib.vessels.roots import choose_end, root_preference, surface_distance
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

VESSEL_VALUES = frozenset(s.label for s in STRUCTURES if s.kind in ("vessel", "duct"))
FAR_MM = 8.0
"""New voxels so far from the points of their vessel are not a thickening of its wall."""
TOUCH_VOXELS = 1.8
"""Points of two structures belong together where voxels of theirs touch by a face, edge or corner."""


@dataclass
class _Tree:
    """The points of one name, as oriented trees with branches; indices into the network's points."""

    points: np.ndarray
    branches: Branches
    forest: Forest
    skeleton: Skeleton


@dataclass
class Pick:
    """What lights up under the mouse.

    Attributes:
        value: label of the structure.
        point: index of the point hit.
        branch: points of the branch hit.
        downstream: points of the branch and of all that springs from it.
    """

    value: int
    point: int
    branch: np.ndarray = field(repr=False)
    downstream: np.ndarray = field(repr=False)


class VesselNetwork:
    """Center lines, owners and names.

    Args:
        labels: values of the table of structures; a copy is kept, and changed by `rename` and `refresh`.

    Attributes:
        labels: as they are now (image), `array`: the same voxels (K, J, I), writable.
        points: (N, 3) voxels K, J, I; `radius` (N,) mm; `value` (N,) labels.
        links: (E, 2) neighbors, of any names.
        index, owner: flat index and owning point of every vessel voxel.
    """

    def __init__(self, labels: sitk.Image) -> None:
        self.array = images.array_of(labels).copy()
        self.grid = labels
        self.mm = images.spacing_kji(labels)
        self._liver, self._cava = _cropped(labels, "liver", 20.0), _cropped(labels, "inferior_vena_cava", 0.0)
        self._distance = surface_distance(self._liver) if self._liver is not None else None
        self._trees: dict[int, _Tree] = {}
        self._find(sorted(VESSEL_VALUES & set(np.unique(self.array).tolist())))

    @property
    def labels(self) -> sitk.Image:
        """The labels as they are now."""
        return images.image_like(self.array, self.grid)

    def _find(self, values: list[int]) -> None:
        points, radii, value, links, index, owner, count = [], [], [], [], [], [], 0
        for v in values:
            mask = self.array == v
            skeleton = skeletonize(mask, self.mm)
            own = np.flatnonzero(mask)
            points.append(skeleton.voxels)
            radii.append(skeleton.radius)
            value.append(np.full(len(skeleton.radius), v))
            links.append(np.asarray(skeleton.links, int).reshape(-1, 2) + count)
            index.append(own)
            owner.append(self._owners(own, skeleton.voxels, skeleton.radius) + count)
            count += len(skeleton.radius)
        self.points = np.concatenate(points) if points else np.zeros((0, 3))
        self.radius = np.concatenate(radii) if radii else np.zeros(0)
        self.value = np.concatenate(value) if value else np.zeros(0, int)
        self.index = np.concatenate(index) if index else np.zeros(0, int)
        self.owner = np.concatenate(owner) if owner else np.zeros(0, int)
        all_links = [*links, self._touching()] if links else [np.zeros((0, 2), int)]
        self.links = np.concatenate(all_links)
        order = np.argsort(self.index)
        self.index, self.owner = self.index[order], self.owner[order]
        self._trees.clear()

    def _owners(self, index: np.ndarray, points: np.ndarray, radius: np.ndarray) -> np.ndarray:
        from LiverPlannerLib.territories.owners import nearest_points

        voxels = np.stack(np.unravel_index(index, self.array.shape), 1)
        return nearest_points(voxels * self.mm, points * self.mm, radius)[0]

    def _touching(self) -> np.ndarray:
        """(T, 2) points whose voxels of two names touch, one pair for each place of touch."""
        number = np.full(self.array.size, -1, np.int32)
        number[self.index] = self.owner
        number = number.reshape(self.array.shape)
        pairs = []
        for axis in range(3):
            low: list[slice] = [slice(None)] * 3
            high: list[slice] = [slice(None)] * 3
            low[axis], high[axis] = slice(None, -1), slice(1, None)
            a, b = number[tuple(low)], number[tuple(high)]
            meet = (a >= 0) & (b >= 0)
            a, b = a[meet], b[meet]
            other = self.value[a] != self.value[b]
            pairs.append(np.stack([a[other], b[other]], 1))
        touching = np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 2), int)
        if not len(touching):
            return np.zeros((0, 2), int)
        near = np.linalg.norm((self.points[touching[:, 0]] - self.points[touching[:, 1]]) * self.mm, axis=1)
        return touching[near <= self.radius[touching].sum(1) + TOUCH_VOXELS * self.mm.max()].astype(int)

    # ---- what a click points at ----

    def tree(self, value: int) -> _Tree:
        """The points of one name as trees.

        Raises:
            InputError: no vessel has that name.
        """
        if value not in self._trees:
            members = np.flatnonzero(self.value == value)
            if not len(members):
                raise InputError("There is no such vessel in the labels", "Segment it first")
            local = np.full(len(self.value), -1)
            local[members] = np.arange(len(members))
            links = local[self.links]
            links = links[(links >= 0).all(1)]
            voxels = self.points[members]
            skeleton = Skeleton(voxels, voxels * self.mm, self.radius[members], links, float(self.mm.max()))
            places = images.kji_to_ras(voxels, self.grid)
            key = structure_of_label(value)
            preference = root_preference(key.key if key else "", places, self._liver, self._cava, self._distance)

            def choose(points: np.ndarray, ends: np.ndarray) -> int:
                return choose_end(skeleton, places, points, ends, preference, None)

            forest = spanning_forest(skeleton, choose, bridge=False)  # what was cut stays apart
            self._trees[value] = _Tree(members, find_branches(skeleton, forest), forest, skeleton)
        return self._trees[value]

    def pick(self, point_ras: np.ndarray) -> Pick:
        """The branch at a place, and what lies downstream of it.

        Raises:
            InputError: no vessel within 4 mm.
        """
        voxel = nearest_labeled(point_ras, self.grid, set(VESSEL_VALUES), self.array)
        flat = int(np.ravel_multi_index(tuple(voxel), self.array.shape))
        at = int(np.searchsorted(self.index, flat))
        if at >= len(self.index) or self.index[at] != flat:
            raise InputError("The vessel here is newer than its center line", "Wait until it has been found again")
        return self.pick_point(int(self.owner[at]))

    def pick_point(self, point: int) -> Pick:
        """The branch of one point."""
        value = int(self.value[point])
        tree = self.tree(value)
        local = int(np.searchsorted(tree.points, point))
        branch = int(tree.branches.of_point[local])
        reached = np.zeros(len(tree.branches.radius), bool)
        reached[branch] = True
        for n, parent in enumerate(tree.branches.parent):  # parents come first
            if parent >= 0 and reached[parent]:
                reached[n] = True
        of_point = tree.branches.of_point
        return Pick(value, point, tree.points[of_point == branch], tree.points[reached[of_point]])

    def voxels_of(self, points: np.ndarray) -> np.ndarray:
        """Flat indices of the voxels that points own."""
        chosen = np.zeros(len(self.value), bool)
        chosen[points] = True
        return self.index[chosen[self.owner]]

    def points_of(self, index: np.ndarray) -> np.ndarray:
        """The points that own vessel voxels (flat indices, in ascending order), and those without any that lie there.

        A point between thicker neighbors may own none; left behind, it would break the line that it is part of.
        """
        owners = np.unique(self.owner[np.searchsorted(self.index, index)])
        idle = np.flatnonzero(np.bincount(self.owner, minlength=len(self.value)) == 0)
        lies_in = np.ravel_multi_index(tuple(np.rint(self.points[idle]).astype(int).T), self.array.shape, mode="clip")
        return np.union1d(owners, idle[np.isin(lies_in, index)])

    # ---- changes ----

    def renamed(self, points: np.ndarray, value: int) -> None:
        """Gives points another name; their voxels are changed by the edit."""
        before = set(np.unique(self.value[points]).tolist())
        self.value[points] = value
        for changed in before | {value}:
            self._trees.pop(changed, None)

    def erased(self, index: np.ndarray) -> None:
        """Forgets voxels that are no longer vessel, and points that own none."""
        gone = np.isin(self.index, index)
        self.index, self.owner = self.index[~gone], self.owner[~gone]
        at = tuple(np.clip(np.rint(self.points).astype(int), 0, np.array(self.array.shape) - 1).T)
        owns = (np.bincount(self.owner, minlength=len(self.value)) > 0) | (self.array[at] == self.value)
        number = np.cumsum(owns) - 1
        self.owner = number[self.owner]
        self.links = number[self.links[owns[self.links].all(1)]]
        self.points, self.radius, self.value = self.points[owns], self.radius[owns], self.value[owns]
        self._trees.clear()

    def drawn(self, index: np.ndarray, value: int, line: np.ndarray | None, radii: np.ndarray | None) -> None:
        """Takes up new voxels of a vessel: along a line (n, 3) with radii (mm), or around the points that are there.

        Voxels that are far from all points of the vessel have its center lines found again.
        """
        from scipy.spatial import cKDTree

        if line is not None and radii is not None:
            self._add_line(line, radii, value)
        members = np.flatnonzero(self.value == value)
        places = np.stack(np.unravel_index(index, self.array.shape), 1) * self.mm
        if len(members):
            away, near = cKDTree(self.points[members] * self.mm).query(places)
        if not len(members) or away.max() > FAR_MM:
            self.refresh({value})
            return
        index, owner = np.concatenate([self.index, index]), np.concatenate([self.owner, members[near]])
        order = np.argsort(index, kind="stable")
        self.index, self.owner = index[order], owner[order]
        self._trees.pop(value, None)

    def _add_line(self, line: np.ndarray, radii: np.ndarray, value: int) -> None:
        """New points along a line, linked to each other and at both ends to what they touch."""
        count, fresh = len(self.value), np.arange(len(line)) + len(self.value)
        links = [np.stack([fresh[:-1], fresh[1:]], 1)]
        members = np.flatnonzero(self.value == value)
        for end in (0, len(line) - 1):
            away = np.linalg.norm((self.points[members] - line[end]) * self.mm, axis=1) if len(members) else np.zeros(0)
            if len(away) and away.min() <= self.radius[members[away.argmin()]] + 2 * self.mm.max():
                links.append(np.array([[members[away.argmin()], count + end]]))
        self.points = np.concatenate([self.points, line])
        self.radius = np.concatenate([self.radius, radii])
        self.value = np.concatenate([self.value, np.full(len(line), value)])
        self.links = np.concatenate([self.links, *links])

    def refresh(self, values: set[int]) -> None:
        """Finds the center lines of some structures again, after their voxels were changed by other means."""
        present = set(np.unique(self.array).tolist()) & set(VESSEL_VALUES)
        kept = ~np.isin(self.value, list(values))
        number = np.cumsum(kept) - 1
        fresh = VesselNetwork.__new__(VesselNetwork)
        fresh.array, fresh.grid, fresh.mm = self.array, self.grid, self.mm
        fresh._liver, fresh._cava, fresh._distance, fresh._trees = self._liver, self._cava, self._distance, {}
        fresh._find(sorted(values & present))
        inside = kept[self.owner]
        links = self.links[kept[self.links].all(1)]
        offset = int(kept.sum())
        self.points = np.concatenate([self.points[kept], fresh.points])
        self.radius = np.concatenate([self.radius[kept], fresh.radius])
        self.value = np.concatenate([self.value[kept], fresh.value])
        index = np.concatenate([self.index[inside], fresh.index])
        owner = np.concatenate([number[self.owner[inside]], fresh.owner + offset])
        order = np.argsort(index)
        self.index, self.owner = index[order], owner[order]
        self.links = np.concatenate([number[links], fresh.links + offset])
        self.links = np.unique(np.concatenate([self.links, self._touching()]), axis=0)
        self._trees.clear()


def _cropped(labels: sitk.Image, key: str, margin_mm: float) -> sitk.Image | None:
    """A structure in the box around it: what is asked after each click must not cost what the image is large."""
    mask = mask_of(labels, key)
    if not images.array_of(mask).any():
        return None
    return images.crop(mask, images.bounding_box(mask, margin_mm))
