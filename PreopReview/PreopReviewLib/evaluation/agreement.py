"""Agreement of two or more measurements of the same cases: intraclass correlation and Bland–Altman.

Sources: Shrout & Fleiss, Psychol Bull 86:420 (1979) for the six forms of the ICC; McGraw & Wong, Psychol
Methods 1:30 (1996) for the F-based intervals; Bland & Altman, Stat Methods Med Res 8:135 (1999) for the limits of
agreement and their intervals. SciPy has neither; the F and t distributions are SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import InputError

ICC_FORMS: dict[str, str] = {
    "ICC(1,1)": "one-way random effects, single measures",
    "ICC(2,1)": "two-way random effects, absolute agreement, single measures",
    "ICC(3,1)": "two-way mixed effects, consistency, single measures",
    "ICC(1,k)": "one-way random effects, average measures",
    "ICC(2,k)": "two-way random effects, absolute agreement, average measures",
    "ICC(3,k)": "two-way mixed effects, consistency, average measures",
}


@dataclass(frozen=True)
class Icc:
    """One intraclass correlation coefficient; prints with its form.

    Attributes:
        form: key of `ICC_FORMS`.
        value: the coefficient; NaN where no case differs from another.
        low, high: confidence interval from F distributions.
        confidence: of the interval.
        f, df1, df2, p: F test of value = 0.
        cases, raters: the size of the table.
    """

    form: str
    value: float
    low: float
    high: float
    confidence: float
    f: float
    df1: float
    df2: float
    p: float
    cases: int
    raters: int

    @property
    def description(self) -> str:
        """The form in words."""
        return ICC_FORMS[self.form]

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"{self.form} n/a (no variation; n = {self.cases})"
        low, high = ("n/a" if math.isnan(v) else f"{v:.3f}" for v in (self.low, self.high))
        interval = f"{self.confidence:.0%} CI {low} to {high}"
        return f"{self.form} {self.value:.3f} ({interval}; n = {self.cases})"


def icc_forms(ratings: ArrayLike, confidence: float = 0.95) -> dict[str, Icc]:
    """All six forms of the intraclass correlation coefficient.

    Args:
        ratings: cases × raters (or methods), complete.
        confidence: of the intervals.

    Raises:
        InputError: fewer than two cases or raters, missing values, or an invalid confidence.
    """
    table = _complete_table(ratings)
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, got {confidence}", "Use for example 0.95")
    n, k = table.shape
    mean = table.mean()
    by_case = k * float(((table.mean(1) - mean) ** 2).sum()) / (n - 1)
    by_rater = n * float(((table.mean(0) - mean) ** 2).sum()) / (k - 1)
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + mean
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    within = float(((table - table.mean(1, keepdims=True)) ** 2).sum()) / (n * (k - 1))
    # What is left of equal columns or equal rows is rounding, not variance.
    rounding = (np.finfo(float).eps * max(1.0, float(np.abs(table).max()))) ** 2 * n * k
    by_case, by_rater, error, within = (0.0 if v <= rounding else v for v in (by_case, by_rater, error, within))
    one_way = _consistency(by_case, within, n, k, n * (k - 1), confidence)
    mixed = _consistency(by_case, error, n, k, (n - 1) * (k - 1), confidence)
    random = _agreement(by_case, by_rater, error, n, k, confidence)
    forms: dict[str, Icc] = {}
    for number, (single, test) in enumerate((one_way, random, mixed), start=1):
        common = (confidence, *test, n, k)
        forms[f"ICC({number},1)"] = Icc(f"ICC({number},1)", *single, *common)
        forms[f"ICC({number},k)"] = Icc(f"ICC({number},k)", *(_stepped_up(v, k) for v in single), *common)
    return {form: forms[form] for form in ICC_FORMS}


def icc(ratings: ArrayLike, form: str = "ICC(2,1)", confidence: float = 0.95) -> Icc:
    """One form of the intraclass correlation coefficient; see `icc_forms`.

    Raises:
        InputError: an unknown form, or as `icc_forms`.
    """
    if form not in ICC_FORMS:
        raise InputError(f"Unknown form of the ICC: {form}", f"The forms are {', '.join(ICC_FORMS)}")
    return icc_forms(ratings, confidence)[form]


def _complete_table(ratings: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError("The ICC needs two or more measurements of each case", "Give a table of cases × raters")
    if table.shape[0] < 2:
        raise InputError(f"The ICC needs two cases or more, not {table.shape[0]}", "Add cases")
    if not np.isfinite(table).all():
        raise InputError("There are missing values among the measurements", "Leave out those cases and say so")
    return table


Estimate = tuple[float, float, float]
FTest = tuple[float, float, float, float]


def _f_test(numerator: float, denominator: float, df1: float, df2: float) -> FTest:
    from scipy.stats import f as f_distribution

    never = math.inf if numerator > 0 else math.nan
    ratio = numerator / denominator if denominator else never
    p = math.nan if math.isnan(ratio) else float(f_distribution.sf(ratio, df1, df2))
    return ratio, df1, df2, p


def _consistency(by_case: float, noise: float, n: int, k: int, df: int, confidence: float) -> tuple[Estimate, FTest]:
    """ICC(1,1) with the mean square within cases as noise, ICC(3,1) with the residual mean square."""
    from scipy.stats import f as f_distribution

    test = _f_test(by_case, noise, n - 1, df)
    ratio = test[0]
    if not math.isfinite(ratio):
        return ((1.0, 1.0, 1.0) if ratio > 0 else (math.nan,) * 3), test
    tail = 1 - (1 - confidence) / 2
    low = ratio / float(f_distribution.ppf(tail, n - 1, df))
    high = ratio * float(f_distribution.ppf(tail, df, n - 1))
    value, low, high = ((v - 1) / (v + k - 1) for v in (ratio, low, high))
    return (value, low, high), test


def _agreement(
    by_case: float, by_rater: float, error: float, n: int, k: int, confidence: float
) -> tuple[Estimate, FTest]:
    """ICC(2,1), with the Satterthwaite degrees of freedom of McGraw & Wong's table 7."""
    from scipy.stats import f as f_distribution

    test = _f_test(by_case, error, n - 1, (n - 1) * (k - 1))
    denominator = by_case + (k - 1) * error + k * (by_rater - error) / n
    if denominator == 0:
        return (math.nan,) * 3, test
    value = (by_case - error) / denominator
    if error == 0 and by_rater == 0:
        return (value,) * 3, test
    a = k * value / (n * (1 - value)) if value < 1 else math.inf
    b = 1 + k * value * (n - 1) / (n * (1 - value)) if value < 1 else math.inf
    if not math.isfinite(a):
        return (value,) * 3, test
    spread = (a * by_rater) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    df = (a * by_rater + b * error) ** 2 / spread if spread > 0 else 1.0
    tail = 1 - (1 - confidence) / 2
    up = float(f_distribution.ppf(tail, n - 1, df))
    down = float(f_distribution.ppf(tail, df, n - 1))
    rest = k * by_rater + (k * n - k - n) * error
    low = n * (by_case - up * error) / (up * rest + n * by_case)
    high = n * (down * by_case - error) / (rest + n * down * by_case)
    return (value, low, high), test


