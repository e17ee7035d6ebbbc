"""The tests that the papers use, all SciPy's, with their names, sides and variants spelled out.

Shim 2020 (Kruskal–Wallis, Bonferroni post hoc), Oh 2023 (t or Mann–Whitney), Lin 2024 (paired t), Gross 2024
(Mann–Whitney). Tests of counts are in `contingency`. Only Dunn's z test is written here (Dunn, Technometrics
6:241, 1964), since SciPy has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.agreement import paired

Alternative = Literal["two-sided", "less", "greater"]
_SIDES = {"two-sided": "two-sided", "less": "one-sided: first < second", "greater": "one-sided: first > second"}


@dataclass(frozen=True)
class TestResult:
    """What a test gave.

    Attributes:
        test: its name with the variant, e.g. "Mann–Whitney U, asymptotic with continuity correction".
        sides: "two-sided" or which side, or "omnibus" where there are none.
        statistic, p: NaN where the test is not defined for the data; then `note` says why.
        cases: the number in each group, or of pairs.
        df: degrees of freedom, where it has any.
        note: anything a reader must know.
    """

    __test__ = False  # pytest must not take it for a test class

    test: str
    sides: str
    statistic: float
    p: float
    cases: tuple[int, ...]
    df: float | None = None
    note: str = ""

    def __str__(self) -> str:
        p = "p n/a" if math.isnan(self.p) else f"p {format_p(self.p)}"
        note = f"; {self.note}" if self.note else ""
        return f"{self.test} ({self.sides}): {p}, n = {' and '.join(map(str, self.cases))}{note}"


def format_p(p: float) -> str:
    """A p value with its sign of relation, to three decimals: "= .284", "< .001"."""
    if math.isnan(p):
        return "n/a"
    return "< .001" if p < 0.001 else "= 1.000" if p >= 0.9995 else f"= {p:.3f}".replace("0.", ".", 1)


def paired_t(first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided") -> TestResult:
    """Student's t test of the differences of pairs (Lin 2024, Table 2).

    Raises:
        InputError: fewer than two pairs, or missing values.
    """
    from scipy import stats

    a, b = paired(first, second)
    _check_side(alternative)
    if np.ptp(a - b) == 0:
        note = "all pairs are equal" if a[0] == b[0] else "all differences are the same: they have no variance"
        return TestResult("Paired t", _SIDES[alternative], math.nan, math.nan, (len(a),), len(a) - 1, note)
    r = stats.ttest_rel(a, b, alternative=alternative)
    return TestResult("Paired t", _SIDES[alternative], float(r.statistic), float(r.pvalue), (len(a),), len(a) - 1)


def unpaired_t(
    first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided", *, equal_variances: bool = False
) -> TestResult:
    """The t test of two independent groups: Welch's, or Student's if the variances are taken as equal.

    Raises:
        InputError: fewer than two cases in a group, or missing values.
    """
    from scipy import stats

    a, b = group_of(first, 2), group_of(second, 2)
    _check_side(alternative)
    name = "Student's t, equal variances" if equal_variances else "Welch's t"
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        note = "no variance in either group"
        return TestResult(name, _SIDES[alternative], math.nan, math.nan, (len(a), len(b)), None, note)
    r = stats.ttest_ind(a, b, equal_var=equal_variances, alternative=alternative)
    return TestResult(name, _SIDES[alternative], float(r.statistic), float(r.pvalue), (len(a), len(b)), float(r.df))


def mann_whitney(
    first: ArrayLike,
    second: ArrayLike,
    alternative: Alternative = "two-sided",
    *,
    method: Literal["auto", "exact", "asymptotic"] = "auto",
) -> TestResult:
    """Mann–Whitney's U test; U is that of the first group.

    With "auto" it is exact where a group has at most 8 cases and no value occurs twice, otherwise asymptotic with
    the corrections for continuity and ties: SciPy's rule. The result says which one was used.

    Raises:
        InputError: an empty group, or missing values.
    """
    from scipy import stats

    a, b = group_of(first, 1), group_of(second, 1)
    _check_side(alternative)
    ties = len(np.unique(np.concatenate([a, b]))) < len(a) + len(b)
    if method == "auto":
        method = "exact" if min(len(a), len(b)) <= 8 and not ties else "asymptotic"
    name = "Mann–Whitney U, exact" if method == "exact" else "Mann–Whitney U, asymptotic with continuity correction"
    cases = (len(a), len(b))
    if np.ptp(np.concatenate([a, b])) == 0:
        return TestResult(name, _SIDES[alternative], math.nan, math.nan, cases, None, "all values are equal")
    r = stats.mannwhitneyu(a, b, alternative=alternative, method=method)
    note = "exact despite ties" if ties and method == "exact" else ""
    return TestResult(name, _SIDES[alternative], float(r.statistic), float(r.pvalue), cases, None, note)


def wilcoxon(first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided") -> TestResult:
    """Wilcoxon's signed-rank test of pairs; pairs without a difference are left out, and counted in the note.

    Raises:
        InputError: fewer than two pairs, or missing values.
    """
    from scipy import stats

    a, b = paired(first, second)
    _check_side(alternative)
    differences = (a - b)[a != b]
    equal = len(a) - len(differences)
    note = f"{equal} of {len(a)} pairs are equal and left out" if equal else ""
    if len(differences) == 0:
        note = "all pairs are equal"
        return TestResult("Wilcoxon signed rank", _SIDES[alternative], math.nan, math.nan, (len(a),), None, note)
    exact = len(differences) <= 50 and len(np.unique(np.abs(differences))) == len(differences)
    method = "exact" if exact else "asymptotic"
    r = stats.wilcoxon(differences, alternative=alternative, method=method, correction=not exact)
    name = f"Wilcoxon signed rank, {'exact' if exact else 'asymptotic with continuity correction'}"
    return TestResult(name, _SIDES[alternative], float(r.statistic), float(r.pvalue), (len(a),), None, note)


@dataclass(frozen=True)
class PairwiseResult:
    """One pair after an omnibus test; `adjusted_p` is Bonferroni's, at most 1."""

    first: str
    second: str
    test: str
    statistic: float
    p: float
    adjusted_p: float
    significant: bool


