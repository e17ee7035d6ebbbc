"""The cube around the humeral head that the network sees, and its exact place in the MRI.

A cube is an image of 64³ voxels on a grid of its own: I from lateral to medial, J from superior to inferior, K from
anterior to posterior, along the series' own axes, so that an oblique series stays oblique. Of a left shoulder, I is
mirrored: the grid is then left-handed, and since the grid carries the mirroring, everything laid on it (an
activation map, a box) lands in the right place of the patient without further thought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError, UnsupportedImage

Plane = Literal["coronal", "axial", "sagittal"]
Side = Literal["R", "L"]

CUBE = 64
EDGE_MM = (80.0, 100.0)
"""Bounds of the edge that is chosen when none is given: the through-plane extent, as in the authors' program."""

SURE_SIDE_MM = 80.0
"""A humeral head lies 12 to 20 cm off the midline; one nearer to the scanner's middle was moved there to be scanned."""

LATERALITY = ("0020|0060", "0020|0062")
"""Keys of DICOM's Laterality and Image Laterality."""

MIN_SLICES = 8
MIN_INSIDE = 0.6
"""The part of the cube that has to lie in the image."""

_NORMALS: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class Cube:
    """What the network sees.

    Attributes:
        image: 64³ float32, 0 to 255, with the geometry described above.
        center_lps: mm.
        edge_mm: edge of the cube.
        side: ``R`` or ``L``; a left shoulder is mirrored.
        plane: of the series' slices.
        inside: part of the cube that lies in the series.
        warnings: doubts, for people.
    """

    image: sitk.Image
    center_lps: tuple[float, float, float]
    edge_mm: float
    side: Side
    plane: Plane
    inside: float
    warnings: tuple[str, ...]


def slice_axis(image: sitk.Image) -> int:
    """The image axis (0 I, 1 J, 2 K) across the slices: the one of the widest spacing, K if all are alike."""
    spacing = np.array(image.GetSpacing())
    widest = int(spacing.argmax())
    return widest if spacing[widest] > 1.2 * np.median(spacing) else 2


def series_plane(image: sitk.Image) -> tuple[Plane, float]:
    """The anatomical plane of the slices, and how many degrees they are turned out of it.

    A coronal oblique shoulder series, along the supraspinatus, is 20 to 45 degrees off the coronal plane.
    """
    direction = np.array(image.GetDirection()).reshape(3, 3)
    normal = np.abs(direction[:, slice_axis(image)])
    axis = int(normal.argmax())
    plane: Plane = {v: k for k, v in _NORMALS.items()}[axis]
    return plane, float(np.degrees(np.arccos(min(1.0, normal[axis]))))


def require_shoulder_series(image: sitk.Image, source: str = "The image", any_plane: bool = False) -> list[str]:
    """Warnings about a series; an error where it cannot be a coronal shoulder MRI.

    Raises:
        UnsupportedImage: too few slices (a localizer), a CT, or slices that are not coronal.
    """
    count = image.GetSize()[slice_axis(image)]
    if count < MIN_SLICES:
        raise UnsupportedImage(
            f"{source} has only {count} slices, as a localizer has", f"Give a series of at least {MIN_SLICES}"
        )
    if images.guess_modality(image) == "CT":
        raise UnsupportedImage(f"{source} is a CT", "Give an MRI of the shoulder")
    warnings = require_coronal(image, source, any_plane)
    extent = max(np.array(image.GetSize()) * np.array(image.GetSpacing()))
    return [*warnings, f"{source} is {extent:.0f} mm wide: is it a shoulder?"] if extent > 320 else warnings


def require_coronal(image: sitk.Image, source: str = "The image", any_plane: bool = False) -> list[str]:
    """Warnings about the plane of a series, of which only spacing and direction are looked at.

    Raises:
        UnsupportedImage: slices that are not coronal, unless any plane will do.
    """
    plane, off = series_plane(image)
    if plane == "coronal":
        return [f"the slices are turned {off:.0f}° out of the coronal plane"] if off > 50 else []
    problem = f"{source} is {plane}, and the network was trained on coronal (oblique) series only"
    if not any_plane:
        raise UnsupportedImage(problem, "Choose the coronal series, or allow any plane to continue anyway", "any plane")
    return [f"{problem}: the answer is unreliable"]


