"""How an image's intensities (K, J, I) are brought to what the liver network knows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from PreopReviewLib.errors import InputError

MR_PERCENTILES, MR_GAMMA = (1.0, 99.0), 0.6
"""Chosen among four mappings on six MRIs (five T2-SPIR, a T1 slab): Dice better by .01 to .20
on each than by the original's rule."""


@dataclass(frozen=True)
class IntensityMap:
    """Values from `low` to `high` to -0.5…0.5, what is outside clipped, by a power, and upside down if wanted."""

    low: float
    high: float
    gamma: float = 1.0
    inverted: bool = False

    def __call__(self, array: np.ndarray) -> np.ndarray:
        share = (np.clip(array, self.low, self.high) - self.low) / (self.high - self.low)
        if self.gamma != 1.0:
            share = share**self.gamma
        return 0.5 - share if self.inverted else share - 0.5

    def __str__(self) -> str:
        return f"gamma {self.gamma:g}" + (", inverted" if self.inverted else "")


CT_MAP = IntensityMap(-200.0, 200.0)


def intensity_map(array: np.ndarray, modality: str, gamma: float = MR_GAMMA, inverted: bool = False) -> IntensityMap:
    """The map of an image: of a CT -200…200 HU, of an MRI the 1st to the 99th percentile with a power.

    The original takes the lower 80 % of MR's range, which a few bright voxels stretch until the liver is dark.

    Raises:
        InputError: the image has the same value everywhere.
    """
    if modality == "CT":
        return CT_MAP
    low, high = (float(v) for v in np.percentile(array, MR_PERCENTILES))
    if high <= low:
        low, high = float(array.min()), float(array.max())
    if high <= low:
        raise InputError("The image has the same value everywhere", "Check that it was read from the right file")
    return IntensityMap(low, high, gamma, inverted)


@dataclass(frozen=True)
class RankMap:
    """The share of the body's voxels that are darker, less 0.5: the same for every monotone change of contrast.

    Attributes:
        levels: intensities at evenly spaced shares from 0 to 1.
    """

    levels: tuple[float, ...]

    def __call__(self, array: np.ndarray) -> np.ndarray:
        return np.interp(array, self.levels, np.linspace(-0.5, 0.5, len(self.levels)))

    def __str__(self) -> str:
        return "ranks"


def rank_map(array: np.ndarray) -> RankMap:
    """Ranks among what is brighter than the air (3 % of the 99th percentile)."""
    body = array[array > 0.03 * float(np.percentile(array, MR_PERCENTILES[1]))]
    levels = np.quantile(body if body.size else array, np.linspace(0, 1, 257))
    return RankMap(tuple(float(v) for v in np.maximum.accumulate(levels + np.arange(257) * 1e-9)))


def mr_maps(array: np.ndarray) -> list[IntensityMap | RankMap]:
    """The maps under which an MRI is shown to the network, the usual one first."""
    usual = intensity_map(array, "MR")
    powers = ((1.0, False), (0.3, False), (1.0, True), (MR_GAMMA, True))
    return [usual, *(replace(usual, gamma=g, inverted=i) for g, i in powers), rank_map(array)]
