"""How a network does on held-out synthetic shoulders: classes, and the place of its activation maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.phantoms.shoulder_tears import PAPER_TEST_SHARES

if TYPE_CHECKING:
    from RotatorCuffCAMLib.network.vrn import VRN

HELD_OUT_SEED = 1_000_000_000
"""Seeds from here on are never trained on."""


@dataclass(frozen=True)
class HeldOut:
    """Answers on N held-out shoulders.

    Attributes:
        classes: (N,) true classes.
        logits: (N, 5).
        maps: (N, 5, E, E, E) exact maps.
        torn_low, torn_high: (N, 3) bounding box of the tear in cube voxels, K-J-I (NaN without a tear).
        torn_center: (N, 3) its centroid.
        voxel_mm: (N,) edge of a cube voxel.
    """

    classes: np.ndarray
    logits: np.ndarray
    maps: np.ndarray
    torn_low: np.ndarray
    torn_high: np.ndarray
    torn_center: np.ndarray
    voxel_mm: np.ndarray


def held_out_classes(count: int = 200) -> np.ndarray:
    """Classes in the shares of the paper's test set (72, 31, 22, 49, 26 of 200), in a fixed order."""
    exact = np.array(PAPER_TEST_SHARES) * count
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact)[: count - counts.sum()]] += 1
    return np.random.default_rng(2020).permutation(np.repeat(np.arange(5), counts))


def answer_held_out(network: VRN, count: int = 200, device: str = "cpu", batch: int = 20) -> HeldOut:
    """Renders the held-out shoulders and runs the network (as it is set, float32) on them."""
    import torch

    from PreopReviewLib.phantoms.shoulder_cubes import render_cubes
    from RotatorCuffCAMLib.network.activation_maps import exact_maps

    classes = held_out_classes(count)
    rows: list[list[np.ndarray]] = []
    for start in range(0, count, batch):
        rendered = render_cubes(HELD_OUT_SEED + start, classes[start : start + batch], device)
        with torch.inference_mode():
            features = network.features(rendered.cubes)
            logits, maps = network.logits_of(features), exact_maps(network, features)
        torn = rendered.torn.cpu().numpy()
        boxes = [_extent(t) for t in torn]
        rows.append(
            [logits.cpu().numpy(), maps.cpu().numpy()]
            + [np.array(b) for b in zip(*boxes, strict=True)]
            + [rendered.voxel_mm.cpu().numpy()]
        )
    return HeldOut(classes, *(np.concatenate(column) for column in zip(*rows, strict=True)))


def _extent(torn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    where = np.argwhere(torn > 0.25)
    if len(where) == 0:
        where = np.argwhere(torn > 0.5 * torn.max()) if torn.max() > 0.02 else where
    if len(where) == 0:
        return (np.full(3, np.nan),) * 3
    return where.min(0), where.max(0), np.average(where, axis=0, weights=torn[tuple(where.T)])


def class_figures(answers: HeldOut) -> dict[str, float]:
    """Binary accuracy, top-1 and top-1±1 accuracy, sensitivity and specificity."""
    true, predicted = answers.classes, answers.logits.argmax(1)
    torn, called = true > 0, predicted > 0
    return {
        "cases": len(true),
        "binary_accuracy": float((torn == called).mean()),
        "top1": float((true == predicted).mean()),
        "top1_within_1": float((abs(true - predicted) <= 1).mean()),
        "sensitivity": float(called[torn].mean()),
        "specificity": float((~called[~torn]).mean()),
    }


def place_figures(answers: HeldOut, contrast: bool, margin_mm: float = 0.0) -> dict[str, float]:
    """Pointing game and centroid distance of the predicted class's map, on the torn cases called torn.

    Args:
        contrast: use the map less that of no tear.
        margin_mm: how much wider than the tear the box is on each side.
    """
    maps = answers.maps - answers.maps[:, :1] if contrast else answers.maps
    step = 64 // maps.shape[-1]
    hits, distances, energies = [], [], []
    for n in np.flatnonzero((answers.classes > 0) & (answers.logits.argmax(1) > 0)):
        if np.isnan(answers.torn_center[n]).any():
            continue
        heat = maps[n, answers.logits[n].argmax()]
        peak = np.array(np.unravel_index(heat.argmax(), heat.shape)) * step
        margin = margin_mm / answers.voxel_mm[n] + 0.5  # a box reaches to the faces of its outer voxels
        low, high = answers.torn_low[n] - margin, answers.torn_high[n] + margin
        hits.append(bool(((peak >= low) & (peak <= high)).all()))
        hot = np.where(heat >= 0.5 * heat.max(), heat, 0) if heat.max() > 0 else np.ones_like(heat)
        center = np.array([(g * hot).sum() for g in np.indices(hot.shape)]) / hot.sum() * step
        distances.append(float(np.linalg.norm(center - answers.torn_center[n]) * answers.voxel_mm[n]))
        inside = np.ones(heat.shape, bool)
        for axis, g in enumerate(np.indices(heat.shape) * step):
            inside &= (g >= low[axis]) & (g <= high[axis])
        positive = np.clip(heat, 0, None)
        energies.append(float(positive[inside].sum() / max(positive.sum(), 1e-9)))
    return {
        "cases": len(hits),
        "pointing_game": float(np.mean(hits)) if hits else float("nan"),
        "median_centroid_mm": float(np.median(distances)) if distances else float("nan"),
        "median_energy_inside": float(np.median(energies)) if energies else float("nan"),
        "map_voxel_mm": float(np.median(answers.voxel_mm) * step),
    }


def all_figures(answers: HeldOut) -> dict[str, dict[str, float]]:
    """Class figures, and place figures of the plain and the contrasted map, in a tight box and one 3 mm wider."""
    figures = {"classes": class_figures(answers)}
    for contrast in (False, True):
        for margin in (0.0, 3.0):
            key = f"{'contrast' if contrast else 'plain'}_map_box_plus_{margin:g}mm"
            figures[key] = place_figures(answers, contrast, margin)
    return figures
