"""Anatomy of a synthetic shoulder as implicit shapes: drawn parameters, and painting them at given points.

Shoulder frame, in mm: x lateral, y anterior, z superior, origin in the center of the humeral head; a right
shoulder as it stands, a left one mirrored. Shapes are evaluated with torch for a whole batch of shoulders, so
that the same code draws one case on a fine grid and thousands of training cubes on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.phantoms.shoulder_tears import TearDrawing

if TYPE_CHECKING:
    import torch

CONTRASTS = ("t2", "t2fs", "t1")
"""T2-weighted, T2-weighted with fat suppression, T1-weighted."""

TEXTURE_MM = 192.0
"""Edge of the cube that the texture lattices span."""


class Tissue(IntEnum):
    """Values of a shoulder phantom's label map."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    CORTEX = 3
    HUMERUS = 4
    GLENOID = 5
    ACROMION = 6
    CLAVICLE = 7
    SUPRASPINATUS_MUSCLE = 8
    INFRASPINATUS_MUSCLE = 9
    SUPRASPINATUS_TENDON = 10
    INFRASPINATUS_TENDON = 11
    CARTILAGE = 12
    FLUID = 13
    TEAR = 14


@dataclass(frozen=True)
class ShoulderParameters:
    """What makes one shoulder. Lengths in mm, angles in radians, signals relative to fluid on T2.

    A tear is an ellipse on the cuff's sheet: `tear_width` (front to back) by `tear_length` (along the
    fibers), from the depth `tear_from` to `tear_to` of the thickness (0 at the joint, 1 at the bursa). A width
    of 0 is an intact cuff.
    """

    head_radius: float
    neck_tilt: float
    shaft_radius: float
    tuberosity: float
    acromion_gap: float
    acromion_thickness: float
    acromion_slope: float
    acromion_reach: float
    skin_fat: float
    deltoid: float
    glenoid_height: float
    cuff_thickness: float
    insertion: float
    junction: float
    muscle_bulk: float
    fatty_streaks: float
    bursa_fluid: float
    joint_fluid: float
    tendinosis: float
    tendinosis_place: float
    tear_width: float
    tear_length: float
    tear_place: float
    tear_from: float
    tear_to: float
    tear_gap: float
    tear_signal: float
    warp: float
    fat: float
    muscle: float
    tendon: float
    cortex: float
    marrow: float
    fluid: float
    cartilage: float
    coil_depth: float
    coil_strength: float


NAMES = tuple(f.name for f in fields(ShoulderParameters))

_SIGNALS = {
    "t2": {"fat": 0.62, "muscle": 0.25, "tendon": 0.06, "cortex": 0.04, "marrow": 0.50, "fluid": 1.0, "cartilage": 0.4},
    "t2fs": {
        "fat": 0.17,
        "muscle": 0.33,
        "tendon": 0.08,
        "cortex": 0.05,
        "marrow": 0.15,
        "fluid": 1.0,
        "cartilage": 0.5,
    },
    "t1": {"fat": 0.90, "muscle": 0.36, "tendon": 0.09, "cortex": 0.05, "marrow": 0.74, "fluid": 0.3, "cartilage": 0.4},
}


def draw_parameters(rng: np.random.Generator, contrast: str, tear: TearDrawing | None) -> ShoulderParameters:
    """A random shoulder with the given tear (None: intact) in the given contrast."""
    u = rng.uniform
    radius = u(21, 26)
    torn = tear is not None
    size = tear.width_mm if tear else 0.0
    full = tear is not None and tear.full
    # A long-standing wide tear lets the head rise, fills the bursa and wastes the muscle; all three also vary
    # without a tear, so that none of them gives the class away.
    wide = min(size / 50, 1.0) if full else 0.0
    signals = {name: value * u(0.88, 1.12) for name, value in _SIGNALS[contrast].items()}
    signals["fluid"] = _SIGNALS[contrast]["fluid"] * u(0.92, 1.0)
    return ShoulderParameters(
        head_radius=radius,
        neck_tilt=u(0.08, 0.2),
        shaft_radius=u(10, 13),
        tuberosity=u(0.52, 0.62),
        acromion_gap=u(8.5, 11.5) - 3.0 * wide * u(0.3, 1.0),
        acromion_thickness=u(7, 9.5),
        acromion_slope=u(-0.1, 0.28),
        acromion_reach=u(0.75, 1.15) * radius,
        skin_fat=u(3, 13),
        deltoid=u(11, 19),
        glenoid_height=u(15, 19),
        cuff_thickness=u(4.8, 6.4),
        insertion=u(0.86, 1.05),
        junction=u(-0.45, -0.15),
        muscle_bulk=u(0.85, 1.15) * (1 - 0.25 * wide * u(0.0, 1.0)),
        fatty_streaks=u(0.0, 0.35) + 0.5 * wide * u(0.0, 1.0),
        bursa_fluid=u(0.0, 1.0) ** 2 * 1.6 + (u(0.2, 1.2) if full else 0.0),
        joint_fluid=u(0.3, 1.6) + (u(0.0, 0.8) if full else 0.0),
        tendinosis=u(0.0, 0.28) if rng.random() < 0.5 else 0.0,
        tendinosis_place=u(-20, 12),
        tear_width=size,
        tear_length=tear.length_mm if tear else 0.0,
        tear_place=tear.place_mm if tear else 0.0,
        tear_from=tear.depth[0] if tear else 0.0,
        tear_to=tear.depth[1] if tear else 0.0,
        tear_gap=tear.gap_mm if tear else 0.0,
        tear_signal=u(0.84, 1.0) if torn else 1.0,
        warp=u(0.6, 1.8),
        coil_depth=u(70, 160),
        coil_strength=u(0.0, 0.9),
        **signals,
    )


def stack(parameters: list[ShoulderParameters], device: str = "cpu") -> dict[str, torch.Tensor]:
    """Parameters of a batch of B shoulders as float32 tensors of shape (B, 1, 1, 1)."""
    import torch

    table = np.array([[getattr(p, name) for name in NAMES] for p in parameters], np.float32)
    columns = torch.from_numpy(table).to(device)
    return {name: columns[:, i].view(-1, 1, 1, 1) for i, name in enumerate(NAMES)}


def draw_lattices(rng: np.random.Generator, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Random lattices that warp and texture `count` shoulders: float32 (count, 3, 9³) and (count, 2, 56³)."""
    return (
        rng.standard_normal((count, 3, 9, 9, 9), dtype=np.float32),
        rng.standard_normal((count, 2, 56, 56, 56), dtype=np.float32),
    )
