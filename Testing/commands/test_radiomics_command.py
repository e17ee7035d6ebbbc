"""`preop liver radiomics` and `radiomics-agreement`: files, JSON, exit codes."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK as sitk

needs_mirp = pytest.mark.skipif(find_spec("mirp") is None, reason="the optional package mirp is not installed")


@pytest.fixture
def case(tmp_path):
    values = np.random.default_rng(0).normal(0, 10, (16, 16, 16)).astype(np.int16) - 900
    labels = np.zeros(values.shape, np.uint8)
    labels[4:12, 4:12, 4:12] = 1
    values[labels > 0] += 1000
    labels[6, 6, 6] = 2
    for name, array in (("image", values), ("labels", labels)):
        picture = sitk.GetImageFromArray(array)
        picture.SetSpacing((2.0, 2.0, 2.0))
        sitk.WriteImage(picture, str(tmp_path / f"{name}.nii.gz"))
    return tmp_path


@needs_mirp
def test_features_are_written_with_settings_family_and_names(preop, case):
    out = case / "out"
    ran = preop(
        "liver", "radiomics", case / "image.nii.gz", case / "labels.nii.gz", "-o", out, "--modality", "ct", "-q"
    )
    assert ran.code == 0, ran.err
    data = json.loads((out / "features.json").read_text())
    assert (data["settings"]["name"], data["settings"]["bin_width"]) == ("ct", 25)
    with (out / "features.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    volume = next(r for r in rows if r["structure"] == "liver" and r["feature"] == "morph_vol_approx")
    assert float(volume["value"]) == pytest.approx(8**3 * 8)
    assert (volume["family"], volume["pyradiomics_name"]) == ("shape", "shape_VoxelVolume")
    assert [r["note"] for r in rows if r["structure"] == "tumor"] == ["n/a: 1 voxels at 2 mm are too few"]


@needs_mirp
def test_a_structure_without_features_alone_exits_with_3(preop, case):
    files = (case / "image.nii.gz", case / "labels.nii.gz")
    ran = preop("liver", "radiomics", *files, "-o", case / "out", "--structures", "tumor", "-q", "--modality", "ct")
    assert ran.code == 3
    assert "too few" in ran.err


def features(folder, case, values):
    path = folder / case / "features.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"liver,first order,{name},{value},," for name, value in values.items()]
    path.write_text("\n".join(["structure,family,feature,value,pyradiomics_name,note", *rows]) + "\n")


def test_agreement_of_folders_pairs_the_cases_by_name(preop, tmp_path):
    for i, case in enumerate(("a", "b", "c")):
        features(tmp_path / "one", case, {"stat_mean": i, "stat_var": 3})
        features(tmp_path / "two", case, {"stat_mean": i + 0.1, "stat_var": ""})
    features(tmp_path / "two", "d", {"stat_mean": 1})
    out = tmp_path / "icc.csv"
    ran = preop("liver", "radiomics-agreement", tmp_path / "one", tmp_path / "two", "-o", out)
    assert ran.code == 0, ran.err
    assert "left out: d" in ran.out
    lines = out.read_text().splitlines()
    assert lines[0] == 'family,feature,"ICC(2,1)",low,high,cases,note'
    assert lines[1].startswith("first order,stat_mean,0.99")
    assert lines[2].endswith("3,n/a: not defined in 3 of 3 cases")
    assert preop("liver", "radiomics-agreement", tmp_path / "one", tmp_path / "two", "-o", out).code == 21


def test_agreement_of_one_case_or_an_empty_folder_exits_with_10(preop, tmp_path):
    features(tmp_path / "one", "a", {"stat_mean": 1})
    (tmp_path / "empty").mkdir()
    command = ("liver", "radiomics-agreement", tmp_path / "one")
    assert preop(*command, tmp_path / "one", "-o", tmp_path / "icc.csv").code == 10
    assert preop(*command, tmp_path / "empty", "-o", tmp_path / "icc.csv").code == 10
    assert preop(*command, tmp_path / "nowhere", "-o", tmp_path / "icc.csv").code == 11


def test_agreement_never_replaces_features_that_it_reads(preop, tmp_path):
    for case in "abc":
        features(tmp_path / "one", case, {"stat_mean": ord(case)})
        features(tmp_path / "two", case, {"stat_mean": ord(case) + 0.1})
    read = tmp_path / "one" / "a" / "features.csv"
    before = read.read_text()
    ran = preop("liver", "radiomics-agreement", tmp_path / "one", tmp_path / "two", "-o", read, "--overwrite")
    assert ran.code == 21, ran.err
    assert read.read_text() == before