def _stepped_up(single: float, k: int) -> float:
    """The average of k measurements from a single one (Spearman–Brown)."""
    below = 1 + (k - 1) * single
    return k * single / below if below > 0 else math.nan  # NaN stays NaN


@dataclass(frozen=True)
class Estimated:
    """A number with its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of `measured − reference`, in the unit given or in percent of the pair's mean.

    Attributes:
        unit: of everything below; "%" for the percent form.
        cases: number of pairs.
        bias, lower, upper: with confidence intervals (t distribution, n − 1).
        sd: of the differences, with n − 1.
        means, differences: of each pair, for the plot. The means stay in the unit of the measurements.
        slope_p: p of a slope of the differences over the means (ordinary least squares); small where the error
            grows with the size. NaN for fewer than three pairs or equal means.
    """

    unit: str
    cases: int
    bias: Estimated
    lower: Estimated
    upper: Estimated
    sd: float
    confidence: float
    means: NDArray[np.float64]
    differences: NDArray[np.float64]
    slope_p: float

    def __str__(self) -> str:
        limits = f"limits of agreement {self.lower.value:.1f} to {self.upper.value:.1f} {self.unit}"
        return f"bias {self.bias.value:.1f} {self.unit}, {limits} (n = {self.cases})"


def bland_altman(
    measured: ArrayLike,
    reference: ArrayLike,
    *,
    unit: str = "ml",
    percent: bool = False,
    limits_sd: float = 1.96,
    confidence: float = 0.95,
) -> BlandAltman:
    """Bias ± `limits_sd` standard deviations of the differences, each with a confidence interval.

    Standard errors: SD/√n for the bias and SD·√(1/n + limits_sd²/(2(n − 1))) for a limit, which for 1.96 and many
    cases is the well-known √(3/n)·SD.

    Args:
        measured, reference: one number for each case, in the same unit and order.
        percent: the differences as percent of each pair's mean.

    Raises:
        InputError: fewer than two pairs, missing values, or percent of a mean that is zero.
    """
    from scipy import stats

    a, b = paired(measured, reference)
    means = (a + b) / 2
    differences = a - b
    if percent:
        if np.any(means == 0):
            raise InputError("A percent difference needs means that are not zero", "Use absolute differences")
        differences = 100 * differences / means
    n = len(differences)
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    t = float(stats.t.ppf(1 - (1 - confidence) / 2, n - 1))
    half_bias = t * sd / math.sqrt(n)
    half_limit = t * sd * math.sqrt(1 / n + limits_sd**2 / (2 * (n - 1)))
    low, high = bias - limits_sd * sd, bias + limits_sd * sd
    sloped = n >= 3 and np.ptp(means) > 0
    return BlandAltman(
        unit="%" if percent else unit,
        cases=n,
        bias=Estimated(bias, bias - half_bias, bias + half_bias),
        lower=Estimated(low, low - half_limit, low + half_limit),
        upper=Estimated(high, high - half_limit, high + half_limit),
        sd=sd,
        confidence=confidence,
        means=means,
        differences=differences,
        slope_p=float(stats.linregress(means, differences).pvalue) if sloped else math.nan,
    )


def paired(first: ArrayLike, second: ArrayLike, least: int = 2) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two columns of the same cases as float arrays.

    Raises:
        InputError: different lengths, fewer than `least` pairs, or missing values.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError(f"The two columns differ in length: {a.size} and {b.size} values", "Pair them by case")
    if len(a) < least:
        raise InputError(f"A paired comparison needs {least} cases or more, not {len(a)}", "Add cases")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("There are missing values among the pairs", "Leave out those cases and say so")
    return a, b


def complete_cases(columns: Sequence[ArrayLike]) -> NDArray[np.bool_]:
    """Which cases have a value in every column (missing values are NaN)."""
    return np.isfinite(np.stack([np.asarray(c, dtype=float) for c in columns])).all(0)
