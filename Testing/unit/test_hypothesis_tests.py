"""The tests of the papers: named variants, second implementations, printed p values, odd groups."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from scipy import stats

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.bootstrap import bootstrap_interval
from PreopReviewLib.evaluation.contingency import chi_squared, fisher
from PreopReviewLib.evaluation.hypothesis_tests import (
    format_p,
    kruskal_wallis,
    mann_whitney,
    paired_t,
    unpaired_t,
    wilcoxon,
)

WITHOUT = [0.75, 0.80, 0.82, 0.66, 0.71, 0.79]
WITH = [0.81, 0.83, 0.87, 0.74, 0.70, 0.85]


def test_the_published_p_of_gross_is_one_sided(shared_data):
    with (shared_data / "tables" / "gross2024_volumetry_per_case.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    internal, external = (
        [float(r["dice_post"]) for r in rows if r["cohort"] == c] for c in ("internal_test", "external")
    )
    greater = mann_whitney(internal, external, "greater")
    both = mann_whitney(internal, external)
    assert (round(greater.p, 3), round(both.p, 3)) == (0.284, 0.569)
    assert greater.test == "Mann–Whitney U, asymptotic with continuity correction"
    assert greater.sides == "one-sided: first > second"
    assert str(both).endswith("(two-sided): p = .569, n = 71 and 20")


def test_the_paired_t_test_equals_that_of_statsmodels():
    from statsmodels.stats.weightstats import DescrStatsW

    t, p, df = DescrStatsW(np.subtract(WITH, WITHOUT)).ttest_mean(0)
    result = paired_t(WITH, WITHOUT)
    assert (result.statistic, result.p, result.df) == pytest.approx((t, p, df), abs=1e-9)
    assert paired_t(WITH, WITHOUT, "greater").p == pytest.approx(p / 2)


@pytest.mark.parametrize(("equal", "name"), [(True, "pooled"), (False, "unequal")])
def test_the_unpaired_t_test_equals_that_of_statsmodels(equal, name):
    from statsmodels.stats.weightstats import ttest_ind

    a, b = [61.6, 58.0, 70.1, 66.6], [63.0, 40.2, 71.5, 69.0, 59.9]
    t, p, df = ttest_ind(a, b, usevar=name)
    result = unpaired_t(a, b, equal_variances=equal)
    assert (result.statistic, result.p, result.df) == pytest.approx((t, p, df), abs=1e-9)
    assert ("Student" in result.test) is equal


def test_mann_whitney_says_whether_it_was_exact():
    # All of the second group above the first: 2 / C(6, 3) of all orders are as extreme.
    result = mann_whitney([1, 2, 3], [4, 5, 6])
    assert result.test == "Mann–Whitney U, exact"
    assert result.statistic == 0
    assert result.p == pytest.approx(0.1)
    assert "asymptotic" in mann_whitney([1, 2, 3], [3, 5, 6]).test


def test_wilcoxon_is_exact_without_ties_and_counts_equal_pairs():
    # Five positive differences: one-sided chance 1/32.
    result = wilcoxon([2, 4, 6, 8, 10, 7], [1, 2, 3, 4, 5, 7], "greater")
    assert result.p == pytest.approx(1 / 32)
    assert result.note == "1 of 6 pairs are equal and left out"
    assert "exact" in result.test
    assert "asymptotic" in wilcoxon([1, 2, 3], [0, 1, 2]).test


def test_kruskal_wallis_names_every_pair_and_the_threshold_of_shim():
    groups = {"network": [0.93, 0.95, 0.96, 0.94], "specialists": [0.8, 0.82, 0.79, 0.84], "orthopedists": [0.7, 0.6]}
    result = kruskal_wallis(groups)
    assert result.omnibus.p == pytest.approx(stats.kruskal(*groups.values()).pvalue)
    assert round(result.threshold, 4) == 0.0167
    assert [(p.first, p.second) for p in result.pairs] == [
        ("network", "specialists"),
        ("network", "orthopedists"),
        ("specialists", "orthopedists"),
    ]


def test_dunn_of_a_hand_checked_example():
    # Ranks 1 to 6 in three groups of two: mean ranks 1.5, 3.5, 5.5; variance of a difference 6·7/12·(1/2 + 1/2).
    result = kruskal_wallis({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
    z = (1.5 - 5.5) / math.sqrt(6 * 7 / 12)
    pair = result.pairs[1]
    assert pair.statistic == pytest.approx(z)
    assert pair.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert pair.adjusted_p == pytest.approx(3 * pair.p)
    assert not pair.significant


def test_squared_dunn_of_two_groups_is_the_kruskal_wallis_statistic_with_ties():
    result = kruskal_wallis({"a": [1, 2, 2, 3], "b": [2, 3, 5, 5, 6]})
    assert result.pairs[0].statistic ** 2 == pytest.approx(result.omnibus.statistic, rel=1e-9)


def test_the_mann_whitney_post_hoc_tests_each_pair_alone():
    groups = {"a": [1, 2, 3], "b": [4, 5, 6], "c": [7, 8, 9]}
    result = kruskal_wallis(groups, post_hoc="mann-whitney")
    assert [p.p for p in result.pairs] == pytest.approx([0.1] * 3)
    assert [p.adjusted_p for p in result.pairs] == pytest.approx([0.3] * 3)


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        ([[86, 11], [22, 1]], 0.458),
        ([[80, 12], [9, 0], [7, 0], [8, 0], [1, 0], [3, 0]], 0.705),
        ([[87, 11], [14, 1], [5, 0], [1, 0], [1, 0]], 1.000),
    ],
    ids=["sex", "diagnosis", "tumor number"],
)
def test_the_p_values_of_the_first_table_of_oh_are_fisher_s(counts, printed):
    assert round(fisher(counts).p, 3) == printed


def test_fisher_of_many_rows_equals_brute_force_over_permutations():
    counts = [[3, 0], [1, 2], [0, 3]]
    labels = np.repeat([0, 1, 2], 3)
    from itertools import combinations

    def chance(drawn):
        return math.prod(math.comb(3, int(c)) for c in np.bincount(labels[list(drawn)], minlength=3))

    given = chance(np.array([4, 5, 6, 7, 8]))
    tables = {tuple(np.bincount(labels[list(d)], minlength=3)) for d in combinations(range(9), 5)}
    chances = [math.prod(math.comb(3, c) for c in t) for t in tables]
    expected = sum(c for c in chances if c <= given) / math.comb(9, 5)
    assert fisher(counts).p == pytest.approx(expected)
    assert fisher(np.transpose(counts)).p == pytest.approx(expected)


def test_chi_squared_warns_of_small_expected_counts():
    result = chi_squared([[54, 5], [30, 5], [24, 3]])
    assert result.df == 2
    assert "2 of 6 cells expect fewer than 5" in result.note
    assert chi_squared([[20, 20], [10, 30]]).test == "Chi-squared, Yates' correction"


def test_chi_squared_equals_that_of_statsmodels():
    from statsmodels.stats.contingency_tables import Table

    counts = np.array([[54, 15], [30, 25], [24, 13]])
    expected = Table(counts, shift_zeros=False).test_nominal_association()
    result = chi_squared(counts)
    assert (result.statistic, result.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


def test_a_bootstrap_interval_is_repeatable_and_near_the_t_interval():
    values = np.random.default_rng(0).normal(0.9, 0.03, 60)
    result = bootstrap_interval(values)
    low, high = stats.t.interval(0.95, 59, values.mean(), stats.sem(values))
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.0015)
    assert bootstrap_interval(values) == result
    assert result.method == "BCa"


def test_a_bootstrap_of_equal_values_is_that_value_and_says_so():
    result = bootstrap_interval([0.9, 0.9, 0.9])
    assert (result.low, result.high, result.method) == (0.9, 0.9, "constant")


def test_identical_pairs_have_no_p_and_say_why():
    for result in (paired_t([1, 2], [1, 2]), wilcoxon([1, 2], [1, 2])):
        assert math.isnan(result.p)
        assert result.note == "all pairs are equal"
        assert "p n/a" in str(result)
    assert "same" in paired_t([2, 3], [1, 2]).note


def test_groups_without_any_variation_have_no_p_and_say_why():
    assert math.isnan(mann_whitney([1, 1], [1, 1]).p)
    assert math.isnan(unpaired_t([1, 1], [1, 1]).p)
    assert kruskal_wallis({"a": [1, 1], "b": [1]}).omnibus.note == "all values are equal"


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (lambda: mann_whitney([], [1]), "1 or more cases, not 0"),
        (lambda: unpaired_t([1], [1, 2]), "2 or more cases, not 1"),
        (lambda: paired_t([1], [2]), "2 cases or more, not 1"),
        (lambda: paired_t([1, 2], [1, math.nan]), "missing values"),
        (lambda: mann_whitney([1, math.nan], [1, 2]), "missing values"),
        (lambda: mann_whitney([1, 2], [1, 2], "bigger"), "alternative hypothesis: bigger"),
        (lambda: kruskal_wallis({"a": [1, 2]}), "two groups or more, not 1"),
        (lambda: kruskal_wallis({"a": [1], "b": [2]}, post_hoc="tukey"), "Unknown post hoc test: tukey"),
        (lambda: bootstrap_interval([1]), "2 or more cases, not 1"),
        (lambda: fisher([[1, 2], [0, 0]]), "single row or column"),
        (lambda: fisher([[1.5, 2], [1, 0]]), "whole numbers"),
        (lambda: fisher(np.ones((3, 3))), "two groups"),
        (lambda: fisher(np.full((12, 2), 40), most_tables=1000), "too large"),
        (lambda: chi_squared([[-1, 2], [1, 3]]), "whole numbers"),
    ],
)
def test_what_cannot_be_tested_is_a_clear_error(test, words):
    with pytest.raises(InputError, match=words):
        test()


@pytest.mark.parametrize(("p", "text"), [(0.284, "= .284"), (0.0002, "< .001"), (0.9999, "= 1.000"), (math.nan, "n/a")])
def test_p_values_are_written_with_their_relation(p, text):
    assert format_p(p) == text
