"""The liver's surface on the image's own grid: the network's probability and the intensities near it, together.

A network at 3 mm knows where the liver is to a voxel of its own. Within 4 mm of its surface, each voxel of the image
is decided by the log-odds of the probability plus a share of how much more its intensity looks like the liver nearby
than like what lies outside nearby. Width, share and reach were chosen on three CTs (two whole livers and a slab).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

BAND_MM = 4.0
SHARE = 0.3
"""Of the intensities' log-likelihood ratio against the network's log-odds."""
MOST = 4.0
"""Limit of that ratio, so that one odd voxel decides nothing."""
INSIDE_CELLS, OUTSIDE_CELLS, SHELL_CELLS = 3.0, 2.0, 5
"""On the network's grid: Gaussian widths of the local statistics, and how far outside is looked at."""
LEAST_DEVIATION = (0.025, 0.04)
"""Inside and outside, in the network's units (a CT: 10 and 16 HU)."""
SMOOTHING_MM = 0.7
_SLICES = 16
_REACH = 1e-3

Intensity = Callable[[np.ndarray], np.ndarray]
"""From the image's values to the network's."""


def refined_mask(
    image: sitk.Image,
    grid: sitk.Image,
    core: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    values: np.ndarray,
    intensity: Intensity,
) -> sitk.Image:
    """The liver on the image's grid, uint8.

    Args:
        grid: geometry of the network's grid, isotropic.
        core: bool (I, J, K), the liver there.
        probability: float32 (I, J, K).
        threshold: probability at the liver's surface.
        values: float32 (I, J, K), what the network was shown.
        intensity: maps the image's values as `values` were mapped.
    """
    near = _box(core)
    small = images.crop(grid, images.Box(tuple(s.start for s in near[::-1]), tuple(s.stop for s in near[::-1])))
    maps = [_image(m, small) for m in _maps(core[near], probability[near], threshold, values[near], grid)]
    box = images.box_of_grid(small, image)
    refined = np.zeros(image.GetSize()[::-1], np.uint8)
    start, stop = box.start[0], box.stop[0]
    for low in range(start, stop, _SLICES):
        high = min(low + _SLICES, stop)
        refined[low:high, box.slices[1], box.slices[2]] = _slab(image, box, (low, high), maps, intensity)
    return images.image_like(refined, image)


def _box(core: np.ndarray) -> tuple[slice, ...]:
    """The liver with room for the shell."""
    room = SHELL_CELLS + int(np.ceil(3 * INSIDE_CELLS))
    where = [np.flatnonzero(core.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return tuple(
        slice(max(0, int(w[0]) - room), min(n, int(w[-1]) + 1 + room)) for w, n in zip(where, core.shape, strict=True)
    )


def _maps(
    core: np.ndarray, probability: np.ndarray, threshold: float, values: np.ndarray, grid: sitk.Image
) -> list[np.ndarray]:
    """On the network's grid: distance to the surface (mm, inside below 0), log-odds over the threshold's, and the
    quadratic, linear and constant coefficient of the log-likelihood ratio of an intensity."""
    import edt
    from scipy import ndimage

    spacing = float(grid.GetSpacing()[0])
    element = ndimage.generate_binary_structure(3, 2)
    inner = ndimage.binary_erosion(core, element)
    inner = inner if inner.any() else core
    shell = ndimage.binary_dilation(core, element, iterations=SHELL_CELLS) & ~ndimage.binary_dilation(core, element)
    away = edt.edt(np.require(~core, requirements="CW").view(np.uint8), anisotropy=(spacing,) * 3, parallel=1)
    depth = edt.edt(np.require(core, requirements="CW").view(np.uint8), anisotropy=(spacing,) * 3, parallel=1)
    distance = np.where(core, spacing / 2 - depth, away - spacing / 2)
    share = np.clip(probability, _REACH, 1 - _REACH)
    odds = np.log(share / (1 - share)) - np.log(threshold / (1 - threshold))
    mean_in, sd_in = _local(values, inner, INSIDE_CELLS, LEAST_DEVIATION[0])
    mean_out, sd_out = _local(values, shell, OUTSIDE_CELLS, LEAST_DEVIATION[1])
    sharp_in, sharp_out = 0.5 / sd_in**2, 0.5 / sd_out**2
    return [
        distance,
        odds,
        sharp_out - sharp_in,
        2 * (sharp_in * mean_in - sharp_out * mean_out),
        sharp_out * mean_out**2 - sharp_in * mean_in**2 + np.log(sd_out / sd_in),
    ]


def _local(values: np.ndarray, where: np.ndarray, width: float, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of the values in a mask nearby; those of the whole mask where none of it is near."""
    from scipy import ndimage

    if not where.any():
        return np.zeros(values.shape, np.float32), np.ones(values.shape, np.float32)

    def smooth(array: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(array.astype(np.float32), width, truncate=3)

    weight = smooth(where)
    some = np.maximum(weight, 1e-6)
    known = np.where(where, values, 0)
    mean, square = smooth(known) / some, smooth(known * values) / some
    own = values[where]
    far = weight < 0.01
    mean = np.where(far, own.mean(), mean)
    deviation = np.where(far, own.std(), np.sqrt(np.maximum(square - mean**2, 0)))
    return mean, np.maximum(deviation, least)


def _slab(
    image: sitk.Image, box: images.Box, limits: tuple[int, int], maps: list[sitk.Image], intensity: Intensity
) -> np.ndarray:
    """The decision (bool, K-J-I) in some slices of the box."""
    from scipy import ndimage

    part = images.Box((limits[0], *box.start[1:]), (limits[1], *box.stop[1:]))
    reference = images.crop(image, part)
    distance = _on(maps[0], reference, 1e3)
    liver = distance < -BAND_MM
    band = np.abs(distance) <= BAND_MM
    if not band.any():
        return liver
    spacing = images.spacing_kji(image)
    halo = int(np.ceil(3 * SMOOTHING_MM / spacing[0])) if _smoothed(spacing[0]) else 0
    low, high = max(0, limits[0] - halo), min(image.GetSize()[2], limits[1] + halo)
    shown = intensity(images.array_of(image)[low:high, box.slices[1], box.slices[2]].astype(np.float32))
    widths = [SMOOTHING_MM / s if _smoothed(s) else 0 for s in spacing]
    shown = ndimage.gaussian_filter(shown.astype(np.float32), widths, truncate=3)
    shown = shown[limits[0] - low : limits[1] - low][band]
    odds, square, linear, constant = (_on(m, reference, 0.0)[band] for m in maps[1:])
    ratio = np.clip((square * shown + linear) * shown + constant, -MOST, MOST)
    liver[band] = odds + SHARE * ratio > 0
    return liver


def _smoothed(spacing: float) -> bool:
    """Whether noise is smoothed along an axis: not over slices or voxels that are as thick as the smoothing."""
    return bool(spacing < 2 * SMOOTHING_MM)


def _on(small: sitk.Image, reference: sitk.Image, outside: float) -> np.ndarray:
    return images.array_of(sitk.Resample(small, reference, sitk.Transform(), sitk.sitkLinear, outside))


def _image(values: np.ndarray, grid: sitk.Image) -> sitk.Image:
    """With one more voxel all around, so that what lies beyond the outermost centers is not lost."""
    image = images.image_like(np.ascontiguousarray(values.astype(np.float32).transpose(2, 1, 0)), grid)
    return sitk.ZeroFluxNeumannPad(image, [1] * 3, [1] * 3)
