"""Which voxels lie inside a closed triangle surface: parity along scan lines, in numpy alone.

VTK is not needed, so that a resection by a surface works wherever the labels can be read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from PreopReviewLib.errors import InputError

_OFF_GRID = (1.7e-5, 2.9e-5)
"""Scan lines run this far (voxels) beside the centers, so that none goes through an edge of a drawn surface."""


def triangles_of(surface: object) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) and triangles (M, 3) of a vtkPolyData, or of a pair of arrays, with equal points merged.

    Raises:
        InputError: neither of the two, no triangles, indices out of range, numbers that are not finite, or a
            surface that is not closed (each edge must belong to two triangles, or to an even number).
    """
    points, triangles = _from_polydata(surface) if hasattr(surface, "GetPolys") else _from_pair(surface)
    if points.ndim != 2 or points.shape[1:] != (3,) or not np.isfinite(points).all():
        raise InputError("The points of the surface are not an (N, 3) array of numbers", "Give RAS mm")
    if triangles.ndim != 2 or triangles.shape[1:] != (3,) or len(triangles) == 0:
        raise InputError("The surface has no triangles", "Give a closed surface of triangles")
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise InputError("The surface has triangles of points that it lacks", "Export it again")
    # Files that list triangles one by one repeat their points.
    points, index = np.unique(points.round(6), axis=0, return_inverse=True)
    triangles = index.reshape(-1)[triangles]
    proper = (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)
    triangles = triangles[proper]
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    if (uses % 2).any():
        raise InputError(
            f"The surface is not closed: {int((uses % 2).sum())} of its edges have a triangle on one side only",
            "Close its holes first, or use planes",
        )
    return points, triangles


def _from_polydata(surface: object) -> tuple[np.ndarray, np.ndarray]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter

    cut = vtkTriangleFilter()
    cut.SetInputData(surface)
    cut.PassLinesOff()
    cut.PassVertsOff()
    cut.Update()
    triangulated = cut.GetOutput()
    if triangulated.GetNumberOfPolys() == 0:
        raise InputError("The surface has no triangles", "Give a closed surface of triangles")
    if triangulated.GetPolys().GetNumberOfConnectivityIds() != 3 * triangulated.GetNumberOfPolys():
        raise InputError("The surface has faces of fewer than three points", "Give a closed surface of triangles")
    points = vtk_to_numpy(triangulated.GetPoints().GetData()).astype(float)
    return points, vtk_to_numpy(triangulated.GetPolys().GetConnectivityArray()).reshape(-1, 3)


def _from_pair(surface: object) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(surface, Sequence) or len(surface) != 2:
        raise InputError("A surface is a vtkPolyData, or points and triangles", "Give one of them")
    return np.asarray(surface[0], float), np.asarray(surface[1], int)


def inside_surface(points: np.ndarray, triangles: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Voxels of a grid whose center lies inside a closed surface (even-odd rule).

    Args:
        points: (N, 3) in voxels, K-J-I.
        triangles: (M, 3) indices of points.
        shape: of the grid, K-J-I.

    Returns:
        (K, J, I) boolean.
    """
    rows, columns, crossings = _crossings(points, triangles, shape)
    inside = np.zeros((shape[0], shape[1], shape[2] + 1), bool)
    # Each crossing turns everything behind it: mark the first center behind it, then run along the line.
    first = np.clip(np.ceil(crossings), 0, shape[2]).astype(int)
    flips = np.zeros(inside.shape, np.uint8)
    np.add.at(flips, (rows, columns, first), 1)
    np.logical_xor.accumulate(flips % 2 == 1, axis=2, out=inside)
    return inside[:, :, :-1]


def require_apart(points: np.ndarray, triangles: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises if two closed bodies of a surface cut into each other, as two ablation zones in one file may.

    A body in another one is a hole in it. Of two that cut into each other, the even-odd rule would leave out what they
    share, and faces that lie inside would count as the cut.

    Args:
        points: (N, 3) in voxels, K-J-I.
        triangles: (M, 3) indices of points.
        shape: of the grid, K-J-I.

    Raises:
        InputError: they do.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = triangles[:, [[0, 1], [1, 2]]].reshape(-1, 2)
    links = coo_matrix((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(points), len(points)))
    count, body = connected_components(links, directed=False)
    bodies = [triangles[body[triangles[:, 0]] == n] for n in np.unique(body[triangles])] if count > 1 else []
    boxes = [(points[t].min((0, 1)), points[t].max((0, 1))) for t in bodies]
    for one in range(len(bodies)):
        for other in range(one):
            if _cut(points, [(bodies[n], *boxes[n]) for n in (one, other)], shape):
                raise InputError(
                    "The surface has closed bodies that cut into each other",
                    "Join them first, in 3D Slicer with Dynamic Modeler or in a segmentation",
                )


def _cut(
    points: np.ndarray, bodies: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, ...]
) -> bool:
    """Whether two bodies (triangles, low and high corner) share voxels of the grid, and neither lies in the other."""
    low = np.maximum(np.max([b[1] for b in bodies], 0), 0)
    high = np.minimum(np.min([b[2] for b in bodies], 0), np.array(shape) - 1)
    if (low >= high).any():
        return False
    start, stop = np.floor(low).astype(int), np.ceil(high).astype(int) + 1
    masks = [inside_surface(points - start, b[0], tuple(int(n) for n in stop - start)) for b in bodies]
    if not (masks[0] & masks[1]).any():
        return False
    within = [(low <= b[1]).all() and (b[2] <= high).all() for b in bodies]
    nested = [fits and not (mask & ~rest).any() for fits, mask, rest in zip(within, masks, masks[::-1], strict=True)]
    return not any(nested)


def _crossings(
    points: np.ndarray, triangles: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the scan lines along I meet triangles: row K, row J, and the place on the line."""
    a, b, c = (points[triangles[:, n]] for n in range(3))
    low = np.minimum(np.minimum(a, b), c)[:, :2]
    high = np.maximum(np.maximum(a, b), c)[:, :2]
    start = np.maximum(np.ceil(low - _OFF_GRID), 0).astype(int)
    stop = np.minimum(np.floor(high - _OFF_GRID), np.array(shape[:2]) - 1).astype(int) + 1
    wide = np.maximum(stop - start, 0)
    lines = wide.prod(axis=1)
    which = np.repeat(np.arange(len(triangles)), lines)
    place = np.arange(len(which)) - np.repeat(np.cumsum(lines) - lines, lines)
    rows = start[which, 0] + place // np.maximum(wide[which, 1], 1)
    columns = start[which, 1] + place % np.maximum(wide[which, 1], 1)
    p = np.stack([rows + _OFF_GRID[0], columns + _OFF_GRID[1]], axis=1)

    def area(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        return (v[:, 0] - u[:, 0]) * (w[:, 1] - u[:, 1]) - (v[:, 1] - u[:, 1]) * (w[:, 0] - u[:, 0])

    whole = area(a, b, c)[which]
    weights = np.stack([area(p, b[which], c[which]), area(a[which], p, c[which]), area(a[which], b[which], p)])
    hit = ((weights > 0).all(axis=0) | (weights < 0).all(axis=0)) & (whole != 0)
    weights, which = weights[:, hit] / whole[hit], which[hit]
    along = weights[0] * a[which, 2] + weights[1] * b[which, 2] + weights[2] * c[which, 2]
    return rows[hit], columns[hit], along
