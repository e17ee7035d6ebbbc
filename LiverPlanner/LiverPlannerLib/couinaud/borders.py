"""The borders between Couinaud segments as planes that can be moved: along the three hepatic veins, and at the portal
bifurcation and its left branch (Couinaud 1957; Strasberg 2005, Brisbane terminology).

The caudate lobe, segment 1, has no border of this kind and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Plane
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.geometry import box_of

SAMPLE = 20_000
"""Voxels of either side that a plane is fitted to."""
ROUNDS, RIDGE = 25, 1e-5
NEAR_MM = 8.0


@dataclass(frozen=True)
class Border:
    """What a plane divides.

    Attributes:
        name: what it runs along.
        ahead, behind: numbers of the segments on the side that its normal points to, and on the other.
    """

    name: str
    ahead: tuple[int, ...]
    behind: tuple[int, ...]


BORDERS = {
    "right": Border("Right hepatic vein", (6, 7), (5, 8)),
    "middle": Border("Middle hepatic vein", (5, 8), (4,)),
    "left": Border("Left hepatic vein", (4,), (2, 3)),
    "portal": Border("Portal bifurcation", (7, 8), (5, 6)),
    "left_portal": Border("Left portal vein", (2,), (3,)),
}
"""Normals point to the patient's right, or upwards."""


def fit_borders(segments: sitk.Image) -> dict[str, Plane]:
    """The planes that come nearest to the borders of a division, by logistic regression on the places of its voxels.

    Args:
        segments: uint8, 1 to 8 in the liver.

    Returns:
        By key of `BORDERS`, in RAS mm, each with a point in the middle of its border; none for a border of which a side
        has no voxel.

    Raises:
        NothingFound: there is no border at all.
    """
    values = images.array_of(segments)
    rng = np.random.default_rng(0)
    planes = {}
    for key, border in BORDERS.items():
        sides = [_points(values, numbers, segments, rng) for numbers in (border.ahead, border.behind)]
        if all(len(side) for side in sides):
            planes[key] = _fitted(*sides)
    if not planes:
        raise NothingFound("There are no Couinaud segments with a border between them", "Divide the liver first")
    return planes


def _points(values: np.ndarray, numbers: tuple[int, ...], grid: sitk.Image, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) RAS mm of a sample of the voxels that have one of the numbers."""
    places = np.flatnonzero(np.isin(values, numbers))
    if len(places) > SAMPLE:
        places = rng.choice(places, SAMPLE, replace=False)
    return images.kji_to_ras(np.column_stack(np.unravel_index(places, values.shape)).astype(float), grid)


def _fitted(ahead: np.ndarray, behind: np.ndarray) -> Plane:
    """The plane between two sets of points, by Newton's method; both count alike by their voxels."""
    points = np.concatenate([ahead, behind])
    target = np.r_[np.ones(len(ahead)), np.zeros(len(behind))]
    center, scale = points.mean(0), points.std(0).max()
    design = np.column_stack([(points - center) / scale, np.ones(len(points))])
    weights = np.zeros(4)
    for _ in range(ROUNDS):
        share = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (target - share) - RIDGE * weights * len(points)
        bend = (design * (share * (1 - share))[:, None]).T @ design + RIDGE * len(points) * np.eye(4)
        weights += np.linalg.solve(bend, slope)
    length = np.linalg.norm(weights[:3])
    normal = weights[:3] / length
    distance = (points - center) @ normal + weights[3] / length * scale
    near = points[np.abs(distance) <= max(NEAR_MM, np.abs(distance).min())]
    middle = near.mean(0)
    middle = middle - ((middle - center) @ normal + weights[3] / length * scale) * normal
    return Plane(tuple(middle.tolist()), tuple(normal.tolist()))


def segments_by_planes(segments: sitk.Image, planes: Mapping[str, Plane]) -> sitk.Image:
    """The liver of a division divided again, by planes; its caudate lobe stays.

    A border without a plane leaves its segments on the one side that the division has.

    Args:
        segments: uint8, 1 to 8 in the liver.
        planes: by key of `BORDERS`, RAS mm.

    Raises:
        InputError: an unknown key. NothingFound: there is nothing but the caudate lobe to divide.
    """
    unknown = sorted(set(planes) - set(BORDERS))
    if unknown:
        raise InputError(f"There is no border called {unknown[0]!r}", f"Choose from {', '.join(BORDERS)}")
    values = images.array_of(segments)
    box = box_of(values > 1)
    if box is None:
        raise NothingFound("There is no Couinaud segment but the caudate lobe", "Divide the liver first")
    inside = values[box] > 1
    kji = np.argwhere(inside) + [side.start for side in box]
    points = images.kji_to_ras(kji.astype(float), segments)
    own = values[box][inside]
    ahead = {key: _is_ahead(key, planes.get(key), points, own) for key in BORDERS}
    upper = ahead["portal"]
    numbers = np.where(ahead["right"], np.where(upper, 7, 6), np.where(upper, 8, 5))
    numbers = np.where(ahead["middle"], numbers, np.where(ahead["left"], 4, np.where(ahead["left_portal"], 2, 3)))
    divided = values.copy()
    divided[box][inside] = numbers.astype(np.uint8)
    return images.image_like(divided, segments)


def _is_ahead(key: str, plane: Plane | None, points: np.ndarray, own: np.ndarray) -> np.ndarray:
    if plane is None:
        return np.full(len(points), np.isin(own, BORDERS[key].ahead).any())
    return (points - np.array(plane.point)) @ np.array(plane.normal) > 0


def agreement(one: sitk.Image, other: sitk.Image) -> float:
    """Share of the voxels with a segment in `one`, without the caudate lobe, that have the same one in `other`."""
    values = images.array_of(one)
    counted = values > 1
    return float(np.mean(images.array_of(other)[counted] == values[counted])) if counted.any() else 1.0
