"""Dark bands of a CT that were mistaken for tumor.

Arms beside the body, and the spine, harden the beam: bands from side to side lose up to a third of the liver's
attenuation, across liver, muscle and fat alike. A tumor is darker (or brighter) than the liver that lies beside it on
its own rows; a piece of a band is only darker than the liver elsewhere.
"""

from __future__ import annotations

import numpy as np

LEAST_SHARE = 0.5
"""Of the contrast against the whole liver, what must be left against the same rows. On phantoms with bands and shading,
tumors kept 0.60 to 1.05 and false ones -0.06 to 0.54; a band of the real contrast CT kept 0.46."""
LEAST_ML, LEAST_ROWS, BESIDE = 0.5, 8, 5


def bands_in(tumor: np.ndarray, parenchyma: np.ndarray, volume: np.ndarray, spacing: float) -> np.ndarray:
    """Components of `tumor` that are not darker than the parenchyma beside them.

    Args:
        tumor, parenchyma: bool (K, J, I); I runs from one side of the patient to the other.
        volume: HU, same shape.
        spacing: edge of the voxels, mm.

    Returns:
        bool (K, J, I). A component that has parenchyma beside it on fewer than eight rows is not judged.
    """
    import cc3d
    from scipy import ndimage

    out = np.zeros(tumor.shape, bool)
    near = ndimage.binary_dilation(tumor, iterations=2)
    beside = ndimage.binary_erosion(parenchyma | tumor, iterations=2) & ~near
    if not beside.any():
        return out
    usual = float(np.median(volume[beside]))
    parts = cc3d.connected_components(np.require(tumor, requirements="CW"), connectivity=6)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        rows = (box[0], box[1], slice(None))
        own = parts[rows] == number
        if np.count_nonzero(own) * spacing**3 < 1000 * LEAST_ML:
            continue
        in_rows = _difference_in_rows(own, beside[rows], volume[rows])
        overall = float(np.median(volume[rows][own])) - usual
        if in_rows is not None and in_rows * np.sign(overall) < LEAST_SHARE * abs(overall):
            out[rows] |= own
    return out


def _difference_in_rows(own: np.ndarray, beside: np.ndarray, volume: np.ndarray) -> float | None:
    """Median of the component less that of what lies beside it, row by row, weighted by the component's voxels."""
    lengths = own.sum(2)
    rows = np.argwhere((lengths >= 2) & (beside.sum(2) >= BESIDE))
    if len(rows) < LEAST_ROWS:
        return None
    differences = [np.median(volume[k, j][own[k, j]]) - np.median(volume[k, j][beside[k, j]]) for k, j in rows]
    return float(np.average(differences, weights=lengths[tuple(rows.T)]))
