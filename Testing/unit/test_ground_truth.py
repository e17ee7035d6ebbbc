"""Ground truth lists: found cases, work that survives a crash, several annotators, consensus, data sets."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.ground_truth.annotation import Annotation, read_progress
from LiverPlannerLib.ground_truth.cases import find_cases, read_case_file
from LiverPlannerLib.ground_truth.consensus import (
    compare_annotators,
    consensus_of_list,
    disagreement,
    make_consensus,
    undecided_path,
)
from LiverPlannerLib.ground_truth.export import export_list, training_labels
from LiverPlannerLib.ground_truth.lock import InUse
from LiverPlannerLib.ground_truth.work_list import Case, create_list, open_list, require_annotator
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import (
    FileMissing,
    GeometryError,
    InputError,
    NoImage,
    NothingFound,
    OutputError,
    OutputExists,
    UnreadableImage,
)

SHAPE = (16, 24, 24)
LABEL = {key: structure(key).label for key in ("liver", "tumour", "cyst", "portal_vein", "hepatic_vein", "bile_duct")}


def gray(value: float = 60.0) -> sitk.Image:
    array = np.random.default_rng(3).normal(value, 8, SHAPE).astype(np.float32)
    array[:, :3] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2, 2, 2))
    return image


def drawn(shift: int = 0, **boxes: tuple[slice, slice, slice]) -> sitk.Image:
    """A liver with a tumour and vessels, moved by some voxels."""
    array = np.zeros(SHAPE, np.uint8)
    array[3:13, 5:20, 4 + shift : 19 + shift] = LABEL["liver"]
    array[5:8, 8:12, 6 + shift : 10 + shift] = LABEL["tumour"]
    array[9:11, 7:18, 12 + shift : 14 + shift] = LABEL["portal_vein"]
    for key, box in boxes.items():
        array[box] = LABEL[key]
    return images.image_like(array, gray())


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three images."""
    place = tmp_path / "images"
    place.mkdir()
    for name in ("a", "b", "c"):
        images.write_image(gray(), place / f"{name}.nii.gz")
    return place


@pytest.fixture
def work(folder, tmp_path):
    return create_list(tmp_path / "list", find_cases(folder, tmp_path / "list"), ("liver", "tumour", "portal_vein"))


def finish(work, annotator: str, name: str, labels: sitk.Image) -> None:
    with Annotation(work, annotator) as mine:
        mine.save_labels(name, labels)
        for key in work.structures:
            mine.set_status(name, key, "done")


# ---- finding cases ----


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


def write_dicom(folder: Path, uid: str = "1.2.3.4", description: str = "T1 hepatobiliary") -> None:
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    volume = sitk.Cast(gray(), sitk.sitkInt16)
    for k in range(SHAPE[0]):
        one = volume[:, :, k]
        tags = {
            "0008|0060": "CT",
            "0010|0010": "Doe^Jane",
            "0010|0020": "PID-4711",
            "0008|103e": description,
            "0020|000e": uid,
            "0008|0018": f"{uid}.{k + 1}",
            "0020|0032": "\\".join(map(str, volume.TransformIndexToPhysicalPoint((0, 0, k)))),
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(k + 1),
        }
        for tag, value in tags.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(one)


def test_dicom_cases_carry_no_patient_name(tmp_path):
    write_dicom(tmp_path / "Doe_Jane" / "s1")
    write_dicom(tmp_path / "Doe_Jane" / "s2", "1.2.3.5")
    cases = find_cases(tmp_path, tmp_path / "list")
    assert [c.name for c in cases] == ["T1_hepatobiliary", "T1_hepatobiliary_2"]
    work = create_list(tmp_path / "list", cases)
    assert work.image("T1_hepatobiliary_2").GetSize() == SHAPE[::-1]


def test_a_written_list_names_images_series_and_cases(folder, tmp_path):
    (tmp_path / "cases.csv").write_text("# mine\nimages/a.nii.gz\nimages/b.nii.gz,,Second\n", encoding="utf-8")
    assert [c.name for c in read_case_file(tmp_path / "cases.csv", tmp_path)] == ["a", "Second"]
    (tmp_path / "cases.csv").write_text("images/zzz.nii.gz\n", encoding="utf-8")
    with pytest.raises(FileMissing, match="zzz"):
        read_case_file(tmp_path / "cases.csv", tmp_path)
    (tmp_path / "cases.csv").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match="no text file"):
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
    assert (state.status["liver"], state.status["tumour"]) == ("done", "to do")
    assert state.comment == "motion, but usable"
    assert state.seconds == pytest.approx(71.2, abs=0.11)
    mine.close()


