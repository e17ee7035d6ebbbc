"""The field of view that the KU Leuven liver network is given: the abdomen, without air, arms and table.

Follows the original's `crop_ct_image` and `crop_mr_image` in what they aim at. What differs, and why: the masks are
made on a grid of about 3 mm (theirs on the full one; the faces of a CT's box are then found on the full one, near
where the coarse ones are, because the network minds a few voxels more or less); the hip is not looked for in the
profile of the bones, only the height is limited to 400 mm below the dome (their search needs a whole pelvis and fails
without one); images without lungs, on which theirs stops, keep their top; the y profile of MR is not used (it needs
an image of more than 100 rows and a known table), only the mask of the body.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.images import Box

MAX_SIZE_MM = (408.0, 408.0, 489.0)
"""K-J-I: what fits into the network's 136 × 136 × 163 voxels of output at 3 mm."""
TISSUE_HU, LUNG_HU = -150.0, -600.0
MR_TISSUE = 0.01
LIVER_HEIGHT_MM, ABOVE_DOME_MM, BELOW_HIP_MM = 400.0, 70.0, 20.0
MIN_LUNG_ML = 400.0
_GRID_MM = 3.0


def abdomen_box(image: sitk.Image, modality: str) -> Box:
    """The box of the abdomen in an image in RAS index order; at most 408 × 408 × 489 mm (K-J-I).

    The whole image where nothing can be told apart from air.
    """
    spacing = images.spacing_kji(image)
    steps = np.maximum(np.round(_GRID_MM / spacing).astype(int), 1)
    array = images.array_of(image)
    small = array[:: steps[0], :: steps[1], :: steps[2]].astype(np.float32)
    body = _body(small, modality)
    if not body.any():
        return Box((0, 0, 0), array.shape)
    height = _height(small, body, steps * spacing, modality)
    rows, columns = (np.flatnonzero(body[height[0] : height[1]].any(axis=axes)) for axes in ((0, 2), (0, 1)))
    limits = [(height[0], height[1]), (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)]
    start = [int(a * s) for (a, _), s in zip(limits, steps, strict=True)]
    stop = [min(int(b * s), n) for (_, b), s, n in zip(limits, steps, array.shape, strict=True)]
    if modality == "CT":
        start, stop = _exact_faces(array, body, steps, (start, stop))
    for axis in (0, 1, 2):
        excess = stop[axis] - start[axis] - int(MAX_SIZE_MM[axis] / spacing[axis])
        if excess > 0 and axis == 0:
            start[0] += excess  # the top stays, as in the original
        elif excess > 0:
            start[axis], stop[axis] = start[axis] + excess // 2, stop[axis] - (excess - excess // 2)
    return Box(tuple(start), tuple(stop))


def _body(small: np.ndarray, modality: str) -> np.ndarray:
    """The largest connected piece of tissue on the coarse grid (K-J-I), slightly eroded."""
    import cc3d
    from scipy import ndimage

    tissue = small > (TISSUE_HU if modality == "CT" else MR_TISSUE * float(small.max()))
    core = ndimage.binary_erosion(tissue, np.ones((1, 3, 3)))
    return cc3d.largest_k(core if core.any() else tissue, k=1, connectivity=6) > 0


def _exact_faces(
    array: np.ndarray, body: np.ndarray, steps: np.ndarray, box: tuple[list[int], list[int]]
) -> tuple[list[int], list[int]]:
    """The box with the four faces of the plane where the original has them: around the tissue eroded by one voxel,
    then, inside that box, around the tissue eroded by two.

    Only tissue within some millimeters of the coarse body counts, and only near the faces is anything computed.
    """
    from scipy import ndimage

    near = ndimage.binary_dilation(body, np.ones((1, 3, 3)), iterations=2)
    coarse = box
    for eroded in (_eroded_by_one, _eroded_by_two):
        inside, box = box, ([*box[0]], [*box[1]])
        for axis, side in ((1, 0), (1, -1), (2, 0), (2, -1)):
            face = coarse[side][axis]
            reach = 3 * int(steps[axis]) + 6
            window = [list(limits) for limits in zip(*inside, strict=True)]
            if eroded is _eroded_by_one:
                window[1:] = [[0, n] for n in array.shape[1:]]
            window[axis] = [max(face - reach, window[axis][0]), min(face + reach, window[axis][1])]
            hit = np.flatnonzero(eroded(_tissue(array, near, steps, window)).any(axis=(0, 3 - axis)))
            if len(hit):
                box[side][axis] = window[axis][0] + int(hit[side]) + (1 if side else 0)
    return box


