"""Agreement statistics: the published example, second implementations, the papers' figures, every odd input."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from PreopReviewLib.errors import InputError
from PreopReviewLib.evaluation.agreement import ICC_FORMS, bland_altman, complete_cases, icc, icc_forms

# Table 2 of Shrout & Fleiss 1979: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.fixture(scope="module")
def gross(shared_data):
    with (shared_data / "tables" / "gross2024_volumetry_per_case.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    def cohort(name):
        chosen = [r for r in rows if r["cohort"] == name]
        return {c: np.array([float(r[c]) for r in chosen]) for c in ("automated_ml", "manual_ml", "dice_post")}

    return cohort


def test_the_example_of_shrout_and_fleiss_comes_out_as_printed():
    forms = icc_forms(SHROUT_FLEISS)
    printed = {
        "ICC(1,1)": 0.17,
        "ICC(2,1)": 0.29,
        "ICC(3,1)": 0.71,
        "ICC(1,k)": 0.44,
        "ICC(2,k)": 0.62,
        "ICC(3,k)": 0.91,
    }
    assert {form: round(result.value, 2) for form, result in forms.items()} == printed
    assert (forms["ICC(1,1)"].df1, forms["ICC(1,1)"].df2) == (5, 18)
    assert (forms["ICC(3,1)"].df1, forms["ICC(3,1)"].df2) == (5, 15)


def test_the_intervals_of_the_example_are_those_of_other_programs():
    # R psych::ICC and pingouin print these for the same table.
    expected = {
        "ICC(1,1)": (-0.13, 0.72),
        "ICC(2,1)": (0.02, 0.76),
        "ICC(3,1)": (0.34, 0.95),
        "ICC(1,k)": (-0.88, 0.91),
        "ICC(2,k)": (0.07, 0.93),
        "ICC(3,k)": (0.68, 0.99),
    }
    forms = icc_forms(SHROUT_FLEISS)
    assert {f: (round(forms[f].low, 2), round(forms[f].high, 2)) for f in forms} == expected


def _mean_squares_by_statsmodels(table):
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    n, k = table.shape
    long = pd.DataFrame({"y": table.ravel(), "case": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n)})
    two_way = anova_lm(ols("y ~ C(case) + C(rater)", long).fit())
    one_way = anova_lm(ols("y ~ C(case)", long).fit())
    squares = two_way["sum_sq"] / two_way["df"]
    return squares["C(case)"], squares["C(rater)"], squares["Residual"], (one_way["sum_sq"] / one_way["df"])["Residual"]


@pytest.mark.parametrize(("n", "k", "seed"), [(5, 2, 0), (12, 3, 1), (30, 4, 2)])
def test_the_values_equal_those_from_the_anova_of_statsmodels(n, k, seed):
    generator = np.random.default_rng(seed)
    table = generator.normal(1400, 300, (n, 1)) + generator.normal(20, 60, (n, k)) + np.arange(k) * 15
    cases, raters, error, within = _mean_squares_by_statsmodels(table)
    expected = {
        "ICC(1,1)": (cases - within) / (cases + (k - 1) * within),
        "ICC(2,1)": (cases - error) / (cases + (k - 1) * error + k * (raters - error) / n),
        "ICC(3,1)": (cases - error) / (cases + (k - 1) * error),
        "ICC(1,k)": (cases - within) / cases,
        "ICC(2,k)": (cases - error) / (cases + (raters - error) / n),
        "ICC(3,k)": (cases - error) / cases,
    }
    forms = icc_forms(table)
    for form, value in expected.items():
        assert forms[form].value == pytest.approx(value, abs=1e-6), form
    assert forms["ICC(3,1)"].f == pytest.approx(cases / error, rel=1e-6)


def test_about_95_percent_of_intervals_hold_the_true_value():
    # Two-way random model with known variances: true ICC(2,1) = 9 / (9 + 1 + 2).
    generator = np.random.default_rng(7)
    inside = 0
    for _ in range(400):
        table = generator.normal(0, 3, (20, 1)) + generator.normal(0, 1, (1, 4)) + generator.normal(0, 2**0.5, (20, 4))
        result = icc(table, "ICC(2,1)")
        inside += result.low <= 9 / 12 <= result.high
    assert 0.91 <= inside / 400 <= 0.99


def test_both_forms_of_the_external_cohort_of_gross_are_found_and_named(gross):
    cohort = gross("external")
    forms = icc_forms(np.column_stack([cohort["manual_ml"], cohort["automated_ml"]]))
    assert round(forms["ICC(2,1)"].value, 3) == 0.950
    assert round(forms["ICC(2,k)"].value, 3) == 0.974  # the paper's 0.97 is this one
    assert str(forms["ICC(2,k)"]).startswith("ICC(2,k) 0.974 (95% CI ")
    assert "average measures" in forms["ICC(2,k)"].description


def test_the_internal_cohort_of_gross(gross):
    cohort = gross("internal_test")
    forms = icc_forms(np.column_stack([cohort["manual_ml"], cohort["automated_ml"]]))
    assert round(forms["ICC(2,1)"].value, 4) == 0.9971
    assert round(forms["ICC(3,1)"].value, 4) == 0.9985
    assert round(forms["ICC(2,k)"].value, 4) == 0.9985


@pytest.mark.parametrize(
    ("name", "bias", "low", "high"), [("internal_test", 31.8, -31, 94), ("external", -37.6, -409, 333)]
)
def test_bias_and_limits_of_the_volumes_of_gross(gross, name, bias, low, high):
    cohort = gross(name)
    result = bland_altman(cohort["automated_ml"], cohort["manual_ml"])
    assert round(result.bias.value, 1) == bias
    assert (round(result.lower.value), round(result.upper.value)) == (low, high)


def test_bland_altman_of_a_hand_checked_example():
    # Differences 1, 3, 2, 2: mean 2, SD √(2/3); t(3) = 3.182446.
    result = bland_altman([11, 23, 32, 42], [10, 20, 30, 40])
    sd = math.sqrt(2 / 3)
    assert result.bias.value == pytest.approx(2)
    assert result.sd == pytest.approx(sd)
    assert result.bias.low == pytest.approx(2 - 3.182446305 * sd / 2, abs=1e-6)
    assert result.upper.value == pytest.approx(2 + 1.96 * sd)
    half = 3.182446305 * sd * math.sqrt(1 / 4 + 1.96**2 / 6)
    assert result.upper.high - result.upper.value == pytest.approx(half, abs=1e-6)
    assert list(result.means) == [10.5, 21.5, 31, 41]


def test_the_percent_form_divides_by_the_mean_of_each_pair():
    result = bland_altman([110, 220], [90, 180], percent=True)
    assert result.unit == "%"
    assert list(result.differences) == pytest.approx([20, 20])


def test_the_standard_error_of_a_limit_is_about_root_three_over_n():
    generator = np.random.default_rng(3)
    a = generator.normal(1000, 100, 400)
    result = bland_altman(a + generator.normal(0, 20, 400), a)
    standard_error = (result.upper.high - result.upper.value) / 1.966
    assert standard_error == pytest.approx(math.sqrt(3 / 400) * result.sd, rel=0.02)


def test_identical_measurements_agree_perfectly_in_every_form():
    for form, result in icc_forms(np.repeat([[1.0], [2.5], [4.1]], 2, axis=1)).items():
        assert result.value == pytest.approx(1), form
        assert result.low == pytest.approx(1), form


def test_a_constant_offset_harms_agreement_but_not_consistency():
    forms = icc_forms([[0.1, 0.2], [0.2, 0.3], [0.3, 0.4]])
    assert forms["ICC(3,1)"].value == 1
    assert forms["ICC(2,1)"].value == pytest.approx(2 / 3)


def test_cases_that_do_not_differ_have_no_icc():
    result = icc([[5, 5], [5, 5], [5, 5]])
    assert math.isnan(result.value)
    assert str(result) == "ICC(2,1) n/a (no variation; n = 3)"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([[1, 2]], "two cases or more, not 1"),
        ([[1], [2]], "two or more measurements"),
        ([[1, 2], [3, math.nan]], "missing values"),
        ([], "two or more measurements"),
    ],
)
def test_an_icc_refuses_what_it_cannot_use(table, words):
    with pytest.raises(InputError, match=words):
        icc_forms(table)


def test_an_unknown_form_is_an_error_that_names_the_forms():
    with pytest.raises(InputError, match=r"ICC\(3,k\)"):
        icc(SHROUT_FLEISS, "ICC(4,1)")


def test_a_confidence_outside_0_to_1_is_an_error():
    with pytest.raises(InputError, match="got 95"):
        icc_forms(SHROUT_FLEISS, confidence=95)


def test_bland_altman_refuses_one_pair_unequal_columns_and_gaps():
    with pytest.raises(InputError, match="2 cases or more, not 1"):
        bland_altman([1], [2])
    with pytest.raises(InputError, match="differ in length"):
        bland_altman([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="missing values"):
        bland_altman([1, math.nan], [1, 2])
    with pytest.raises(InputError, match="not zero"):
        bland_altman([1, -1], [-1, 1], percent=True)


def test_complete_cases_are_those_with_a_value_in_every_column():
    assert complete_cases([[1, math.nan, 3], [4, 5, math.nan]]).tolist() == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 3000), st.floats(1, 3000)), min_size=3, max_size=12),
    st.floats(0.5, 20),
    st.floats(-500, 500),
)
def test_scaling_and_shifting_both_raters_leaves_every_form_as_it_is(rows, scale, shift):
    table = np.array(rows)
    if np.ptp(table.mean(1)) < 1 or np.ptp(table[:, 0] - table[:, 1]) < 1:
        return
    before, after = icc_forms(table), icc_forms(table * scale + shift)
    for form in ICC_FORMS:
        if math.isfinite(before[form].value) and abs(before[form].value) < 1e3:
            assert after[form].value == pytest.approx(before[form].value, abs=1e-6, rel=1e-6)
