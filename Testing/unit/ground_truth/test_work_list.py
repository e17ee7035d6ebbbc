"""Ground truth lists: found cases, and work that survives a crash."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
from drawn_livers import SHAPE, drawn, gray, write_dicom

from LiverPlannerLib.ground_truth.annotation import Annotation, read_progress
from LiverPlannerLib.ground_truth.cases import find_cases, read_case_file
from LiverPlannerLib.ground_truth.lock import InUse
from LiverPlannerLib.ground_truth.work_list import Case, create_list, open_list, require_annotator
from PreopReviewLib import images
from PreopReviewLib.errors import (
    FileMissing,
    GeometryError,
    InputError,
    NoImage,
    OutputError,
    OutputExists,
    UnreadableImage,
)


def test_images_are_found_and_labels_are_not(folder, tmp_path):
    for name in ("a_seg.nii.gz", "labels.nii.gz", "b_mask.nrrd", "c.seg.nrrd", "truth.nii.gz"):
        images.write_image(drawn(), folder / name)
    (folder / "notes.txt").write_text("hello")
    assert [c.name for c in find_cases(folder, tmp_path)] == ["a", "b", "c"]


def test_images_of_the_same_name_stay_apart(tmp_path):
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        images.write_image(gray(), tmp_path / patient / "t1.nii.gz")
    assert [c.name for c in find_cases(tmp_path, tmp_path / "list")] == ["p1_t1", "p2_t1"]


def test_the_work_of_annotators_is_not_taken_for_cases(work, folder):
    moved = create_list(folder, find_cases(folder, folder))
    with Annotation(moved, "ab") as mine:
        mine.save_labels("a", drawn())
    assert [c.name for c in find_cases(folder, folder / "other")] == ["a", "b", "c"]


def test_of_an_nnunet_folder_the_first_channel_is_taken(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    for name in ("case_0000", "case_0001"):
        images.write_image(gray(), tmp_path / "imagesTr" / f"{name}.nii.gz")
    images.write_image(drawn(), tmp_path / "labelsTr" / "case.nii.gz")
    assert find_cases(tmp_path, tmp_path) == [Case("case", "imagesTr/case_0000.nii.gz")]


def test_dicom_cases_carry_no_patient_name(tmp_path):
    write_dicom(tmp_path / "Doe_Jane" / "s1")
    write_dicom(tmp_path / "Doe_Jane" / "s2", "1.2.3.5")
    cases = find_cases(tmp_path, tmp_path / "list")
    assert [c.name for c in cases] == ["P001_T1_hepatobiliary", "P001_T1_hepatobiliary_2"]
    work = create_list(tmp_path / "list", cases)
    assert work.image("P001_T1_hepatobiliary_2").GetSize() == SHAPE[::-1]


def test_patients_with_one_series_name_are_told_apart_by_their_id(tmp_path):
    for number, patient in enumerate(("B-2", "A-1", "B-2", "C-3")):
        write_dicom(tmp_path / f"x{number}", f"1.2.3.{number}", patient=patient)
    cases = find_cases(tmp_path, tmp_path / "list")
    assert [(c.name, c.patient, c.image) for c in cases] == [
        ("P001_T1_hepatobiliary", "P001", "../x1"),
        ("P002_T1_hepatobiliary", "P002", "../x0"),
        ("P002_T1_hepatobiliary_2", "P002", "../x2"),
        ("P003_T1_hepatobiliary", "P003", "../x3"),
    ]


def test_one_patient_id_for_two_people_is_refused_without_naming_them(tmp_path):
    write_dicom(tmp_path / "a", "1.2.3.4")
    write_dicom(tmp_path / "b", "1.2.3.5", name="Roe^Richard")
    with pytest.raises(InputError, match="belongs to two people") as told:
        find_cases(tmp_path, tmp_path / "list")
    assert "Roe" not in str(told.value)
    assert "4711" not in str(told.value)


def test_two_patients_whose_series_have_one_uid_in_one_folder_are_not_mixed(tmp_path):
    write_dicom(tmp_path / "one")
    write_dicom(tmp_path / "other", patient="PID-4712", name="Roe^Richard")
    for file in (tmp_path / "other").iterdir():
        file.rename(tmp_path / "one" / f"other_{file.name}")
    with pytest.raises(InputError, match="have one series UID"):
        find_cases(tmp_path, tmp_path / "list")


def test_a_written_list_names_images_series_and_cases(folder, tmp_path):
    (tmp_path / "cases.csv").write_text("# mine\nimages/a.nii.gz\nimages/b.nii.gz,,Second\n", encoding="utf-8")
    assert [c.name for c in read_case_file(tmp_path / "cases.csv", tmp_path)] == ["a", "Second"]
    (tmp_path / "cases.csv").write_text("images/zzz.nii.gz\n", encoding="utf-8")
    with pytest.raises(FileMissing, match="zzz"):
        read_case_file(tmp_path / "cases.csv", tmp_path)
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match="not complete UTF-16 text"):
        read_case_file(tmp_path / "cases.csv", tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(NoImage, match="no image to draw on"):
        find_cases(tmp_path, tmp_path)
    with pytest.raises(FileMissing):
        find_cases(tmp_path / "nowhere", tmp_path)


# ---- the list ----


def test_a_list_is_read_as_it_was_written(work):
    again = open_list(work.folder)
    assert again == work
    assert open_list(work.folder / "worklist.json") == work
    assert again.image("b").GetSize() == SHAPE[::-1]


def test_a_moved_folder_keeps_its_images(folder, tmp_path):
    create_list(folder, find_cases(folder, folder))
    folder.rename(tmp_path / "moved")
    assert open_list(tmp_path / "moved").image("a").GetSize() == SHAPE[::-1]


def test_a_list_is_never_replaced(work, folder):
    with pytest.raises(OutputExists):
        create_list(work.folder, find_cases(folder, work.folder))


@pytest.mark.parametrize("there", [True, False])
def test_a_list_is_not_made_where_a_link_leads(folder, tmp_path, there):
    elsewhere = tmp_path / "elsewhere"
    if there:
        elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    with pytest.raises(OutputExists, match="link is a link"):
        create_list(tmp_path / "link", find_cases(folder, tmp_path / "link"))
    assert elsewhere.exists() == there
    assert not there or not any(elsewhere.iterdir())


def test_a_list_of_another_version_is_refused_and_stays(work):
    file = work.folder / "worklist.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(InputError, match=r"version 9.*Update|version 9"):
        open_list(work.folder)
    assert '"version": 9' in file.read_text()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "else"}', '{"format":"PreopReview ground truth","version":1}']
)
def test_a_damaged_list_is_told(work, content):
    (work.folder / "worklist.json").write_text(content)
    with pytest.raises((UnreadableImage, InputError)):
        open_list(work.folder)


def test_a_missing_image_names_its_case(work, folder):
    (folder / "b.nii.gz").unlink()
    with pytest.raises(FileMissing, match="case b"):
        work.image("b")


def test_an_unreadable_image_is_told(work, folder):
    (folder / "b.nii.gz").write_bytes(b"not an image")
    with pytest.raises(UnreadableImage, match=r"b\.nii\.gz"):
        work.image("b")


@pytest.mark.parametrize("kept", [0, 100, 700])
def test_unreadable_dicom_is_told_by_its_folder(tmp_path, kept):
    write_dicom(tmp_path / "images" / "s1")
    work = create_list(tmp_path / "list", find_cases(tmp_path / "images", tmp_path / "list"))
    for file in (tmp_path / "images" / "s1").iterdir():
        file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match="s1") as told:
        work.image(work.cases[0].name)
    assert told.value.remedy


# ---- annotation ----


def test_everything_is_on_disk_as_one_goes(work):
    mine = Annotation(work, "ab")
    mine.set_status("a", "liver", "done")
    mine.set_comment("a", "motion, but usable")
    mine.add_seconds("a", 61.25)
    mine.add_seconds("a", 10)
    state = read_progress(work, "ab")[1]["a"]  # while it is still open
    assert (state.status["liver"], state.status["tumor"]) == ("done", "to do")
    assert state.comment == "motion, but usable"
    assert state.seconds == pytest.approx(71.2, abs=0.11)
    mine.close()


def test_the_next_case_is_the_next_that_is_not_finished(work):
    with Annotation(work, "ab") as mine:
        assert mine.next_case().name == "a"
        assert mine.next_case("c", ["c", "b", "a"]).name == "b"
        assert mine.next_case(first=["c", "gone"]).name == "c"
        for key in work.structures:
            mine.set_status("b", key, "absent")
        assert mine.next_case("a").name == "c"
        mine.set_unusable("c", "wrong patient")
        assert mine.next_case("a").name == "a"
        for key in work.structures:
            mine.set_status("a", key, "done")
        assert mine.next_case("a") is None


def test_drawing_sets_what_was_to_do_in_progress(work):
    with Annotation(work, "ab") as mine:
        mine.set_status("a", "liver", "done")
        mine.save_labels("a", drawn(), gray())
        assert mine.state("a").status == {"liver": "done", "tumor": "in progress", "portal_vein": "in progress"}
    assert images.same_grid(work.labels("a", "ab"), gray())


def test_labels_of_another_grid_are_refused(work):
    small = sitk.Image((4, 4, 4), sitk.sitkUInt8)
    with Annotation(work, "ab") as mine, pytest.raises(GeometryError, match="labels of a"):
        mine.save_labels("a", small, gray())
    assert not work.label_path("a", "ab").exists()


def test_the_same_annotator_twice_is_told(work):
    with Annotation(work, "ab"), pytest.raises(InUse, match=r"ab is already open.*take it over|already open"):
        Annotation(work, "ab")
    Annotation(work, "ab").close()


def test_two_annotators_may_work_at_once(work):
    with Annotation(work, "ab") as one, Annotation(work, "cd") as two:
        one.set_status("a", "liver", "done")
        two.set_status("a", "liver", "absent")
    assert read_progress(work, "ab")[1]["a"].status["liver"] == "done"
    assert read_progress(work, "cd")[1]["a"].status["liver"] == "absent"
    assert work.annotators == ["ab", "cd"]


def test_what_was_changed_elsewhere_is_not_overwritten(work):
    one = Annotation(work, "ab")
    two = Annotation(work, "ab", take_over=True)
    two.set_comment("a", "theirs")
    with pytest.raises(InputError, match="changed elsewhere"):
        one.set_comment("a", "mine")
    one.close()  # must not take away the lock of the other
    with pytest.raises(InUse):
        Annotation(work, "ab")
    two.close()
    assert read_progress(work, "ab")[1]["a"].comment == "theirs"


def test_the_lock_of_another_computer_is_kept_and_of_a_dead_program_is_not(work):
    (work.folder / "ab").mkdir()
    lock = work.folder / "ab" / ".lock"
    lock.write_text(json.dumps({"who": "ab", "computer": "elsewhere", "process": 1, "since": "2026-01-02T03:04:05"}))
    with pytest.raises(InUse, match="on elsewhere since 2026-01-02 03:04"):
        Annotation(work, "ab")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    import socket

    lock.write_text(json.dumps({"who": "ab", "computer": socket.gethostname(), "process": ended.pid}))
    Annotation(work, "ab").close()


@pytest.mark.parametrize("name", ["", "  ", "a/b", "..", "consensus", "dr lee"])
def test_names_that_cannot_be_folders_are_refused(work, name):
    with pytest.raises(InputError, match="annotator"):
        require_annotator(name)


def test_a_folder_that_cannot_be_written_is_told(work):
    (work.folder / "ab").write_text("in the way")
    with pytest.raises(OutputError, match="Nothing can be saved"):
        Annotation(work, "ab")


def test_a_full_disk_keeps_what_was_saved(work, monkeypatch):
    with Annotation(work, "ab") as mine:
        mine.set_comment("a", "first")

        def full(*_args, **_more):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match="No space left"):
            mine.set_comment("a", "second")
        monkeypatch.undo()
    assert read_progress(work, "ab")[1]["a"].comment == "first"
    assert not list((work.folder / "ab").glob(".writing-*"))


CRASHER = """
import sys
from LiverPlannerLib.ground_truth.work_list import open_list
from LiverPlannerLib.ground_truth.annotation import Annotation
work = open_list(sys.argv[1])
with Annotation(work, "ab") as mine:
    n = int(mine.state("a").comment or 0)
    print("ready", flush=True)
    while True:
        n += 1
        mine.set_comment("a", str(n))
        print(n, flush=True)
