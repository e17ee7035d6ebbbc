"""ROC, DeLong and kappa against second implementations and by hand; the tables of Shim 2020."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.evaluation.kappa import weighted_kappa
from PreopReviewLib.evaluation.roc import area_under_curve, delong, delong_test, roc_curve
from RotatorCuffCAMLib.readers import evaluation as reader_evaluation
from RotatorCuffCAMLib.readers import tables as reader_tables
from RotatorCuffCAMLib.readers.results import (
    ModelAnswers,
    Reading,
    Truth,
    performance,
    read_model,
    read_readings_table,
    read_truth,
)
from RotatorCuffCAMLib.tears import KEYS

rng = np.random.default_rng(3)
TRUTH = rng.random(120) < 0.4
SCORES = np.round(TRUTH * 0.8 + rng.normal(0, 1, 120), 1)  # rounded, so that there are ties
OTHER = np.round(TRUTH * 0.3 + rng.normal(0, 1, 120), 1)


def test_roc_and_area_equal_those_of_scikit_learn():
    from sklearn.metrics import roc_auc_score
    from sklearn.metrics import roc_curve as theirs

    ours = roc_curve(TRUTH, SCORES)
    false, true, _ = theirs(TRUTH, SCORES, drop_intermediate=False)
    np.testing.assert_allclose(ours.false_positive, false, atol=1e-12)
    np.testing.assert_allclose(ours.true_positive, true, atol=1e-12)
    assert area_under_curve(TRUTH, SCORES).value == pytest.approx(roc_auc_score(TRUTH, SCORES), abs=1e-9)


def _plain_delong(truth, rows):
    """DeLong 1988, equations 4 to 6, pair by pair."""
    ill, well = rows[:, truth], rows[:, ~truth]
    pairs = (ill[:, :, None] > well[:, None, :]) + 0.5 * (ill[:, :, None] == well[:, None, :])
    v10, v01 = pairs.mean(2), pairs.mean(1)
    return pairs.mean((1, 2)), np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


def test_delong_equals_its_definition_pair_by_pair():
    rows = np.stack([SCORES, OTHER])
    areas, covariance = delong(TRUTH, rows)
    expected_areas, expected = _plain_delong(TRUTH, rows)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
    z = (expected_areas[0] - expected_areas[1]) / math.sqrt(expected[0, 0] + expected[1, 1] - 2 * expected[0, 1])
    result = delong_test(TRUTH, SCORES, OTHER)
    assert (result.statistic, result.p) == pytest.approx((z, 2 * stats.norm.sf(abs(z))), abs=1e-9)


def test_delongs_area_and_interval_by_hand():
    """Two with (3, 1) and two without (2, 0): three of four pairs are in order."""
    area = area_under_curve([1, 1, 0, 0], [3, 1, 2, 0])
    # V10 = (1, 1/2), V01 = (1/2, 1): each has variance 1/8, so the variance of the area is 1/16 + 1/16.
    half = 1.959963984540054 * math.sqrt(1 / 8)
    assert area.value == 0.75
    assert area.low == pytest.approx(0.75 - half)
    assert area.high == 1.0


def test_delong_of_one_score_twice_has_no_difference():
    result = delong_test(TRUTH, SCORES, SCORES * 2)
    assert math.isnan(result.p)
    assert "alike" in result.note


def test_the_two_intervals_agree_on_many_cases():
    area = area_under_curve(TRUTH, SCORES)
    assert area.bootstrap_low == pytest.approx(area.low, abs=0.02)
    assert area.bootstrap_high == pytest.approx(area.high, abs=0.02)


@pytest.mark.parametrize(
    ("truth", "scores"), [([1, 1], [0, 1]), ([0, 1], [0.5]), ([0, 1], [0.5, math.nan]), ([0, 0], [1, 2])]
)
def test_scores_without_a_curve_are_refused(truth, scores):
    with pytest.raises(InputError):
        roc_curve(truth, scores)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_and_its_interval_equal_those_of_statsmodels_and_scikit_learn(weights):
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import cohens_kappa

    a = rng.integers(0, 5, 150)
    b = np.clip(a + rng.integers(-1, 2, 150), 0, 4)
    ours = weighted_kappa(a, b, 5, weights)
    table = np.zeros((5, 5))
    np.add.at(table, (a, b), 1)
    kind = {"none": None, "linear": "linear", "quadratic": "quadratic"}[weights]
    theirs = cohens_kappa(table, wt=kind, return_results=True)
    assert ours.value == pytest.approx(cohen_kappa_score(a, b, weights=kind), abs=1e-9)
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx((theirs.kappa_low, theirs.kappa_upp), abs=1e-6)


def test_kappa_by_hand():
    """20 yes-yes, 15 no-no, 5 and 10 apart: observed .7, expected .5, kappa .4 (Cohen 1960)."""
    a = [1] * 20 + [1] * 5 + [0] * 10 + [0] * 15
    b = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert weighted_kappa(a, b, 2, "none").value == pytest.approx(0.4)


def test_kappa_without_variation_is_not_a_number():
    kappa = weighted_kappa([2, 2], [2, 2], 5)
    assert math.isnan(kappa.value)
    assert "n/a" in str(kappa)


def test_kruskal_wallis_and_dunn_equal_second_implementations():
    """Dunn's z of the paper's three groups, against a calculation from pooled ranks with pandas."""
    import pandas as pd

    groups = {"a": rng.normal(0.7, 0.02, 60), "b": rng.normal(0.46, 0.05, 4), "c": rng.normal(0.3, 0.06, 13)}
    result = reader_tables.kruskal_wallis(groups)
    assert (result.omnibus.statistic, result.omnibus.p) == pytest.approx(stats.kruskal(*groups.values()), abs=1e-9)
    assert result.threshold == pytest.approx(0.0167, abs=5e-5)
    frame = pd.DataFrame([(g, v) for g, values in groups.items() for v in values], columns=["g", "v"])
    ranks = frame.assign(rank=frame.v.rank()).groupby("g")["rank"].agg(["mean", "count"])
    n = len(frame)
    for pair in result.pairs:
        one, two = ranks.loc[pair.first], ranks.loc[pair.second]
        z = (one["mean"] - two["mean"]) / math.sqrt(n * (n + 1) / 12 * (1 / one["count"] + 1 / two["count"]))
        assert (pair.statistic, pair.p) == pytest.approx((z, 2 * stats.norm.sf(abs(z))), abs=1e-9)
        assert pair.significant == (pair.p * 3 <= 0.05)


def test_measures_equal_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    truth, said = rng.integers(0, 5, 90), rng.integers(0, 5, 90)
    measures = performance(truth, said, np.arange(90))
    precision, recall, f1, _ = precision_recall_fscore_support(truth > 0, said > 0, average="binary")
    _, specificity, _, _ = precision_recall_fscore_support(truth == 0, said == 0, average="binary")
    expected = (accuracy_score(truth > 0, said > 0), accuracy_score(truth, said), recall, specificity, precision, f1)
    got = (
        measures.binary_accuracy,
        measures.top1,
        measures.sensitivity,
        measures.specificity,
        measures.precision,
        measures.f1,
    )
    assert got == pytest.approx(expected, abs=1e-12)
    assert measures.seconds == 44.5


def test_within_one_follows_the_ordinal_order():
    """Partial (1) is next to none and small, and not to large, where the authors' program has it (4)."""
    assert performance([4, 1, 1, 1], [1, 0, 2, 4]).top1_within_1 == 0.5
    assert math.isnan(performance([1, 2], [1, 2]).specificity)