def told_side(image: sitk.Image) -> Side | None:
    """Right or left as DICOM says it (0020,0060 and 0020,0062), or None."""
    for key in LATERALITY:
        if image.HasMetaDataKey(key) and image.GetMetaData(key).strip() in ("R", "L"):
            return image.GetMetaData(key).strip()  # type: ignore[return-value]
    return None


def side_of(image: sitk.Image, center_lps: tuple[float, float, float]) -> Side:
    """Right or left: from DICOM's laterality, else from where the head lies along the patient's left axis."""
    return told_side(image) or ("R" if center_lps[0] < 0 else "L")


def default_edge(image: sitk.Image) -> float:
    """The cube's edge in mm: the extent across the slices (Shim's program), kept within `EDGE_MM`."""
    axis = slice_axis(image)
    return float(np.clip(image.GetSize()[axis] * image.GetSpacing()[axis], *EDGE_MM))


def cube_grid(
    image: sitk.Image, center_lps: tuple[float, float, float], edge_mm: float, side: Side, voxels: int = CUBE
) -> sitk.Image:
    """An empty image on the cube's grid: the image's own axes, named and turned as the module says."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    medial = 1.0 if side == "R" else -1.0
    wanted = np.array([[medial, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # rows: where I, J and K go, in LPS
    columns = matched_axes(direction, wanted)
    grid = sitk.Image([voxels] * 3, sitk.sitkFloat32)
    spacing = edge_mm / voxels
    grid.SetSpacing([spacing] * 3)
    grid.SetDirection(columns.ravel().tolist())
    half = spacing * (voxels - 1) / 2
    grid.SetOrigin((np.array(center_lps) - columns @ np.full(3, half)).tolist())
    return grid


def matched_axes(direction: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The columns of a direction (3, 3), permuted and flipped to lie nearest to the wanted directions (rows)."""
    from itertools import permutations

    agreement = wanted @ direction
    order = max(permutations(range(3)), key=lambda o: sum(abs(agreement[a, o[a]]) for a in range(3)))
    signs = [np.sign(agreement[a, order[a]]) or 1.0 for a in range(3)]
    return np.stack([direction[:, order[a]] * signs[a] for a in range(3)], 1)


def cut_cube(
    image: sitk.Image,
    center_lps: tuple[float, float, float],
    edge_mm: float | None = None,
    side: Side | None = None,
    source: str = "The image",
    any_plane: bool = False,
) -> Cube:
    """The cube around a point, linearly resampled, its intensities clipped at their percentiles 0.5 and 99.5.

    Args:
        center_lps: about the middle of the humeral head, mm.
        edge_mm: by default that of `default_edge`.
        side: by default that of `side_of`.
        any_plane: only warn of slices that are not coronal.

    Raises:
        UnsupportedImage: no coronal MRI series (see `require_shoulder_series`).
        InputError: the cube lies outside the image, or has no contrast.
    """
    warnings = require_shoulder_series(image, source, any_plane)
    edge = edge_mm or default_edge(image)
    if side is None and told_side(image) is None and abs(center_lps[0]) < SURE_SIDE_MM:
        warnings.append(
            f"the head lies {abs(center_lps[0]):.0f} mm from the scanner's middle and no header names the side: "
            f"{side_of(image, center_lps)} is a guess; say which side it is"
        )
    side = side or side_of(image, center_lps)
    grid = cube_grid(image, center_lps, edge, side)
    outside = -1e30
    floats = sitk.Cast(image, sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(sitk.Resample(floats, grid, sitk.Transform(), sitk.sitkLinear, outside))
    held = values > outside / 2
    inside = float(held.mean())
    if inside < MIN_INSIDE:
        raise InputError(
            f"Only {inside:.0%} of the cube of {edge:.0f} mm lies in {source}",
            "Put the point into the humeral head, or make the cube smaller",
        )
    low, high = np.percentile(values[held], [0.5, 99.5])
    if not high > low:
        raise InputError(f"The cube in {source} has no contrast", "Put the point into the humeral head")
    scaled = np.where(held, np.clip((values - low) / (high - low), 0, 1) * 255, 0).astype(np.float32)
    if inside < 0.9:
        warnings.append(f"only {inside:.0%} of the cube lies in the image")
    return Cube(
        images.image_like(scaled, grid),
        tuple(map(float, center_lps)),
        edge,
        side,
        series_plane(image)[0],
        inside,
        tuple(warnings),
    )
