"""What surrounds a liver: wall, ribs, spine, lung, heart, spleen, kidneys, stomach, bowel, fat, great vessels.

Axes K (up), J (back), I (left); the body is built round the liver in hand, so that it touches the right wall and the
diaphragm as a liver does.
"""

from __future__ import annotations

import numpy as np

from PreopReviewLib.phantoms.fields import grid, paint_ellipsoid, smooth_noise
from PreopReviewLib.phantoms.tissues import Tissue
from PreopReviewLib.phantoms.vessels import Landmarks


def surroundings(rng: np.random.Generator, liver: np.ndarray, spacing: float, landmarks: Landmarks) -> np.ndarray:
    """A tissue map of everything but the liver.

    Args:
        liver: bool (K, J, I), isotropic.
        spacing: voxel edge, mm.
        landmarks: confluence and hilum, mm.

    Returns:
        uint8 (K, J, I) of Tissue codes; the liver's own voxels hold what would be there without it.
    """
    shape = liver.shape
    radius, angle = _body(rng, liver, spacing, landmarks)
    cavity = radius < 1
    labels = np.where(cavity, Tissue.FAT, Tissue.MUSCLE).astype(np.uint8)
    labels = np.broadcast_to(labels, shape).copy()
    noise = smooth_noise(rng, shape, 9)
    _organs(rng, labels, spacing, landmarks, np.broadcast_to(cavity, shape), noise, liver)
    _chest(rng, labels, liver, spacing, landmarks, np.broadcast_to(cavity, shape), noise)
    _wall(rng, labels, spacing, radius, angle)
    _spine(rng, labels, spacing, landmarks)
    return labels


def _body(
    rng: np.random.Generator, liver: np.ndarray, spacing: float, landmarks: Landmarks
) -> tuple[np.ndarray, np.ndarray]:
    """Elliptic radius of the abdominal cavity (1 at its wall) and the angle, both (1, J, I)."""
    shape = liver.shape
    flat = np.argwhere(liver.any(0)) * spacing
    low, high = flat.min(0), flat.max(0)
    spine_i = landmarks.confluence[2] + 22
    half_width = max(spine_i - low[1] + rng.uniform(4, 9), 90.0)
    half_depth = max((high[0] - low[0]) / 2 + rng.uniform(6, 16), 60.0)
    center = ((low[0] + high[0]) / 2 + rng.uniform(-2, 6), spine_i)
    _, j, i = grid(shape)
    dj, di = (j * spacing - center[0]) / half_depth, (i * spacing - center[1]) / half_width
    power = rng.uniform(2.1, 2.9)
    radius = (np.abs(dj) ** power + np.abs(di) ** power) ** (1 / power)
    touching = liver.any(0)[None] & (radius > 0.97)
    radius = np.where(touching, 0.97, radius)
    return radius.astype(np.float32), np.arctan2(dj, di)


def _wall(rng: np.random.Generator, labels: np.ndarray, spacing: float, radius: np.ndarray, angle: np.ndarray) -> None:
    """Muscle with oblique ribs, subcutaneous fat, air outside."""
    k, _, _ = grid(labels.shape)
    thick = rng.uniform(0.1, 0.2)
    outside = radius >= 1
    pitch, slope = rng.uniform(24, 32), rng.uniform(12, 30)
    phase = (k * spacing + slope * np.abs(angle) + rng.uniform(0, pitch)) % pitch
    rib = (phase < rng.uniform(8, 12)) & (radius > 1 + 0.25 * thick) & (radius < 1 + 0.75 * thick)
    marrow = rib & (phase > 2.5) & (phase < 7) & (radius > 1 + 0.38 * thick) & (radius < 1 + 0.62 * thick)
    lower_limit = k * spacing > rng.uniform(0.05, 0.4) * labels.shape[0] * spacing
    labels[rib & lower_limit] = Tissue.BONE
    labels[marrow & lower_limit] = Tissue.MARROW
    skin = 1 + thick + rng.uniform(0.04, 0.35)
    labels[:, (outside & (radius > 1 + thick))[0]] = Tissue.FAT
    labels[:, (radius > skin)[0]] = Tissue.AIR


def _chest(
    rng: np.random.Generator,
    labels: np.ndarray,
    liver: np.ndarray,
    spacing: float,
    landmarks: Landmarks,
    cavity: np.ndarray,
    noise: np.ndarray,
) -> None:
    """Lung above a diaphragm that follows the liver's dome, and a heart on the left half of it."""
    from scipy import ndimage

    height = labels.shape[0]
    top = height - 1 - liver[::-1].argmax(0).astype(np.float32)
    covered = liver.any(0)
    dome = np.where(covered, top, 0).max()
    outside = dome - rng.uniform(10, 45) / spacing
    top = np.where(covered, np.maximum(top, outside - 30 / spacing), outside)
    top = np.maximum(ndimage.gaussian_filter(top, 8 / spacing), np.where(covered, top, 0))
    gap = rng.uniform(1.5, 4.5) / spacing
    k, _, _ = grid(labels.shape)
    labels[(k > top[None] + 0.3 * gap) & cavity & (k <= top[None] + gap)] = Tissue.MUSCLE
    chest = (k > top[None] + gap) & cavity
    labels[chest] = Tissue.LUNG
    confluence = landmarks.confluence / spacing
    center = confluence + np.array([rng.uniform(45, 70), -rng.uniform(25, 55), rng.uniform(15, 45)]) / spacing
    radii = np.array([rng.uniform(34, 48), rng.uniform(42, 56), rng.uniform(48, 66)]) / spacing
    paint_ellipsoid(labels, Tissue.FAT, center, radii * 1.1, 0.06 * noise, chest)
    paint_ellipsoid(labels, Tissue.HEART, center, radii, 0.06 * noise, chest)


