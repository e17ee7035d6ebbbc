"""A first guess of where the humeral head is: the place that most edges of a shoulder MRI point to or away from.

Each edge voxel votes for the two points one radius along its gradient (the head is brighter than its rim in
some contrasts and darker in others); the middle of a sphere gathers the votes of its whole surface. The humeral
shaft gathers votes too, but has no top: votes of surfaces that face up and of all others must both be many.
Places off the middle of the field count less. This is experimental: it says how sure it is, and a person should
look.
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
        raise NothingFound("No humeral head was found in the image", "Give its center as a point")
    units = (gradients[:, strong] / strength[strong]).T
    direction = np.array(coarse.GetDirection()).reshape(3, 3)
    upward = units[:, ::-1] @ direction[2]
    prior = _prior(array.shape)
    best: tuple[float, np.ndarray, float, np.ndarray] | None = None
    for radius in RADII_MM:
        up, rest = (
            ndimage.gaussian_filter(votes, 1.3) / radius
            for votes in _votes(array.shape, where, units, upward, radius / GRID_MM)
        )
        votes = np.sqrt(up * rest) * prior
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


def _prior(shape: tuple[int, ...]) -> np.ndarray:
    """1 in the middle of the field, falling to about 0.6 at 50 mm from it."""
    middle = [(n - 1) / 2 for n in shape]
    square = sum(
        ((g - m) * GRID_MM) ** 2 for g, m in zip(np.ogrid[tuple(slice(n) for n in shape)], middle, strict=True)
    )
    return np.exp(-square / (2 * 50.0**2)).astype(np.float32)


def _votes(
    shape: tuple[int, ...], where: np.ndarray, units: np.ndarray, upward: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Votes along and against the gradient: those of surfaces that face up (within about 50°), and all others."""
    up, rest = np.zeros(int(np.prod(shape)), np.float32), np.zeros(int(np.prod(shape)), np.float32)
    for sign in (1.0, -1.0):
        at = np.round(where + sign * radius * units).astype(int)
        held = ((at >= 0) & (at < shape)).all(1)
        flat = np.ravel_multi_index(tuple(at[held].T), shape)
        facing = -sign * upward[held] > 0.65
        up += np.bincount(flat[facing], minlength=len(up))
        rest += np.bincount(flat[~facing], minlength=len(rest))
    return up.reshape(shape), rest.reshape(shape)
