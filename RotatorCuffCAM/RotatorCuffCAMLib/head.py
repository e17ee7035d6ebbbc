"""A first guess of where the humeral head is: the place that most edges of a shoulder MRI point to or away from.

Each edge voxel votes for the two points one radius along its gradient (the head is brighter than its rim in some
contrasts and darker in others); the middle of a sphere gathers the votes of its whole surface. This is experimental:
it says how sure it is, and a person should look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import NothingFound

RADII_MM = (20.0, 21.5, 23.0, 24.5, 26.0)
GRID_MM = 2.5


@dataclass(frozen=True)
class HeadGuess:
    """Where the head may be.

    Attributes:
        center_lps: mm.
        radius_mm: of the sphere that fits best.
        confidence: 0 to 1: how far the best place stands out from the next best one.
    """

    center_lps: tuple[float, float, float]
    radius_mm: float
    confidence: float


def find_head(image: sitk.Image) -> HeadGuess:
    """The likeliest middle of the humeral head in a shoulder MRI of either side.

    Raises:
        NothingFound: the image has no edges to vote.
    """
    from scipy import ndimage

    coarse = _isotropic(image)
    array = sitk.GetArrayFromImage(coarse)
    array = np.clip(array / max(np.percentile(array, 99.0), 1e-6), 0, 1)
    gradients = np.stack([ndimage.gaussian_filter1d(array, 1.0, axis=a, order=1) for a in range(3)])
    strength = np.sqrt((gradients**2).sum(0))
    strong = strength > np.percentile(strength, 88)
    where = np.argwhere(strong)
    if len(where) == 0 or strength.max() <= 0:
        raise NothingFound("No humeral head is to be seen in the image", "Give its middle as a point")
    units = (gradients[:, strong] / strength[strong]).T
    best: tuple[float, np.ndarray, float, np.ndarray] | None = None
    for radius in RADII_MM:
        votes = _votes(array.shape, where, units, radius / GRID_MM)
        votes = ndimage.gaussian_filter(votes, 1.3) / radius**2
        peak = np.array(np.unravel_index(votes.argmax(), votes.shape))
        if best is None or votes.max() > best[0]:
            best = (float(votes.max()), peak, radius, votes)
    assert best is not None
    top, peak, radius, votes = best
    far = np.sqrt(sum((g - p) ** 2 for g, p in zip(np.indices(votes.shape), peak, strict=True))) * GRID_MM > 15
    rival = float(votes[far].max()) if far.any() else 0.0
    confidence = float(np.clip(2 * (1 - rival / top), 0, 1))
    center = coarse.TransformContinuousIndexToPhysicalPoint([float(v) for v in peak[::-1]])
    return HeadGuess(center, radius, confidence)


def _isotropic(image: sitk.Image) -> sitk.Image:
    from PreopReviewLib import images

    smooth = sitk.Cast(image, sitk.sitkFloat32)
    variance = [max(0.0, (GRID_MM**2 - s**2) / 5) for s in image.GetSpacing()]
    if min(variance) < max(variance) or max(variance) > 0:
        smooth = sitk.DiscreteGaussian(smooth, [max(v, 1e-3) for v in variance], 32, 0.02, True)
    return images.resample_spacing(smooth, (GRID_MM,) * 3, "linear")


def _votes(shape: tuple[int, ...], where: np.ndarray, units: np.ndarray, radius: float) -> np.ndarray:
    """The better of two votings, along and against the gradient, so that one sphere cannot be voted for by both."""
    found = []
    for sign in (1.0, -1.0):
        at = np.round(where + sign * radius * units).astype(int)
        held = ((at >= 0) & (at < shape)).all(1)
        flat = np.ravel_multi_index(tuple(at[held].T), shape)
        found.append(np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32))
    return found[0] + found[1]