def test_the_next_case_is_the_next_that_is_not_finished(work):
    with Annotation(work, "ab") as mine:
        assert mine.next_case().name == "a"
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
        assert mine.state("a").status == {"liver": "done", "tumour": "in progress", "portal_vein": "in progress"}
    assert images.same_grid(work.labels("a", "ab"), gray())


def test_labels_of_another_grid_are_refused(work):
    small = sitk.Image((4, 4, 4), sitk.sitkUInt8)
    with Annotation(work, "ab") as mine, pytest.raises(GeometryError, match="labels of a"):
        mine.save_labels("a", small, gray())
    assert not work.label_path("a", "ab").exists()


def test_the_same_annotator_twice_is_told(work):
    with Annotation(work, "ab"), pytest.raises(InUse, match=r"ab is open already.*take it over|open already"):
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


# ---- several annotators ----


def test_three_agree_with_the_majority():
    right, wrong = drawn(), drawn(shift=2)
    made = make_consensus({"a": right, "b": right, "c": wrong}, ("liver", "tumour", "portal_vein"), "majority")
    assert (images.array_of(made.labels) == images.array_of(right)).all()
    assert not images.array_of(made.undecided).any()


def test_staple_trusts_those_who_agree():
    right, wrong = drawn(), drawn(shift=3)
    made = make_consensus({"a": right, "b": right, "c": wrong}, ("liver", "tumour", "portal_vein"), "staple")
    assert (images.array_of(made.labels) == images.array_of(right)).all()
    sensitivity = {(p.annotator, p.structure): p.sensitivity for p in made.performance}
    assert sensitivity["a", "tumour"] > 0.99 > 0.6 > sensitivity["c", "tumour"]


def test_ties_are_liver_where_both_mean_liver_and_background_elsewhere():
    one, two = (
        drawn(),
        drawn(cyst=(slice(5, 8), slice(8, 12), slice(6, 10)), liver=(slice(13, 14), slice(5, 9), slice(5, 9))),
    )
    made = make_consensus({"a": one, "b": two}, tuple(LABEL), "majority")
    labels, undecided = images.array_of(made.labels), images.array_of(made.undecided)
    assert set(labels[5:8, 8:12, 6:10].ravel()) == {LABEL["liver"]}, "tumour against cyst"
    assert set(labels[13, 5:9, 5:9].ravel()) == {0}, "liver against background"
    assert undecided.sum() == 3 * 4 * 4 + 16
    assert any("undecided" in note for note in made.notes)


def test_structures_that_nobody_asked_for_count_as_liver():
    made = make_consensus({"a": drawn(), "b": drawn()}, ("liver",), "majority")
    assert set(np.unique(images.array_of(made.labels))) == {0, LABEL["liver"]}
    assert images.array_of(made.labels).sum() == (images.array_of(drawn()) > 0).sum()


def test_nobody_has_drawn_anything():
    empty = images.image_like(np.zeros(SHAPE, np.uint8), gray())
    made = make_consensus({"a": empty, "b": empty}, ("liver",))
    assert not images.array_of(made.labels).any()


def test_one_annotator_is_no_consensus():
    with pytest.raises(InputError, match="at least two"):
        make_consensus({"a": drawn()}, ("liver",))


def test_other_grids_are_refused():
    other = images.resample_spacing(drawn(), (1, 1, 1), "nearest")
    with pytest.raises(GeometryError, match="b has drawn on another grid"):
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
    assert [r.key for r in result.rows] == ["liver", "tumour", "portal_vein"]
    assert result.row("tumour").overlap.dsc == pytest.approx(2 * 36 / 96)
    with pytest.raises(InputError, match="ab cannot be compared with ab"):
        compare_annotators(work, "a", "ab", "ab")
    with pytest.raises(FileMissing, match="ab has drawn nothing of b"):
        compare_annotators(work, "b", "ab", "cd")


