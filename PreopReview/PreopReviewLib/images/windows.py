"""Gray windows: which intensities are shown as black and white."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.images.geometry import array_of

CT_WINDOW = (400.0, 40.0)
"""Width and center of the abdominal window, HU."""


def gray_window(image: sitk.Image, modality: str) -> tuple[float, float]:
    """Width and center of a gray window: 400/40 HU for CT, the 2nd to 99.5th percentile of the body for MR.

    Args:
        modality: ``CT`` or ``MR``.
    """
    if modality.upper() == "CT":
        return CT_WINDOW
    values = array_of(image)
    sample = values.ravel()[:: max(values.size // 500_000, 1)].astype(float)
    body = sample[sample > sample.mean() * 0.2]
    low, high = np.percentile(body if body.size else sample, (2, 99.5))
    return float(max(high - low, 1e-6)), float((high + low) / 2)
