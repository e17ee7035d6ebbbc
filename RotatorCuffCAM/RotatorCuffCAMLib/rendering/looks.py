"""What tissues and heat look like: colors and opacities by preset, opacity and threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from RotatorCuffCAMLib.rendering.fused import BEFORE, BEHIND, EDGES, FACE, INTENSITIES, PERCENTS, PLACES, SKIN
from RotatorCuffCAMLib.rendering.tissues import Levels

HEAT = ((0.0, (0.10, 0.25, 0.95)), (20.0, (0.10, 0.75, 0.80)), (35.0, (0.35, 0.85, 0.25)), (50.0, (1.00, 0.85, 0.10)),
        (68.0, (1.00, 0.48, 0.05)), (85.0, (0.92, 0.10, 0.06)), (100.0, (0.72, 0.00, 0.04)))  # fmt: skip
"""Percent of the maximum and color: blue, green, red, as in the paper. What reaches half the maximum, the hot region,
is warm: of a region of a few voxels hardly anything comes near the maximum itself."""

BONE, MUSCLE, FLUID = (0.96, 0.91, 0.78), (0.63, 0.36, 0.32), (0.80, 0.92, 1.00)
VEIL, VEIL_OPACITY = (0.95, 0.87, 0.80), 0.04
"""The skin: it gives the picture the outline of a shoulder."""

BEFORE_THE_MAP = 0.12
"""Opacity of what lies between map and viewer against that of the rest: nothing hides the map."""


@dataclass(frozen=True)
class Preset:
    """How opaque each tissue is, 0 to 1, at full opacity.

    Attributes:
        flat: part of a tissue's opacity that it has without a border in it; borders have all of it.
        face: whether the cut shows the MRI on its face.
    """

    name: str
    bone: float
    muscle: float
    fluid: float
    flat: float = 0.05
    face: bool = True


PRESETS = {
    "shoulder": Preset("Muscle, bone and fluid", 0.55, 0.10, 0.30, flat=0.03),
    "bone": Preset("Bone", 0.60, 0.0, 0.0),
    "muscle": Preset("Muscle", 0.0, 0.50, 0.0),
    "fluid": Preset("Fluid", 0.04, 0.03, 0.60),
    "map": Preset("Map only", 0.0, 0.0, 0.0, face=False),
}
"""By key; the first is the one shown at first."""


def table(
    levels: Levels,
    preset: str = "shoulder",
    opacity: float = 0.5,
    threshold: float = 30.0,
    cut: bool = True,
    heat: float = 1.0,
) -> np.ndarray:
    """(rows, 4) uint8: color and opacity of every number of `fused.pack`.

    Args:
        opacity: of the tissues, 0 to 1. The heat keeps its own.
        threshold: percent of the map's maximum below which no heat is shown.
        cut: take away the tissue before the cut, and draw its face.
        heat: opacity of the map, 0 to 1.

    Raises:
        KeyError: an unknown preset.
    """
    look = PRESETS[preset]
    values = np.arange(INTENSITIES) / (INTENSITIES - 1) * levels.top
    tissue, base = _tissue(levels, look, values)
    edge = look.flat + (1 - look.flat) * np.arange(EDGES) / (EDGES - 1)
    inside = np.clip(2 * opacity * base[:, None] * edge[None], 0, 1)  # (intensity, edge)
    alpha = np.repeat(inside[:, :, None], PLACES, 2)
    color = np.repeat(tissue[:, None], PLACES, 1)  # (intensity, place, rgb)
    alpha[:, :, BEFORE] *= BEFORE_THE_MAP
    skin = [BEHIND + SKIN, BEFORE + SKIN] if look.face else []
    alpha[:, :, skin] = 2 * opacity * VEIL_OPACITY * (values > 0.5 * levels.air)[:, None, None]
    color[:, skin] = VEIL
    if cut and look.face:
        alpha[:, :, [BEFORE, BEFORE + SKIN]] = 0.0
        solid = np.clip((values - 0.6 * levels.air) / (0.4 * levels.air), 0, 1) * min(1.0, 1.8 * opacity)
        for place in (FACE, FACE + SKIN):
            alpha[:, :, place] = solid[:, None]
            color[:, place] = _face(levels, tissue, values)
    hot, strength = _heat(threshold)
    mixed = (heat * strength)[None, None, :, None]
    alpha = alpha[:, :, None]
    total = mixed + (1 - mixed) * alpha
    share = np.divide(mixed, total, out=np.zeros_like(total), where=total > 0)[..., None]
    color[values < 0.5 * levels.air] = 1.0  # what is clear must not darken its neighbors
    blended = share * hot[None, None, :, None, :] + (1 - share) * color[:, None, None, :, :]
    blended = np.concatenate([blended, total[..., None]], -1)
    return np.ascontiguousarray((blended * 255 + 0.5).astype(np.uint8)).reshape(-1, 4)


def _face(levels: Levels, tissue: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, 3): the MRI's gray, tinted by the tissue."""
    gray = np.clip(values / levels.fluid, 0, 1)[:, None] ** 0.65
    return gray * (0.55 + 0.45 * tissue)


def _tissue(levels: Levels, look: Preset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Color (n, 3) and opacity (n,) of each intensity."""
    marks = sorted([(levels.bone, BONE, look.bone), (levels.muscle, MUSCLE, look.muscle)])
    # Half way between two tissues one turns into the other; at its own level each is wholly itself.
    places = [levels.air, *(m[0] for m in marks), (marks[-1][0] + levels.fluid) / 2, levels.fluid, levels.top]
    colors = [marks[0][1], marks[0][1], marks[1][1], marks[1][1], FLUID, FLUID]
    alphas = [0.0, marks[0][2], marks[1][2], marks[1][2], look.fluid, look.fluid]
    color = np.stack([np.interp(values, places, [c[a] for c in colors]) for a in range(3)], 1)
    return color, np.interp(values, places, alphas, left=0.0)


def _heat(threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Color (PERCENTS, 3) and opacity (PERCENTS,) by percent: the hotter, the more solid."""
    percent = np.arange(PERCENTS, dtype=float)
    places = [p for p, _ in HEAT]
    color = np.stack([np.interp(percent, places, [c[a] for _, c in HEAT]) for a in range(3)], 1)
    above = np.clip((percent - threshold) / max(100.0 - threshold, 1e-6), 0, 1)
    strength = np.interp(above, [0.0, 0.25, 0.5, 0.75, 1.0], [0.02, 0.10, 0.65, 0.95, 0.98])
    return color, np.where(percent >= threshold, strength, 0.0)