# ---- a study of the paper's size ----

COUNTS = (72, 31, 22, 49, 26)


def _near(truth, skill, generator):
    """Answers that are right with a chance of `skill`, else a class nearby."""
    wrong = np.clip(truth + generator.choice([-2, -1, 1, 2], len(truth)), 0, 4)
    return np.where(generator.random(len(truth)) < skill, truth, wrong)


@pytest.fixture(scope="module")
def paper_like():
    generator = np.random.default_rng(1)
    truth = generator.permutation(np.repeat(np.arange(5), COUNTS))
    cases = tuple(f"{n:03d}" for n in range(200))
    readings = []
    for group, count, skill, pace in (("specialist", 4, 0.6, 20), ("general", 13, 0.4, 34)):
        for n in range(count):
            said = _near(truth, skill + generator.normal(0, 0.03), generator)
            for turn, look in ((1, 1), (2, 1), (1, 2)) if n == 0 else ((1, 1),):
                again = said if (turn, look) == (1, 1) else np.where(generator.random(200) < 0.9, said, truth)
                seconds = dict(zip(cases, generator.lognormal(math.log(pace), 0.5, 200), strict=True))
                classes = dict(zip(cases, map(int, again), strict=True))
                readings.append(Reading(f"{group} {n}", group, turn, look, classes, seconds))
    probabilities = np.full((60, 200, 5), 0.05)
    for turn in probabilities:
        turn[np.arange(200), _near(truth, 0.8, generator)] = 0.8
    model = ModelAnswers(cases, probabilities, np.full(200, 0.01), "VRN")
    return Truth(dict(zip(cases, map(int, truth), strict=True)), {}), readings, model