def _organs(
    rng: np.random.Generator,
    labels: np.ndarray,
    spacing: float,
    landmarks: Landmarks,
    cavity: np.ndarray,
    noise: np.ndarray,
    liver: np.ndarray,
) -> None:
    """Bowel, stomach, spleen, kidneys, pancreas and duodenum, placed from the hilum and the confluence (mm)."""
    hilum, confluence = landmarks.hilum, landmarks.confluence
    low = np.argwhere(liver.any((1, 2)))[0, 0] * spacing

    def organ(value: int, at: tuple, size: tuple, rough: float = 0.08, jitter: float = 8.0) -> None:
        center = (np.array(at) + rng.normal(size=3) * jitter) / spacing
        radii = np.array(size) * rng.uniform(0.8, 1.25) / spacing
        paint_ellipsoid(labels, value, center, radii, rough * noise, cavity)

    loops = smooth_noise(rng, labels.shape, labels.shape[0] * spacing / rng.uniform(14, 26))
    belly = (
        cavity
        & (np.arange(labels.shape[0]) * spacing < hilum[0])[:, None, None]
        & (np.arange(labels.shape[1]) * spacing < confluence[1] - 5)[None, :, None]
    )
    labels[belly & (loops > 0.1)] = Tissue.BOWEL
    labels[belly & (loops > 0.8)] = Tissue.GAS if rng.random() < 0.5 else Tissue.STOMACH
    left = hilum[2]
    organ(Tissue.SOFT, (hilum[0] - 35, hilum[1] + 2, left + 20), (14, 11, 30))
    organ(Tissue.BOWEL, (hilum[0] - 35, hilum[1] - 4, left - 10), (24, 14, 14))
    organ(Tissue.SPLEEN, (confluence[0] - 15, confluence[1] + 12, confluence[2] + 120), (48, 34, 28))
    stomach = (confluence[0] - 25, confluence[1] - 45, confluence[2] + 75)
    organ(Tissue.SOFT, stomach, (44, 38, 42), jitter=1)
    organ(Tissue.STOMACH, stomach, (38, 32, 36), jitter=1)
    if rng.random() < 0.7:
        organ(Tissue.GAS, (stomach[0] + 6, stomach[1] - 16, stomach[2]), (20, 14, 24), jitter=3)
    for side in (-1, 1):
        at = (low + rng.uniform(0, 50), confluence[1] + 12, confluence[2] + 22 + side * 62)
        organ(Tissue.KIDNEY, at, (52, 27, 27), 0.05)
        organ(Tissue.FAT, (at[0], at[1] - 4, at[2] - side * 12), (18, 10, 12), 0.1, 2)


def _spine(rng: np.random.Generator, labels: np.ndarray, spacing: float, landmarks: Landmarks) -> None:
    """Vertebrae with discs, psoas and paraspinal muscle, and the aorta before them."""
    k, j, i = (axis * spacing for axis in grid(labels.shape))
    at_j = landmarks.confluence[1] + rng.uniform(36, 44)
    at_i = landmarks.confluence[2] + rng.uniform(16, 26)

    def column(dj: float, di: float, rj: float, ri: float) -> np.ndarray:
        return (((j - at_j - dj) / rj) ** 2 + ((i - at_i - di) / ri) ** 2 < 1)[0]

    for side in (-1, 1):
        labels[:, column(30, side * 30, 22, 28)] = Tissue.MUSCLE
        crus = column(-14, side * 18, 12, 10)
        labels[:, crus] = Tissue.MUSCLE
    labels[:, column(32, 0, 18, 8)] = Tissue.BONE
    body, core = column(0, 0, 18, 22), column(0, 0, 15, 19)
    labels[:, body] = Tissue.BONE
    labels[:, core] = Tissue.MARROW
    disc = ((k + rng.uniform(0, 30)) % 32 < 7)[:, 0, 0]
    labels[np.ix_(disc, *[np.arange(n) for n in labels.shape[1:]])] = np.where(body, Tissue.SOFT, labels[disc]).astype(
        np.uint8
    )
    labels[:, column(-28, rng.uniform(2, 14), rng.uniform(9, 13), rng.uniform(9, 13))] = Tissue.AORTA
