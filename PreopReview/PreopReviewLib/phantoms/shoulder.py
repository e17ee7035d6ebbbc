"""A synthetic shoulder MRI with a rotator cuff tear of known size and place.

It stands in for patient data, of which no public set with tear labels exists. It teaches and tests the drawn
tear, nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.shoulder_anatomy import (
    CONTRASTS,
    ShoulderParameters,
    Tissue,
    draw_lattices,
    draw_parameters,
    stack,
)
from PreopReviewLib.phantoms.shoulder_tears import TearDrawing, class_of, draw_tear

__all__ = ["CONTRASTS", "ShoulderPhantom", "TearDrawing", "Tissue", "draw_tear", "make_shoulder_phantom"]

SUB_SLICES = 3


@dataclass(frozen=True)
class ShoulderPhantom:
    """A synthetic shoulder.

    Attributes:
        image: MRI (float32), coronal oblique unless asked otherwise.
        labels: `Tissue` values on the same grid.
        tear_class: 0 none, 1 partial, 2 small, 3 medium, 4 large to massive.
        tear: what was drawn, or None.
        tear_center_lps: mm, the torn voxels' centroid, or None.
        tear_corners_lps: two opposite corners (mm) of the torn voxels' bounding box along the patient's axes.
        head_center_lps: mm.
        side: ``R`` or ``L``.
        parameters: the anatomy that was drawn.
    """

    image: sitk.Image
    labels: sitk.Image
    tear_class: int
    tear: TearDrawing | None
    tear_center_lps: tuple[float, float, float] | None
    tear_corners_lps: tuple[tuple[float, float, float], tuple[float, float, float]] | None
    head_center_lps: tuple[float, float, float]
    side: Literal["R", "L"]
    parameters: ShoulderParameters


def make_shoulder_phantom(
    seed: int,
    tear: TearDrawing | int | None = None,
    contrast: str = "t2",
    side: Literal["R", "L"] | None = None,
    plane: Literal["coronal", "axial", "sagittal"] = "coronal",
    size: tuple[int, int, int] = (256, 256, 24),
    field_of_view_mm: float = 150.0,
    slice_mm: float = 4.0,
) -> ShoulderPhantom:
    """A shoulder drawn by its seed: the same arguments give the same voxels.

    Args:
        tear: a tear to draw, a class (0 to 4) to draw one of, or None for an intact cuff.
        contrast: ``t2``, ``t2fs`` or ``t1``.
        side: ``R`` or ``L``; by the seed if None.
        plane: of the slices; coronal and sagittal follow the scapula, as at the scanner.
        size: columns, rows, slices.
        field_of_view_mm: in-plane edge.
        slice_mm: distance between slices (the slice is 90 % of it, the rest a gap).

    Raises:
        InputError: an unknown contrast, class or plane.
    """
    if contrast not in CONTRASTS:
        raise InputError(f"Unknown contrast: {contrast!r}", f"Use one of {', '.join(CONTRASTS)}")
    rng = np.random.default_rng([seed, 20])
    drawn = draw_tear(rng, tear) if isinstance(tear, int) else tear
    parameters = draw_parameters(rng, contrast, drawn)
    side = side or ("R", "L")[int(rng.integers(2))]
    warp, texture = draw_lattices(rng)
    frame = _frame(rng, side)
    grid = _slices(rng, frame, side, plane, size, field_of_view_mm, slice_mm)
    signal, labels, torn = _render(grid, frame, parameters, (warp, texture))
    noise = rng.uniform(0.012, 0.03)
    scale = rng.uniform(500, 1500)
    real = signal + noise * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = noise * rng.standard_normal(signal.shape, dtype=np.float32)
    image = sitk.GetImageFromArray((np.hypot(real, imaginary) * scale).astype(np.float32))
    image.CopyInformation(grid)
    label_image = sitk.GetImageFromArray(labels)
    label_image.CopyInformation(grid)
    center, corners = _extent(torn, grid)
    return ShoulderPhantom(
        image, label_image, class_of(drawn), drawn, center, corners, tuple(frame[:, 3]), side, parameters
    )


def _frame(rng: np.random.Generator, side: str) -> np.ndarray:
    """(3, 4): the shoulder frame's axes in LPS as columns, and the head's center."""
    turn, tip, roll = np.deg2rad([rng.uniform(22, 42), rng.uniform(-8, 8), rng.uniform(-8, 8)])
    # Of a right shoulder, lateral is the patient's right, turned forward by the scapula's angle.
    lateral = np.array([-np.cos(turn), -np.sin(turn), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    forward = np.cross(up, lateral)
    forward = -forward if forward[1] > 0 else forward
    up = up + np.tan(tip) * lateral + np.tan(roll) * forward
    up /= np.linalg.norm(up)
    lateral -= up * (lateral @ up)
    lateral /= np.linalg.norm(lateral)
    forward = np.cross(lateral, up)
    forward = -forward if forward[1] > 0 else forward
    axes = np.stack([lateral, forward, up], 1)
    center = np.array([-150.0, -10.0, 40.0]) + rng.uniform(-15, 15, 3)
    if side == "L":
        axes[0] *= -1
        center[0] *= -1
    return np.column_stack([axes, center])


def _slices(
    rng: np.random.Generator,
    frame: np.ndarray,
    side: str,
    plane: str,
    size: tuple[int, int, int],
    fov: float,
    step: float,
) -> sitk.Image:
    """The acquisition grid, tilted by a few degrees against the scapula as a technician's planning is."""
    lateral, forward, up = frame[:, :3].T
    left = -lateral if side == "R" else lateral
    down, back = -up, -forward
    try:
        i, j, k = {"coronal": (left, down, back), "axial": (left, back, up), "sagittal": (back, down, left)}[plane]
    except KeyError:
        raise InputError(f"Unknown plane: {plane!r}", "Use coronal, axial or sagittal") from None
    turn = rng.uniform(-0.10, 0.10)
    i, k = np.cos(turn) * i + np.sin(turn) * k, np.cos(turn) * k - np.sin(turn) * i
    direction = np.stack([i, j, k], 1)
    grid = sitk.Image(list(size), sitk.sitkFloat32)
    spacing = np.array([fov / size[0], fov / size[1], step])
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(direction.ravel().tolist())
    # The head lies off the middle of the field, towards the skin and up.
    middle = frame[:, 3] - lateral * rng.uniform(8, 22) - up * rng.uniform(2, 16) + forward * rng.uniform(-5, 5)
    grid.SetOrigin((middle - direction @ (spacing * (np.array(size) - 1) / 2)).tolist())
    return grid


