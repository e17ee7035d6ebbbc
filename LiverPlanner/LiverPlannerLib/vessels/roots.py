"""Where a vessel tree begins. Points are (n, 3), RAS mm; ends and members are their numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.vessels.graph import TRUNK_MM, Branches, Skeleton, end_thickness
from PreopReviewLib import images

FIDUCIAL_MM = 25.0  # a given root further away belongs to another tree
_ROOT_CANDIDATES = 0.8  # places at least this thick, relative to the thickest, may be the root
_NOT_A_TWIG = 0.4  # of the largest radius of its tree that a root has at least
CAVA_WORTH, HEIGHT_WORTH = 4.0, 24.0
"""See `Preference`. On 24 phantoms the roots of hepatic veins are 3 mm beyond the true ones on average with a vena cava
(23 mm for the thick end nearest to it), and 13 mm without (28 mm for the highest thick end); 3 to 6 and 12 to 24 do as
well, but with 12 a thin vein far above the vena cava is taken for the root in one of three patients."""
CAVA_MM = 7.5  # a "hepatic vein" of this radius is the inferior vena cava (veins 3 to 5.5, cava 9 to 13 mm)
TRUNK_SHARE, TRUNK_VOLUME = 0.6, 0.05  # a hepatic vein of its own: trunk radius and volume, to the largest and all


@dataclass(frozen=True)
class Preference:
    """Where a tree is rather rooted than elsewhere.

    Attributes:
        away: (N,) for each point how far it lies from where roots are, mm.
        radius_worth: as many mm farther away a root may lie if the vessel is a mm thicker there; None: it is an end,
            and one of the thickest.
    """

    away: np.ndarray
    radius_worth: float | None


def root_preference(
    structure: str,
    points: np.ndarray,
    liver_mask: sitk.Image | None,
    ivc_mask: sitk.Image | None,
    distance: np.ndarray | None = None,
) -> Preference | None:
    """What a structure's root is looked for by; None where the thickest end decides.

    Args:
        distance: of `surface_distance`, where it is known already.
    """
    if structure == "portal_vein" and liver_mask is not None:
        depth = _depth(points, liver_mask, surface_distance(liver_mask) if distance is None else distance)
        return Preference(depth, None)
    if structure == "hepatic_vein":
        if ivc_mask is not None and images.array_of(ivc_mask).any():
            return Preference(_distance_to(points, ivc_mask), CAVA_WORTH)
        return Preference(-points[:, 2], HEIGHT_WORTH)
    if structure == "bile_duct":
        return Preference(points[:, 2], HEIGHT_WORTH)
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
    preference: Preference | None,
    roots_ras: np.ndarray | None,
) -> int:
    """The root of one tree, among its points: near a given point, else a thick one of the right place.

    It may lie between ends: hepatic veins enter the vena cava together, and a portal vein may lack its trunk.
    """
    if roots_ras is not None:
        wanted = np.atleast_2d(np.asarray(roots_ras, float))
        distance = np.linalg.norm(points[members][:, None] - wanted[None], axis=2).min(1)
        if distance.min() <= FIDUCIAL_MM:
            return int(members[distance.argmin()])
    if preference is not None and preference.radius_worth is not None:
        return _thick_and_near(skeleton, members, preference.away, preference.radius_worth)
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
    return int(candidates[preference.away[candidates].argmin()])


def _thick_and_near(skeleton: Skeleton, members: np.ndarray, away: np.ndarray, radius_worth: float) -> int:
    radius = skeleton.radius[members]
    candidates = members[radius >= _NOT_A_TWIG * radius.max()]
    thickness = end_thickness(skeleton, members, candidates)
    return int(candidates[(away[candidates] - radius_worth * thickness).argmin()])


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
