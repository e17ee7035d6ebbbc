"""Receiver operating characteristic: the curve, its area, and DeLong's interval and test.

Sources: Hanley and McNeil, Radiology 143:29 (1982) for the area as Mann–Whitney's statistic; DeLong, DeLong and
Clarke-Pearson, Biometrics 44:837 (1988) for its variance; Sun and Xu, IEEE Signal Process Lett 21:1389 (2014) for the
computation by midranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.hypothesis_tests import TestResult


@dataclass(frozen=True)
class RocCurve:
    """False and true positive rate at each threshold, from (0, 0) to (1, 1); a case is positive from it on."""

    false_positive: NDArray[np.float64]
    true_positive: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve with its intervals."""

    value: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float
    confidence: float
    positives: int
    negatives: int

    def __str__(self) -> str:
        return (
            f"AUC {self.value:.3f} ({self.confidence:.0%} CI {self.low:.3f} to {self.high:.3f} by DeLong, "
            f"{self.bootstrap_low:.3f} to {self.bootstrap_high:.3f} by bootstrap over cases; "
            f"{self.positives} with and {self.negatives} without a tear)"
        )


def roc_curve(truth: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The curve, a point for each value of the scores.

    Args:
        truth: (N,) whether a case is positive.
        scores: (N,) the higher, the likelier.

    Raises:
        InputError: lengths that differ, missing scores, or only one kind of case.
    """
    positive, values = _checked(truth, scores)
    order = np.argsort(-values, kind="stable")
    positive, values = positive[order], values[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits, alarms = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    return RocCurve(np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1]), np.append(np.inf, values[last]))


def area_under_curve(
    truth: ArrayLike, scores: ArrayLike, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Area:
    """The area with DeLong's interval and one of a bootstrap over cases (percentiles, both kinds resampled apart).

    Raises:
        InputError: as `roc_curve`.
    """
    from scipy import stats

    positive, values = _checked(truth, scores)
    areas, covariance = delong(positive, values[None])
    half = float(stats.norm.ppf(0.5 + confidence / 2)) * float(np.sqrt(max(covariance[0, 0], 0.0)))
    generator = np.random.default_rng(seed)
    ill, well = values[positive], values[~positive]
    drawn = np.array(
        [
            _area(ill[generator.integers(0, len(ill), len(ill))], well[generator.integers(0, len(well), len(well))])
            for _ in range(resamples)
        ]
    )
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    value = float(areas[0])
    ends = (max(0.0, value - half), min(1.0, value + half))
    return Area(value, *ends, float(low), float(high), confidence, len(ill), len(well))


def _area(ill: NDArray[np.float64], well: NDArray[np.float64]) -> float:
    """Mann–Whitney's U over the number of pairs; ties count half."""
    ordered = np.sort(well)
    below, upto = np.searchsorted(ordered, ill, "left"), np.searchsorted(ordered, ill, "right")
    return float((below + upto).sum() / (2 * len(ill) * len(well)))


def delong(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas (M,) of M scores on the same cases, and their covariance (M, M).

    Args:
        scores: (M, N).

    Raises:
        InputError: fewer than two cases of a kind, or as `roc_curve`.
    """
    from scipy import stats

    rows = np.atleast_2d(np.asarray(scores, float))
    positive = _checked(truth, rows[0])[0]
    for row in rows[1:]:
        _checked(truth, row)
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise InputError("DeLong's variance needs two cases with and two without a tear", "Add cases")
    areas, with_tear, without = [], [], []
    for row in rows:
        ill, well = row[positive], row[~positive]
        together = stats.rankdata(np.concatenate([ill, well]))
        v10 = (together[:m] - stats.rankdata(ill)) / n
        v01 = 1 - (together[m:] - stats.rankdata(well)) / m
        areas.append(v10.mean())
        with_tear.append(v10)
        without.append(v01)
    s10 = np.atleast_2d(np.cov(np.array(with_tear)))
    s01 = np.atleast_2d(np.cov(np.array(without)))
    return np.array(areas), s10 / m + s01 / n


def delong_test(truth: ArrayLike, first: ArrayLike, second: ArrayLike) -> TestResult:
    """Whether two scores of the same cases have the same area, two-sided.

    Raises:
        InputError: as `delong`.
    """
    import math

    from scipy import stats

    areas, covariance = delong(truth, np.stack([np.asarray(first, float), np.asarray(second, float)]))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    cases = (len(np.asarray(truth)),)
    if variance <= 1e-16:
        return TestResult("DeLong", "two-sided", math.nan, math.nan, cases, None, "the two rank all cases alike")
    z = float((areas[0] - areas[1]) / math.sqrt(variance))
    return TestResult("DeLong", "two-sided", z, float(2 * stats.norm.sf(abs(z))), cases)


def _checked(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive, values = np.asarray(truth).astype(bool), np.asarray(scores, float)
    if positive.ndim != 1 or positive.shape != values.shape:
        raise InputError(f"There are {values.size} scores for {positive.size} cases", "Give one for each")
    if not np.isfinite(values).all():
        raise InputError("There are missing scores", "Leave out those cases and say so")
    if positive.all() or not positive.any():
        raise InputError("All cases are of one kind, so there is no ROC curve", "Add cases with and without a tear")
    return positive, values
