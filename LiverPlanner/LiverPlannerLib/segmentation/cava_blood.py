"""The vena cava, which a liver mask holds in part: its blood told from tumors, and strips of its wall left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LiverPlannerLib.segmentation.morphology import opened

AS_BRIGHT, CONTACT_SHARE = 0.8, 0.05
SLIVER_MM = 2.5


def slivers_of(cava: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Of a vena cava that passes beside the liver, bool (K, J, I), the strips thinner than 5 mm; `spacing` in mm."""
    return cava & ~opened(cava, SLIVER_MM, spacing)


def blood_in(best: np.ndarray, classes: list[str], volume: np.ndarray, liver: np.ndarray) -> np.ndarray:
    """Components of tumor that are equally bright as bright veins and lie against the vena cava.

    Nothing is found where veins are not brighter than the liver: there blood and tumor look alike.

    Args:
        best: (K, J, I) index of the class of each voxel.
        classes: their names.
        volume: (K, J, I) the image.
        liver: bool (K, J, I).

    Returns:
        bool (K, J, I).
    """
    import cc3d
    from scipy import ndimage

    out = np.zeros(best.shape, bool)
    veins = np.isin(best, [classes.index("portal_vein"), classes.index("hepatic_vein")])
    cava, parenchyma = best == classes.index("inferior_vena_cava"), liver & (best == 0)
    if not (veins.any() and cava.any() and parenchyma.any()):
        return out
    middle = float(np.median(volume[parenchyma]))
    spread = 1.4826 * float(np.median(np.abs(volume[parenchyma] - middle)))
    contrast = float(np.median(volume[veins])) - middle
    if contrast <= spread:
        return out
    parts = cc3d.connected_components(np.require(best == classes.index("tumor"), requirements="CW"), connectivity=6)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        wide = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
        own = parts[wide] == number
        if float(np.median(volume[wide][own])) - middle < AS_BRIGHT * contrast:
            continue
        shell = ndimage.binary_dilation(own) & ~own
        if np.count_nonzero(shell & cava[wide]) >= CONTACT_SHARE * np.count_nonzero(shell):
            out[wide] |= own
    return out