"""


def test_a_program_killed_at_any_moment_loses_nothing(work):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    rng, last = random.Random(5), 0
    for _ in range(6):
        command = [sys.executable, "-c", CRASHER, str(work.folder)]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert program.stdout.readline() == "ready\n", "the lock of the killed one was taken over"
        time.sleep(rng.uniform(0.02, 0.25))
        program.send_signal(signal.SIGKILL)
        told = [int(line) for line in program.stdout.read().split()]
        program.wait()
        saved = int(read_progress(work, "ab")[1]["a"].comment or 0)
        assert saved >= max([last, *told]), "what was reported as saved is there"
        last = saved
    assert last > 0


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": "=1+1"}, {"seconds": None}, {"seconds": -1}, {"comment": 3}, {"status": {"liver": "x"}}, {"x": 1}]
    + [{"review": -1}, {"review": "seen"}, {"reviewer": 10**30}, {"review_comment": None}, {"status": []}],
    ids=str,
)
def test_progress_with_values_of_another_kind_is_damaged(work, wrong):
    with Annotation(work, "ab") as mine:
        mine.set_comment(work.cases[0].name, "begun")
    file = work.folder / "ab" / "progress.json"
    content = json.loads(file.read_text())
    content["cases"][work.cases[0].name].update(wrong)
    file.write_text(json.dumps(content))
    with pytest.raises(UnreadableImage, match="damaged"):
        read_progress(work, "ab")


@pytest.mark.parametrize("wrong", [{"structures": {}}, {"structures": "liver"}, {"cases": {}}, {"cases": ""}], ids=str)
def test_a_list_with_values_of_another_kind_is_damaged(work, wrong):
    file = work.folder / "worklist.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wrong))
    with pytest.raises(UnreadableImage, match="damaged"):
        open_list(work.folder)


TAKER = """
import sys, time
from pathlib import Path
from LiverPlannerLib.ground_truth.lock import InUse, Lock
print("ready", flush=True)
sys.stdin.readline()
try:
    lock = Lock(Path(sys.argv[1]), "ab")
    print("held", flush=True)
    sys.stdin.readline()
except InUse:
    print("refused", flush=True)
"""


def test_of_several_programs_at_a_stale_lock_one_gets_it(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stale = {"who": "ab", "computer": socket.gethostname(), "process": ended.pid, "start": None}
    (tmp_path / ".lock").write_text(json.dumps(stale))
    command = [sys.executable, "-c", TAKER, str(tmp_path / ".lock")]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    for taker in takers:
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    said = [taker.stdout.readline().strip() for taker in takers]
    for taker in takers:
        taker.communicate("end\n")
    assert sorted(said) == ["held", *["refused"] * 4]
    assert os.listdir(tmp_path) == [".lock"]
