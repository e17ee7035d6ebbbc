"""Several annotators: agreement, disagreement, consensus."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from drawn_livers import LABEL, SHAPE, drawn, finish, gray

from LiverPlannerLib.ground_truth.annotation import Annotation, read_progress
from LiverPlannerLib.ground_truth.consensus import (
    compare_annotators,
    consensus_of_list,
    disagreement,
    make_consensus,
    undecided_path,
)
from PreopReviewLib import images
from PreopReviewLib.errors import (
    FileMissing,
    GeometryError,
    InputError,
    NothingFound,
)


def test_three_agree_with_the_majority():
    right, wrong = drawn(), drawn(shift=2)
    agreed = make_consensus({"a": right, "b": right, "c": wrong}, ("liver", "tumor", "portal_vein"), "majority")
    assert (images.array_of(agreed.labels) == images.array_of(right)).all()
    assert not images.array_of(agreed.undecided).any()


def test_staple_trusts_those_who_agree():
    right, wrong = drawn(), drawn(shift=3)
    agreed = make_consensus({"a": right, "b": right, "c": wrong}, ("liver", "tumor", "portal_vein"), "staple")
    assert (images.array_of(agreed.labels) == images.array_of(right)).all()
    sensitivity = {(p.annotator, p.structure): p.sensitivity for p in agreed.performance}
    assert sensitivity["a", "tumor"] > 0.99 > 0.6 > sensitivity["c", "tumor"]


def test_ties_are_liver_where_both_mean_liver_and_background_elsewhere():
    one, two = (
        drawn(),
        drawn(cyst=(slice(5, 8), slice(8, 12), slice(6, 10)), liver=(slice(13, 14), slice(5, 9), slice(5, 9))),
    )
    agreed = make_consensus({"a": one, "b": two}, tuple(LABEL), "majority")
    labels, undecided = images.array_of(agreed.labels), images.array_of(agreed.undecided)
    assert set(labels[5:8, 8:12, 6:10].ravel()) == {LABEL["liver"]}, "tumor against cyst"
    assert set(labels[13, 5:9, 5:9].ravel()) == {0}, "liver against background"
    assert undecided.sum() == 3 * 4 * 4 + 16
    assert any("undecided" in note for note in agreed.notes)


def test_structures_that_nobody_asked_for_count_as_liver():
    agreed = make_consensus({"a": drawn(), "b": drawn()}, ("liver",), "majority")
    assert set(np.unique(images.array_of(agreed.labels))) == {0, LABEL["liver"]}
    assert images.array_of(agreed.labels).sum() == (images.array_of(drawn()) > 0).sum()


def test_nobody_has_drawn_anything():
    empty = images.image_like(np.zeros(SHAPE, np.uint8), gray())
    agreed = make_consensus({"a": empty, "b": empty}, ("liver",))
    assert not images.array_of(agreed.labels).any()


def test_one_annotator_is_no_consensus():
    with pytest.raises(InputError, match="at least two"):
        make_consensus({"a": drawn()}, ("liver",))


def test_other_grids_are_refused():
    other = images.resample_spacing(drawn(), (1, 1, 1), "nearest")
    with pytest.raises(GeometryError, match="b drew on a different grid"):
        make_consensus({"a": drawn(), "b": other}, ("liver",))
    with pytest.raises(GeometryError):
        disagreement([drawn(), other])


def test_the_disagreement_is_where_labels_differ():
    one, two = drawn(), drawn(shift=1)
    where = images.array_of(disagreement([one, two]))
    assert (where == (images.array_of(one) != images.array_of(two))).all()


def test_annotators_are_compared_structure_by_structure(work):
    finish(work, "ab", "a", drawn())
    finish(work, "cd", "a", drawn(shift=1))
    result = compare_annotators(work, "a", "ab", "cd")
    assert [r.key for r in result.rows] == ["liver", "tumor", "portal_vein"]
    assert result.row("tumor").overlap.dsc == pytest.approx(2 * 36 / 96)
    with pytest.raises(InputError, match="ab cannot be compared with ab"):
        compare_annotators(work, "a", "ab", "ab")
    with pytest.raises(FileMissing, match="ab has not drawn anything in b"):
        compare_annotators(work, "b", "ab", "cd")


def test_the_consensus_of_a_list_takes_cases_that_two_have_finished(work):
    finish(work, "ab", "a", drawn())
    finish(work, "cd", "a", drawn(shift=1))
    finish(work, "ab", "b", drawn())
    with Annotation(work, "cd") as mine:
        mine.save_labels("b", drawn())  # in progress
    outcome = consensus_of_list(work, "majority")
    assert outcome.made == ["a"]
    assert outcome.left_out == {"b": "finished by ab only", "c": "finished by no one"}
    assert work.labels("a", "consensus").GetSize() == SHAPE[::-1]
    assert images.read_labels(undecided_path(work, "a")).GetSize() == SHAPE[::-1]
    assert work.annotators == ["ab", "cd"], "the consensus is nobody"
    assert read_progress(work, "consensus")[1]["a"].status["tumor"] == "done"
    with pytest.raises(InputError, match="twice"):
        consensus_of_list(work, annotators=["ab", "ab"])
    with pytest.raises(NothingFound, match="two annotators"):
        consensus_of_list(work, annotators=["ab"])


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_a_dispute_inside_the_liver_leaves_no_hole_and_is_undecided(method):
    """One draws a larger liver and larger tumors: with ties counted as background, STAPLE finds holes in the liver."""
    wide = np.zeros((40, 40, 40), np.uint8)
    wide[5:35, 5:35, 5:35] = LABEL["liver"]
    wide[12:26, 12:26, 12:26] = LABEL["tumor"]
    narrow = np.zeros_like(wide)
    narrow[6:34, 6:34, 6:34] = LABEL["liver"]
    narrow[14:24, 14:24, 14:24] = LABEL["tumor"]
    drawn_by = {n: sitk.GetImageFromArray(a) for n, a in (("a", wide), ("b", narrow))}
    agreed = make_consensus(drawn_by, ("liver", "tumor"), method)
    labels, undecided = images.array_of(agreed.labels), images.array_of(agreed.undecided).astype(bool)
    assert (labels[narrow > 0] > 0).all(), "both name something in the liver"
    disputed = (wide == LABEL["tumor"]) & (narrow == LABEL["liver"])
    assert undecided[disputed].all()
    assert set(labels[disputed]) == {LABEL["liver"]}
    assert (labels[narrow == LABEL["tumor"]] == LABEL["tumor"]).all()


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_most_in_the_liver_is_no_background_though_they_disagree_about_what_it_is(method):
    drawings = {n: np.full((6, 6, 6), LABEL["liver"], np.uint8) for n in "abcde"}
    for name, value in zip("abcde", ("liver", "tumor", "cyst", "", ""), strict=True):
        drawings[name][2:4, 2:4, 2:4] = LABEL.get(value, 0)
        drawings[name][0] = 0
    agreed = make_consensus({n: sitk.GetImageFromArray(a) for n, a in drawings.items()}, tuple(LABEL), method)
    inside = images.array_of(agreed.labels)[2:4, 2:4, 2:4]
    assert (inside > 0).all()
    assert images.array_of(agreed.undecided)[2:4, 2:4, 2:4].any() or (inside != LABEL["liver"]).any()


def test_staple_weighs_the_reliable_above_the_count():
    """Two careful annotators against three careless ones: the careless differ among each other everywhere else."""
    generator = np.random.default_rng(0)
    truth = np.zeros((24, 24, 24), np.uint8)
    truth[4:20, 4:20, 4:20] = LABEL["liver"]
    careless = []
    for _ in range(3):
        wrong = generator.random(truth.shape) < 0.3
        careless.append(np.where(wrong, LABEL["liver"] - truth, truth).astype(np.uint8))
    drawn_by = {n: sitk.GetImageFromArray(a) for n, a in zip("abcde", [truth, truth, *careless], strict=True)}
    staple = images.array_of(make_consensus(drawn_by, ("liver",), "staple").labels)
    majority = images.array_of(make_consensus(drawn_by, ("liver",), "majority").labels)
    assert (staple == truth).all()
    assert (majority != truth).any()
