"""Padding of a CT that is not air: fields of view that were turned, resampled or enlarged and filled with 0 HU.

To a network, 0 HU all around is water: on a real CT padded so, the liver network found 278 ml beside the liver and none
of its 1,126 ml. So what has one value up to the border is read as air, and said.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.images.geometry import image_like

AIR_HU = -1000
LEAST_HU = -140.0
"""Padding below this is air or clipped air."""
LEAST_OF_FACE = 0.2
"""Share of one face of the image that has the value. Tissue is noisy: on the faces of three real CTs, whole, cropped to
their livers and cropped into them, no one value had more than 4.2 %."""
LEAST_PIECE = 1000
"""Voxels of one piece of padding."""


def padding_of(array: np.ndarray) -> np.ndarray | None:
    """Where a CT (K-J-I, HU) has one value above fat up to its border, bool of the same shape; None where nowhere."""
    found = None
    for value in sorted(_face_values(array)):
        found = _pieces_at_border(array == value) if found is None else found | _pieces_at_border(array == value)
    return found if found is not None and found.any() else None


def without_padding(image: sitk.Image) -> tuple[sitk.Image, str]:
    """The CT with air in place of its padding, and a sentence on it; the image itself and nothing where it has none."""
    array = sitk.GetArrayViewFromImage(image)
    where = padding_of(array)
    if where is None:
        return image, ""
    values = ", ".join(f"{v:g}" for v in np.unique(array[where]))
    filled = np.where(where, np.asarray(AIR_HU, array.dtype) if _holds_air(array.dtype) else array.min(), array)
    share = max(1, round(100 * np.count_nonzero(where) / where.size))
    said = f"{share} % of the image are filled with {values} HU up to its border; this was read as air."
    return image_like(filled.astype(array.dtype, copy=False), image), said


def _holds_air(kind: np.dtype) -> bool:
    return kind.kind == "f" or (kind.kind == "i" and np.iinfo(kind).min <= AIR_HU)


def _face_values(array: np.ndarray) -> set[float]:
    values = set()
    for axis in range(array.ndim):
        for end in (0, -1):
            face = np.take(array, end, axis).ravel()
            there, counts = np.unique(face[face > LEAST_HU], return_counts=True)
            if len(there) and counts.max() >= LEAST_OF_FACE * face.size:
                values.add(float(there[counts.argmax()]))
    return values


def _pieces_at_border(same: np.ndarray) -> np.ndarray:
    """The larger pieces of a mask that reach a face of the image."""
    import cc3d

    pieces, count = cc3d.connected_components(np.require(same, requirements="CW"), connectivity=6, return_N=True)
    if count == 0:
        return same
    kept = np.zeros(count + 1, bool)
    for axis in range(pieces.ndim):
        for end in (0, -1):
            kept[np.unique(np.take(pieces, end, axis))] = True
    kept &= np.bincount(pieces.ravel(), minlength=count + 1) >= LEAST_PIECE
    kept[0] = False
    return kept[pieces]
