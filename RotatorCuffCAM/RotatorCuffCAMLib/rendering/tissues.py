"""Where bone, muscle and fluid lie on the gray scale of one shoulder MRI.

MRI has no unit and every sequence another order: marrow is the darkest of the three with fat suppression and as bright
as fat without it. So the levels are measured: bone in the middle of the humeral head, muscle in the rest of the body,
fluid above both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from RotatorCuffCAMLib.localization import voxel_centers

MARROW_MM = 15.0
"""Radius around the middle of the head within which there is marrow alone (heads have radii of 20 to 26 mm)."""

REACH_MM = 70.0
"""Around the head, where muscle is looked for: coils are brighter near the skin, and the chest is not muscle."""


@dataclass(frozen=True)
class Levels:
    """Intensities of one MRI.

    Attributes:
        air: below it there is nothing, or cortical bone, which is as dark.
        bone: marrow of the humeral head, and with it fat of like brightness.
        muscle: the commonest intensity of the body around it.
        fluid: from here on there is fluid.
        top: the brightest that is told apart.
    """

    air: float
    bone: float
    muscle: float
    fluid: float
    top: float


def measure_levels(image: sitk.Image, head_lps: tuple[float, float, float]) -> Levels:
    """The levels around a humeral head.

    Args:
        head_lps: its middle, mm; the middle of the cube that the network saw.
    """
    values = images.array_of(image).astype(np.float32)
    far = np.linalg.norm(voxel_centers(image) - np.array(head_lps), axis=-1)
    near = values[far < REACH_MM]
    top = float(np.percentile(near, 99.9))
    marrow = values[far < MARROW_MM]
    bone = float(np.median(marrow)) if marrow.size else float(np.percentile(near, 30))
    air = 0.35 * bone
    around = values[(far > 1.6 * MARROW_MM) & (far < REACH_MM) & (values > air)]
    muscle = _muscle(around, bone, top)
    brighter = max(bone, muscle)
    spread = float(np.percentile(np.abs(around - muscle), 50))
    fluid = min(brighter + max(4 * spread, 0.35 * (top - brighter)), top)
    return Levels(air, bone, muscle, fluid, max(top, fluid * 1.01))


def _muscle(values: np.ndarray, bone: float, top: float) -> float:
    """The highest peak of the histogram away from bone's level."""
    if not values.size:
        return 1.5 * bone
    counts, edges = np.histogram(values, bins=96, range=(0.0, top))
    middles = (edges[1:] + edges[:-1]) / 2
    counts = np.convolve(counts, np.ones(5) / 5, "same")
    counts[np.abs(middles - bone) < 0.3 * bone] = 0
    return float(middles[counts.argmax()]) if counts.max() > 0 else 1.5 * bone
