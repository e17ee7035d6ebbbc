"""A resection by a curve that was drawn: straight through a slice, or along a sheet through points in space."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.resection.cutting import Resection, resect_by_remnant
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound

FLAT_MM = 0.05
"""Points that lie no farther from one plane were drawn in a slice: no one clicks that exactly in 3D."""
_FAR_MM = 5000.0
MOST_POINTS = 60
"""A thin plate through more points is hardly different, and slow."""


def fit_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center (3,) of points (N, 3), and axes (3, 3) by decreasing spread; the last one is the normal.

    Raises:
        InputError: fewer than three points, or all on one line.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < 3:
        raise InputError("A cut needs at least three points", "Draw more of them")
    center = points.mean(axis=0)
    spread, axes = np.linalg.svd(points - center, full_matrices=False)[1:]
    if spread[1] < 1e-3 * spread[0] or spread[0] == 0:
        remedy = "Move one of them a little aside: a straight line does not say in which slice it was drawn"
        raise InputError("The points of the cut lie on one line", remedy)
    return center, axes


def is_flat(points_ras: np.ndarray) -> bool:
    """Whether points (N, 3) were drawn in one slice.

    Raises:
        InputError: as `fit_plane`.
    """
    center, axes = fit_plane(points_ras)
    return float(np.abs((np.asarray(points_ras, float) - center) @ axes[2]).max()) < FLAT_MM


def resect_by_curve(labels: sitk.Image, points_ras: np.ndarray, flipped: bool = False) -> Resection:
    """Cuts by a curve, extended to the whole liver; the side that holds less of it is taken, or else the other one.

    A curve that was drawn in one slice cuts straight through, perpendicular to that slice: an open one goes on
    straight beyond its ends, a closed one takes what it surrounds. Where that takes nothing or everything, as of a
    ring around the whole liver, the curve means its own plane. Points in space span a smooth sheet (thin plate
    spline), whatever their order.

    Args:
        labels: values of the table of structures.
        points_ras: (N, 3), mm, from three up; of a curve in one slice in order, and closed where the last is the first.
        flipped: take the side that holds more.

    Raises:
        NothingFound: there is no liver.
        InputError: too few points, all on a line, or a cut that takes nothing or everything.
    """
    center, axes = fit_plane(points_ras)
    local = (np.asarray(points_ras, float) - center) @ axes.T
    liver = inside_liver(labels)
    voxels = np.argwhere(liver)
    if len(voxels) == 0:
        raise NothingFound("There is no liver in the label image", "Check its values: the liver is 1")
    at = (images.kji_to_ras(voxels, labels) - center) @ axes.T
    above, method = np.zeros(len(at), bool), "a curve drawn in one slice"
    if is_flat(points_ras):
        above = _beside(local[:, :2], at[:, :2])
    if above.all() or not above.any():
        above, method = at[:, 2] > _sheet_heights(local, at[:, :2]), "a drawn curve"
    smaller = above if 2 * np.count_nonzero(above) <= len(above) else ~above
    taken = ~smaller if flipped else smaller
    remnant = np.zeros(liver.shape, np.uint8)
    remnant[tuple(voxels[~taken].T)] = 1
    resection = resect_by_remnant(labels, images.image_like(remnant, labels))
    return Resection(**{**vars(resection), "method": method, "notes": resection.notes})


def _beside(line: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which places (N, 2) a closed line (M, 2) surrounds, or lie on one side of an open one that goes on straight."""
    from matplotlib.path import Path as Outline

    if np.linalg.norm(line[0] - line[-1]) > FLAT_MM:
        ends = [_beyond(line[0], line[min(1, len(line) - 1)]), _beyond(line[-1], line[-2])]
        along = ends[1] - ends[0]
        aside = _FAR_MM * np.array([-along[1], along[0]]) / np.linalg.norm(along)
        line = np.vstack([ends[0], line, ends[1], ends[1] + aside, ends[0] + aside])
    return Outline(line).contains_points(places)


def _beyond(end: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A point far beyond the end of a line, in the direction that it has there."""
    direction = end - before
    return end + _FAR_MM * direction / max(float(np.linalg.norm(direction)), 1e-6)


def _sheet_heights(local: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Height at places (N, 2) of the smooth sheet through points (M, 3), mm, both in the axes of `fit_plane`."""
    from scipy.interpolate import RBFInterpolator

    some = local[:: max(len(local) // MOST_POINTS, 1)]
    flat, distinct = np.unique(some[:, :2].round(2), axis=0, return_index=True)
    sheet = RBFInterpolator(flat, some[distinct, 2], kernel="thin_plate_spline", smoothing=1.0, degree=1)
    return _heights(sheet, places)


def _heights(sheet: object, places: np.ndarray, step: float = 3.0) -> np.ndarray:
    """The sheet's height at places (N, 2), mm: computed every 3 mm and interpolated, for it is smooth."""
    from scipy.ndimage import map_coordinates

    low = places.min(axis=0) - step
    counts = np.ceil((places.max(axis=0) + step - low) / step).astype(int) + 1
    grid = np.stack(np.meshgrid(*(low[a] + step * np.arange(counts[a]) for a in (0, 1)), indexing="ij"), axis=-1)
    heights = sheet(grid.reshape(-1, 2)).reshape(counts)  # type: ignore[operator]
    return map_coordinates(heights, ((places - low) / step).T, order=1, mode="nearest")
