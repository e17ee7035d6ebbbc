"""Triangle meshes as arrays: their bodies, and the volumes that these enclose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_ROUNDS, _NEAR = 6, 1e-3
"""Steps towards a volume at most, and the share of it at which they end."""


@dataclass(frozen=True)
class Mesh:
    """A closed surface of triangles.

    Attributes:
        points: (N, 3).
        triangles: (M, 3) point indices, counterclockwise from outside.
        body: (N,) which connected body each point belongs to, from 0.
        bodies: how many there are.
    """

    points: np.ndarray
    triangles: np.ndarray
    body: np.ndarray
    bodies: int

    @classmethod
    def of(cls, surface: Any) -> Mesh:
        """That of a vtkPolyData of triangles."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components
        from vtkmodules.util.numpy_support import vtk_to_numpy

        points = cls.points_of(surface)
        triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
        a, b = np.concatenate([triangles[:, :2], triangles[:, 1:]]).T
        bodies, body = connected_components(coo_array((np.ones(len(a), bool), (a, b)), shape=(len(points),) * 2))
        return cls(points, triangles, body, bodies)

    @staticmethod
    def points_of(surface: Any) -> np.ndarray:
        """The points (N, 3) of a vtkPolyData."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        return vtk_to_numpy(surface.GetPoints().GetData()).astype(float)

    def volumes(self, points: np.ndarray, owner: np.ndarray, count: int | None = None) -> np.ndarray:
        """Signed volumes by owner (N,) of the points, if the points lay elsewhere; a hole's is negative."""
        a, b, c = (points[self.triangles[:, n]] for n in range(3))
        six = np.einsum("ij,ij->i", a, np.cross(b, c))
        return np.bincount(owner[self.triangles[:, 0]], six, minlength=count or self.bodies) / 6

    def outer_bodies(self) -> int:
        """Bodies that are not holes in others."""
        return int(np.count_nonzero(self.volumes(self.points, self.body) > 0))

    def first_points(self) -> np.ndarray:
        """One point of each body."""
        return np.unique(self.body, return_index=True)[1]

    def star_areas(self, points: np.ndarray) -> np.ndarray:
        """(N, 3): how the volume grows with each coordinate of each point."""
        a, b, c = (points[self.triangles[:, n]] for n in range(3))
        area = np.cross(b - a, c - a) / 6
        areas = np.zeros_like(points)
        for axis in range(3):
            for corner in range(3):
                areas[:, axis] += np.bincount(self.triangles[:, corner], area[:, axis], minlength=len(points))
        return areas

    def moved(self, points: np.ndarray, surface: Any) -> Any:
        """The vtkPolyData that the mesh was made of, with other points."""
        import vtk
        from vtkmodules.util.numpy_support import numpy_to_vtk

        moved = vtk.vtkPolyData()
        at = vtk.vtkPoints()
        at.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
        moved.SetPoints(at)
        moved.SetPolys(surface.GetPolys())
        return moved


def with_volumes(mesh: Mesh, points: np.ndarray, owner: np.ndarray, wanted: np.ndarray, limit: float) -> np.ndarray:
    """Points moved along the surface's normals until each owner encloses its volume.

    Args:
        points: (N, 3), where they are.
        owner: (N,) which of the volumes each counts in; holes count in that of the body around them.
        wanted: by owner, in the cube of the points' unit; owners of 0 have no points.
        limit: how far a point may go.
    """
    points, gone = points.copy(), np.zeros(len(wanted))
    for _ in range(_ROUNDS):
        short = wanted - mesh.volumes(points, owner, len(wanted))
        open_ = np.abs(short) > _NEAR * wanted
        if not open_.any():
            break
        normals = mesh.star_areas(points)
        length = np.linalg.norm(normals, axis=1)
        area = np.bincount(owner, length, minlength=len(wanted))
        step = np.where(open_ & (area > 0), short / np.maximum(area, 1e-12), 0)
        step = np.clip(step, -limit - gone, limit - gone)
        gone += step
        points += normals / np.maximum(length, 1e-12)[:, None] * step[owner][:, None]
    return points