def _tissue(array: np.ndarray, near: np.ndarray, steps: np.ndarray, window: list[list[int]]) -> np.ndarray:
    """Tissue in a window (start and stop along K, J, I), where `near` on the coarse grid is set."""
    tissue = array[tuple(slice(a, b) for a, b in window)] > TISSUE_HU
    coarse = [np.minimum(np.arange(a, b) // s, n - 1) for (a, b), s, n in zip(window, steps, near.shape, strict=True)]
    return tissue & near[np.ix_(*coarse)]


def _eroded_by_one(mask: np.ndarray) -> np.ndarray:
    """Voxels whose six neighbors are set; none at the border."""
    out = np.zeros_like(mask)
    core = mask[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (slice(0, -2), slice(2, None)):
            core &= mask[tuple(step if a == axis else slice(1, -1) for a in range(3))]
    out[1:-1, 1:-1, 1:-1] = core
    return out


def _eroded_by_two(mask: np.ndarray) -> np.ndarray:
    """Voxels whose 5³ neighborhood is set; none at the border."""
    for axis in range(3):
        moved = np.moveaxis(mask, axis, 0)
        core = np.zeros_like(moved)
        if len(moved) > 4:
            core[2:-2] = moved[:-4] & moved[1:-3] & moved[2:-2] & moved[3:-1] & moved[4:]
        mask = np.moveaxis(core, 0, axis)
    return mask


def _height(small: np.ndarray, body: np.ndarray, step_mm: np.ndarray, modality: str) -> tuple[int, int]:
    """First and last + 1 slice of the coarse grid: from below the liver to above its dome."""
    count = len(small)
    dome = _dome(small, body, step_mm) if modality == "CT" else None
    top = count if dome is None else min(count, dome + round(ABOVE_DOME_MM / step_mm[0]))
    below = LIVER_HEIGHT_MM + (ABOVE_DOME_MM + BELOW_HIP_MM if dome is not None else 0.0)
    return max(0, top - int(below / step_mm[0])), top


def _dome(small: np.ndarray, body: np.ndarray, step_mm: np.ndarray) -> int | None:
    """The slice where the lungs begin, from below, as the original finds it; None where there is nothing to cut.

    The higher of: where the profile of the lungs passes half its range, and the base of that lung whose base is
    higher. The original counts all air in the body, so that gas in the bowel can pass for a lung; here a lung is a
    piece of air of some volume and of more height than is left above the dome anyway.
    """
    import cc3d
    from scipy import ndimage

    inside = np.stack([ndimage.binary_fill_holes(s) for s in body])
    air = ndimage.binary_opening((small < LUNG_HU) & inside, np.ones((1, 3, 3)))
    pieces, count = cc3d.largest_k(air, k=2, connectivity=6, return_N=True)
    lungs, bases = np.zeros(len(small)), []
    for number in range(1, count + 1):
        profile = (pieces == number).sum((1, 2))
        slices = np.flatnonzero(profile)
        ml = float(profile.sum() * np.prod(step_mm)) / 1000
        if ml >= MIN_LUNG_ML and (slices[-1] - slices[0]) * step_mm[0] > ABOVE_DOME_MM:
            bases.append(int(slices[0]))
            lungs += profile
    if not bases:
        return None
    smooth = ndimage.uniform_filter1d(lungs, 7, mode="nearest")
    above = np.flatnonzero(smooth > smooth.min() + 0.5 * np.ptp(smooth))
    return max([int(above[0]), *bases])
