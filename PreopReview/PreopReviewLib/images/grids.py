"""When is a voxel the same voxel? The one rule for label images on two grids.

- *Same lattice*: the axes are permuted, flipped, cropped or padded, or the headers differ by rounding. Labels are moved
  by index operations alone, so every voxel keeps its value.
- *Other lattice*: each voxel takes the label that fills most of it; connected pieces that would vanish or lose more
  than a quarter of their volume that way (thin vessels, small lesions) get the voxels that they fill most.
- *No overlap*: refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import GeometryError
from PreopReviewLib.images.counting import label_counts, label_values
from PreopReviewLib.images.geometry import array_of, image_like, voxel_ml

MAX_ANGLE_DEGREES = 0.1
"""Axes that differ by no more are the same axes: NIfTI files of public data sets are sheared by up to this much."""
MAX_OFFSET_VOXELS = 0.05
"""How far two lattices may lie apart where they agree best; a true shift is a tenth of a voxel or more."""
KEPT_SHARE = 0.75
"""Pieces that keep a smaller share of their volume by majority are drawn again from the voxels that they fill most."""


@dataclass(frozen=True)
class Lattice:
    """How the indices of one grid follow from those of another on the same lattice, in I-J-K order.

    Attributes:
        axes: for each axis of the target, the axis of the source.
        signs: 1, or -1 where that axis runs the other way.
        offset: target index of the source's first voxel.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    offset: tuple[int, int, int]


@dataclass(frozen=True)
class Moved:
    """Labels on another grid.

    Attributes:
        labels: on the target's grid, with its header to the last digit.
        exact: moved by index operations.
        notes: sentences for the reader; empty where nothing happened that a number could show.
        outside_ml: by label value, what lies beyond the target's field of view.
    """

    labels: sitk.Image
    exact: bool
    notes: list[str] = field(default_factory=list)
    outside_ml: dict[int, float] = field(default_factory=dict)


def same_lattice(source: sitk.Image, target: sitk.Image) -> Lattice | None:
    """How the source's indices map to the target's, or None where its voxels are other voxels.

    Axes may differ by `MAX_ANGLE_DEGREES`; over the source's extent no voxel center may come to lie half a voxel off,
    and somewhere the two must agree within `MAX_OFFSET_VOXELS`.
    """
    a, b = _affine(source), _affine(target)
    step = np.linalg.solve(b[:, :3], a[:, :3])
    rounded = np.round(step)
    if (np.abs(rounded).sum(0) != 1).any() or (np.abs(rounded).sum(1) != 1).any():
        return None
    matched = b[:, :3] @ rounded
    lengths, others = np.linalg.norm(a[:, :3], axis=0), np.linalg.norm(matched, axis=0)
    cosines = (a[:, :3] * matched).sum(0) / (lengths * others)
    if np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() > MAX_ANGLE_DEGREES:
        return None
    size = np.array(source.GetSize(), float)
    if (np.abs(lengths / others - 1) * size).max() > 2 * MAX_OFFSET_VOXELS:
        return None
    first = np.linalg.solve(b[:, :3], a[:, 3] - b[:, 3])
    points = np.array([np.array(corner) * (size - 1) for corner in np.ndindex(2, 2, 2)] + [(size - 1) / 2])
    exact = points @ step.T + first
    offset = np.round((exact - points @ rounded.T).mean(0))
    away = np.linalg.norm(exact - points @ rounded.T - offset, axis=1)
    if away.max() >= 0.5 or away.min() > MAX_OFFSET_VOXELS:
        return None
    axes = np.abs(rounded).argmax(1)
    signs = rounded[np.arange(3), axes]
    return Lattice(*(tuple(int(v) for v in values) for values in (axes, signs, offset)))  # type: ignore[arg-type]


def onto_grid(
    labels: sitk.Image,
    target: sitk.Image,
    what: str = "labels",
    onto: str = "image",
    names: Mapping[int, str] | None = None,
) -> Moved:
    """A label image on the grid of another image.

    Args:
        labels: 3-D, whole numbers, 0 is background.
        target: any image; only its grid counts.
        what, onto: what notes and errors call the two.
        names: what notes call the label values.

    Raises:
        GeometryError: the two fields of view do not overlap.
    """
    lattice = same_lattice(labels, target)
    moved = _by_index(labels, target, lattice) if lattice else _by_majority(labels, target)
    if moved is None:
        raise GeometryError(
            f"The {what} and the {onto} do not overlap in space",
            "Check that they belong to the same examination; masks of another one must be registered first",
        )
    notes = []
    if not lattice:
        notes.append(
            f"The {what} ({describe_grid(labels)}) were resampled to the grid of the {onto} "
            f"({describe_grid(target)}); differences of about half a voxel of the coarser grid come from that."
        )
    outside = _outside(labels, target, lattice)
    if outside:
        listed = ", ".join(f"{ml:.3g} ml of {(names or {}).get(v) or f'label {v}'}" for v, ml in outside.items())
        notes.append(f"Part of the {what} lies outside the {onto} and was left out: {listed}.")
    return Moved(moved, lattice is not None, notes, outside)


