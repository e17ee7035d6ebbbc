"""The eight Couinaud segments of a liver mask, by a network that has learned the shapes of real livers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from LiverPlannerLib.couinaud.channels import MARGIN, SPACING, liver_channels
from LiverPlannerLib.couinaud.checks import SHAPE_ALONE, doubts
from LiverPlannerLib.couinaud.whole_segments import fill_unreached, whole_segments
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, ModelError, NothingFound
from PreopReviewLib.images.geometry import box_of
from PreopReviewLib.progress import CancelToken, Progress, silent

if TYPE_CHECKING:
    from PreopReviewLib.models.package import ModelPackage

PACKAGE, TASK = "couinaud", "couinaud-segments"
SHIFTS = (0, 1)
SMALL_PIECE = 0.02
"""Share of the liver below which a loose piece does not count in judging its shape."""
LEAST_ML = 20.0
AT_ONCE = 2**20
"""Voxels whose probabilities are interpolated at once."""


@dataclass(frozen=True)
class CouinaudSegments:
    """What was found.

    Attributes:
        labels: uint8 on the mask's grid, 1 to 8 in the liver (`structures.SEGMENTS`), 0 elsewhere.
        model: name and version of the package.
        notes: what a reader should know.
        warnings: what a reader must know.
        seconds: time taken.
    """

    labels: sitk.Image
    model: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def couinaud_segments(
    liver_mask: sitk.Image,
    vessels: sitk.Image | None = None,
    progress: Progress = silent,
    package: ModelPackage | None = None,
    cancel: CancelToken | None = None,
) -> sitk.Image:
    """The label image (1 to 8) of `find_segments`, which says what the arguments are."""
    return find_segments(liver_mask, vessels, progress, package, cancel).labels


def find_segments(
    liver_mask: sitk.Image,
    vessels: sitk.Image | None = None,
    progress: Progress = silent,
    package: ModelPackage | None = None,
    cancel: CancelToken | None = None,
) -> CouinaudSegments:
    """Couinaud segments of a liver: together exactly the mask, each of them one piece if the liver is one.

    Args:
        liver_mask: non-zero in the liver with all that it contains; any spacing and direction.
        vessels: non-zero in vessels, on the same grid, where the mask leaves them out: they count as liver for the
            shape that the network sees, and get no segment. The network does not know where vessels run.
        package: a model package of this task; by default the one that is shipped.

    Raises:
        NothingFound: the mask is empty, or holds less than 20 ml.
        GeometryError: mask and vessels do not share a grid.
        ModelError: the package is for another task.
    """
    started, cancel = time.perf_counter(), cancel or CancelToken()
    if vessels is not None and not images.same_grid(liver_mask, vessels):
        raise GeometryError("The vessels are not on the grid of the liver mask", "Resample them to the mask")
    whole = images.array_of(liver_mask) > 0
    milliliters = np.count_nonzero(whole) * images.voxel_ml(liver_mask)
    if not milliliters:
        raise NothingFound("The liver mask is empty", "Give a mask that holds the liver")
    if milliliters < LEAST_ML:
        raise NothingFound(
            f"The liver mask holds {milliliters:.1f} ml, too little for a liver", "Give a mask of the whole liver"
        )
    network, settings, model = _network(package)
    box = images.bounding_box(liver_mask)
    crop = images.crop(liver_mask, box) != 0
    seen = crop if vessels is None else crop | (images.crop(vessels, box) != 0)
    progress(0.05, "Couinaud segments: preparing the liver's shape")
    frame = _frame(seen)
    shape = _shape_on(seen, frame)
    cancel.raise_if_cancelled()
    progress(0.15, "Couinaud segments: running the network")
    shares = _shares(network, shape, settings["divisor"])
    cancel.raise_if_cancelled()
    progress(0.5, "Couinaud segments: resampling to the mask's grid")
    inside = whole[box.slices]
    labels = whole_segments(_labels_on(shares, frame, crop, inside))
    labels = fill_unreached(labels, inside, images.spacing_kji(crop))
    out = np.zeros(whole.shape, np.uint8)
    out[box.slices] = labels
    segments = images.image_like(out, liver_mask)
    progress(1.0, "Segments found")
    warnings = doubts(shape, labels, whole.shape, box.slices, settings.get("usual_shares"))
    return CouinaudSegments(segments, model, [SHAPE_ALONE], warnings, time.perf_counter() - started)


def shipped_package() -> ModelPackage:
    """The package in Resources/Models."""
    from PreopReviewLib.models.package import load_package
    from PreopReviewLib.resources import resource

    return load_package(resource("Models", PACKAGE))


def _network(package: ModelPackage | None) -> tuple:
    """The network without its batch norms, the settings of its inference, its name and version."""
    if package is None:
        return _shipped_network()
    if package.metadata["task"] != TASK:
        raise ModelError(f"The model {package.name} does not find Couinaud segments", "Leave the model out")
    from PreopReviewLib.inference.fusing import fused

    network = fused(package.load_network())
    return network, package.metadata["inference"], f"{package.name} {package.version}"


@lru_cache(maxsize=1)
def _shipped_network() -> tuple:
    return _network(shipped_package())


def _frame(mask: sitk.Image) -> sitk.Image:
    """An axis-aligned LPS grid of the network's spacing around a cropped mask, with room for the margin."""
    size = np.array(mask.GetSize()) - 0.5
    corners = np.array([mask.TransformContinuousIndexToPhysicalPoint(c) for c in _corners(size)])
    low, high = corners.min(0), corners.max(0)
    count = np.ceil((high - low) / SPACING).astype(int) + 2 * MARGIN + 1
    origin = (low + high) / 2 - (count - 1) / 2 * SPACING
    frame = sitk.Image(count.tolist(), sitk.sitkUInt8)
    frame.SetSpacing([SPACING] * 3)
    frame.SetOrigin(origin.tolist())
    return frame


