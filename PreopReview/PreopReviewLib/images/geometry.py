"""Grids: array views, orientation, resampling, boxes, and the way between voxels and patient space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import GeometryError, InputError

Kind = Literal["linear", "nearest", "label"]
Slices = tuple[slice, slice, slice]


class _Voxels:
    """The buffer of an image and the image, so that numpy's `base` keeps both alive."""

    def __init__(self, image: sitk.Image) -> None:
        self._image = image
        self._view = sitk.GetArrayViewFromImage(image)
        self.__array_interface__ = self._view.__array_interface__


def array_of(image: sitk.Image) -> np.ndarray:
    """A read-only K-J-I view of the voxels, which keeps the image alive.

    (`sitk.GetArrayViewFromImage` does not: of a temporary image it shows freed memory.)
    """
    return np.asarray(_Voxels(image))


def image_like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """An image of a K-J-I array on the reference's grid; booleans become uint8.

    Raises:
        GeometryError: the shapes differ.
    """
    if array.shape != reference.GetSize()[::-1]:
        raise GeometryError(f"An array of shape {array.shape} does not fit a grid of shape {reference.GetSize()[::-1]}")
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.CopyInformation(reference)
    return image


def image_of(array: np.ndarray, spacing: Sequence[float], origin: Sequence[float], axes: np.ndarray) -> sitk.Image:
    """An image of a K-J-I array; spacing in mm (I-J-K), origin in LPS mm, columns of `axes` the directions of I-J-K."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(v) for v in origin])
    image.SetDirection([float(v) for v in np.asarray(axes).ravel()])
    return image


def spacing_kji(image: sitk.Image) -> np.ndarray:
    """Voxel spacing in mm, in K-J-I order."""
    return np.array(image.GetSpacing()[::-1])


def voxel_ml(image: sitk.Image) -> float:
    """Volume of one voxel in ml."""
    return float(np.prod(image.GetSpacing())) / 1000.0


def same_grid(a: sitk.Image, b: sitk.Image, tolerance: float = 1e-3) -> bool:
    """Whether two images have the same size and every voxel center within `tolerance` voxels."""
    if a.GetSize() != b.GetSize():
        return False
    far = np.array(a.GetSize(), float) - 1
    corners = [far * c for c in np.ndindex(2, 2, 2)]
    limit = tolerance * min(a.GetSpacing())
    return all(
        np.linalg.norm(
            np.subtract(
                a.TransformContinuousIndexToPhysicalPoint(c.tolist()),
                b.TransformContinuousIndexToPhysicalPoint(c.tolist()),
            )
        )
        <= limit
        for c in corners
    )


def orient(image: sitk.Image, axes: str = "RAS") -> sitk.Image:
    """Permutes and flips axes so that the indices increase nearest to the named directions; no interpolation.

    Args:
        axes: three letters naming where I, J and K increase to, e.g. ``RAS``: I to the right, J to anterior,
            K to superior. (ITK's own letters name the same directions; `sitk.DICOMOrient` follows them.)
    """
    return sitk.DICOMOrient(image, axes)


def resample_to(image: sitk.Image, reference: sitk.Image, kind: Kind = "linear", fill: float = 0) -> sitk.Image:
    """The image on the reference's grid. `label` is anti-aliased and never invents a value.

    Linear keeps floats as they are and turns integers into float32.
    """
    if same_grid(image, reference):
        return image
    if kind == "linear":
        image = sitk.Cast(image, sitk.sitkFloat32) if image.GetPixelID() < sitk.sitkFloat32 else image
    method = {
        "linear": sitk.sitkLinear,
        "nearest": sitk.sitkNearestNeighbor,
        "label": sitk.sitkLabelGaussian,
    }[kind]
    if kind == "label" and max(reference.GetSpacing()) <= 1.01 * min(image.GetSpacing()):
        method = sitk.sitkNearestNeighbor  # to a finer grid the Gaussian only costs time
    return sitk.Resample(image, reference, sitk.Transform(), method, fill, image.GetPixelID())


def resample_spacing(image: sitk.Image, spacing: tuple[float, float, float], kind: Kind = "linear") -> sitk.Image:
    """The image at another spacing (mm, I-J-K), over the same field of view (its outer faces stay)."""
    old, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    new = np.array(spacing, float)
    if (new <= 0).any():
        raise InputError(f"voxel spacing must be three positive numbers, got {spacing} mm", "Check the header")
    counts = np.maximum(np.round(size * old / new).astype(int), 1)
    first = ((size * old / counts) / old - 1) / 2  # where the first new center lies, in old voxels
    reference = sitk.Image(counts.tolist(), sitk.sitkUInt8)
    reference.SetSpacing((size * old / counts).tolist())
    reference.SetDirection(image.GetDirection())
    reference.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    # Voxels beyond the outermost centers take the nearest value instead of a fill value.
    padded = sitk.ZeroFluxNeumannPad(image, [1, 1, 1], [1, 1, 1])
    return resample_to(padded, reference, kind)


@dataclass(frozen=True)
class Box:
    """A box of voxels, in K-J-I order: `start` inclusive, `stop` exclusive."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For indexing a K-J-I array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))  # type: ignore[return-value]


def box_of(mask: np.ndarray, margin: int = 0) -> Slices | None:
    """The smallest box around a boolean mask (K, J, I), widened inside the array; None if the mask is empty.

    A few milliseconds where `any` along each axis takes a tenth of a second: the outer slices are scanned from
    both ends, and the rest is reduced in one pass.

    Args:
        margin: voxels.
    """
    first = next((k for k in range(mask.shape[0]) if mask[k].any()), None)
    if first is None:
        return None
    last = next(k for k in range(mask.shape[0] - 1, first - 1, -1) if mask[k].any())
    shadow = np.bitwise_or.reduce(mask[first : last + 1].view(np.uint8), axis=0)
    rows, columns = np.flatnonzero(shadow.any(axis=1)), np.flatnonzero(shadow.any(axis=0))
    ends = ((first, last), (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1])))
    return tuple(  # type: ignore[return-value]
        slice(max(low - margin, 0), min(high + 1 + margin, size))
        for (low, high), size in zip(ends, mask.shape, strict=True)
    )


