"""From where a map is looked at, and where the tissue is cut open: from the series' side on which the map lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from RotatorCuffCAMLib.network.hot_region import HotRegion
from RotatorCuffCAMLib.region import Cube, Side, slice_axis

SIDEWAYS, UP = 0.45, 0.38
"""Parts of the view towards the side of the shoulder and from above; 1 is the part across the slices."""

BEHIND_MM = 10.0
"""A map so far behind the middle of the head is looked at from behind."""


@dataclass(frozen=True)
class Viewpoint:
    """How to look at one map.

    Attributes:
        head_lps: middle of the humeral head, mm.
        cut_lps: a point on the cut, mm: the middle of the map.
        normal_lps: of the cut, along the series' slices, towards the viewer.
        towards_lps: unit vector from the shoulder to the viewer.
    """

    head_lps: tuple[float, float, float]
    cut_lps: tuple[float, float, float]
    normal_lps: tuple[float, float, float]
    towards_lps: tuple[float, float, float]


def viewpoint(
    image: sitk.Image, head_lps: tuple[float, float, float], middle_lps: tuple[float, float, float], side: Side
) -> Viewpoint:
    """From before the shoulder, or from behind where the map lies there; a little from its side and from above.

    Args:
        head_lps: middle of the humeral head, mm.
        middle_lps: middle of the map, mm.
        side: of the patient.
    """
    direction = np.array(image.GetDirection()).reshape(3, 3)
    normal = direction[:, slice_axis(image)]
    offset = np.subtract(middle_lps, head_lps)
    forward = normal if normal[1] < 0 else -normal  # LPS: anterior is -y
    if forward @ offset < -BEHIND_MM:
        forward = -forward
    lateral = np.array([-1.0, 0.0, 0.0]) if side == "R" else np.array([1.0, 0.0, 0.0])
    lateral = lateral - forward * (lateral @ forward)
    lateral /= np.linalg.norm(lateral)
    towards = forward + SIDEWAYS * lateral + UP * np.array([0.0, 0.0, 1.0])
    towards /= np.linalg.norm(towards)
    return Viewpoint(head_lps, middle_lps, tuple(forward.tolist()), tuple(towards.tolist()))  # type: ignore[arg-type]


def viewpoint_of(image: sitk.Image, cube: Cube, region: HotRegion | None) -> Viewpoint:
    """The viewpoint of an answer; of a map that is nowhere hot, of the middle of its cube."""
    middle = region.center_lps if region is not None else cube.center_lps
    return viewpoint(image, cube.center_lps, middle, cube.side)
