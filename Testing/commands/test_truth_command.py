"""`preop liver truth …`: the whole way from a folder of images to a data set."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images

SHAPE = (16, 20, 22)


def gray() -> sitk.Image:
    array = np.random.default_rng(1).normal(90, 6, SHAPE).astype(np.float32)
    array[:, :3] = -1000
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 3))
    return image


def drawn(shift: int = 0) -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[3:13, 5:17, 4 + shift : 18 + shift] = 1
    array[5:8, 8:12, 6 + shift : 10 + shift] = 2
    return images.image_like(array, gray())


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "images"
    place.mkdir()
    for name in ("one", "two"):
        images.write_image(gray(), place / f"{name}.nii.gz")
    return place


def test_from_images_to_a_data_set(folder, preop, tmp_path):
    truth, here = ("liver", "truth"), tmp_path / "list"
    ran = preop(*truth, "new", folder, "-o", here, "--structure", "liver", "--structure", "tumor", "--json")
    assert json.loads(ran.out)["cases"] == ["one", "two"]
    for annotator, shift in (("ab", 0), ("cd", 0), ("ef", 1)):
        labels = images.write_image(drawn(shift), tmp_path / f"{annotator}.nii.gz")
        for case in ("one", "two"):
            ran = preop(*truth, "add", here, case, labels, "--annotator", annotator, "--seconds", 90)
            assert ran.code == 0, ran.err
    rows = json.loads(preop(*truth, "list", here, "--json").out)["work"]
    assert len(rows) == 6
    assert rows[0] | {"comment": ""} == {
        "case": "one", "annotator": "ab", "state": "finished", "liver": "done", "tumor": "done", "min": 1.5,
        "comment": "",
    }  # fmt: skip
    ran = preop(*truth, "compare", here, "ab", "ef", "-o", tmp_path / "compared", "-q")
    assert ran.code == 0, ran.err
    with (tmp_path / "compared" / "comparison.csv").open() as stream:
        dice = {(r["case"], r["structure"]): float(r["dsc"]) for r in csv.DictReader(stream)}
    assert dice["two", "tumor"] == pytest.approx(0.75)
    assert (tmp_path / "compared" / "one_disagreement.nii.gz").is_file()
    ran = preop(*truth, "consensus", here, "--method", "majority", "-q")
    assert "Consensus of 2 cases: one, two" in ran.out
    ran = preop(*truth, "export", here, "-o", tmp_path / "Dataset501_Liver", "--json", "-q")
    assert json.loads(ran.out)["labels"] == {"background": 0, "liver": 1, "tumor": 2}
    labels = images.read_labels(tmp_path / "Dataset501_Liver" / "labelsTr" / "one.nii.gz")
    assert (images.array_of(labels) == images.array_of(drawn())).all(), "two of three agree"


def test_bad_input_has_its_sentence_and_code(folder, preop, tmp_path):
    truth, here = ("liver", "truth"), tmp_path / "list"
    assert preop(*truth, "list", tmp_path).code == 11
    assert preop(*truth, "new", tmp_path / "nowhere", "-o", here).code == 11
    assert preop(*truth, "new", folder, "-o", here, "--structure", "heart").code == 10
    assert not here.exists()
    assert preop(*truth, "new", folder, "-o", here).code == 0
    assert preop(*truth, "new", folder, "-o", here).code == 21
    labels = images.write_image(drawn(), tmp_path / "drawn.nii.gz")
    assert "has no case three" in preop(*truth, "add", here, "three", labels, "--annotator", "ab").err
    assert "name of an annotator" in preop(*truth, "add", here, "one", labels, "--annotator", "a b").err
    other = images.write_image(images.resample_spacing(drawn(), (2, 2, 2), "nearest"), tmp_path / "other.nii.gz")
    ran = preop(*truth, "add", here, "one", other, "--annotator", "ab")
    assert ran.code == 17
    assert "not on the grid" in ran.err
    assert preop(*truth, "consensus", here, "-q").code == 3
    assert preop(*truth, "compare", here, "ab", "ab", "-q").code == 10
    assert preop(*truth, "export", here, "-o", tmp_path / "out", "--from", "zz", "-q").code == 10
    assert not (tmp_path / "out").exists()
