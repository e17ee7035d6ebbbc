"""`preop liver report`: from a plan folder or from image and labels; identity; every bad input with its exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan.files import record
from LiverPlannerLib.plan.pipeline import LiverPlan
from LiverPlannerLib.report.sources import read_case
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

SHAPE = (26, 30, 34)


def gray() -> sitk.Image:
    array = np.random.default_rng(1).normal(110, 6, SHAPE).astype(np.float32)
    array[9:13, 12:16, 8:12] = 15  # a cyst
    array[:, :4] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4, 4, 4))
    return image


def drawn() -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[4:20, 8:24, 5:28] = 1
    array[9:13, 12:16, 8:12] = 2
    array[10:12, 18:20, 7:27] = 5
    return images.image_like(array, gray())


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    place = tmp_path / "Doe_Jane"
    place.mkdir()
    return (
        images.write_image(gray(), place / "Doe_Jane_ct.nii.gz"),
        images.write_image(drawn(), place / "Doe_Jane_labels.nii.gz"),
    )


def words_of(path: Path) -> str:
    """The page without its pictures and meshes."""
    return re.sub(r"[A-Za-z0-9+/=]{200,}", "", path.read_text(encoding="utf-8"))


def test_image_and_labels_become_a_page_with_tables(files, preop, tmp_path):
    out = tmp_path / "out" / "case.html"
    body = ("--height", 172, "--weight", 70)
    ran = preop("liver", "report", *files, "-o", out, "--plane", "-66,-60,48,1,0,0", *body, "-q")
    assert ran.code == 0, ran.err
    text = words_of(out)
    names = {p.name for p in out.parent.iterdir()}
    assert {
        "case.html",
        "case_volumes.csv",
        "case_segments.csv",
        "case_resection.csv",
        "case_cysts.csv",
        "case_margins.csv",
    } <= names
    for said in ("Not for clinical use", "Future liver remnant", "Vauthey", "Portal vein", "cyst", "Fate"):
        assert said in text
    for secret in ("Doe", "Jane", str(tmp_path)):
        assert secret not in text
    assert out.stat().st_size < 8e6


def test_the_identity_is_there_if_asked_for(files, preop, tmp_path):
    ran = preop("liver", "report", *files, "-o", tmp_path / "case.html", "--identity", "-q")
    assert ran.code == 0, ran.err
    assert "Doe_Jane_ct.nii.gz" in words_of(tmp_path / "case.html")


def test_a_second_segmentation_is_compared(files, preop, tmp_path):
    ran = preop("liver", "report", *files, "-o", tmp_path / "c.html", "--manual", files[1], "--json", "-q")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert str(tmp_path / "c_comparison.csv") in answer["files"]
    assert answer["volumes_ml"]["liver"] == pytest.approx(16 * 16 * 23 * 0.064)


def test_a_plan_folder_says_what_it_knows(files, preop, tmp_path):
    pytest.importorskip("slicer")
    image, labels = files
    plan = ("liver", "plan", image, "-o", tmp_path / "plan", "--liver", labels, "--no-lesions", "--no-structures", "-q")
    assert preop(*plan).code == 0
    assert not list((tmp_path / "plan").glob("image*")), "the image comes from the scene"
    segments = images.array_of(images.read_labels(labels))  # as if somebody had corrected them
    corrected = images.image_like(np.where(segments > 0, 4, 0).astype(np.uint8), drawn())
    corrected[5:15, 8:24, 4:20] = images.crop(corrected, images.Box((4, 8, 5), (20, 24, 15))) // 4 * 5
    images.write_image(corrected, tmp_path / "plan" / "segments.nii.gz")
    ran = preop("liver", "report", tmp_path / "plan", "-o", tmp_path / "case.html", "-q")
    assert ran.code == 0, ran.err
    text = words_of(tmp_path / "case.html")
    rows = (tmp_path / "case_segments.csv").read_text(encoding="utf-8").splitlines()
    assert [float(row.split(",")[1]) for row in rows[1:]] == pytest.approx([0, 0, 0, 212.992, 163.84, 0, 0, 0], abs=0.1)
    assert "given" in text
    assert "Doe" not in text
    case = read_case(tmp_path / "plan")
    assert images.same_grid(case.image, gray())
    assert np.abs(images.array_of(case.image) - images.array_of(gray())).max() < 1


def test_a_plan_folder_says_what_was_found_by_whom_and_that_it_is_simulated(tmp_path):
    plan = LiverPlan(gray(), drawn(), "CT", {"liver": 1.0}, [], ["One. Two.", "Three"], {"liver": "m 1"}, ["Note"])
    images.write_image(drawn(), tmp_path / "labels.nii.gz")
    images.write_image(gray(), tmp_path / "image.nii.gz")
    made = record(plan, Path("x.nii.gz"), "SIMULATED from phantom 7")
    (tmp_path / "plan.json").write_text(json.dumps(made), encoding="utf-8")
    case = read_case(tmp_path)
    assert case.warnings == ["One. Two.", "Three"]
    assert case.notes == ["Note"]
    assert case.simulated
    assert case.models == {"liver": "m 1"}
    assert read_case(tmp_path, tmp_path / "labels.nii.gz").models == {}, "whose labels these are is not known"


@pytest.mark.parametrize("text", ["{", "[]", '{"models": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    images.write_image(drawn(), tmp_path / "labels.nii.gz")
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"plan\.json is"):
        read_case(tmp_path)


def test_dicom_names_nobody_unless_asked(tmp_path):
    from LiverPlannerLib.report.sources import identity_of

    writer = sitk.ImageFileWriter()
    volume = sitk.Cast(gray(), sitk.sitkInt16)
    (tmp_path / "dicom").mkdir()
    for k in range(4):
        one = volume[:, :, k]
        tags = {"0010|0010": "Doe^Jane", "0010|0020": "4711", "0008|0020": "20260102", "0008|0060": "CT"}
        for tag, value in tags.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(tmp_path / "dicom" / f"{k}.dcm"))
        writer.Execute(one)
    assert dict(identity_of(tmp_path / "dicom")) == {
        "Patient": "Doe^Jane",
        "Patient ID": "4711",
        "Study date": "2026-01-02",
    }


def test_what_cannot_be_used_is_named_and_nothing_is_written(files, preop, tmp_path):
    image, labels = files
    out = tmp_path / "case.html"
    empty = images.write_image(images.image_like(np.zeros(SHAPE, np.uint8), gray()), tmp_path / "empty.nii.gz")
    far = drawn()
    far.SetOrigin((9000, 0, 0))
    far = images.write_image(far, tmp_path / "far.nii.gz")
    cases = {
        (image,): (10, "is not the folder of a liver plan"),
        (tmp_path / "nowhere",): (11, "no file or folder"),
        (image, tmp_path / "nowhere.nii.gz"): (11, "no file"),
        (image, empty): (3, "no liver"),
        (image, far): (17, "do not overlap"),
        (image, labels, "--height", 172): (10, "both height and weight"),
        (image, labels, "--plane", "1,2"): (10, "no cutting plane|6 numbers|is no"),
    }
    for arguments, (code, words) in cases.items():
        ran = preop("liver", "report", *arguments, "-o", out, "-q")
        assert ran.code == code, (arguments, ran.err)
        assert re.search(words, ran.err), (arguments, ran.err)
    assert not out.exists()
    assert not list(tmp_path.glob("case*"))


def test_a_page_that_is_there_is_kept(files, preop, tmp_path):
    out = tmp_path / "case.html"
    out.write_text("mine")
    ran = preop("liver", "report", *files, "-o", out, "-q")
    assert ran.code == 21
    assert out.read_text() == "mine"
    assert preop("liver", "report", *files, "-o", tmp_path / "case.pdf", "-q").code == 20
