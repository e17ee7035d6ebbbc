"""Lesions inside a given liver in a CT or MR image, by the KU Leuven network.

Preprocessing follows the original (`pyliverlesionseg` 0.3, read, not copied); deviations are named where they are
made and in the model card. Importing this does not import torch.
"""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.liver import LiverResult, load_predictor, to_source
from PreopReviewLib import images, models
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import nn

    from PreopReviewLib.inference import Placement, Predictor

DEFAULT_MODEL = "kuleuven-lesion"
SPACING_MM = (1.0, 1.0, 3.0)
"""I-J-K."""
OUTSIDE = -0.5
THRESHOLD = 0.5
MAX_WINDOW = (124, 116, 58)
"""Largest output of one window, I-J-K. The original's 92 × 84 × 42 loses 88 × 88 × 44 voxels of input to its margin,
moves the last window of each axis back, and so computes most voxels more than once. Windows here share the liver's
box evenly and are of about the original's size, as the statistics are taken over the window."""
_MARGIN = (44, 44, 22)

LesionResult = LiverResult
"""The same shape of result: `mask` holds the lesions."""


def segment_lesions(
    image: sitk.Image,
    liver_mask: sitk.Image,
    modality: str,
    package: str | Path | models.ModelPackage | None = None,
    device: str = "auto",
    *,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> LesionResult:
    """Lesions of a 3-D image (a CT in HU) in and at the given liver. An empty mask means that none was found.

    Args:
        liver_mask: not 0 in the whole liver, lesions included, on the image's grid.
        modality, package, device: as for `segment_liver`; the network must be `KuLeuvenLesionUNet`.

    Raises:
        GeometryError: the mask is on another grid. InputError: it is empty. ModelError. OutOfMemory. Cancelled.
    """
    start, token = time.perf_counter(), cancel or CancelToken()
    if not images.same_grid(image, liver_mask):
        raise GeometryError("The liver mask is not on the image's grid", "Resample it to the image first")
    if not images.array_of(liver_mask).any():
        raise InputError("The liver mask is empty", "Segment the liver first")
    predictor, name = load_predictor(package or DEFAULT_MODEL, "KuLeuvenLesionUNet", modality, device, progress)
    progress(0.1, "Preparing the liver for the lesion network")
    values, inside, grid = prepare(image, liver_mask, modality)
    probability = _predict(predictor, values, inside, progress, token)
    result = sitk.GetImageFromArray(np.ascontiguousarray(probability.transpose(2, 1, 0)))
    result.CopyInformation(grid)
    if (probability > THRESHOLD).any():
        mask = to_source(result, image, THRESHOLD)
    else:
        mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
        mask.CopyInformation(image)
    progress(1.0, "Lesions done")
    seconds = round(time.perf_counter() - start, 3)
    placement = predictor.placement
    notes = list(predictor.notes)
    return LesionResult(mask, name, result, None, notes, placement.device, placement.precision, seconds)


def prepare(image: sitk.Image, liver_mask: sitk.Image, modality: str) -> tuple[np.ndarray, np.ndarray, sitk.Image]:
    """Values (I, J, K) at 1 × 1 × 3 mm, -0.5 outside the liver dilated by 2; that liver; and their grid.

    The original resamples the whole image; here the liver's box with a margin, which gives the same values.
    """
    from scipy import ndimage

    from PreopReviewLib.inference.resampling import zoom_kji

    image, liver = images.orient(image, "RAS"), images.orient(liver_mask, "RAS")
    box = images.bounding_box(liver, margin_mm=10.0)
    image, liver = images.crop(image, box), images.crop(liver, box)
    zoom = images.spacing_kji(image) / np.array(SPACING_MM[::-1])
    array, mask = images.array_of(image), images.array_of(liver) > 0
    values = zoom_kji(array, zoom)
    low, middle, high = _intensity_limits(array[mask], modality)
    half = max(middle - low, high - middle)  # the extreme farther from the middle goes to ±0.5
    values = np.clip((values - middle) / (2 * half), -0.5, 0.5)
    element = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 2), 2)
    inside = ndimage.binary_dilation(zoom_kji(mask, zoom) > 0.5, element)
    values[~inside] = OUTSIDE
    cut = ndimage.find_objects(inside.astype(np.uint8))[0]
    grid = _grid(image, values.shape, cut)
    return (
        np.ascontiguousarray(values[cut].transpose(2, 1, 0)),
        np.ascontiguousarray(inside[cut].transpose(2, 1, 0)),
        grid,
    )


