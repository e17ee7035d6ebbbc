"""`make_liver_phantom`: one synthetic scan of an upper abdomen with everything in it known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.anatomy import SCORED_FROM, Anatomy, grow_anatomy
from PreopReviewLib.phantoms.contrast import CONTRASTS, draw_appearance, paint, thick_slices
from PreopReviewLib.phantoms.tissues import STRUCTURE_LABELS, VESSELS, Tissue

MAIN, PERIPHERAL = 1, 2


@dataclass(frozen=True)
class LiverPhantom:
    """A synthetic scan. All images share one grid in LPS.

    Attributes:
        image: float32; HU for CT, arbitrary units otherwise.
        labels: uint8, values of the table of structures.
        order: uint8, vessel voxels: 1 main (see `growth.main_branches`), 2 peripheral.
        planted: seed, contrast, volumes in ml, lesions, tree sizes.
        anatomy: tissues and vessel fractions behind the image.
    """

    image: sitk.Image
    labels: sitk.Image
    order: sitk.Image
    planted: dict[str, Any]
    anatomy: Anatomy


def make_liver_phantom(
    seed: int,
    contrast: str = "hbp",
    size: tuple[int, int, int] = (128, 128, 128),
    spacing: float = 2.0,
    slice_mm: float | None = None,
    shapes: Sequence[tuple[np.ndarray, float]] = (),
) -> LiverPhantom:
    """A phantom, the same for the same arguments.

    Args:
        seed: any non-negative number.
        contrast: "hbp", "pv_mr", "ct" or "any".
        size: voxels I, J, K.
        spacing: voxel edge, mm.
        slice_mm: None draws thick slices now and then; 0 never does; otherwise slices of that thickness,
            interpolated back to the grid.
        shapes: real liver masks (K, J, I) with their spacing, to be bent into new ones.

    Raises:
        InputError: an unknown contrast, or a grid that holds no liver.
    """
    if contrast not in CONTRASTS:
        raise InputError(f"Unknown contrast: {contrast!r}", f"Choose from {', '.join(CONTRASTS)}")
    if min(size) < 16 or not 0.5 <= spacing <= 5:
        raise InputError("A phantom needs at least 16 voxels per axis and a spacing of 0.5 to 5 mm", "Change the grid")
    rng = np.random.default_rng([seed, CONTRASTS.index(contrast)])
    anatomy = _fitted(grow_anatomy(np.random.default_rng([seed, 10]), spacing, 28.0, shapes), size[::-1])
    image = paint(rng, anatomy, draw_appearance(rng, contrast))
    if slice_mm is None and rng.random() < 0.4:
        image = thick_slices(rng, image, spacing)
    elif slice_mm:
        image = thick_slices(rng, image, spacing, slice_mm)
    labels = structure_labels(anatomy)
    vessels = np.isin(labels, [STRUCTURE_LABELS[key] for key in VESSELS[:3]])
    order = np.where(vessels, np.where(anatomy.main, MAIN, PERIPHERAL), 0).astype(np.uint8)
    return LiverPhantom(
        _image(image, spacing),
        _image(labels, spacing),
        _image(order, spacing),
        _planted(seed, contrast, anatomy, labels),
        anatomy,
    )


def structure_labels(anatomy: Anatomy) -> np.ndarray:
    """uint8 (K, J, I) label values of the table of structures."""
    labels = np.where(anatomy.liver, STRUCTURE_LABELS["liver"], 0).astype(np.uint8)
    for tissue in (Tissue.TUMOR, Tissue.TUMOR_CORE, Tissue.TUMOR_RIM):
        labels[anatomy.tissues == tissue] = STRUCTURE_LABELS["tumor"]
    labels[anatomy.tissues == Tissue.CYST] = STRUCTURE_LABELS["cyst"]
    labels[anatomy.tissues == Tissue.GALLBLADDER] = STRUCTURE_LABELS["gallbladder"]
    free = (labels != STRUCTURE_LABELS["tumor"]) & (labels != STRUCTURE_LABELS["cyst"])
    chosen = free & (anatomy.fractions.max(0) > 255 * SCORED_FROM)
    values = np.array([STRUCTURE_LABELS[key] for key in VESSELS], np.uint8)
    labels[chosen] = values[anatomy.fractions[:, chosen].argmax(0)]
    return labels


def _planted(seed: int, contrast: str, anatomy: Anatomy, labels: np.ndarray) -> dict[str, Any]:
    milliliters = anatomy.spacing**3 / 1000
    return {
        "seed": seed,
        "contrast": contrast,
        "simulated": True,
        "spacing_mm": anatomy.spacing,
        "liver_ml": round(float(anatomy.liver.sum() * milliliters), 1),
        "volume_ml": {
            key: round(float((labels == value).sum() * milliliters), 2)
            for key, value in STRUCTURE_LABELS.items()
            if key != "liver"
        },
        "lesions": [lesion.as_dict() for lesion in anatomy.lesions],
        "trees": {
            key: {
                "points": len(tree.points),
                "thickest_mm": round(float(tree.radii.max()), 2),
                "main_share": round(float(tree.main.mean()), 3),
            }
            for key, tree in anatomy.trees.items()
        },
    }


def _fitted(anatomy: Anatomy, shape: tuple[int, ...]) -> Anatomy:
    """The anatomy cut or padded (by its border voxels) to a grid centered on the liver."""
    where = np.argwhere(anatomy.liver)
    middle = (where.min(0) + where.max(0)) // 2
    wanted = [np.arange(n) + c - n // 2 for n, c in zip(shape, middle, strict=True)]
    index = [np.clip(w, 0, have - 1) for w, have in zip(wanted, anatomy.liver.shape, strict=True)]
    inside = [(w >= 0) & (w < have) for w, have in zip(wanted, anatomy.liver.shape, strict=True)]
    grid = np.ix_(*index)
    keep = np.ones(shape, bool)
    for axis, ok in enumerate(inside):
        keep &= ok.reshape([-1 if a == axis else 1 for a in range(3)])
    return Anatomy(
        np.ascontiguousarray(anatomy.tissues[grid]),
        np.stack([np.where(keep, part[grid], 0) for part in anatomy.fractions]),
        anatomy.main[grid] & keep,
        anatomy.liver[grid] & keep,
        anatomy.spacing,
        anatomy.lesions,
        anatomy.trees,
    )


def _image(array: np.ndarray, spacing: float) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([spacing] * 3)
    image.SetOrigin([-spacing * (n - 1) / 2 for n in array.shape[::-1]])
    return image
