"""Tests of tables of counts: chi-squared and Fisher's exact test (Oh 2023, Table 1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.hypothesis_tests import TestResult


def chi_squared(table: ArrayLike, *, yates: bool = True) -> TestResult:
    """Pearson's chi-squared test of a table of counts; Yates' correction acts on 2 × 2 tables only.

    Raises:
        InputError: not a table of counts, or fewer than two rows or columns that hold a case.
    """
    from scipy import stats

    counts = _counts(table)
    r = stats.chi2_contingency(counts, correction=yates)
    low = int((r.expected_freq < 5).sum())
    note = f"{low} of {counts.size} cells expect fewer than 5 cases: prefer Fisher's exact test" if low else ""
    name = "Chi-squared" + (", Yates' correction" if yates and r.dof == 1 else "")
    return TestResult(name, "omnibus", float(r.statistic), float(r.pvalue), _sums(counts), float(r.dof), note)


def fisher(table: ArrayLike, *, most_tables: int = 2_000_000) -> TestResult:
    """Fisher's exact test of a table of counts: 2 × 2 by SciPy, r × 2 (Freeman–Halton) over all tables.

    The r × 2 form sums SciPy's multivariate hypergeometric probabilities of every table that is no likelier than
    the one given, as R's `fisher.test` does; Oh's Table 1 is of this form.

    Raises:
        InputError: not a table of counts, more than two groups, or more than `most_tables` possible tables.
    """
    from scipy import stats

    counts = _counts(table)
    if counts.shape == (2, 2):
        r = stats.fisher_exact(counts)
        return TestResult("Fisher's exact", "two-sided", float(r.statistic), float(r.pvalue), _sums(counts))
    if 2 not in counts.shape:
        raise InputError("Fisher's exact test is offered for two groups", "Use chi_squared for more")
    by_group = counts if counts.shape[1] == 2 else counts.T
    totals, drawn = by_group.sum(1), int(by_group[:, 1].sum())
    possible = _possible_columns(totals, drawn, most_tables)
    chances = stats.multivariate_hypergeom.pmf(possible, m=totals, n=drawn)
    given = float(stats.multivariate_hypergeom.pmf(by_group[:, 1], m=totals, n=drawn))
    p = float(chances[chances <= given * (1 + 1e-7)].sum())
    name = f"Fisher's exact, {counts.shape[0]} × {counts.shape[1]} (Freeman–Halton)"
    return TestResult(name, "two-sided", math.nan, min(p, 1.0), _sums(by_group))


def _possible_columns(totals: NDArray[np.int64], drawn: int, most: int) -> NDArray[np.int64]:
    """Every way to draw `drawn` cases from categories that hold `totals`."""
    columns = np.zeros((1, 0), dtype=np.int64)
    for i, total in enumerate(totals):
        left = drawn - columns.sum(1)
        rest = int(totals[i + 1 :].sum())
        repeated = [
            np.column_stack([np.repeat(columns[j : j + 1], high - low + 1, axis=0), np.arange(low, high + 1)])
            for j, (low, high) in enumerate(zip(np.maximum(left - rest, 0), np.minimum(left, total), strict=True))
            if high >= low
        ]
        columns = np.concatenate(repeated)
        if len(columns) > most:
            raise InputError("The table is too large for an exact test", "Use chi_squared")
    return columns


def _counts(table: ArrayLike) -> NDArray[np.int64]:
    raw = np.asarray(table, dtype=float)
    if raw.ndim != 2 or not np.isfinite(raw).all() or (raw < 0).any() or (raw != np.round(raw)).any():
        raise InputError("A table of counts holds whole numbers from 0 up", "Count the cases of each kind")
    counts = raw[raw.sum(1) > 0][:, raw.sum(0) > 0].astype(np.int64)
    if min(counts.shape) < 2:
        raise InputError("The table has a single row or column with cases in it", "There is nothing to compare")
    return counts


def _sums(counts: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(v) for v in counts.sum(0))
