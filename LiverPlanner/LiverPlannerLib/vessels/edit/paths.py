"""The way from a vessel to a click that looks most like the vessel: minimal paths over image and model probability."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.vessels.edit.network import VesselNetwork
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError

BORDER_MM, DETOUR = 10.0, 0.4
"""A way may leave the box around its ends by so many mm, or by that share of its diagonal."""
LEAST = 0.03
"""Likelihood of what looks nothing like the vessel: a detour of up to 33 times the length pays to avoid it."""


def way_to(
    network: VesselNetwork,
    end: np.ndarray,
    value: int,
    nearest_mm: float,
    image: sitk.Image | None,
    probability: sitk.Image | None,
) -> tuple[np.ndarray, int]:
    """From a vessel of that label to a voxel: path (n, 3) K-J-I, and the point of the network where it leaves.

    Args:
        end: voxel K, J, I.
        nearest_mm: distance of the nearest point of the vessel.
    """
    from skimage.graph import MCP_Geometric

    near = np.flatnonzero(
        (network.value == value)
        & (np.linalg.norm((network.points - end) * network.mm, axis=1) <= 1.5 * nearest_mm + BORDER_MM)
    )
    corners = np.concatenate([network.points[near], end[None]])
    low, cost = _cost(network, corners, value, image, probability)
    starts = np.rint(network.points[near]).astype(int) - low
    search = MCP_Geometric(cost, sampling=tuple(network.mm))
    # The first end that is reached is the cheapest; what lies beyond need not be looked at.
    total = search.find_costs([tuple(end - low)], ends=np.unique(starts, axis=0).tolist(), find_all_ends=False)[0]
    start = int(total[tuple(starts.T)].argmin())
    path = np.array(search.traceback(tuple(starts[start])))[::-1] + low
    return path, int(near[start])


def way_between(
    network: VesselNetwork,
    start: np.ndarray,
    end: np.ndarray,
    value: int,
    image: sitk.Image | None,
    probability: sitk.Image | None,
) -> np.ndarray:
    """The path (n, 3) between two voxels."""
    from skimage.graph import route_through_array

    low, cost = _cost(network, np.stack([start, end]).astype(float), value, image, probability)
    path, _total = route_through_array(cost, tuple(start - low), tuple(end - low), geometric=True)
    return np.array(path) + low


def _cost(
    network: VesselNetwork,
    corners: np.ndarray,
    value: int,
    image: sitk.Image | None,
    probability: sitk.Image | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where a box around voxels begins, and what a mm costs in each of its voxels."""
    length = float(np.linalg.norm(np.ptp(corners, axis=0) * network.mm))
    border = np.ceil(max(BORDER_MM, DETOUR * length) / network.mm)
    low = np.maximum(np.floor(corners.min(0) - border), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0) + border).astype(int) + 1, network.array.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    likely = np.full(tuple(high - low), 1.0 if image is None and probability is None else 0.0)
    if image is not None:
        likely = np.maximum(likely, _likeness(network, box, value, image))
    if probability is not None:
        _same(network, probability, "probability")
        likely = np.maximum(likely, np.clip(images.array_of(probability)[box], 0, 1))
    part = network.array[box]
    foreign = (part != value) & (part > 1)  # not through other vessels and lesions, if there is another way
    likely = np.where(foreign, LEAST, np.maximum(likely, LEAST))
    return low, 1 / likely


def _likeness(network: VesselNetwork, box: tuple[slice, ...], value: int, image: sitk.Image) -> np.ndarray:
    """1 where the image is as bright as the vessel in this neighborhood, falling to 0 at the liver's level."""
    from scipy.ndimage import gaussian_filter

    _same(network, image, "image")
    values = gaussian_filter(images.array_of(image)[box].astype(np.float32), 0.5)
    part = network.array[box]
    vessel, liver = values[part == value], values[part == 1]
    if len(vessel) < 5 or len(liver) < 5:
        return np.ones(values.shape, np.float32)
    inside, outside = float(np.median(vessel)), float(np.median(liver))
    if abs(inside - outside) < 1e-6:
        return np.ones(values.shape, np.float32)
    return np.clip((values - outside) / (inside - outside), 0, 1) ** 2


def _same(network: VesselNetwork, image: sitk.Image, what: str) -> None:
    if not images.same_grid(image, network.grid):
        raise GeometryError(f"The {what} and the labels lie on different grids", "Resample the labels to the image")
