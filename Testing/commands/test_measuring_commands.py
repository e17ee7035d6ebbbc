"""`preop liver compare`, `volumetry` and `margins`: tables, files, JSON, and every bad input with its exit code."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images

SAGITTAL = "-19.5,0,0,1,0,0"  # RAS: takes the first 15 columns of the liver


def case(shift: int = 0) -> sitk.Image:
    """A liver of 30 mm with a tumor (moved along K by `shift`) and a portal vein."""
    array = np.zeros((40, 40, 40), np.uint8)
    array[5:35, 5:35, 5:35] = 1
    array[8 + shift : 14 + shift, 10:16, 8:14] = 2
    array[25:28, 20:23, 6:34] = 5
    return sitk.GetImageFromArray(array)


@pytest.fixture
def liver(preop):
    """Calls `preop liver`: `liver("compare", auto, manual)` gives (code, out, err)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        ran = preop("liver", *arguments)
        return ran.code, ran.out, ran.err

    return call


@pytest.fixture
def files(tmp_path):
    """(automatic, manual) label files."""
    return (
        images.write_image(case(2), tmp_path / "auto.nii.gz"),
        images.write_image(case(), tmp_path / "manual.nii.gz"),
    )


def rows_of(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_compare_prints_a_row_a_structure_and_writes_everything(liver, files, tmp_path):
    code, out, err = liver("compare", *files, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "Liver tumor" in out
    assert "max-of-two" in out
    assert "tumor: 1 found, 0 missed, 0 false" in out
    names = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    assert names == {
        *("comparison.csv", "comparison.json", "comparison.png", "lesions.csv"),
        *(f"difference_{key}.nii.gz" for key in ("liver", "tumor", "portal_vein")),
    }
    rows = {row["structure"]: row for row in rows_of(tmp_path / "out" / "comparison.csv")}
    assert float(rows["tumor"]["dsc"]) == pytest.approx(4 / 6)
    assert float(rows["tumor"]["hd95_mm"]) == pytest.approx(2.0)
    assert rows["tumor"]["main_dsc"] == "n/a"
    difference = images.array_of(images.read_labels(tmp_path / "out" / "difference_tumor.nii.gz"))
    assert np.bincount(difference.ravel())[1:].tolist() == [144, 72, 72]


def test_compare_gives_the_same_numbers_as_json(liver, files, tmp_path):
    code, out, _ = liver("compare", *files, "--json", "--structure", "tumor", "--no-branches", "--tolerance", "1")
    answer = json.loads(out)
    assert code == 0
    assert [row["structure"] for row in answer["structures"]] == ["tumor"]
    assert answer["lesions"][0]["outcome"] == "matched"
    assert any("NSD at 1 mm" in note for note in answer["notes"])


def test_compare_shows_a_missed_structure_as_missed_and_not_as_a_number(liver, files, tmp_path):
    array = images.array_of(case()).copy()
    array[array == 2] = 1
    auto = images.write_image(sitk.GetImageFromArray(array), tmp_path / "none.nii.gz")
    code, out, _ = liver("compare", auto, files[1], "-o", tmp_path / "out")
    assert code == 0
    assert re.search(r"Liver tumor .*missing here", out)
    row = rows_of(tmp_path / "out" / "comparison.csv")[1]
    assert (row["state"], row["dsc"], row["hd95_mm"], row["assd_mm"], row["nsd"]) == ("missed", "0.0", *["n/a"] * 3)


def test_compare_names_labels_that_it_does_not_know(liver, files, tmp_path):
    array = images.array_of(case()).copy()
    array[0, 0, 0] = 99
    auto = images.write_image(sitk.GetImageFromArray(array), tmp_path / "odd.nii.gz")
    code, out, _ = liver("compare", auto, files[1])
    assert code == 0
    assert "odd.nii.gz has labels that are not liver structures, and were ignored: 99" in out


@pytest.mark.parametrize("convention", ["pooled", "area-weighted"])
def test_compare_names_the_convention_that_was_asked_for(liver, files, convention):
    assert f"({convention})" in liver("compare", *files, "--hd95", convention)[1]


def test_compare_refuses_images_of_different_places(liver, files, tmp_path):
    far = case()
    far.SetOrigin((500, 0, 0))
    code, out, err = liver("compare", images.write_image(far, tmp_path / "far.nii.gz"), files[1], "-o", tmp_path / "o")
    assert (code, out) == (17, "")
    assert err.count("\n") == 1
    assert "do not overlap in space" in err
    assert not (tmp_path / "o").exists()


def test_compare_refuses_an_image_in_place_of_labels(liver, files, tmp_path):
    ct = images.write_image(sitk.GetImageFromArray(np.full((9, 9, 9), 0.5, np.float32)), tmp_path / "ct.nii.gz")
    code, _, err = liver("compare", ct, files[1])
    assert code == 10
    assert "not a label image" in err


def test_compare_does_not_replace_results_unasked(liver, files, tmp_path):
    assert liver("compare", *files, "-o", tmp_path / "out")[0] == 0
    assert liver("compare", *files, "-o", tmp_path / "out")[0] == 21
    assert liver("compare", *files, "-o", tmp_path / "out", "--overwrite")[0] == 0


def test_volumetry_measures_the_remnant_behind_a_plane(liver, files, tmp_path):
    call = ("volumetry", files[1], "--height", 170, "--weight", 70, "--plane", SAGITTAL, "-o", tmp_path / "out")
    code, out, err = liver(*call)
    assert (code, err) == (0, "")
    assert "Resection by one plane: 14 ml taken (50%), 14 ml left" in out
    assert "not advice" in out
    assert "Kishi" in out
    rows = {row["measure"]: row["value"] for row in rows_of(tmp_path / "out" / "volumetry.csv")}
    assert float(rows["Future liver remnant (FLR)"]) == pytest.approx(13.5)
    assert float(rows["Standardized FLR (sFLR), Vauthey, Mosteller"]) == pytest.approx(100 * 13.5 / 1509.6, rel=1e-3)
    remnant = images.array_of(images.read_labels(tmp_path / "out" / "remnant.nii.gz"))
    assert remnant.sum() == 13500


def test_volumetry_without_patient_or_resection_has_volumes_alone(liver, files):
    code, out, _ = liver("volumetry", files[1], "--json", "--without", "portal_vein")
    answer = json.loads(out)
    assert code == 0
    assert answer["resection"] is None
    assert answer["literature"] == []
    values = {row["measure"]: row["value"] for row in answer["measures"]}
    assert values["Functional liver volume"] == pytest.approx((27000 - 216 - 252) / 1000)
    assert any("no height and weight" in note for note in answer["notes"])


def test_a_remnant_file_says_the_same_as_the_plane_that_made_it(liver, files, tmp_path):
    _, by_plane, _ = liver("volumetry", files[1], "--plane", SAGITTAL, "--json", "-o", tmp_path / "out")
    _, by_mask, _ = liver("volumetry", files[1], "--remnant", tmp_path / "out" / "remnant.nii.gz", "--json")
    assert json.loads(by_plane)["measures"] == json.loads(by_mask)["measures"]


def test_a_territory_takes_what_is_nearest_to_a_branch(liver, tmp_path):
    array = np.zeros((30, 60, 80), np.uint8)
    array[3:27, 3:57, 3:77] = 1
    k, j = np.ogrid[:30, :60]
    array[:, :, 3:43][(k - 15) ** 2 + (j - 30) ** 2 <= 5**2] = 5
    for step in range(25):
        for sign in (-1, 1):
            array[14:17, 29 + sign * step : 32 + sign * step, 40 + step : 43 + step] = 5
    labels = images.write_image(sitk.GetImageFromArray(array), tmp_path / "tree.nii.gz")
    code, out, err = liver("volumetry", labels, "--territory", 2, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["resection"]["method"] == "portal territory (2)"
    assert 0.1 < answer["resection"]["resected_share"] < 0.6
    assert any("Territories are a model" in note for note in answer["notes"])
    assert liver("volumetry", labels, "--territory", 99)[0] == 10


def test_a_surface_file_is_cut_out_of_the_liver(liver, files, tmp_path):
    vtk = pytest.importorskip("vtk")
    box = vtk.vtkCubeSource()
    box.SetBounds(4.5, 19.5, 4.5, 40.5, -1, 50)  # LPS
    box.Update()
    writer = vtk.vtkSTLWriter()
    writer.SetFileName(str(tmp_path / "box.stl"))
    turned = vtk.vtkTriangleFilter()
    turned.SetInputConnection(box.GetOutputPort())
    writer.SetInputConnection(turned.GetOutputPort())
    writer.Write()
    _, out, _ = liver("volumetry", files[1], "--surface", tmp_path / "box.stl", "--json")
    assert json.loads(out)["resection"]["resected_share"] == pytest.approx(0.5)


def test_margins_of_each_lesion_are_printed_with_their_uncertainty(liver, files, tmp_path):
    code, out, err = liver("margins", files[1], "--plane", SAGITTAL, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "± 0.9 mm" in out
    assert "not advice" in out
    row = rows_of(tmp_path / "out" / "margins.csv")[0]
    assert (row["fate"], float(row["margin_mm"])) == ("resected", pytest.approx(6.0))
    assert float(row["to_portal_vein_mm"]) == pytest.approx(np.hypot(11, 4), abs=0.9)
    assert row["to_bile_duct_mm"] == "n/a"
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"margins.json", "remnant.nii.gz", "resected.nii.gz"}


def test_margins_without_a_resection_are_those_to_the_vessels(liver, files):
    answer = json.loads(liver("margins", files[1], "--json")[1])
    assert answer["resection"] is None
    assert answer["smallest_margin_mm"] is None
    assert answer["lesions"][0]["margin_mm"] is None


def test_margins_name_the_nearest_vessels_and_write_them_all(liver, files, tmp_path):
    code, out, err = liver("margins", files[1], "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "nearest vessels of each lesion" in out
    row = rows_of(tmp_path / "out" / "vessel_margins.csv")[0]
    assert (row["lesion"], row["structure"]) == ("1", "portal_vein")
    assert float(row["mm"]) == pytest.approx(np.hypot(11, 4), abs=0.9)


def test_margins_show_what_the_file_calls_its_lesions(liver, tmp_path):
    array = images.array_of(case()).copy()
    array[20:24, 25:29, 25:29] = 11
    path = images.write_image(images.image_like(array, case()), tmp_path / "a.nii.gz")
    (tmp_path / "a.label").write_text(
        "\n".join(f'{v} 1 1 1 1 1 1 "{n}"' for v, n in {1: "liver", 2: "HCC S6", 11: "Metastasis 2"}.items())
    )
    code, out, _ = liver("margins", path)
    assert code == 0
    assert "1 HCC S6" in out
    assert "2 Metastasis 2" in out


def test_margins_without_vessels_say_that_there_are_none_to_name(liver, tmp_path):
    labels = case()
    array = images.array_of(labels).copy()
    array[array == 5] = 1
    path = images.write_image(images.image_like(array, labels), tmp_path / "bare.nii.gz")
    answer = json.loads(liver("margins", path, "--json")[1])
    assert answer["vessels"] == []
    assert any("vessels by name are n/a" in note for note in answer["notes"])


BAD = {
    "one value of two": (("volumetry", "--height", 170), 10, "both height and weight"),
    "meters": (("volumetry", "--height", 1.7, "--weight", 70), 10, "cm, not m"),
    "swapped": (("volumetry", "--height", 70, "--weight", 170), 10, "swapped"),
    "no plane": (("volumetry", "--plane", "1,2,3"), 10, "6 numbers"),
    "words": (("volumetry", "--plane", "a,b,c,d,e,f"), 10, "6 numbers"),
    "no normal": (("volumetry", "--plane", "0,0,0,0,0,0"), 10, "normal"),
    "outside": (("volumetry", "--plane", "500,0,0,1,0,0"), 10, "does not take any of the liver"),
    "everything": (("margins", "--plane", "-500,0,0,1,0,0"), 10, "takes the whole liver"),
    "two ways": (("volumetry", "--plane", SAGITTAL, "--territory", 1), 10, "Give only one"),
    "seed alone": (("volumetry", "--seed", "1,2,3"), 10, "Give --plane as well"),
    "no file": (("margins", "--surface", "absent.stl"), 11, "no file absent.stl"),
    "not liver": (("volumetry", "--without", "gallbladder"), 10, "not part of the liver"),
    "no cyst": (("margins", "--lesions", "cyst"), 3, "no liver cyst"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_options_end_in_one_line_and_their_code(liver, files, kind, tmp_path):
    (command, *options), expected, words = BAD[kind]
    code, out, err = liver(command, files[1], *options, "-o", tmp_path / "out")
    assert (code, out) == (expected, "")
    assert err.count("\n") == 1
    assert words in err
    assert not (tmp_path / "out").exists()


def test_labels_without_a_liver_end_with_code_3(liver, tmp_path):
    array = np.zeros((9, 9, 9), np.uint8)
    array[2:5, 2:5, 2:5] = 8
    labels = images.write_image(sitk.GetImageFromArray(array), tmp_path / "gallbladder.nii.gz")
    assert liver("volumetry", labels)[0] == 3
    assert liver("margins", labels)[0] == 3
