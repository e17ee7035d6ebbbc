"""A resection along a curved sheet through points that were drawn, e.g. a line on the liver's surface."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.resection.cutting import Resection, resect_by_remnant
from PreopReviewLib import images
from PreopReviewLib.errors import InputError, NothingFound

MOST_POINTS = 60
"""A thin plate through more points is hardly different, and slow."""


def fit_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center (3,) of points (N, 3), and axes (3, 3) by falling spread; the last one is the normal.

    Raises:
        InputError: fewer than three points, or all on one line.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < 3:
        raise InputError("A cut needs at least three points", "Draw more of them")
    center = points.mean(axis=0)
    spread, axes = np.linalg.svd(points - center, full_matrices=False)[1:]
    if spread[1] < 1e-3 * spread[0] or spread[0] == 0:
        raise InputError("The points of the cut lie on one line", "Draw a curve that bends around the part to take")
    return center, axes


def resect_by_curve(labels: sitk.Image, points_ras: np.ndarray, flipped: bool = False) -> Resection:
    """Cuts along the smooth sheet (thin plate spline) through points, extended to the whole liver.

    The points' own plane gives the sheet its two sides; the side that holds less of the liver is taken, or with
    `flipped` the other one.

    Args:
        labels: values of the table of structures.
        points_ras: (N, 3), mm, from three up; in any order.

    Raises:
        NothingFound: there is no liver.
        InputError: too few points, all on a line, or a cut that takes nothing or everything.
    """
    from scipy.interpolate import RBFInterpolator

    center, axes = fit_plane(points_ras)
    points = np.asarray(points_ras, float)
    local = (points[:: max(len(points) // MOST_POINTS, 1)] - center) @ axes.T
    flat, distinct = np.unique(local[:, :2].round(2), axis=0, return_index=True)
    sheet = RBFInterpolator(flat, local[distinct, 2], kernel="thin_plate_spline", smoothing=1.0, degree=1)
    liver = inside_liver(labels)
    voxels = np.argwhere(liver)
    if len(voxels) == 0:
        raise NothingFound("There is no liver in the label image", "Check its values: the liver is 1")
    at = (images.kji_to_ras(voxels, labels) - center) @ axes.T
    above = at[:, 2] > _heights(sheet, at[:, :2])
    smaller = above if 2 * np.count_nonzero(above) <= len(above) else ~above
    taken = ~smaller if flipped else smaller
    remnant = np.zeros(liver.shape, np.uint8)
    remnant[tuple(voxels[~taken].T)] = 1
    made = resect_by_remnant(labels, images.image_like(remnant, labels))
    return Resection(**{**vars(made), "method": "a drawn curve", "notes": made.notes})


def _heights(sheet: object, places: np.ndarray, step: float = 3.0) -> np.ndarray:
    """The sheet's height at places (N, 2), mm: computed every 3 mm and interpolated, for it is smooth."""
    from scipy.ndimage import map_coordinates

    low = places.min(axis=0) - step
    counts = np.ceil((places.max(axis=0) + step - low) / step).astype(int) + 1
    grid = np.stack(np.meshgrid(*(low[a] + step * np.arange(counts[a]) for a in (0, 1)), indexing="ij"), axis=-1)
    heights = sheet(grid.reshape(-1, 2)).reshape(counts)  # type: ignore[operator]
    return map_coordinates(heights, ((places - low) / step).T, order=1, mode="nearest")