def covering_grid(reference: sitk.Image, labels: sitk.Image) -> sitk.Image:
    """The reference's grid, padded so that it holds every labeled voxel of another image; an empty uint8 image."""
    box = _bounds(array_of(labels))
    size = np.array(reference.GetSize())
    low, high = np.zeros(3, int), size.copy()
    if box is not None:
        corners = [
            reference.TransformPhysicalPointToContinuousIndex(
                labels.TransformContinuousIndexToPhysicalPoint([float(box[pick[axis]][axis]) for axis in range(3)])
            )
            for pick in np.ndindex(2, 2, 2)
        ]
        low = np.minimum(low, np.floor(np.min(corners, 0) + 0.5).astype(int))
        high = np.maximum(high, np.ceil(np.max(corners, 0) + 0.5).astype(int))
    padded = sitk.Image([int(v) for v in high - low], sitk.sitkUInt8)
    padded.SetSpacing(reference.GetSpacing())
    padded.SetDirection(reference.GetDirection())
    padded.SetOrigin(reference.TransformContinuousIndexToPhysicalPoint([float(v) for v in low]))
    return padded


def describe_grid(image: sitk.Image) -> str:
    """Size and spacing in words."""
    size = "×".join(str(n) for n in image.GetSize())
    spacing = "×".join(f"{s:.3g}" for s in image.GetSpacing())
    return f"{size} voxels of {spacing} mm"


def _affine(image: sitk.Image) -> np.ndarray:
    direction = np.array(image.GetDirection()).reshape(3, 3)
    return np.column_stack([direction * image.GetSpacing(), image.GetOrigin()])


