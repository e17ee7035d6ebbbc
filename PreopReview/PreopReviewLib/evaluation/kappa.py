"""Agreement of two readers on ordinal classes: Cohen's kappa and its weighted forms (Cohen 1968).

The standard error is Fleiss, Cohen and Everitt's of 1969 (Psychol Bull 72:323), for the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from PreopReviewLib.errors import InputError

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance; NaN where both readers gave one and the same class to every case."""

    value: float
    low: float
    high: float
    weights: Weights
    cases: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"kappa n/a (no variation; n = {self.cases})"
        return f"kappa {self.value:.3f} ({self.low:.3f} to {self.high:.3f}; {self.weights} weights, n = {self.cases})"


def weighted_kappa(
    first: ArrayLike, second: ArrayLike, classes: int, weights: Weights = "quadratic", confidence: float = 0.95
) -> Kappa:
    """Cohen's kappa of two readers.

    Args:
        first, second: (N,) ordinal indices of the same cases, 0 to `classes` - 1.
        weights: of disagreement: 0 or 1 (none), the distance of classes (linear) or its square (quadratic).

    Raises:
        InputError: lengths that differ, no case, a class out of range, unknown weights.
    """
    from scipy import stats

    a, b = np.asarray(first), np.asarray(second)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise InputError(f"The two readers have {a.size} and {b.size} answers", "Pair them by case")
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= classes:
        raise InputError(f"There are answers outside of the classes 0 to {classes - 1}", "Check the answers")
    together = np.zeros((classes, classes))
    np.add.at(together, (a.astype(int), b.astype(int)), 1 / len(a))
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))).astype(float)
    try:
        cost = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]
    except KeyError:
        raise InputError(f"Unknown kappa weights: {weights!r}", "Use none, linear or quadratic") from None
    agree = 1 - cost / cost.max()
    rows, columns = together.sum(1), together.sum(0)
    chance = np.outer(rows, columns)
    observed, expected = float((agree * together).sum()), float((agree * chance).sum())
    if expected >= 1 - 1e-15:
        return Kappa(math.nan, math.nan, math.nan, weights, len(a))
    value = (observed - expected) / (1 - expected)
    # Fleiss, Cohen and Everitt 1969, equation 11.
    mean_row, mean_column = agree @ columns, rows @ agree
    inner = agree * (1 - expected) - (mean_row[:, None] + mean_column[None, :]) * (1 - observed)
    variance = (together * inner**2).sum() - (observed * expected - 2 * expected + observed) ** 2
    error = math.sqrt(max(float(variance), 0.0) / len(a)) / (1 - expected) ** 2
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * error
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), weights, len(a))
