"""What of a label image is liver: vessels, ducts and lesions reach beyond it, and that part is not liver volume."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.morphology import closed
from LiverPlannerLib.structures import STRUCTURES, mask_of, members
from PreopReviewLib import images
from PreopReviewLib.images.geometry import box_of

CLOSING_MM = 15.0
"""A vessel lies in the liver where no ball of this radius reaches it from outside. The total volume hardly depends on
it: on a labeled patient and a phantom it changes by less than 0.6 % between 10 and 20 mm."""
NOTE_ML = 0.1


def inside_liver(labels: sitk.Image) -> np.ndarray:
    """The liver with what of its lesions, vessels and ducts lies in it.

    A lesion belongs to the liver as a whole where it touches the liver or lies in it; a vessel or duct belongs to it
    only as far as liver tissue or its lesions surround it. Where there is no liver tissue, nothing is inside: a file of
    lesions or vessels alone does not say how large the liver is.

    Args:
        labels: values of the table of structures.

    Returns:
        Boolean array (K, J, I) of the shape of `labels`.
    """
    array = images.array_of(labels)
    nested = images.among(array, (s.label for s in members("liver")))
    box = box_of(nested)
    tissue_label = members("liver")[0].label
    if box is None or not (array[box] == tissue_label).any():
        return np.zeros(array.shape, bool)
    near = np.ascontiguousarray(array[box])
    spacing = images.spacing_kji(labels)
    inside = np.zeros(array.shape, bool)
    inside[box] = _ANSWERS.get(near, spacing, lambda: _inside(near, nested[box], spacing))
    return inside


class _Answers:
    """The last answers: one label image is asked for its liver by every measure of a plan.

    An image is known by a digest of its content, so one that has been changed is computed anew.
    """

    def __init__(self, most: int = 2) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, values: np.ndarray, spacing: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Bool, of the shape of `values`; the caller's own."""
        key = (hashlib.blake2b(values).digest(), values.shape, values.dtype.str, tuple(spacing))
        packed = self._kept.pop(key, None)
        if packed is None:
            packed = np.packbits(compute())
        self._kept[key] = packed
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return np.unpackbits(packed, count=values.size).reshape(values.shape).view(bool)


_ANSWERS = _Answers()


def _inside(near: np.ndarray, nested: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """`inside_liver` within the box of all that may be inside."""
    tubes = images.among(near, (s.label for s in members("liver") if s.vascular))
    body = _with_lesions(near == members("liver")[0].label, nested & ~tubes, spacing)
    return body | (tubes & closed(body, CLOSING_MM, spacing)) if tubes.any() else body


def counted_mask(labels: sitk.Image, key: str) -> sitk.Image:
    """The voxels (uint8, 0 or 1) that the volume of a structure counts: of the liver, `inside_liver`; else all."""
    if key != "liver":
        return mask_of(labels, key)
    return images.image_like(inside_liver(labels).view(np.uint8), labels)


def _with_lesions(tissue: np.ndarray, solid: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Tissue and the lesions that touch it, or lie in what it surrounds."""
    import cc3d

    if not (solid & ~tissue).any():
        return tissue
    within = closed(tissue, CLOSING_MM, spacing)
    joined = cc3d.connected_components(np.require(solid | within, requirements="CW"), connectivity=26)
    kept = np.unique(joined[tissue])
    return solid & np.isin(joined, kept[kept > 0])


def outside_ml(labels: sitk.Image, inside: np.ndarray | None = None) -> dict[str, float]:
    """By structure key, the ml of lesions, vessels and ducts that lie outside the liver; without those of 0 ml.

    Empty where there is no liver.

    Args:
        labels: values of the table of structures.
        inside: (K, J, I), of `inside_liver`, where it is known already.
    """
    inside = inside_liver(labels) if inside is None else inside
    if not inside.any():
        return {}
    array = images.array_of(labels)
    counts = images.label_counts(array) - images.label_counts(array, inside)
    unit = images.voxel_ml(labels)
    return {s.key: float(counts[s.label] * unit) for s in members("liver") if counts[s.label]}


def outside_notes(outside: dict[str, float]) -> list[str]:
    """One sentence on what lies outside the liver and is not counted; none for less than 0.1 ml in all."""
    if sum(outside.values()) < NOTE_ML:
        return []
    names = {s.key: s.name.lower() for s in STRUCTURES}
    listed = ", ".join(f"{names[key]} {ml:.1f} ml" for key, ml in outside.items() if ml >= NOTE_ML / 2)
    return [f"Outside the liver and not counted in its volumes: {listed}."]