def union_box(a: np.ndarray, b: np.ndarray) -> Slices | None:
    """The smallest box around both masks (K, J, I), or None if both are empty."""
    boxes = [box for box in (box_of(a), box_of(b)) if box is not None]
    if not boxes:
        return None
    return tuple(  # type: ignore[return-value]
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(3)
    )


def bounding_box(mask: sitk.Image, margin_mm: float = 0.0) -> Box:
    """The smallest box holding every voxel that is not 0, grown by a margin and kept inside the image.

    Raises:
        InputError: the mask is empty.
    """
    box = box_of(array_of(mask) != 0)
    if box is None:
        raise InputError("The mask is empty, so it has no bounding box", "Check the label image and its values")
    grow = [int(np.ceil(margin_mm / s)) for s in spacing_kji(mask)]
    start = tuple(max(s.start - n, 0) for s, n in zip(box, grow, strict=True))
    stop = tuple(min(s.stop + n, size) for s, n, size in zip(box, grow, mask.GetSize()[::-1], strict=True))
    return Box(start, stop)  # type: ignore[arg-type]


def box_of_grid(grid: sitk.Image, image: sitk.Image, border: int = 3) -> Box:
    """The part of `image` that another image's grid covers, with a border of voxels, kept inside the image."""
    corners = [
        image.TransformPhysicalPointToContinuousIndex(
            grid.TransformContinuousIndexToPhysicalPoint(
                [float((n - 1) * p) for n, p in zip(grid.GetSize(), pick, strict=True)]
            )
        )
        for pick in np.ndindex(2, 2, 2)
    ]
    low = np.maximum(np.floor(np.min(corners, 0)).astype(int) - border, 0)
    high = np.minimum(np.ceil(np.max(corners, 0)).astype(int) + border + 1, image.GetSize())
    return Box(tuple(int(v) for v in low[::-1]), tuple(int(v) for v in high[::-1]))


def crop(image: sitk.Image, box: Box) -> sitk.Image:
    """The part of the image inside the box, with exact geometry."""
    return sitk.RegionOfInterest(image, box.shape[::-1], box.start[::-1])


def paste(small: sitk.Image, onto: sitk.Image, box: Box) -> sitk.Image:
    """A copy of `onto` with `small` in the place of the box it was cropped from.

    Raises:
        GeometryError: `small` does not have the size of the box.
    """
    if small.GetSize() != box.shape[::-1]:
        raise GeometryError(f"A box of {box.shape[::-1]} voxels cannot take an image of {small.GetSize()} voxels")
    cast = sitk.Cast(small, onto.GetPixelID())
    return sitk.Paste(onto, cast, cast.GetSize(), destinationIndex=box.start[::-1])


def _affine(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    direction = np.array(image.GetDirection()).reshape(3, 3)
    to_ras = np.diag([-1.0, -1.0, 1.0])
    return to_ras @ direction @ np.diag(image.GetSpacing()), to_ras @ np.array(image.GetOrigin())


def kji_to_ras(points: np.ndarray, image: sitk.Image) -> np.ndarray:
    """Voxel coordinates (N, 3) in K-J-I order (may be fractional) to RAS in mm."""
    matrix, origin = _affine(image)
    return np.atleast_2d(points)[:, ::-1] @ matrix.T + origin


def ras_to_kji(points: np.ndarray, image: sitk.Image) -> np.ndarray:
    """RAS points (N, 3) in mm to fractional voxel coordinates in K-J-I order."""
    matrix, origin = _affine(image)
    return (np.linalg.solve(matrix, (np.atleast_2d(points) - origin).T).T)[:, ::-1]