@dataclass(frozen=True)
class KruskalWallis:
    """The omnibus test and every pair of groups.

    `threshold` is the significance level of one pair before adjustment: .05/3 = .0167 for three groups (Shim 2020).
    """

    omnibus: TestResult
    post_hoc: str
    threshold: float
    pairs: list[PairwiseResult] = field(default_factory=list)


def kruskal_wallis(
    groups: Mapping[str, ArrayLike],
    *,
    post_hoc: Literal["dunn", "mann-whitney"] = "dunn",
    alpha: float = 0.05,
) -> KruskalWallis:
    """Kruskal–Wallis over named groups, then every pair with Bonferroni's correction.

    Post hoc "dunn" ranks all groups together (as SPSS does); "mann-whitney" tests each pair by itself, two-sided.

    Raises:
        InputError: fewer than two groups, an empty group, or missing values.
    """
    from scipy import stats

    if len(groups) < 2:
        raise InputError(f"Kruskal–Wallis needs two groups or more, not {len(groups)}", "Add groups")
    if post_hoc not in ("dunn", "mann-whitney"):
        raise InputError(f"Unknown post hoc test: {post_hoc}", "Choose dunn or mann-whitney")
    data = {name: group_of(values, 1) for name, values in groups.items()}
    cases = tuple(len(v) for v in data.values())
    everything = np.concatenate(list(data.values()))
    count = len(data) * (len(data) - 1) // 2
    if np.ptp(everything) == 0:
        note = "all values are equal"
        empty = TestResult("Kruskal–Wallis", "omnibus", math.nan, math.nan, cases, len(data) - 1, note)
        return KruskalWallis(empty, post_hoc, alpha / count)
    r = stats.kruskal(*data.values())
    omnibus = TestResult("Kruskal–Wallis", "omnibus", float(r.statistic), float(r.pvalue), cases, len(data) - 1)
    ranks = dict(zip(data, np.split(stats.rankdata(everything), np.cumsum(cases)[:-1]), strict=True))
    variance = _dunn_variance(everything)
    pairs = []
    for one, two in combinations(data, 2):
        if post_hoc == "dunn":
            name, statistic, p = "Dunn's z", *_dunn(ranks[one], ranks[two], variance)
        else:
            result = mann_whitney(data[one], data[two])
            name, statistic, p = result.test, result.statistic, result.p
        adjusted = min(1.0, p * count) if not math.isnan(p) else math.nan
        pairs.append(PairwiseResult(one, two, name, statistic, p, adjusted, adjusted <= alpha))
    return KruskalWallis(omnibus, post_hoc, alpha / count, pairs)


def _dunn_variance(values: NDArray[np.float64]) -> float:
    n = len(values)
    ties = np.unique(values, return_counts=True)[1].astype(float)
    return n * (n + 1) / 12 - float((ties**3 - ties).sum()) / (12 * (n - 1))


def _dunn(first: NDArray[np.float64], second: NDArray[np.float64], variance: float) -> tuple[float, float]:
    from scipy import stats

    z = (first.mean() - second.mean()) / math.sqrt(variance * (1 / len(first) + 1 / len(second)))
    return float(z), float(2 * stats.norm.sf(abs(z)))


def _check_side(alternative: str) -> None:
    if alternative not in _SIDES:
        raise InputError(f"Unknown alternative hypothesis: {alternative}", f"Choose {', '.join(_SIDES)}")


def group_of(values: ArrayLike, least: int) -> NDArray[np.float64]:
    """The values of one group as floats.

    Raises:
        InputError: fewer than `least` values, or missing ones.
    """
    data = np.asarray(values, dtype=float)
    if data.ndim != 1 or len(data) < least:
        raise InputError(f"A group needs {least} or more cases, not {data.size}", "Add cases or leave out the group")
    if not np.isfinite(data).all():
        raise InputError("There are missing values in a group", "Leave out those cases and say so")
    return data
