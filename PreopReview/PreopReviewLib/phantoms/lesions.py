"""Tumors and cysts: uneven ellipsoids, with necrotic core, rim or capsule."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from PreopReviewLib.phantoms.fields import box_around, ellipsoid, grid, smooth_noise
from PreopReviewLib.phantoms.tissues import Tissue


@dataclass(frozen=True)
class Lesion:
    """One planted lesion: kind "tumor" or "cyst", center in mm (K-J-I), mean radius in mm, parts."""

    kind: str
    center: tuple[float, float, float]
    radius: float
    core: bool
    rim: bool

    def as_dict(self) -> dict:
        return asdict(self)


def plant_lesions(
    rng: np.random.Generator,
    labels: np.ndarray,
    liver: np.ndarray,
    inside: np.ndarray,
    spacing: float,
) -> list[Lesion]:
    """Write tumors (none to six, radius 3 to 45 mm) and cysts (2.5 to 22 mm) into a tissue map, in place.

    Args:
        labels: uint8 (K, J, I) tissue map.
        liver: bool, where a lesion may be.
        inside: (N, 3) possible centers, mm.
        spacing: voxel edge, mm.
    """
    planted = []
    tumors = int(rng.choice([0, 1, 1, 2, 3, 6]))
    cysts = int(rng.choice([0, 0, 1, 2, 4]))
    for kind, count, largest in (("cyst", cysts, 22.0), ("tumor", tumors, 45.0)):
        for _ in range(count):
            small = 2.5 if kind == "cyst" else 3.5
            radius = float(np.exp(rng.uniform(np.log(small), np.log(largest))))
            center = inside[rng.integers(len(inside))]
            lesion = Lesion(
                kind,
                tuple(float(round(c, 1)) for c in center),
                radius,
                core=bool(kind == "tumor" and radius > 8 and rng.random() < 0.4),
                rim=bool(kind == "tumor" and radius > 6 and rng.random() < 0.35),
            )
            if _paint(rng, labels, liver, lesion, spacing):
                planted.append(lesion)
    return planted


def _paint(rng: np.random.Generator, labels: np.ndarray, liver: np.ndarray, lesion: Lesion, spacing: float) -> bool:
    box = box_around(labels.shape, np.array(lesion.center) / spacing, [lesion.radius * 1.7 / spacing] * 3)
    shape = [part.stop - part.start for part in box]
    axes = grid(shape, [part.start for part in box])
    radii = lesion.radius * rng.uniform(0.75, 1.3, 3) / spacing
    away = ellipsoid(axes, np.array(lesion.center) / spacing, radii) + 1
    away = away + (0.05 if lesion.kind == "cyst" else 0.13) * smooth_noise(rng, shape, 4)
    where = (away < 1) & liver[box]
    if where.sum() < 3:
        return False
    view = labels[box]
    view[where] = Tissue.CYST if lesion.kind == "cyst" else Tissue.TUMOR
    if lesion.rim:
        view[where & (away > 1 - max(0.12, 2.2 / lesion.radius))] = Tissue.TUMOR_RIM
    if lesion.core:
        view[where & (away < rng.uniform(0.35, 0.75))] = Tissue.TUMOR_CORE
    return True
