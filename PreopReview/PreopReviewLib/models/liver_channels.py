"""What a network that works inside a given liver sees: the image against the parenchyma, and the depth.

Intensities are measured against the liver's own median and median absolute deviation, which takes the modality and
the scanner out of them; the second channel is the signed distance to the liver's surface.
"""

from __future__ import annotations

import numpy as np

CHANNELS = ("parenchyma-normalized intensity", "signed distance to the liver surface")
REACH_MM, DISTANCE_UNIT_MM = 10.0, 16.0
"""How far outside the given liver the image is shown, and the unit of the second channel."""


def liver_channels(
    image: np.ndarray, liver: np.ndarray, spacing: float, center: float = 0.0, stretch: float = 1.0
) -> np.ndarray:
    """The network's input.

    Args:
        image: (K, J, I), isotropic.
        liver: bool (K, J, I), not empty.
        spacing: voxel edge, mm.
        center: shift of the median in deviations (training jitters it).
        stretch: factor on the deviation (training jitters it).

    Returns:
        float32 (2, K, J, I): asinh(z / 2), zero beyond REACH_MM outside, and distance / 16 mm, cut to -1…2.5.
    """
    distance = signed_distance(liver, spacing)
    values = image[liver]
    median = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - median))) + 1e-6
    z = (image - (median + center * deviation)) / (deviation * stretch)
    shown = np.arcsinh(np.clip(z, -40, 40) / 2).astype(np.float32)
    shown[distance < -REACH_MM] = 0
    return np.stack([shown, np.clip(distance / DISTANCE_UNIT_MM, -1, 2.5)]).astype(np.float32)


def signed_distance(mask: np.ndarray, spacing: float) -> np.ndarray:
    """Distance to the surface of a mask (K, J, I) in mm, positive inside, float32."""
    import edt

    mask = np.ascontiguousarray(mask)
    return (edt.edt(mask, parallel=1) - edt.edt(~mask, parallel=1)) * np.float32(spacing)
