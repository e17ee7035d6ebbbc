"""`preop liver cysts`: labels, table, figures, JSON, overrides, and every bad input with its exit code."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
import typer

from LiverPlannerLib.commands import branches, cysts
from PreopReviewLib import images
from PreopReviewLib.command.console import run


@pytest.fixture
def liver(capsys, monkeypatch):
    """Calls a command: `liver("cysts", ...)` gives (code, out, err)."""
    app = typer.Typer()
    for group in (cysts, branches):  # with one command alone, typer would not ask for its name
        group.register(app)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["preop liver", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(app)
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.fixture
def files(tmp_path):
    """(CT, labels) with a tumor of 80 HU and a cyst of 10 HU."""
    shape = (30, 40, 40)
    ct, labels = np.full(shape, -1000.0), np.zeros(shape, np.uint8)
    ct[3:27, 3:37, 3:37], labels[3:27, 3:37, 3:37] = 105, 1
    for corner, side, level in (((6, 6, 6), 12, 80), ((8, 24, 24), 9, 10)):
        box = tuple(slice(c, c + side) for c in corner)
        ct[box], labels[box] = level, 2
    ct += np.random.default_rng(0).normal(0, 12, shape)
    paths = tmp_path / "ct.nii.gz", tmp_path / "labels.nii.gz"
    for array, path in zip((ct.round().astype(np.int16), labels), paths, strict=True):
        images.write_image(sitk.GetImageFromArray(array), path)
    return paths


def test_it_writes_labels_regions_table_and_figures(liver, files, tmp_path):
    code, out, err = liver("cysts", *files, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "core median" in out
    folder = tmp_path / "out"
    names = {f.name for f in folder.iterdir()}
    assert names == {
        ".preop-output.json",
        "labels.nii.gz",
        "regions.nii.gz",
        "regions.csv",
        "regions.json",
        "overview.png",
        "region_001.png",
        "region_002.png",
    }
    labels = images.array_of(written := images.read_labels(folder / "labels.nii.gz"))
    assert images.same_grid(written, images.read_image(files[0]))
    assert ((labels == 2).sum(), (labels == 3).sum()) == (12**3, 9**3)
    rows = list(csv.DictReader((folder / "regions.csv").open(encoding="utf-8")))
    assert [r["decision"] for r in rows] == ["tumor", "cyst"]
    assert float(rows[1]["ml"]) == pytest.approx(0.729)
    assert rows[1]["reason"].startswith("core median")


def test_json_holds_every_region_with_its_measures(liver, files, tmp_path):
    code, out, _ = liver("cysts", *files, "-o", tmp_path / "out", "--json", "--figures", 0)
    data = json.loads(out)
    assert code == 0
    assert data["counts"] == {"tumor": 1, "cyst": 1, "undecided": 0}
    assert {"fit_mean", "fit_sd", "area", "r2", "core_median", "reason"} <= set(data["regions"][0])
    assert not list((tmp_path / "out").glob("region_*.png"))
    assert json.loads((tmp_path / "out" / "regions.json").read_text()) == data


def test_an_override_and_the_papers_rule_reach_the_result(liver, files, tmp_path):
    arguments = ("cysts", *files, "--json", "--figures", 0, "--override", "2=tumor", "--rule", "lin2024")
    code, out, _ = liver(*arguments, "-o", tmp_path / "out")
    data = json.loads(out)
    assert code == 0
    assert data["rule"] == "lin2024"
    assert data["counts"]["cyst"] == 0
    assert data["regions"][1]["overridden"]
    assert data["regions"][1]["rule_decision"] == "cyst"


def test_a_threshold_of_ones_own_decides(liver, files, tmp_path):
    _, out, _ = liver("cysts", *files, "-o", tmp_path / "out", "--json", "--figures", 0, "--threshold", 120)
    assert json.loads(out)["counts"]["cyst"] == 2


def test_the_contour_is_a_file_of_its_own(liver, files, tmp_path):
    assert liver("cysts", *files, "-o", tmp_path / "out", "--contour", "--figures", 0)[0] == 0
    grown = images.array_of(contour := images.read_labels(tmp_path / "out" / "tumor_contour.nii.gz"))
    assert contour.GetSize() == (40, 40, 30)
    assert grown.sum() > 12**3


def test_a_lesion_mask_with_a_liver_does_too(liver, files, tmp_path):
    labels = images.read_labels(files[1])
    mask, whole = tmp_path / "mask.nii.gz", tmp_path / "liver.nii.gz"
    images.write_image(labels == 2, mask)
    images.write_image(labels != 0, whole)
    code, out, _ = liver("cysts", files[0], mask, "--liver", whole, "-o", tmp_path / "out", "--json", "--figures", 0)
    data = json.loads(out)
    assert code == 0
    assert data["counts"] == {"tumor": 1, "cyst": 1, "undecided": 0}
    assert data["warnings"] == []


def test_without_lesions_it_says_so_and_writes_the_labels_unchanged(liver, files, tmp_path):
    labels = images.read_labels(files[1])
    none = tmp_path / "none.nii.gz"
    images.write_image(sitk.Cast(labels != 0, sitk.sitkUInt8), none)
    code, out, _ = liver("cysts", files[0], none, "--lesions-are", "labels", "-o", tmp_path / "out")
    assert code == 0
    assert "no lesion" in out
    assert images.array_of(images.read_labels(tmp_path / "out" / "labels.nii.gz")).max() == 1


def test_a_cropped_mask_gives_the_same_as_the_whole(liver, files, tmp_path):
    cropped = tmp_path / "cropped.nii.gz"
    images.write_image(images.read_labels(files[1])[:, :, 1:], cropped)
    for name, mask in (("whole", files[1]), ("part", cropped)):
        assert liver("cysts", files[0], mask, "-o", tmp_path / name)[0] == 0
    whole, part = (images.array_of(images.read_labels(tmp_path / n / "labels.nii.gz")) for n in ("whole", "part"))
    assert (whole == part).all()


def test_a_mask_that_lies_elsewhere_exits_with_17_and_writes_nothing(liver, files, tmp_path):
    other = tmp_path / "other.nii.gz"
    elsewhere = images.read_labels(files[1])
    elsewhere.SetOrigin((5000, 0, 0))
    images.write_image(elsewhere, other)
    code, _, err = liver("cysts", files[0], other, "-o", tmp_path / "out")
    assert code == 17
    assert err.startswith("preop: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", ["2", "2=", "x=cyst", "9=cyst", "1=benign"])
def test_an_override_that_means_nothing_exits_with_10(liver, files, tmp_path, words):
    code, _, err = liver("cysts", *files, "-o", tmp_path / "out", "--override", words)
    assert code == 10
    assert err.count("\n") == 1


def test_an_absurd_threshold_exits_with_10(liver, files, tmp_path):
    code, _, err = liver("cysts", *files, "-o", tmp_path / "out", "--threshold", 4500)
    assert code == 10
    assert "Lin 2024 uses 45" in err


def test_an_mri_exits_with_10_and_says_how_to_go_on(liver, files, tmp_path):
    ct = images.read_image(files[0])
    mri = tmp_path / "mri.nii.gz"
    images.write_image(sitk.Cast(sitk.Maximum(ct + 300, 0), sitk.sitkInt16), mri)
    code, _, err = liver("cysts", mri, files[1], "-o", tmp_path / "out")
    assert code == 10
    assert "no Hounsfield units" in err
    code, out, _ = liver(
        "cysts", mri, files[1], "-o", tmp_path / "out", "--relative-threshold=-6", "--json", "--figures", 0
    )
    data = json.loads(out)
    assert code == 0
    assert data["unit"] == "liver MAD"
    assert "not Hounsfield units" in data["warnings"][0]


def test_a_ct_in_wrong_units_called_ct_exits_with_16(liver, files, tmp_path):
    ct = images.read_image(files[0])
    wrong = tmp_path / "normalized.nii.gz"
    images.write_image(sitk.Cast(ct, sitk.sitkFloat32) / 400, wrong)
    code, _, err = liver("cysts", wrong, files[1], "-o", tmp_path / "out", "--modality", "ct")
    assert code == 16
    assert "Hounsfield" in err


def test_a_folder_that_is_there_is_not_replaced_unasked(liver, files, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    assert liver("cysts", *files, "-o", tmp_path / "out", "--figures", 0)[0] == 21
    assert (tmp_path / "out" / "precious").exists()
    assert liver("cysts", *files, "-o", tmp_path / "out", "--figures", 0, "--overwrite")[0] == 21
    (tmp_path / "out" / "precious").unlink()
    assert liver("cysts", *files, "-o", tmp_path / "out", "--figures", 0)[0] == 0
    assert liver("cysts", *files, "-o", tmp_path / "out", "--figures", 0, "--overwrite")[0] == 0


def test_a_missing_file_exits_with_11(liver, files, tmp_path):
    assert liver("cysts", tmp_path / "none.nii", files[1], "-o", tmp_path / "out")[0] == 11