def _render(
    grid: sitk.Image, frame: np.ndarray, parameters: ShoulderParameters, lattices: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal, labels and torn fraction (K, J, I); each slice is the mean of thin ones across its thickness."""
    import torch

    from PreopReviewLib.phantoms.shoulder_paint import paint_shoulders

    size, spacing = grid.GetSize(), np.array(grid.GetSpacing())
    direction = np.array(grid.GetDirection()).reshape(3, 3)
    to_frame = frame[:, :3].T  # orthonormal axes: the inverse is the transpose
    steps = to_frame @ direction * spacing
    start = to_frame @ (np.array(grid.GetOrigin()) - frame[:, 3])
    q = stack([parameters])
    fields = tuple(torch.from_numpy(lattice) for lattice in lattices)
    ci, cj = torch.arange(size[0])[None, None, None, :], torch.arange(size[1])[None, None, :, None]
    signal = np.empty(size[::-1], np.float32)
    torn, labels = np.empty_like(signal), np.empty(signal.shape, np.uint8)
    offsets = (torch.arange(SUB_SLICES) - (SUB_SLICES - 1) / 2) * 0.9 / SUB_SLICES
    for slice_index in range(size[2]):
        ck = (slice_index + offsets)[None, :, None, None]
        points = tuple((start[a] + steps[a, 0] * ci + steps[a, 1] * cj + steps[a, 2] * ck).float() for a in range(3))
        painted = paint_shoulders(points, q, fields, edge=float(spacing[0]), labeled=True)
        signal[slice_index] = painted.signal[0].mean(0).numpy()
        torn[slice_index] = painted.tear[0].mean(0).numpy()
        labels[slice_index] = painted.labels[0, SUB_SLICES // 2].numpy()
    labels[torn > 0.5] = int(Tissue.TEAR)
    return signal, labels, torn


def _extent(torn: np.ndarray, grid: sitk.Image) -> tuple:
    """Centroid and bounding corners (LPS) of what is torn; None, None if nothing is."""
    where = np.argwhere(torn > 0.25)
    if len(where) == 0:
        return None, None
    weights = torn[tuple(where.T)]
    direction = np.array(grid.GetDirection()).reshape(3, 3)
    points = np.array(grid.GetOrigin()) + (where[:, ::-1] * np.array(grid.GetSpacing())) @ direction.T
    center = np.average(points, axis=0, weights=weights)
    return tuple(map(float, center)), (tuple(map(float, points.min(0))), tuple(map(float, points.max(0))))
