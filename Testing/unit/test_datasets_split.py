"""Splits: by patient, seeded, every class in its share, and the papers' own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from PreopReviewLib.datasets import splitting
from PreopReviewLib.datasets.layout import Case, DataSet
from PreopReviewLib.datasets.splitting import (
    read_split,
    split_by_counts,
    split_by_list,
    split_in_folds,
    write_split,
)
from PreopReviewLib.errors import FileMissing, InputError, OutputExists
from PreopReviewLib.training.recipe import patients_of

TEARS = ("none", "partial", "small", "medium", "large")


def shoulders(counts=(40, 20, 15, 15, 10), scans=1) -> DataSet:
    cases = []
    for name, count in zip(TEARS, counts, strict=True):
        for n in range(count):
            for scan in range(scans):
                cases.append(Case(f"{name}{n}_{scan}", Path("x"), None, f"{name}{n}", name))
    return DataSet(cases, {}, TEARS)


def livers(count: int, with_tumor: int | None = None) -> DataSet:
    many = count if with_tumor is None else with_tumor
    held = [("liver", "tumor") if n < many else ("liver",) for n in range(count)]
    return DataSet([Case(f"c{n:04d}", Path("x"), Path("y"), f"p{n}", structures=held[n]) for n in range(count)])


@pytest.mark.parametrize("paper", ["oh2023", "lin2024", "gross2024", "shim2020"])
def test_the_papers_own_numbers_come_out_exactly(paper):
    wanted = patients_of(paper)
    split = split_by_counts(livers(sum(wanted)), wanted)
    assert (len(split.part("training")), len(split.part("validation")), len(split.test)) == wanted
    assert not split.notes


def test_a_recipe_without_a_split_says_which_have_one():
    with pytest.raises(InputError, match="five-structures does not state .*gross2024, lin2024, oh2023, shim2020"):
        patients_of("five-structures")


def test_another_number_of_patients_is_divided_in_the_papers_proportions():
    split = split_by_counts(livers(47), patients_of("gross2024"))
    assert (len(split.part("training")), len(split.part("validation")), len(split.test)) == (33, 7, 7)
    assert "in these proportions" in split.notes[0]
    assert len(split_by_counts(livers(6), patients_of("oh2023")).test) == 1


def test_the_seed_decides_and_nothing_else():
    data = shoulders()
    first, again, other = (split_by_counts(data, (70, 10, 20), s) for s in (3, 3, 4))
    assert first == again
    assert first.test != other.test


def test_every_class_has_its_share_in_every_part():
    split = split_by_counts(shoulders(), (70, 10, 20))
    for part, share in (("training", 0.7), ("validation", 0.1), ("test", 0.2)):
        counts = Counter(name.rstrip("0123456789_") for name in split.part(part))
        for tear, count in zip(TEARS, (40, 20, 15, 15, 10), strict=True):
            assert abs(counts[tear] - share * count) <= 1.0, (part, tear)


@pytest.mark.parametrize("seed", range(5))
def test_the_only_patient_of_a_class_is_for_training(seed):
    split = split_by_counts(shoulders((3, 1, 1, 1, 1)), (5, 1, 1), seed)
    assert all(any(n.startswith(t) for n in split.part("training")) for t in TEARS)
    assert all(n.startswith("none") for n in (*split.part("validation"), *split.test))


def test_a_patient_is_never_in_two_parts():
    split = split_in_folds(shoulders((8, 8, 8, 8, 8), scans=3), 4, 0.2)
    for fold in split.folds:
        parts = [{n.split("_")[0] for n in names} for names in (*fold.values(), split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 40
    validated = [n for fold in split.folds for n in fold["validation"]]
    assert len(validated) == len(set(validated)) == 40 * 3 - len(split.test)


def test_a_fold_without_a_class_is_refused_by_name():
    with pytest.raises(InputError, match="Fold . has no training case with tumor"):
        split_in_folds(livers(6, with_tumor=1), 3)
    split = split_in_folds(livers(6, with_tumor=2), 3)
    assert any("no validation case with tumor" in n for n in split.notes)


@pytest.mark.parametrize("count", [0, 1])
def test_one_patient_cannot_be_split(count):
    data = DataSet([Case(f"c{n}", Path("x"), None, "p1") for n in range(3 * count)])
    with pytest.raises(InputError, match=f"{count} patient"):
        split_by_counts(data, (2, 1, 0))


@pytest.mark.parametrize(
    ("folds", "test", "words"),
    [(1, 0.0, "not a valid split"), (7, 0.0, "cannot make 7 folds"), (3, 1.0, "not a valid split")],
)
def test_folds_that_cannot_be(folds, test, words):
    with pytest.raises(InputError, match=words):
        split_in_folds(livers(6), folds, test)


def test_a_chosen_list_is_followed(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("patient,part\np0,training\np1,validation\np2,test\n")
    split = split_by_list(livers(4), table)
    assert (split.folds, split.test) == ([{"training": ["c0000"], "validation": ["c0001"]}], ["c0002"])
    assert "1 cases are not in the list" in split.notes[0]
    table.write_text("case,part\nc0000,training\nc9,test\n")
    with pytest.raises(InputError, match=r"line 3.*c9"):
        split_by_list(livers(4), table)
    table.write_text("case,part\nnone0_0,training\nnone0_1,test\n")
    with pytest.raises(InputError, match="none0 is for training and for test"):
        split_by_list(shoulders(scans=2), table)


def test_a_split_is_kept_and_not_replaced_unasked(tmp_path):
    with pytest.raises(FileMissing, match="is not split"):
        read_split(tmp_path)
    split = split_in_folds(livers(9), 3)
    write_split(split, tmp_path)
    assert read_split(tmp_path).folds == split.folds
    with pytest.raises(OutputExists, match="Runs may depend on it"):
        write_split(split, tmp_path)
    (tmp_path / splitting.FILE).write_text('{"folds": [{"training": 3}]}')
    with pytest.raises(InputError, match="is not a split"):
        read_split(tmp_path)


def test_of_several_folds_one_must_be_chosen():
    split = split_in_folds(livers(9), 3)
    with pytest.raises(InputError, match="3 folds"):
        split.part("training")
    with pytest.raises(InputError, match="no fold 3"):
        split.part("training", 3)
