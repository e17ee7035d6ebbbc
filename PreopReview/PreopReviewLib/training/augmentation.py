"""Augmentation of labeled patches with MONAI's transforms, driven by one random state per sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms.tissues import UNSCORED

KNOWN = ("rotate_degrees", "scale", "flip", "gamma", "noise", "probability")


def augment(
    rng: np.random.Generator, image: np.ndarray, target: np.ndarray, settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """A changed copy of a patch.

    Args:
        image: (C, K, J, I); only the first channel's values are changed.
        target: (K, J, I) class indices.
        settings: `rotate_degrees` (±, about each axis), `scale` (low, high), `flip` (axes), `gamma` (low, high),
            `noise` (standard deviation), `probability` of each.

    Raises:
        InputError: unknown setting.
    """
    unknown = set(settings) - set(KNOWN)
    if unknown:
        raise InputError(f"There is no augmentation {', '.join(sorted(unknown))}", f"Known: {', '.join(KNOWN)}")
    chance = float(settings.get("probability", 0.3))
    image, target = _move(rng, image, target, settings, chance)
    first = image[0]
    if "gamma" in settings and rng.random() < chance:
        low, high = float(first.min()), float(first.max())
        width = max(high - low, 1e-6)
        first = ((first - low) / width) ** rng.uniform(*settings["gamma"]) * width + low
    if "noise" in settings and rng.random() < chance:
        first = first + rng.standard_normal(first.shape, dtype=np.float32) * rng.uniform(0, settings["noise"])
    return np.concatenate([first[None], image[1:]]).astype(np.float32), target


def _move(
    rng: np.random.Generator, image: np.ndarray, target: np.ndarray, settings: Mapping[str, Any], chance: float
) -> tuple[np.ndarray, np.ndarray]:
    import torch
    from monai.transforms import Affine, Flip

    angles, scale = np.zeros(3), np.ones(3)
    if "rotate_degrees" in settings and rng.random() < chance:
        angles = np.deg2rad(rng.uniform(-1, 1, 3) * settings["rotate_degrees"])
    if "scale" in settings and rng.random() < chance:
        scale = np.full(3, 1 / rng.uniform(*settings["scale"]))
    both = torch.from_numpy(np.ascontiguousarray(image)), torch.from_numpy(target[None].astype(np.float32))
    if angles.any() or (scale != 1).any():
        moved = []
        for tensor, mode, padding in zip(both, ("bilinear", "nearest"), ("border", "border"), strict=True):
            place = {"rotate_params": angles.tolist(), "scale_params": scale.tolist(), "image_only": True}
            move = Affine(**place, mode=mode, padding_mode=padding)
            moved.append(torch.as_tensor(move(tensor)))
        both = tuple(moved)
    for axis in settings.get("flip", ()):
        if rng.random() < 0.5:
            both = tuple(torch.as_tensor(Flip(spatial_axis=axis)(tensor)) for tensor in both)
    labels = np.rint(both[1][0].numpy())
    return both[0].numpy(), np.where(labels > 250, UNSCORED, labels).astype(np.uint8)
