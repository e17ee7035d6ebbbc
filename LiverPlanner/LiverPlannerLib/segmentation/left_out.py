"""Lesions that a given liver mask leaves out: networks often cut a large tumor at the surface off the liver."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images

LEAST_ML, OUTSIDE_SHARE, CONTACT_SHARE = 1.0, 0.5, 0.4


def extend_mask(
    given: sitk.Image, mask: sitk.Image, frame: sitk.Image, probabilities: np.ndarray, classes: list[str]
) -> sitk.Image | None:
    """The mask with the lesions that it lacks, or None if it lacks none (of at least 1 ml).

    Args:
        given: the liver as it was given.
        mask: the same with what was added to it before; on one grid with `given`.
        frame: isotropic grid of `probabilities`.
        probabilities: (classes, K, J, I).
    """
    own, now = (images.array_of(images.resample_to(m != 0, frame, "label")) > 0 for m in (given, mask))
    spacing = frame.GetSpacing()[0]
    extended = left_out_lesions(probabilities, classes, own, spacing, now & ~own)
    if np.count_nonzero(extended & ~now) * spacing**3 < 1000 * LEAST_ML:
        return None
    added = images.resample_to(images.image_like(extended.astype(np.uint8), frame), mask, "label")
    return sitk.Cast(mask != 0, sitk.sitkUInt8) | sitk.Cast(added != 0, sitk.sitkUInt8)


def left_out_lesions(
    probabilities: np.ndarray, classes: list[str], liver: np.ndarray, spacing: float, known: np.ndarray | None = None
) -> np.ndarray:
    """Components of tumor that belong to the liver although more than half of them lies outside its mask.

    A component that is mostly cyst is none of them: it would as likely be the gallbladder. At least two fifths of the
    surface must lie against the mask: what lies beside a liver touches it with less. What goes on from a lesion that
    was accepted before needs no such contact.

    Args:
        probabilities: (classes, K, J, I).
        liver: bool (K, J, I), as given.
        spacing: edge of the voxels, mm.
        known: bool (K, J, I), what was accepted before.

    Returns:
        bool (K, J, I).
    """
    import cc3d
    from scipy import ndimage

    out = np.zeros(liver.shape, bool)
    best = probabilities.argmax(0)
    tumor = best == classes.index("tumor")
    lesion = tumor | (best == classes.index("cyst"))
    parts = cc3d.connected_components(np.require(lesion, requirements="CW"), connectivity=6)
    size = np.bincount(parts.ravel())
    outside = np.bincount(parts[~liver], minlength=len(size))
    outside[0] = 0
    outside[2 * np.bincount(parts[tumor], minlength=len(size)) < size] = 0
    boxes = ndimage.find_objects(parts)
    for number in np.flatnonzero((outside * spacing**3 >= 1000 * LEAST_ML) & (outside > OUTSIDE_SHARE * size)):
        box = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in boxes[number - 1])
        own = parts[box] == number
        shell = ndimage.binary_dilation(own) & ~own
        held = known is not None and (own & known[box]).any()
        if held or np.count_nonzero(shell & liver[box]) >= CONTACT_SHARE * np.count_nonzero(shell):
            out[box] |= own
    return out
