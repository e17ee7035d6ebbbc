"""`preop liver measure`: every measure of one case, and why one is missing."""

from __future__ import annotations

import os
import re
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images


@pytest.fixture
def case(tmp_path):
    """A block of liver with a tumor, a cyst labeled tumor, and a portal vein, as a CT: (image, labels)."""
    rng = np.random.default_rng(0)
    labels = np.zeros((44, 44, 60), np.uint8)
    labels[6:38, 6:38, 6:54] = 1
    labels[10:20, 10:20, 10:20] = 2
    labels[24:34, 24:34, 12:22] = 2
    labels[20:24, 20:24, 6:50] = 5
    hu = np.array([-100, 105, 80, 0, 0, 170], np.float32)[labels] + rng.normal(0, 8, labels.shape).astype(np.float32)
    hu[24:34, 24:34, 12:22] -= 70
    hu[:, :3] = -1000
    paths = []
    for name, array in (("ct", hu.astype(np.int16)), ("labels", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.5, 1.5, 1.5))
        paths.append(images.write_image(image, tmp_path / f"{name}.nii.gz"))
    return paths


def test_everything_is_measured_on_the_labels_that_the_cyst_filter_leaves(case, preop, tmp_path):
    image, labels = case
    out = tmp_path / "out"
    plane = ("--plane", "-45,-30,-30,1,0,0")
    ran = preop(
        "liver", "measure", image, labels, "-o", out, "--manual", labels, *plane, "--height", 170, "--weight", 70
    )
    assert ran.code == 0, ran.err
    assert not re.search(r"^n/a:", ran.out, re.M), ran.out
    folders = {p.name for p in out.iterdir() if p.is_dir()}
    assert folders == {"cysts", "branches", "volumetry", "margins", "radiomics", "comparison"}
    text = (out / "measures.txt").read_text(encoding="utf-8")
    assert "1 found, 0 missed, 0 false" not in text, "the manual mask calls the cyst a tumor"
    assert "Liver cyst" in text
    filtered = images.array_of(images.read_labels(out / "cysts" / "labels.nii.gz"))
    assert (filtered == 3).sum() == 1000


def test_what_cannot_be_measured_says_why_and_the_rest_goes_on(case, preop, tmp_path):
    image, labels = case
    bare = images.read_labels(labels)
    images.write_image(bare * sitk.Cast(bare == 1, sitk.sitkUInt8), labels)
    ran = preop("liver", "measure", image, labels, "-o", tmp_path / "out", "--no-radiomics")
    assert ran.code == 0, ran.err
    assert len(re.findall(r"^n/a:", ran.out, re.M)) == 2, "no vessels, no lesions"
    assert "Total liver volume" in ran.out


def test_it_needs_a_folder_and_leaves_nothing_behind_when_it_fails(case, preop, tmp_path):
    image, labels = case
    assert preop("liver", "measure", image, labels).code == 2
    before = sorted(tmp_path.iterdir())
    assert preop("liver", "measure", image, tmp_path / "nowhere.nii.gz", "-o", tmp_path / "out").code == 11
    assert sorted(tmp_path.iterdir()) == before


def test_features_computed_beside_the_other_measures_are_those_computed_after_them(case, preop, tmp_path, monkeypatch):
    pytest.importorskip("mirp", reason="the optional package mirp is not installed (extra 'radiomics')")
    from LiverPlannerLib.commands import radiomics_beside

    image, labels = case
    tables = []
    for many in (2, 1000):
        monkeypatch.setattr(radiomics_beside, "MANY", many)
        out = tmp_path / str(many)
        assert preop("liver", "measure", image, labels, "-o", out).code == 0
        tables.append([(out / "radiomics" / f"features.{kind}").read_text() for kind in ("csv", "json")])
    assert tables[0] == tables[1]
    assert "tumor" in tables[0][0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf8_cost_no_measure(case, preop, tmp_path):
    image, labels = case
    odd = tmp_path / os.fsdecode(b"\xff\xfe")
    odd.mkdir()
    labels = labels.rename(odd / "labels.nii.gz")
    ran = preop("liver", "measure", image, labels, "-o", tmp_path / "out", "--no-radiomics")
    assert ran.code == 0, ran.err
    assert "\\udcff" in (tmp_path / "out" / "measures.txt").read_text(encoding="utf-8")