def test_the_consensus_of_a_list_takes_cases_that_two_have_finished(work):
    finish(work, "ab", "a", drawn())
    finish(work, "cd", "a", drawn(shift=1))
    finish(work, "ab", "b", drawn())
    with Annotation(work, "cd") as mine:
        mine.save_labels("b", drawn())  # in progress
    made = consensus_of_list(work, "majority")
    assert made.made == ["a"]
    assert made.left_out == {"b": "finished by ab only", "c": "finished by nobody"}
    assert work.labels("a", "consensus").GetSize() == SHAPE[::-1]
    assert images.read_labels(undecided_path(work, "a")).GetSize() == SHAPE[::-1]
    assert work.annotators == ["ab", "cd"], "the consensus is nobody"
    assert read_progress(work, "consensus")[1]["a"].status["tumour"] == "done"
    with pytest.raises(InputError, match="twice"):
        consensus_of_list(work, annotators=["ab", "ab"])
    with pytest.raises(NothingFound, match="two annotators"):
        consensus_of_list(work, annotators=["ab"])


# ---- data sets ----


def test_labels_for_training_are_consecutive_and_nested():
    values = {"background": 0, "liver": 1, "portal_vein": 2}
    found = images.array_of(training_labels(drawn(), values))
    was = images.array_of(drawn())
    assert (found[was == LABEL["tumour"]] == 1).all(), "a tumour that nobody asked for is liver"
    assert (found[was == LABEL["portal_vein"]] == 2).all()
    assert (found[was == 0] == 0).all()


@pytest.fixture
def finished(work):
    for name in ("a", "b"):
        finish(work, "ab", name, drawn())
        finish(work, "cd", name, drawn(shift=1))
    return work


@pytest.mark.parametrize("form", ["nnunet", "monai"])
def test_training_accepts_what_was_exported(finished, tmp_path, form):
    from PreopReviewLib.training.image_data import image_source
    from PreopReviewLib.training.recipe import load_recipe

    made = export_list(finished, "ab", tmp_path / "Dataset501_Liver", form)
    assert made.cases == ["a", "b"]
    assert list(made.left_out) == ["c"]
    assert made.labels == {"background": 0, "liver": 1, "tumour": 2, "portal_vein": 3}
    source = image_source(load_recipe("five-structures"), made.folder, "training")
    image, target = source.sample(0)
    assert image.shape[0] == 2, "intensity and distance to the liver"
    classes = source.recipe["data.classes"]
    assert {classes.index("tumour"), classes.index("portal_vein")} <= set(np.unique(target))


def test_exported_images_carry_no_metadata(tmp_path):
    write_dicom(tmp_path / "images" / "one")
    work = create_list(tmp_path / "list", find_cases(tmp_path / "images", tmp_path / "list"), ("liver",))
    (case,) = work.cases
    finish(work, "ab", case.name, images.image_like(images.array_of(drawn()), work.image(case.name)))
    made = export_list(work, "ab", tmp_path / "out")
    assert any("at least two" in note for note in made.notes)
    import gzip

    for file in made.folder.rglob("*.nii.gz"):
        content = gzip.decompress(file.read_bytes())
        assert b"Doe" not in content
        assert b"4711" not in content
    assert "Doe" not in (made.folder / "dataset.json").read_text()


def test_undecided_voxels_may_be_ignored(finished, tmp_path):
    consensus_of_list(finished, "majority")
    made = export_list(finished, "consensus", tmp_path / "out", ignore_undecided=True)
    assert made.labels["ignore"] == 4, "the last value, as nnU-Net wants it"
    labels = images.array_of(images.read_labels(made.folder / "labelsTr" / "a.nii.gz"))
    undecided = images.array_of(images.read_labels(undecided_path(finished, "a")))
    assert undecided.any()
    assert (labels[undecided > 0] == 4).all()


def test_a_missing_image_leaves_its_case_out(finished, folder, tmp_path):
    (folder / "b.nii.gz").unlink()
    made = export_list(finished, "ab", tmp_path / "out")
    assert made.cases == ["a"]
    assert "no longer" in made.left_out["b"]


def test_nothing_to_export_leaves_no_folder(work, tmp_path):
    with pytest.raises(InputError, match="no annotator 'zz'"):
        export_list(work, "zz", tmp_path / "out")
    with Annotation(work, "ab") as mine:
        mine.set_status("a", "liver", "done")
    with pytest.raises(NothingFound, match="No case of ab"):
        export_list(work, "ab", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_is_not_replaced_unasked(finished, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(OutputExists):
        export_list(finished, "ab", tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"
