"""Distances between the surfaces of two masks: HD, HD95, ASSD and NSD from one pass, in a named convention.

Three conventions are in use and give different numbers for the same masks, so each result says
which one it is:

``max-of-two``
    Surface voxels (the mask minus its erosion by the 6-neighborhood; the border of the image counts as surface);
    HD95 is the larger of the two directed 95th percentiles. As in MONAI. The default.
``pooled``
    The same surfaces; HD95 is the 95th percentile of both directions together. As in medpy.
``area-weighted``
    The surface passes halfway between voxels and every element counts by its area; HD95 is the larger of the two
    directed percentiles. As in DeepMind's surface-distance.

Where a mask is empty there is no distance: every number is None, and `Overlap.state` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.overlap import dice, mask_pair
from PreopReviewLib.images.geometry import union_box
from PreopReviewLib.two_threads import in_two_threads

Convention = Literal["max-of-two", "pooled", "area-weighted"]
CONVENTIONS: tuple[str, ...] = get_args(Convention)
DESCRIPTIONS: dict[str, str] = {
    "max-of-two": "larger of the two directed 95th percentiles, surface voxels",
    "pooled": "95th percentile of both directions pooled, surface voxels",
    "area-weighted": "larger of the two directed 95th percentiles, weighted by surface area",
}
_SIMILAR_DSC = 0.8
"""From here on most of one surface lies within a few voxels of the other."""
_ROUNDING = 1e-5
"""Of the tolerance, and of a tenth of a millimeter: a spacing that went through float32 must not change a verdict."""
_NEAR_OFFSETS = 500
"""How many voxels around an element are looked at before a tree or a distance transform takes over."""
_TREE_COST = 300
"""One search in the tree, far from the surface, takes as long as so many voxels of a distance transform."""


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances in mm between the surface of a prediction and that of a reference.

    Attributes:
        hd: Hausdorff distance, the largest distance in either direction.
        hd95: 95th percentile, in the way that `convention` names.
        assd: average symmetric surface distance, (sum d_pr + sum d_rp) / (n_p + n_r).
        to_reference, to_prediction: mean distance in each direction.
        nsd: normalized surface Dice, the share of both surfaces within `tolerance` of the other.
        tolerance: mm.
        convention: one of `CONVENTIONS`.
    """

    hd: float | None
    hd95: float | None
    assd: float | None
    nsd: float | None
    to_reference: float | None
    to_prediction: float | None
    tolerance: float
    convention: str


@dataclass(frozen=True)
class _Surface:
    """Elements of a surface: flat indices into the cropped grid, and the area of each (None: all the same)."""

    index: np.ndarray
    grid: np.ndarray  # boolean, True at the elements
    area: np.ndarray | None


def surface_distances(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: np.ndarray | tuple[float, float, float],
    *,
    tolerance: float = 2.0,
    convention: Convention = "max-of-two",
) -> SurfaceDistances:
    """All surface distances of two binary masks on one grid.

    Args:
        prediction, reference: (K, J, I), boolean or 0 and 1.
        spacing: mm, K-J-I.
        tolerance: mm, for NSD.
        convention: see the module.

    Raises:
        GeometryError: the shapes differ.
        InputError: no binary mask, a spacing or tolerance that cannot be, or an unknown convention.
    """
    prediction, reference = mask_pair(prediction, reference)
    mm = _checked(spacing, tolerance, convention)
    box = union_box(prediction, reference)
    if box is None or not (prediction[box].any() and reference[box].any()):
        return SurfaceDistances(None, None, None, None, None, None, tolerance, convention)
    a, b = prediction[box], reference[box]
    if convention == "area-weighted":
        p, r = in_two_threads(lambda mask: _elements(mask, tuple(mm.tolist())), (a, b))
    else:
        p, r = in_two_threads(_border, (a, b))
    similar = dice(a, b) >= _SIMILAR_DSC
    d_pr, d_rp = in_two_threads(lambda pair: _nearest(*pair, mm, similar), ((p, r), (r, p)))
    return _summary(d_pr, d_rp, p.area, r.area, tolerance, convention)


