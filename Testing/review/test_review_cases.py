"""What there is to review, and what readers say of it; without a browser."""

from __future__ import annotations

import json
import os
import re
import zipfile

import pytest

from PreopReviewLib.errors import FileMissing, InputError, OutputError, UnreadableImage
from PreopReviewLib.review.annotation import (
    annotation_file,
    checked_reader,
    fingerprint,
    read_annotation,
    read_annotations,
    write_annotation,
)
from PreopReviewLib.review.cases import find_cases


def a_scene(folder):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "scene.mrb", "w") as archive:
        archive.writestr("scene/scene.mrml", "<MRML/>")
    return folder / "scene.mrb"


def test_a_plan_a_scene_a_cohort_and_a_folder_of_plans_are_found_and_annotated_beside_themselves(tmp_path):
    plan = a_scene(tmp_path / "plans" / "one").parent
    a_scene(tmp_path / "plans" / "two")
    for name in ("b", "a"):
        a_scene(tmp_path / "cohort" / "cases" / name)
    (tmp_path / "cohort" / "cohort.json").write_text("{}", encoding="utf-8")
    (tmp_path / "cohort" / "cases" / "failed").mkdir()
    assert [(c.name, c.place) for c in find_cases(plan)] == [("one", tmp_path / "plans" / "one.review")]
    assert [c.place for c in find_cases(plan / "scene.mrb")] == [plan / "scene.review"]
    assert [c.name for c in find_cases(tmp_path / "plans")] == ["one", "two"]
    cohort = find_cases(tmp_path / "cohort")
    assert [(c.name, c.place) for c in cohort] == [(n, tmp_path / "cohort" / "reviews" / n) for n in ("a", "b")]


def test_what_is_no_plan_is_said(tmp_path):
    with pytest.raises(FileMissing):
        find_cases(tmp_path / "none")
    with pytest.raises(InputError, match="no plan, no cohort"):
        find_cases(tmp_path)
    (tmp_path / "image.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="is not a scene"):
        find_cases(tmp_path / "image.nii.gz")


def test_the_command_says_what_is_missing_before_it_serves(preop, tmp_path):
    ran = preop("review", tmp_path)
    assert ran.code == 10
    assert "no plan, no cohort" in ran.err
    a_scene(tmp_path / "plan")
    try:
        import trame_slicer  # noqa: F401
    except ImportError:
        ran = preop("review", tmp_path / "plan")
        assert ran.code == 10
        assert "preopreview[review]" in ran.err


def test_a_readers_word_is_kept_whole_with_the_result_it_is_about(tmp_path):
    case = find_cases(a_scene(tmp_path / "plan").parent)[0]
    before = {p.name: p.read_bytes() for p in case.scene.parent.iterdir()}
    write_annotation(case, "Anna", "accepted", "Gut, größer als gedacht", volumes_ml={"Liver": 1500.12345})
    write_annotation(case, "Anna", "rejected", "On second thought")
    write_annotation(case, "Ben K.", "accepted")
    assert {p.name: p.read_bytes() for p in case.scene.parent.iterdir()} == before
    mine = read_annotation(case, "Anna")
    assert (mine.decision, mine.comment, mine.result_sha256) == ("rejected", "On second thought", fingerprint(case))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", mine.time)
    assert [a.reader for a in read_annotations(case)] == ["Anna", "Ben K."]
    assert sorted(p.name for p in case.place.iterdir()) == ["Anna.json", "Ben K..json"]
    assert read_annotation(case, "Nobody") is None


@pytest.mark.parametrize("name", ["", "  ", "../x", "a/b", ".hidden", "a" * 61, "x\ny\x00"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="cannot be a reader's name"):
        checked_reader(name)


def test_wrong_decisions_long_comments_and_damaged_files_are_said(tmp_path):
    case = find_cases(a_scene(tmp_path / "plan").parent)[0]
    with pytest.raises(InputError, match="no decision 'perhaps'"):
        write_annotation(case, "Anna", "perhaps")
    with pytest.raises(InputError, match="10001 characters"):
        write_annotation(case, "Anna", "accepted", "x" * 10_001)
    assert not case.place.exists()
    write_annotation(case, "Anna", "accepted")
    text = json.loads(annotation_file(case, "Anna").read_text(encoding="utf-8"))
    for damaged in ("{", "[]", json.dumps({**text, "decision": "perhaps"}), json.dumps({**text, "format": "other"})):
        annotation_file(case, "Anna").write_text(damaged, encoding="utf-8")
        with pytest.raises(UnreadableImage):
            read_annotations(case)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_place_that_cannot_be_written_is_said(tmp_path):
    case = find_cases(a_scene(tmp_path / "plan").parent)[0]
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            write_annotation(case, "Anna", "accepted")
    finally:
        tmp_path.chmod(0o700)
