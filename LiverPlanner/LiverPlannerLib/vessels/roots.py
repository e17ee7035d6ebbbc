"""Where a vessel tree begins. Points are (n, 3), RAS mm; ends and members are their numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.vessels.graph import TRUNK_MM, Branches, Skeleton, end_thickness
from PreopReviewLib import images

FIDUCIAL_MM = 25.0  # a given root further away belongs to another tree
_ROOT_CANDIDATES = 0.8  # places at least this thick, relative to the thickest, may be the root
CAVA_MM = 7.5  # a "hepatic vein" of this radius is the inferior vena cava (veins 3 to 5.5, cava 9 to 13 mm)
TRUNK_SHARE, TRUNK_VOLUME = 0.6, 0.05  # a hepatic vein of its own: trunk radius and volume, to the largest and all


def root_preference(
    structure: str,
    points: np.ndarray,
    liver_mask: sitk.Image | None,
    ivc_mask: sitk.Image | None,
    distance: np.ndarray | None = None,
) -> np.ndarray | None:
    """For each point, how little it looks like a root (mm); None where the thickest end decides.

    Args:
        distance: of `surface_distance`, where it is known already.
    """
    if structure == "portal_vein" and liver_mask is not None:
        return _depth(points, liver_mask, surface_distance(liver_mask) if distance is None else distance)
    if structure == "hepatic_vein":
        if ivc_mask is not None and images.array_of(ivc_mask).any():
            return _distance_to(points, ivc_mask)
        return -points[:, 2]
    if structure == "bile_duct":
        return points[:, 2]
    return None


def surface_distance(liver_mask: sitk.Image) -> np.ndarray:
    """(K, J, I) distance to the liver's surface, negative inside, mm."""
    return images.array_of(sitk.SignedMaurerDistanceMap(liver_mask != 0, useImageSpacing=True, squaredDistance=False))


def _depth(points: np.ndarray, liver_mask: sitk.Image, distance: np.ndarray) -> np.ndarray:
    """Depth under the liver's surface, negative outside, mm."""
    places = np.rint(images.ras_to_kji(points, liver_mask)).astype(int)
    places = np.clip(places, 0, np.array(distance.shape) - 1)
    return -distance[tuple(places.T)]


def _distance_to(points: np.ndarray, mask: sitk.Image) -> np.ndarray:
    from scipy.spatial import cKDTree

    return cKDTree(images.kji_to_ras(np.argwhere(images.array_of(mask)), mask)).query(points)[0]


def choose_end(
    skeleton: Skeleton,
    points: np.ndarray,
    members: np.ndarray,
    ends: np.ndarray,
    preference: np.ndarray | None,
    roots_ras: np.ndarray | None,
) -> int:
    """The root of one tree, among its points: near a given point, else a thick end of the right place.

    Where no end is nearly as thick as the tree is elsewhere, it begins between ends: hepatic veins that enter the vena
    cava together, a portal vein without its trunk.
    """
    if roots_ras is not None:
        wanted = np.atleast_2d(np.asarray(roots_ras, float))
        distance = np.linalg.norm(points[members][:, None] - wanted[None], axis=2).min(1)
        if distance.min() <= FIDUCIAL_MM:
            return int(members[distance.argmin()])
    if len(ends) == 0:
        return int(members[skeleton.radius[members].argmax()])
    thickness = end_thickness(skeleton, members, ends)
    between = members[_ROOT_CANDIDATES * skeleton.radius[members] > thickness.max()]
    if len(between):
        thicker = end_thickness(skeleton, members, between)
        if _ROOT_CANDIDATES * thicker.max() > thickness.max():
            ends, thickness = between, thicker
    if preference is None:
        return int(ends[thickness.argmax()])
    candidates = ends[thickness >= _ROOT_CANDIDATES * thickness.max()]
    return int(candidates[preference[candidates].argmin()])


def rooted_trees(branches: Branches, structure: str) -> np.ndarray:
    """Which trees have a root of their own: the one of the largest volume; of hepatic veins every thick one."""
    volume = np.bincount(branches.tree, weights=branches.length * branches.radius**2)
    largest = np.arange(len(volume)) == volume.argmax()
    if structure != "hepatic_vein":
        return largest
    trunk = np.zeros(len(volume))
    trunk[branches.tree] = branches.trunk
    return largest | ((trunk >= TRUNK_SHARE * trunk[largest]) & (volume >= TRUNK_VOLUME * volume.sum()))


def veins_beyond_cava(branches: Branches, structure: str) -> Branches:
    """Where a hepatic vein mask has the inferior vena cava in it, the trunk is the thickest vein that leaves it.

    Otherwise no hepatic vein would be thick enough to be a main branch.
    """
    if structure != "hepatic_vein":
        return branches
    trunk = branches.trunk.copy()
    for tree in np.unique(branches.tree[trunk >= CAVA_MM]):
        veins = (
            (branches.tree == tree)
            & (branches.parent >= 0)
            & (branches.radius < CAVA_MM)
            & (branches.length >= TRUNK_MM)
        )
        if veins.any():
            trunk[branches.tree == tree] = branches.radius[veins].max()
    return replace(branches, trunk=trunk)