def _checked(spacing: np.ndarray | tuple[float, float, float], tolerance: float, convention: str) -> np.ndarray:
    mm = np.asarray(spacing, float)
    if mm.shape != (3,) or not np.isfinite(mm).all() or (mm <= 0).any():
        raise InputError(f"voxel spacing must be three positive numbers, got {spacing} mm", "Give it as K-J-I")
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance must be 0 mm or more, got {tolerance}", "Give 0 or a positive number")
    if convention not in CONVENTIONS:
        raise InputError(f"Unknown HD95 convention: {convention!r}", f"Use one of {', '.join(CONVENTIONS)}")
    return mm


def _border(mask: np.ndarray) -> _Surface:
    """Voxels of the mask with a face to the outside; whatever lies beyond the array is outside."""
    inner = mask.copy()
    for axis in range(3):
        low: list[slice] = [slice(None)] * 3
        high: list[slice] = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        inner[tuple(low)] &= mask[tuple(high)]
        inner[tuple(high)] &= mask[tuple(low)]
        low[axis], high[axis] = slice(0, 1), slice(-1, None)
        inner[tuple(low)] = False
        inner[tuple(high)] = False
    np.logical_xor(mask, inner, out=inner)
    return _Surface(np.flatnonzero(inner), inner, None)


def _elements(mask: np.ndarray, spacing: tuple[float, float, float]) -> _Surface:
    """Surface elements between the 8 voxels around each voxel corner, with their areas (marching cubes)."""
    padded = np.pad(mask, 1)
    some, every = padded, padded
    for axis in range(3):
        low: list[slice] = [slice(None)] * 3
        high: list[slice] = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        some = some[tuple(low)] | some[tuple(high)]
        every = every[tuple(low)] & every[tuple(high)]
    grid = some ^ every
    index = np.flatnonzero(grid)
    corner = np.ravel_multi_index(np.unravel_index(index, grid.shape), padded.shape)
    plane, row = padded.shape[1] * padded.shape[2], padded.shape[2]
    flat, code = padded.ravel(), np.zeros(len(index), np.uint8)
    for bit, (k, j, i) in enumerate(np.ndindex(2, 2, 2)):
        code |= flat[corner + (k * plane + j * row + i)].astype(np.uint8) << (7 - bit)
    return _Surface(index, grid, _areas(spacing)[code])


