"""The cut as it was meant: the part of planes or of a mesh that lies in the liver, without the steps of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Plane
from PreopReviewLib import images
from PreopReviewLib.nearest import nearest

_NEIGHBORS = 6
"""Samples of the sheet that are asked for each point: a fold's nearest facet need not be that of the nearest sample."""
_MOST_SAMPLES = 400_000


@dataclass(frozen=True)
class Sheet:
    """Samples of a surface, each standing for a small flat piece of it.

    Attributes:
        points: (N, 3) RAS, mm.
        normals: (N, 3) unit vectors towards the side that is taken.
        reach: mm, how far from its sample a piece goes.
    """

    points: np.ndarray
    normals: np.ndarray
    reach: float

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.points)

    def distances(self, points: np.ndarray, taken: bool) -> np.ndarray:
        """Distances (N,) in mm of points (N, 3) to the sheet, 0 for one that lies beyond it.

        Args:
            points: RAS, mm, of something that lies on one side.
            taken: whether that is the side that is taken.
        """
        many = min(_NEIGHBORS, len(self.points))
        _, index = nearest(self._tree, points, k=many)
        away = points[:, None] - self.points[index.reshape(len(points), many)]
        normals = self.normals[index.reshape(len(points), many)]
        height = (away * normals).sum(axis=-1)
        aside = np.linalg.norm(away - height[..., None] * normals, axis=-1)
        beside = np.maximum(aside - self.reach, 0)
        up = np.maximum(height if taken else -height, 0)
        return np.hypot(up, beside).min(axis=1)


def sheet_of_planes(faces: np.ndarray, planes: Sequence[Plane], labels: sitk.Image, taken: np.ndarray) -> Sheet | None:
    """Where planes cross the lines between neighboring voxels of different sides.

    Args:
        faces: (N, 3) centers of the faces between both sides, in voxels, K-J-I.
        planes: at least one.
        labels: for the geometry.
        taken: mask of the side that is taken, on the grid of the labels.
    """
    along = (faces % 1 > 0.25).astype(float)  # a face lies half between two voxels of one axis
    low, high = faces - along / 2, faces + along / 2
    a, b = images.kji_to_ras(low, labels), images.kji_to_ras(high, labels)
    best = np.full(len(faces), np.inf)
    at, normals = np.zeros((len(faces), 3)), np.zeros((len(faces), 3))
    for plane in planes:
        normal = np.array(plane.normal, float) / np.linalg.norm(plane.normal)
        one, two = ((p - np.array(plane.point)) @ normal for p in (a, b))
        crosses = (one > 0) != (two > 0)
        share = one / np.where(one == two, 1.0, one - two)
        nearer = crosses & (np.abs(share - 0.5) < best)
        best[nearer] = np.abs(share - 0.5)[nearer]
        at[nearer] = (a + share[:, None] * (b - a))[nearer]
        normals[nearer] = normal
    first = taken[tuple(np.round(low).astype(int).T)]
    towards = np.where(first[:, None], a - b, b - a)
    normals *= np.where((normals * towards).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    kept = np.isfinite(best)
    reach = float(np.linalg.norm(images.spacing_kji(labels)))
    return Sheet(at[kept], normals[kept], reach) if kept.any() else None


def sheet_of_mesh(points: np.ndarray, triangles: np.ndarray, labels: sitk.Image, liver: np.ndarray) -> Sheet | None:
    """The part of a closed mesh that lies in the liver, as samples of its triangles.

    Args:
        points: (N, 3) RAS, mm.
        triangles: (M, 3) indices.
        labels: for the geometry.
        liver: mask on the grid of the labels.
    """
    step = float(images.spacing_kji(labels).min())
    corners = points[triangles]
    while len(corners) < _MOST_SAMPLES:
        sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
        long = sides.max(axis=1) > 2 * step
        if not long.any():
            break
        big = corners[long]
        middle = (big + np.roll(big, -1, axis=1)) / 2  # of the sides 0-1, 1-2, 2-0
        parts = [np.stack([big[:, n], middle[:, n], middle[:, n - 1]], axis=1) for n in range(3)]
        corners = np.concatenate([corners[~long], *parts, middle])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    volume = float((np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]).sum())
    area = np.linalg.norm(normals, axis=1)
    middles = corners.mean(axis=1)
    place = np.round(images.ras_to_kji(middles, labels)).astype(int)
    inside = ((place >= 0) & (place < liver.shape)).all(axis=1) & (area > 0)
    inside[inside] = liver[tuple(place[inside].T)]
    if not inside.any():
        return None
    inwards = -np.sign(volume) * normals[inside] / area[inside, None]  # the inside is what is taken
    reach = float(np.linalg.norm(corners[inside] - middles[inside, None], axis=-1).max())
    return Sheet(middles[inside], inwards, reach)
