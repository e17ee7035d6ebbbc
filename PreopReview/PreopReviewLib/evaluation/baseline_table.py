"""Baseline characteristics of groups of patients (Oh 2023, Table 1), from any columns."""

from __future__ import annotations

import math

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.cohort import Cohort
from PreopReviewLib.evaluation.contingency import chi_squared, fisher
from PreopReviewLib.evaluation.hypothesis_tests import format_p, mann_whitney, unpaired_t
from PreopReviewLib.evaluation.tables import NOT_AVAILABLE, Table, count_percent, mean_sd, median_iqr, present

MOST_CATEGORIES = 6
"""Numbers with at most this many different whole values are counted, as Oh counts tumors."""


def baseline_table(cohort: Cohort, name: str = "oh2023_table1") -> Table:
    """Counts with percentages, mean ± SD or median [IQR] of each column by group, with a p value.

    Categories: Fisher's exact test if a cell expects fewer than five cases, else chi-squared. Numbers: Welch's t
    and mean ± SD if Shapiro–Wilk rejects normality in no group (p ≥ .05), else Mann–Whitney and median [IQR]. The
    paper says "as appropriate"; this is the rule used here, and each row names its test.

    Raises:
        InputError: other than two groups, or columns that cannot be compared.
    """
    parts = cohort.parts
    if len(parts) != 2:
        raise InputError(
            f"{cohort.source} has {len(parts)} group{'' if len(parts) == 1 else 's'}: a baseline table compares two",
            "Name the group of each case in a column 'group' or 'cohort'",
        )
    groups = [cohort.part(p) for p in parts]
    table = Table(name, "Table 1. Baseline characteristics", ["", "", *parts, "p", "test"])
    table.add("n", "", *(str(len(g.usable)) for g in groups), "", "")
    for column in cohort.columns:
        if _is_numeric(cohort, column):
            _add_numbers(table, column, groups)
        else:
            _add_categories(table, column, groups)
    table.notes += [f"{p}: {g.summary()}" for p, g in zip(parts, groups, strict=True)]
    return table


def _is_numeric(cohort: Cohort, column: str) -> bool:
    try:
        values = present(cohort.numbers(column))
    except InputError:
        return False
    few = len(np.unique(values)) <= MOST_CATEGORIES
    return len(values) > 0 and not (few and bool((values == np.round(values)).all()))


def _add_numbers(table: Table, column: str, groups: list[Cohort]) -> None:
    from scipy import stats

    columns = [g.numbers(column) for g in groups]
    values = [present(c) for c in columns]
    normal = all(len(v) >= 3 and np.ptp(v) > 0 and stats.shapiro(v).pvalue >= 0.05 for v in values)
    if min(len(v) for v in values) < 2:
        table.add(column, "mean ± SD", *(mean_sd(v, 1) for v in values), NOT_AVAILABLE, "too few cases")
        return
    result = unpaired_t(*values) if normal else mann_whitney(*values)
    cells = [mean_sd(v, 1) if normal else median_iqr(v) for v in values]
    table.add(column, "mean ± SD" if normal else "median [IQR]", *cells, _p(result.p), result.test)
    _note_missing(table, column, [int(np.isnan(c).sum()) for c in columns])


def _add_categories(table: Table, column: str, groups: list[Cohort]) -> None:
    texts = [g.texts(column) for g in groups]
    kinds = list(dict.fromkeys(t for group in texts for t in group if t))
    counts = np.array([[group.count(kind) for group in texts] for kind in kinds]).reshape(-1, 2)
    p, test = _count_test(counts)
    for i, kind in enumerate(kinds):
        cells = [count_percent(int(c), int(t)) for c, t in zip(counts[i], counts.sum(0), strict=True)]
        table.add(column if i == 0 else "", kind, *cells, p if i == 0 else "", test if i == 0 else "")
    _note_missing(table, column, [group.count("") for group in texts])


def _count_test(counts: np.ndarray) -> tuple[str, str]:
    if counts.size == 0 or len(counts) < 2 or (counts.sum(0) == 0).any():
        return NOT_AVAILABLE, "nothing to compare"
    pearson = chi_squared(counts)
    result = fisher(counts) if "expect fewer than 5" in pearson.note else pearson
    return _p(result.p), result.test


def _p(value: float) -> str:
    return NOT_AVAILABLE if math.isnan(value) else format_p(value).removeprefix("= ")


def _note_missing(table: Table, column: str, missing: list[int]) -> None:
    if any(missing):
        table.notes.append(f"{column}: missing in {' and '.join(map(str, missing))} cases, left out of percentages")