@lru_cache(maxsize=16)
def _areas(spacing: tuple[float, float, float]) -> np.ndarray:
    """Area in mm2 for each of the 256 ways in which 2x2x2 voxels can be in or out.

    Lorensen's marching cubes, with a way and its opposite taken alike (the one with fewer voxels in counts), which is
    the table of DeepMind and MONAI; scikit-image makes it without loading torch.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(256)
    for code in range(1, 255):
        cube = np.array([code >> (7 - bit) & 1 for bit in range(8)], float).reshape(2, 2, 2)
        cube = cube if cube.sum() <= 4 else 1 - cube
        points, faces, _, _ = marching_cubes(cube, 0.5, spacing=spacing, method="lorensen")
        areas[code] = mesh_surface_area(points, faces)
    return areas


def _nearest(source: _Surface, target: _Surface, mm: np.ndarray, similar: bool) -> np.ndarray:
    """Distance in mm from each element of `source` to the nearest of `target`, exact in every branch.

    Similar masks: a growing neighborhood finds nearly all elements, and a tree the rest. Distant masks: the tree
    for few elements, a distance transform of the box for many.
    """
    distances = np.zeros(len(source.index))
    left = np.flatnonzero(~target.grid.ravel()[source.index])  # the others lie on both surfaces
    if similar and len(left):
        left = _search_near(source, target, mm, left, distances)
    if len(left) == 0:
        return distances
    shape = source.grid.shape
    if len(left) * _TREE_COST > source.grid.size:
        import edt

        transform = edt.edt(~target.grid, anisotropy=tuple(mm), parallel=1)
        distances[left] = transform.ravel()[source.index[left]]
    else:
        from scipy.spatial import cKDTree

        # An unbalanced tree is quicker to build, and no slower to search for points on a surface.
        tree = cKDTree(_points(target.index, shape, mm), balanced_tree=False, compact_nodes=False)
        distances[left] = tree.query(_points(source.index[left], shape, mm))[0]
    return distances


def _search_near(
    source: _Surface, target: _Surface, mm: np.ndarray, left: np.ndarray, distances: np.ndarray
) -> np.ndarray:
    """Looks at ever farther offsets around each element; fills `distances`, returns those still without one."""
    steps, lengths, pad = _offsets(tuple(mm.tolist()))
    grid = np.pad(target.grid, [(int(p), int(p)) for p in pad])
    stride = np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1])
    flat = grid.ravel()
    at = (np.stack(np.unravel_index(source.index[left], source.grid.shape), axis=1) + pad) @ stride
    for offset, length in zip((steps @ stride).tolist(), lengths.tolist(), strict=True):
        hit = flat.take(at + offset)
        if hit.any():
            distances[left[hit]] = length
            np.logical_not(hit, out=hit)
            at, left = at[hit], left[hit]
            if len(left) == 0:
                break
    return left


@lru_cache(maxsize=16)
def _offsets(spacing: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel steps (N, 3) by rising length, their lengths in mm, and how far they reach along each axis."""
    mm = np.array(spacing)
    radius = (3.0 * _NEAR_OFFSETS * mm.prod() / (4.0 * np.pi)) ** (1 / 3)
    reach = np.floor(radius / mm).astype(int)
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.sqrt(((steps * mm) ** 2).sum(axis=1))
    order = np.argsort(lengths, kind="stable")
    order = order[(lengths[order] <= radius) & (lengths[order] > 0)]
    return steps[order], lengths[order], reach


def _points(index: np.ndarray, shape: tuple[int, ...], mm: np.ndarray) -> np.ndarray:
    return np.stack(np.unravel_index(index, shape), axis=1) * mm


def _summary(
    d_pr: np.ndarray,
    d_rp: np.ndarray,
    w_p: np.ndarray | None,
    w_r: np.ndarray | None,
    tolerance: float,
    convention: Convention,
) -> SurfaceDistances:
    if w_p is None or w_r is None:
        w_p, w_r = np.ones(len(d_pr)), np.ones(len(d_rp))
    reach = tolerance * (1 + _ROUNDING) + _ROUNDING * 0.1
    within = w_p[d_pr <= reach].sum() + w_r[d_rp <= reach].sum()
    whole = w_p.sum() + w_r.sum()
    sum_pr, sum_rp = float(d_pr @ w_p), float(d_rp @ w_r)
    if convention == "pooled":
        hd95 = np.percentile(np.concatenate([d_pr, d_rp]), 95)
    elif convention == "max-of-two":
        hd95 = max(np.percentile(d_pr, 95), np.percentile(d_rp, 95))
    else:
        hd95 = max(_weighted_percentile(d_pr, w_p, 0.95), _weighted_percentile(d_rp, w_r, 0.95))
    return SurfaceDistances(
        hd=float(max(d_pr.max(), d_rp.max())),
        hd95=float(hd95),
        assd=(sum_pr + sum_rp) / float(whole),
        nsd=float(within / whole),
        to_reference=sum_pr / float(w_p.sum()),
        to_prediction=sum_rp / float(w_r.sum()),
        tolerance=tolerance,
        convention=convention,
    )


def _weighted_percentile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The smallest value up to which the weights reach the share of their sum."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, share), len(values) - 1)])