def _bounds(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Outer faces of what is labeled, as continuous I-J-K indices (first - 0.5, last + 0.5)."""
    hits = [np.flatnonzero(array.any(axis=tuple(a for a in range(3) if a != axis))) for axis in (2, 1, 0)]
    if any(len(h) == 0 for h in hits):
        return None
    return np.array([h[0] - 0.5 for h in hits]), np.array([h[-1] + 0.5 for h in hits])


def _turned(array: np.ndarray, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """The source's K-J-I array along the target's axes, and the target index (I-J-K) of its first voxel."""
    ijk = array.transpose(2, 1, 0).transpose(lattice.axes)
    start = np.array(lattice.offset)
    for axis, sign in enumerate(lattice.signs):
        if sign < 0:
            ijk = np.flip(ijk, axis)
            start[axis] -= ijk.shape[axis] - 1
    return ijk, start


def _by_index(labels: sitk.Image, target: sitk.Image, lattice: Lattice) -> sitk.Image | None:
    ijk, start = _turned(array_of(labels), lattice)
    size = np.array(target.GetSize())
    low, high = np.maximum(start, 0), np.minimum(start + ijk.shape, size)
    if (low >= high).any():
        return None
    out = np.zeros(tuple(size[::-1]), ijk.dtype)
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    own = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    out[inner[::-1]] = ijk[own].transpose(2, 1, 0)
    return image_like(out, target)


def _outside(labels: sitk.Image, target: sitk.Image, lattice: Lattice | None) -> dict[int, float]:
    """By label value, the ml whose voxel centers lie beyond the target's outer faces."""
    array, size = array_of(labels), np.array(target.GetSize())
    if lattice:
        ijk, start = _turned(array, lattice)
        low, high = np.clip(-start, 0, ijk.shape), np.clip(size - start, 0, ijk.shape)
        inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        if all(s.start == 0 and s.stop == n for s, n in zip(inner, ijk.shape, strict=True)):
            return {}
        beyond, kept = label_counts(ijk), label_counts(ijk[inner])
        beyond[: len(kept)] -= kept
    else:
        points = np.argwhere(array)
        if not len(points):
            return {}
        a, b = _affine(labels), _affine(target)
        world = points[:, ::-1] @ a[:, :3].T + a[:, 3]
        index = np.linalg.solve(b[:, :3], (world - b[:, 3]).T).T
        out = ((index < -0.5) | (index >= size - 0.5)).any(1)
        beyond = np.bincount(array[tuple(points[out].T)].astype(np.int64))
    return {v: float(n) * voxel_ml(labels) for v, n in enumerate(beyond) if v and n}


def _by_majority(labels: sitk.Image, target: sitk.Image) -> sitk.Image | None:
    """Each target voxel's label by the share of it that each label fills, sampled as densely as the labels are."""
    from PreopReviewLib.images.geometry import resample_to

    sub = _samples(labels, target)
    fine = _fine_grid(target, sub)
    samples = array_of(sitk.Resample(labels, fine, sitk.Transform(), sitk.sitkNearestNeighbor, 0))
    if not samples.any():
        ones = image_like(np.ones(labels.GetSize()[::-1], np.uint8), labels)
        covered = array_of(resample_to(ones, fine, "nearest")).any()
        return image_like(np.zeros(target.GetSize()[::-1], samples.dtype), target) if covered else None
    shape = target.GetSize()[::-1]
    blocks = samples.reshape(shape[0], sub[2], shape[1], sub[1], shape[2], sub[0])
    best, best_share = np.zeros(shape, samples.dtype), np.zeros(shape, np.float32)
    filled = np.zeros(shape, np.float32)
    values = [v for v in label_values(samples) if v]
    for value in values:
        share = (blocks == value).mean(axis=(1, 3, 5), dtype=np.float32)
        filled += share
        better = share > best_share
        best[better], best_share[better] = value, share[better]
    out = np.where(filled >= 0.5, best, 0).astype(samples.dtype)
    _keep_thin(out, values, sub, samples)
    return image_like(out, target)


def _samples(labels: sitk.Image, target: sitk.Image) -> tuple[int, int, int]:
    """How many samples along each target axis a voxel needs so that no label voxel falls between them."""
    steps = np.abs(np.linalg.solve(_affine(labels)[:, :3], _affine(target)[:, :3])).max(0)
    return tuple(int(n) for n in np.maximum(np.ceil(steps - 0.05), 1))  # type: ignore[return-value]


def _fine_grid(target: sitk.Image, sub: tuple[int, int, int]) -> sitk.Image:
    fine = sitk.Image([n * s for n, s in zip(target.GetSize(), sub, strict=True)], sitk.sitkUInt8)
    fine.SetSpacing([p / s for p, s in zip(target.GetSpacing(), sub, strict=True)])
    fine.SetDirection(target.GetDirection())
    fine.SetOrigin(target.TransformContinuousIndexToPhysicalPoint([(1 / s - 1) / 2 for s in sub]))
    return fine


def _keep_thin(out: np.ndarray, values: list[int], sub: tuple[int, int, int], samples: np.ndarray) -> None:
    """Draws again, small ones last, the connected pieces that lost more than `1 - KEPT_SHARE` of their volume."""
    import cc3d

    per_voxel = int(np.prod(sub))
    lost = []
    for value in values:
        pieces, count = cc3d.connected_components(
            np.ascontiguousarray(samples == value), connectivity=26, return_N=True
        )
        if not count:
            continue
        about = cc3d.statistics(pieces)
        for piece in range(1, count + 1):
            size = int(about["voxel_counts"][piece])
            box = tuple(
                slice(s.start // n, -(-s.stop // n))
                for s, n in zip(about["bounding_boxes"][piece], sub[::-1], strict=True)
            )
            if (out[box] == value).sum() * per_voxel < KEPT_SHARE * size:
                lost.append((size, value, piece, box, pieces))
    for size, value, piece, box, pieces in sorted(lost, key=lambda p: -p[0]):
        inside = tuple(slice(s.start * n, s.stop * n) for s, n in zip(box, sub[::-1], strict=True))
        own = pieces[inside] == piece
        shape = tuple(s.stop - s.start for s in box)
        part = own.reshape(shape[0], sub[2], shape[1], sub[1], shape[2], sub[0]).sum(axis=(1, 3, 5))
        wanted = min(max(round(size / per_voxel), 1), np.count_nonzero(part))
        chosen = np.argsort(-part, axis=None, kind="stable")[:wanted]
        out[box][np.unravel_index(chosen, shape)] = value
