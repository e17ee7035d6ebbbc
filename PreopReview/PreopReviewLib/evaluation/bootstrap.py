"""Bootstrap confidence intervals over cases, by SciPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.evaluation.hypothesis_tests import group_of


@dataclass(frozen=True)
class BootstrapInterval:
    """A statistic with its bootstrap confidence interval; `method` names the variant that was used."""

    value: float
    low: float
    high: float
    confidence: float
    method: str
    resamples: int
    seed: int


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    *,
    confidence: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
    method: Literal["BCa", "percentile", "basic"] = "BCa",
) -> BootstrapInterval:
    """Confidence interval of a statistic of cases by SciPy's bootstrap over cases.

    Args:
        values: one number for each case.
        statistic: takes an array and `axis`, as NumPy's mean and median do.
        seed: the same seed gives the same interval.

    Where all values are equal the interval is that value.

    Raises:
        InputError: fewer than two cases, or missing values.
    """
    from scipy import stats

    data = group_of(values, 2)
    value = float(statistic(data, axis=-1))
    if np.ptp(data) == 0:
        return BootstrapInterval(value, value, value, confidence, "constant", 0, seed)
    settings = {"confidence_level": confidence, "n_resamples": resamples, "vectorized": True}
    used = method
    interval = _interval(stats, data, statistic, settings, seed, method)
    if method == "BCa" and not np.isfinite([interval.low, interval.high]).all():
        used = "percentile"  # BCa is undefined where every resample lies on one side, as for medians of few cases
        interval = _interval(stats, data, statistic, settings, seed, used)
    return BootstrapInterval(value, float(interval.low), float(interval.high), confidence, used, resamples, seed)


def _interval(
    stats: Any, data: NDArray[np.float64], statistic: Callable[..., Any], settings: dict, seed: int, method: str
) -> Any:
    import warnings

    generator = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            (data,), statistic, method=method, random_state=generator, **settings
        ).confidence_interval