def _corners(high: np.ndarray) -> list[list[float]]:
    return [[float(v) for v in corner] for corner in product(*((-0.5, h) for h in high))]


def _shape_on(mask: sitk.Image, frame: sitk.Image) -> np.ndarray:
    """The liver on the network's grid (bool K, J, I), holes filled, without loose pieces."""
    import cc3d

    smooth = sitk.Cast(mask, sitk.sitkFloat32)
    fine = [max(1, int(SPACING / 2 / s)) for s in mask.GetSpacing()]  # several voxels of a fine grid count as one
    if max(fine) > 1:
        smooth = sitk.BinShrink(sitk.ConstantPad(smooth, fine, fine), fine)
    there = sitk.Resample(smooth, frame, sitk.Transform(), sitk.sitkLinear, 0.0)
    array = images.array_of(there) >= 0.5
    if not array.any():
        raise NothingFound("The liver mask is too thin for a liver", "Give a mask of the whole liver")
    pieces, count = cc3d.connected_components(array, connectivity=26, return_N=True)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        array = np.isin(pieces, np.flatnonzero(sizes >= SMALL_PIECE * sizes.sum()))
    return ndimage.binary_fill_holes(array)


def _shares(network, shape: np.ndarray, divisor: int) -> np.ndarray:
    """(8, K, J, I) float32 probabilities; outside the liver, those of the nearest liver voxel.

    The mean over two places of the blocks that the network thinks in.
    """
    import torch

    box = box_of(shape, MARGIN)
    shown = liver_channels(shape[box])
    size = shown.shape[1:]
    total = np.zeros((8, *size), np.float32)
    for shift in SHIFTS:
        pad = [(0, 0), *((shift, -(n + shift) % divisor) for n in size)]
        tensor = torch.from_numpy(np.pad(shown, pad, mode="edge"))[None]
        with torch.inference_mode():
            probabilities = network(tensor)[0].softmax(0).numpy()
        total += probabilities[(slice(None), *(slice(shift, shift + n) for n in size))]
    total /= len(SHIFTS)
    everywhere = np.zeros((8, *shape.shape), np.float32)
    everywhere[(slice(None), *box)] = total
    nearest = ndimage.distance_transform_edt(~shape, return_distances=False, return_indices=True)
    return everywhere[(slice(None), *nearest)]


def _labels_on(shares: np.ndarray, frame: sitk.Image, crop: sitk.Image, inside: np.ndarray) -> np.ndarray:
    """The most probable segment (1 to 8) of every voxel of `inside`, on the grid of `crop`; 0 elsewhere."""
    import torch
    from torch.nn import functional as F

    matrix, offset = _index_map(crop, frame)
    size = np.array(shares.shape[1:])[::-1]
    matrix, offset = matrix * (2 / (size - 1))[:, None], offset * 2 / (size - 1) - 1
    volume = torch.from_numpy(np.ascontiguousarray(shares))[None]
    places = np.flatnonzero(inside.ravel())
    values = np.empty(len(places), np.uint8)
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        kji = np.stack(np.unravel_index(some, inside.shape)).astype(np.float32)
        grid = (matrix.astype(np.float32) @ kji[::-1] + offset.astype(np.float32)[:, None]).T
        with torch.inference_mode():
            there = F.grid_sample(
                volume, torch.from_numpy(np.ascontiguousarray(grid))[None, None, None], align_corners=True,
                padding_mode="border",
            )  # fmt: skip
            values[first : first + AT_ONCE] = there[0, :, 0, 0].argmax(0).numpy() + 1
    labels = np.zeros(inside.size, np.uint8)
    labels[places] = values
    return labels.reshape(inside.shape)


def _index_map(source: sitk.Image, target: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset from continuous indices (i, j, k) of one image to those of another."""
    origin = np.array(target.TransformPhysicalPointToContinuousIndex(source.GetOrigin()))
    steps = []
    for axis in range(3):
        one = [0, 0, 0]
        one[axis] = 1
        point = source.TransformContinuousIndexToPhysicalPoint([float(v) for v in one])
        steps.append(np.array(target.TransformPhysicalPointToContinuousIndex(point)) - origin)
    return np.stack(steps, 1), origin
