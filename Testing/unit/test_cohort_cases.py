"""Which cases a table or folder has, and what a case's command line is."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from preopreview import cli  # noqa: F401  (the libraries offer their tasks)
from PreopReviewLib import images
from PreopReviewLib.cohort.calling import call, command_line
from PreopReviewLib.cohort.cases import read_cases, require_utf8, settings_of
from PreopReviewLib.cohort.tasks import find_task, plain_row
from PreopReviewLib.errors import FileMissing, InputError, PreopError


def table(folder, text):
    path = folder / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return path


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_a_table_names_cases_paths_of_its_folder_and_columns_that_are_carried(tmp_path):
    path = table(tmp_path, "Case,Image,--liver,age,cohort\na,one.nii.gz,/abs/m.nii.gz,40,train\nb,two.nii.gz,,5,test\n")
    first, second = read_cases(path, find_task("plan"), {"lesions": "no"})
    assert first.values == {"lesions": "no", "image": str(tmp_path / "one.nii.gz"), "liver": "/abs/m.nii.gz"}
    assert (first.name, first.part, first.carried) == ("a", "train", {"age": "40"})
    assert "liver" not in second.values


def test_cases_without_a_name_are_called_like_their_file(tmp_path):
    cases = read_cases(table(tmp_path, "labels\nx/one.seg.nrrd\nx/two.nii.gz\n"), find_task("volumetry"), {})
    assert [c.name for c in cases] == ["one", "two"]


def test_a_setting_stands_for_a_column_and_a_cell_goes_before_it(tmp_path):
    task = find_task("predict")
    settings = settings_of(task, ["model=five"])
    cases = read_cases(table(tmp_path, "case,image,model\na,i.nii.gz,other\nb,i.nii.gz,\n"), task, settings)
    assert [c.values["model"] for c in cases] == ["other", "five"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("case,image\n", "has no row"),
        ("case,image\na,i.nii\na,j.nii\n", "has the case a twice"),
        ("case,image\na,i.nii\nA,j.nii\n", "has the case A twice"),
        ("case,image\n../a,i.nii\n", "cannot be the name of a folder"),
        ("case,scan\na,i.nii\n", "lacks the column image"),
        ("case,image,--image\na,i.nii,j.nii\n", "two columns for image"),
    ],
    ids=["empty", "twice", "case-insensitively twice", "path", "no image", "two columns"],
)
def test_a_table_that_cannot_be_run_is_refused_before_anything_starts(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem):
        read_cases(table(tmp_path, text), find_task("plan"), {})


def test_no_table_and_a_folder_without_cases_are_refused(tmp_path):
    with pytest.raises(FileMissing):
        read_cases(tmp_path / "none.csv", find_task("plan"), {})
    with pytest.raises(InputError, match="holds no case"):
        read_cases(tmp_path, find_task("plan"), {})


@pytest.mark.parametrize(
    ("task", "files"),
    [
        ("plan", ("a.nii.gz", "b.nii.gz")),
        ("plan", ("a/image.nii.gz", "b/ct.nrrd")),
        ("plan", ("a/0001.dcm", "b/0001.dcm")),
        ("report", ("a/plan.json", "a/labels.nii.gz", "b/plan.json", "b/labels.nii.gz")),
        ("compare", ("a/predicted.nii.gz", "a/manual.nii.gz", "b/auto.nrrd", "b/truth.seg.nrrd")),
        ("compare", ("predicted/a.nii.gz", "manual/a.nii.gz", "predicted/b.nii.gz", "manual/b.nii.gz")),
        ("measure", ("a/image.nii.gz", "a/labels.nii.gz", "a/manual.nii.gz", "b/image.nii.gz", "b/labels.nii.gz")),
    ],
    ids=["files", "named files", "DICOM folders", "plans", "roles in cases", "cases in roles", "optional role"],
)
def test_folders_of_cases(tmp_path, task, files):
    touch(tmp_path, *files)
    cases = read_cases(tmp_path, find_task(task), {})
    assert [c.name for c in cases] == ["a", "b"]
    needed = {"plan": {"image"}, "report": {"case"}, "compare": {"auto", "manual"}, "measure": {"image", "labels"}}[
        task
    ]
    assert all(needed <= set(c.values) for c in cases)
    if task != "report" and "0001" not in files[0]:
        assert {v for c in cases for v in c.values.values()} == {str(tmp_path / f) for f in files}


def test_the_cohort_that_is_being_made_in_the_folder_of_its_cases_is_no_case(tmp_path):
    touch(tmp_path, "a.nii.gz", "out/cohort.json", "out/cases/a/plan.json")
    assert [c.name for c in read_cases(tmp_path, find_task("plan"), {})] == ["a"]


def test_switches_lists_and_positions_of_a_command_line():
    values = {"image": "-odd.nii.gz", "lesions": "no", "segments": "yes", "model": "liver=a; tumor=b", "title": ""}
    words = command_line(find_task("plan"), values)
    assert words == ["--model=liver=a", "--model=tumor=b", "--no-lesions", "--segments", "--", "-odd.nii.gz"]


def test_choices_are_known_in_capital_letters_as_dicom_writes_them():
    assert command_line(find_task("plan"), {"image": "i.nii", "modality": "MR"})[0] == "--modality=mr"


@pytest.mark.parametrize("word", ["nothing=1", "image", "=3"])
def test_a_setting_that_the_task_does_not_know_is_refused(word):
    with pytest.raises(InputError, match="The task plan has no setting"):
        settings_of(find_task("plan"), [word])


def test_a_value_that_the_command_refuses_is_the_cases_own_error(tmp_path):
    with pytest.raises(InputError, match="xray"):
        call(find_task("plan"), {"image": "i.nii", "modality": "xray"}, tmp_path / "out")
    with pytest.raises(InputError, match="neither yes nor no"):
        call(find_task("plan"), {"image": "i.nii", "lesions": "perhaps"}, tmp_path / "out")


def test_a_command_called_here_gives_its_json_and_its_files(tmp_path):
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:10, 2:10, 2:10] = 1
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing((10, 10, 10))
    images.write_image(image, tmp_path / "labels.nii.gz")
    task = find_task("volumetry")
    data, _log = call(task, {"labels": str(tmp_path / "labels.nii.gz")}, tmp_path / "out")
    assert task.row(data, tmp_path / "out")["total_liver_volume_tlv_ml"] == pytest.approx(512)
    assert (tmp_path / "out" / "volumetry.json").is_file()
    with pytest.raises(PreopError):
        call(task, {"labels": str(tmp_path / "none.nii.gz")}, tmp_path / "other")


def test_plain_rows_flatten_join_and_count():
    row = plain_row({"a": {"b": 1, "c": None}, "warnings": ["x", "y"], "list": [{}, {}]})
    assert row == {"a_b": 1, "a_c": None, "warnings": "x | y", "list_count": 2}


def test_workers_that_cannot_be_started_for_want_of_space_are_one_sentence():
    pytest.importorskip("distributed")
    from PreopReviewLib.cohort.cluster import _started
    from PreopReviewLib.errors import OutputError

    def start():
        raise RuntimeError("Cluster failed to start: [Errno 28] No space left on device")

    with pytest.raises(OutputError, match=r"workers cannot be started .*No space left"):
        _started(start)

    def starve():
        raise RuntimeError("Cluster failed to start") from MemoryError()

    with pytest.raises(RuntimeError):
        _started(starve)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_no_table_can_hold_are_refused_before_anything_starts(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff")
    (odd / "a").mkdir(parents=True)
    with pytest.raises(InputError, match="is not UTF-8"):
        read_cases(odd, find_task("compare"), {})
    with pytest.raises(InputError, match="is not UTF-8"):
        require_utf8(odd / "out")
    assert require_utf8(tmp_path / "ü") == tmp_path / "ü"