def test_the_tables_of_the_paper_come_out_of_a_study_of_its_size(paper_like, tmp_path):
    truth, readings, model = paper_like
    evaluation = reader_evaluation.evaluate_study(truth, reader_tables.gather(truth, readings, model))
    tables = {t.name: t for t in evaluation.tables}
    assert list(tables)[:7] == ["shim2020_table1", "shim2020_table2", *(f"shim2020_table3{x}" for x in "abcde")]
    assert [row[-1] for row in tables["shim2020_table1"].rows] == ["72", "31", "22", "49", "26", "200"]
    main = tables["shim2020_table3a"]
    assert main.columns == ["Measure", "VRN", "specialist", "general", "p"]
    assert main.rows[0][-1] == "< .001"
    assert main.rows[0][3].endswith("%*")
    assert main.rows[4][1].startswith("0.01 (0.01, 0.01)")
    assert "VRN: n = 60; specialist: n = 4; general: n = 13" in main.notes
    assert tables["shim2020_table2"].rows[0][1].endswith("%")
    assert "60 repetitions" in tables["shim2020_table2"].notes[0]
    assert len(tables["readers"].rows) == 17
    assert len(evaluation.numbers["kappa_between"]) == 17 * 16 / 2
    assert len(tables["kappa_within_readers"].rows) == 2
    assert len(tables["second_look"].rows) == 2
    assert any("pseudo-replication" in w and "60 repetitions" in w and "17 readers" in w for w in evaluation.warnings)
    assert any("of 17 readers lie below" in s for s in evaluation.statements)
    reader_evaluation.write_evaluation(evaluation, tmp_path)
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.index("Warning") < summary.index("Cases by tear size")
    for name in ("roc", "accuracy_by_group", "diagnostic_time", "reliability"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_the_medians_and_quartiles_are_those_over_readers(paper_like):
    truth, readings, _ = paper_like
    data = reader_tables.gather(truth, readings)
    values = reader_tables.measure_values(data, "top1")["specialist"]
    own = [np.mean([truth.classes[c] == k for c, k in r.classes.items()]) for r in data.groups["specialist"]]
    assert sorted(values) == pytest.approx(sorted(own))
    low, middle, high = 100 * np.percentile(own, [25, 50, 75])
    cell = reader_tables.table3(data)[0].rows[0][1]
    assert [float(x) for x in cell.rstrip("%)").replace("(", ",").split(",")] == pytest.approx(
        [middle, low, high], abs=0.051
    )


def test_one_answer_of_the_model_gets_its_spread_from_the_cases(paper_like):
    truth, readings, model = paper_like
    once = ModelAnswers(model.cases, model.probabilities[:1], model.seconds, "VRN")
    evaluation = reader_evaluation.evaluate_study(truth, reader_tables.gather(truth, readings, once))
    table = next(t for t in evaluation.tables if t.name == "shim2020_table2")
    assert "bootstrap" in table.notes[0]
    accuracy, spread = (float(x.rstrip("%")) for x in table.rows[0][1].split(" ± "))
    share = accuracy / 100
    assert spread == pytest.approx(100 * math.sqrt(share * (1 - share) / 200), rel=0.1)
    assert any("one network is set against" in w for w in evaluation.warnings)


def test_repetitions_that_are_all_alike_are_told(paper_like):
    truth, readings, model = paper_like
    same = ModelAnswers(model.cases, np.repeat(model.probabilities[:1], 60, 0), model.seconds, "VRN")
    evaluation = reader_evaluation.evaluate_study(truth, reader_tables.gather(truth, readings, same))
    assert any("all alike" in w for w in evaluation.warnings)


def test_a_reader_who_did_not_finish_is_left_out_and_named(paper_like):
    truth, readings, model = paper_like
    short = Reading("late", "general", 1, 1, dict(list(readings[0].classes.items())[:50]))
    evaluation = reader_evaluation.evaluate_study(truth, reader_tables.gather(truth, [*readings, short], model))
    assert any("late" in w and "50 of 200" in w for w in evaluation.warnings)
    assert len(next(t for t in evaluation.tables if t.name == "readers").rows) == 17


def test_a_case_without_a_true_class_and_a_model_without_a_case_are_errors(paper_like):
    truth, readings, model = paper_like
    fewer = Truth({c: k for c, k in truth.classes.items() if c != "007"}, {})
    with pytest.raises(InputError, match="007"):
        reader_tables.gather(fewer, readings, model)
    with pytest.raises(InputError, match="no answer for case"):
        reader_tables.gather(truth, readings, ModelAnswers(model.cases[1:], model.probabilities[:, 1:], model.seconds))
    with pytest.raises(InputError, match="no answers"):
        reader_tables.gather(truth, [])


# ---- files ----


def test_tables_of_readers_model_and_classes_are_read(tmp_path):
    (tmp_path / "t.csv").write_text("case,class,set\nA,none,train\nB,Massive,test\n")
    (tmp_path / "r.csv").write_text("reader,group,case,class,seconds,pass\nK,s,A,0,3.5,\nK,s,B,partial,,\nK,s,A,1,,2\n")
    (tmp_path / "m.csv").write_text(f"case,{','.join(KEYS)},repetition\nA,1,0,0,0,0,1\nA,0,1,0,0,0,2\n")
    truth = read_truth(tmp_path / "t.csv")
    assert truth == Truth({"A": 0, "B": 4}, {"A": "train", "B": "test"})
    assert [row[1:] for row in reader_tables.table1(truth).rows][-1] == ["1", "1", "2"]
    first, second = read_readings_table(tmp_path / "r.csv")
    assert (first.classes, first.seconds, second.reading) == ({"A": 0, "B": 1}, {"A": 3.5}, 2)
    assert read_model(tmp_path / "m.csv").probabilities.shape == (2, 1, 5)


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_truth, "case,klass\nA,none\n", "class"),
        (read_truth, "case,class\nA,enormous\n", "enormous"),
        (read_truth, "case,class\nA,none\nA,none\n", "twice"),
        (read_truth, "case,class\n", "no row"),
        (read_readings_table, "reader,case,class\nK,A,0\nK,A,1\n", "twice"),
        (read_readings_table, "reader,case,class,seconds\nK,A,0,soon\n", "soon"),
        (read_model, f"case,{','.join(KEYS)}\nA,1,1,0,0,0\n", "sum to 2"),
        (read_model, f"case,{','.join(KEYS)}\nA,1,0,0,0,0\nA,1,0,0,0,0\n", "twice"),
        (
            read_model,
            f"case,{','.join(KEYS)},repetition\nA,1,0,0,0,0,1\nB,1,0,0,0,0,2\n",
            "different cases",
        ),
    ],
)
def test_tables_that_cannot_be_used_say_why(tmp_path, read, text, words):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.csv")
    with pytest.raises(FileMissing):
        read(tmp_path / "none.csv")