def _intensity_limits(liver: np.ndarray, modality: str) -> tuple[float, float, float]:
    """What goes to -0.5, 0 and 0.5 (or nearer to 0): CT ±200 HU; MR minimum, median and maximum of the liver."""
    if modality == "CT":
        return -200.0, 0.0, 200.0
    low, middle, high = (float(v) for v in (liver.min(), np.median(liver), liver.max()))
    if low >= high:
        raise InputError("The image has the same value everywhere in the liver", "Check the image and the mask")
    return low, middle, high


def _grid(image: sitk.Image, shape: tuple[int, ...], cut: tuple[slice, ...]) -> sitk.Image:
    """The geometry of a cut (K-J-I) of an image zoomed to `SPACING_MM` about its center."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    center = (np.array(image.GetSize()) - 1) / 2
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint(center.tolist()))
    first = np.array([s.start for s in cut[::-1]]) - (np.array(shape[::-1]) - 1) / 2
    grid = sitk.Image([s.stop - s.start for s in cut[::-1]], sitk.sitkUInt8)
    grid.SetSpacing(SPACING_MM)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin((middle + direction @ (first * SPACING_MM)).tolist())
    return grid


def share(size: int, limit: int, remainder: int) -> tuple[int, list[int]]:
    """The side of a window, and where windows begin along one axis: evenly spread, just covering it.

    Args:
        remainder: a side must be a multiple of 8 plus this.
    """
    count = -(-size // limit)
    side = -(-max(-(-size // count) - remainder, 8) // 8) * 8 + remainder
    if count == 1:
        return side, [-((side - size) // 2)]
    return side, [round(n * (size - side) / (count - 1)) for n in range(count)]


def _predict(
    predictor: Predictor, values: np.ndarray, inside: np.ndarray, progress: Progress, cancel: CancelToken
) -> np.ndarray:
    """Probability (I, J, K), 0 outside the liver; windows without liver are not computed."""
    import torch

    from PreopReviewLib.models.kuleuven_lesion_fast import lesion_logits

    divisions = [share(n, w, r) for n, w, r in zip(values.shape, MAX_WINDOW, (4, 4, 2), strict=True)]
    window = tuple(side for side, _ in divisions)
    starts = list(product(*(begin for _, begin in divisions)))
    starts = [s for s in starts if inside[_overlap(s, window, values.shape)[0]].any()]
    out = np.zeros(values.shape, np.float32)
    for number, start in enumerate(starts):
        cancel.raise_if_cancelled()
        progress(0.15 + 0.8 * number / len(starts), f"Detecting lesions, part {number + 1} of {len(starts)}")
        shape = tuple(w + 2 * m for w, m in zip(window, _MARGIN, strict=True))
        first = tuple(s - m for s, m in zip(start, _MARGIN, strict=True))
        seen, place = _overlap(first, shape, values.shape)
        # Beyond the liver's box the window is 0, as in the original.
        patch, at = np.ascontiguousarray(values[seen]), tuple(p.start for p in place)

        def compute(
            network: nn.Module,
            placement: Placement,
            patch: np.ndarray = patch,
            at: tuple[int, ...] = at,
            shape: tuple[int, ...] = shape,
        ) -> torch.Tensor:
            tensor = torch.from_numpy(patch).to(placement.device, placement.dtype)
            return torch.sigmoid(lesion_logits(network, tensor, at, shape)).cpu()  # type: ignore[arg-type]

        target, source = _overlap(start, window, values.shape)
        out[target] = predictor.run(compute).numpy()[source]
    return np.where(inside, out, 0)


def _overlap(
    start: tuple[int, ...], window: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """A window's part inside the image: where in the image, and where in the window."""
    low = [max(s, 0) for s in start]
    high = [min(s + w, n) for s, w, n in zip(start, window, shape, strict=True)]
    return (
        tuple(slice(a, b) for a, b in zip(low, high, strict=True)),
        tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True)),
    )
