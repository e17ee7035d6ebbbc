"""`preop liver plan` and `preop image info`: results, and every bad input with its own exit code."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib import images

SHAPE = (40, 50, 60)
RIGHT = (slice(10, 30), slice(10, 30), slice(38, 55))


def on_grid(array, spacing=(2.0, 2.0, 2.0), turn=(0.0, 0.0, 0.0)) -> sitk.Image:
    """In RAS order, turned by three angles."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    matrix = np.array(sitk.Euler3DTransform((0, 0, 0), *turn).GetMatrix()).reshape(3, 3) @ np.diag((-1, -1, 1))
    image.SetDirection(matrix.ravel().tolist())
    return image


def ct_array() -> np.ndarray:
    rng = np.random.default_rng(0)
    array = rng.normal(60, 10, SHAPE).astype(np.float32)
    array[:, :5] = -1000
    return array


def mask_array() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[RIGHT] = 1
    return array


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plan")


@pytest.fixture(scope="module")
def case(folder):
    """A small CT and a drawn liver: (image path, liver path)."""
    image = images.write_image(on_grid(ct_array()), folder / "ct.nii.gz")
    liver = images.write_image(on_grid(mask_array()), folder / "liver.nii.gz")
    return image, liver


DRAWN = ("--no-lesions", "--no-structures", "-q")
_PLANNED: dict = {}


@pytest.fixture
def planned(case, preop, folder):
    """The folder of a plan of the case and what was printed, made once."""
    pytest.importorskip("slicer")
    image, liver = case
    if folder not in _PLANNED:
        _PLANNED[folder] = preop("liver", "plan", image, "-o", folder / "out", "--liver", liver, *DRAWN)
    ran = _PLANNED[folder]
    assert ran.code == 0, ran.err
    return folder / "out", ran.out


def test_a_plan_of_a_drawn_liver_leaves_all_its_files(case, planned):
    image, _liver = case
    out, said = planned
    files = {p.name for p in out.iterdir()}
    assert {"scene.mrb", "segmentation.seg.nrrd", "labels.nii.gz", "volumes.csv", "summary.txt"} <= files
    answer = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert answer["models"] == {"liver": "given"}
    assert answer["image"]["size"] == list(images.read_image(image).GetSize())
    assert not answer["image"]["simulated"]
    assert {"reconstruction.png", "slices.png"} <= files
    assert any(f.endswith(".stl") for f in files)
    with (out / "volumes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["ml"]) == pytest.approx(20 * 20 * 17 * 8e-3)
    assert "Not for clinical use" in said
    assert "outside 300 to 5000 ml" in said
    labels = images.read_labels(out / "labels.nii.gz")
    assert images.same_grid(labels, images.read_image(image))


def read_segments(path) -> set[str]:
    """The names of a .seg.nrrd's segments, without what is in brackets."""
    image = sitk.ReadImage(str(path))
    keys = [k for k in image.GetMetaDataKeys() if k.startswith("Segment") and k.endswith("_Name")]
    return {image.GetMetaData(k).split(" (")[0] for k in keys}


def test_the_plan_divides_the_liver_into_segments_unless_told_not_to(case, planned, preop, tmp_path):
    image, liver = case
    out, said = planned
    segments = images.array_of(images.read_labels(out / "segments.nii.gz"))
    labels = images.array_of(images.read_labels(out / "labels.nii.gz"))
    assert ((segments > 0) == (labels > 0)).all()
    told = json.loads((out / "plan.json").read_text(encoding="utf-8"))["segments"]
    assert [v["voxels"] for v in told["volumes"]] == np.bincount(segments.ravel(), minlength=9)[1:].tolist()
    assert sum(v["share"] for v in told["volumes"]) == pytest.approx(1, abs=1e-3)
    assert "Couinaud segments" in said
    drawn = read_segments(out / "segments.seg.nrrd")
    assert drawn == {f"Segment {v}" for v in np.unique(segments[segments > 0])}
    assert "Segment 4" in (out / "volumes.csv").read_text()
    assert "shape of the liver alone" in said

    ran = preop("liver", "plan", image, "-o", tmp_path / "plain", "--liver", liver, *DRAWN, "--no-segments")
    assert ran.code == 0, ran.err
    assert not (tmp_path / "plain" / "segments.nii.gz").exists()
    assert "Couinaud" not in ran.out


def test_json_is_all_that_a_script_gets(case, preop, tmp_path):
    image, liver = case
    ran = preop("liver", "plan", image, "-o", tmp_path / "out", "--liver", liver, "--json", "--no-segments", *DRAWN)
    answer = json.loads(ran.out)
    assert answer["volumes_ml"] == {"liver": pytest.approx(54.4)}
    assert answer["modality"] == "CT"


def test_oblique_axes_are_no_obstacle(preop, tmp_path):
    turn = (0.3, -0.2, 0.1)
    image = images.write_image(on_grid(ct_array(), turn=turn), tmp_path / "ct.nrrd")
    liver = images.write_image(on_grid(mask_array(), turn=turn), tmp_path / "liver.nrrd")
    ran = preop("liver", "plan", image, "-o", tmp_path / "out", "--liver", liver, "--json", "--no-segments", *DRAWN)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["volumes_ml"]["liver"] == pytest.approx(54.4)
    assert images.same_grid(images.read_labels(tmp_path / "out" / "labels.nii.gz"), images.read_image(image))


def nan_array() -> np.ndarray:
    array = ct_array()
    array[3, 4, 5] = np.nan
    return array


def mr_array() -> np.ndarray:
    return np.abs(ct_array()) * 3


BAD = {
    "nan": (lambda: on_grid(nan_array()), 16, "NaN"),
    "constant": (lambda: on_grid(ct_array() * 0), 16, "everywhere"),
    "one slice": (lambda: on_grid(ct_array()[:1]), 15, "single slice"),
    "4D": (lambda: sitk.JoinSeries([on_grid(ct_array())] * 2), 15, "2 time points"),
    "color": (lambda: sitk.Compose([on_grid(ct_array().astype(np.int16))] * 3), 15, "color"),
    "0.1 mm": (lambda: on_grid(ct_array(), (0.1, 0.1, 0.1)), 16, "0.1 × 0.1 × 0.1 mm"),
    "50 mm": (lambda: on_grid(ct_array(), (1.0, 1.0, 50.0)), 16, "50 mm"),
    "MR as CT": (lambda: on_grid(mr_array()), 16, "--modality mr"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_image_that_cannot_be_used_is_one_line_and_leaves_nothing(kind, preop, tmp_path):
    make, code, words = BAD[kind]
    path = images.write_image(make(), tmp_path / "bad.nii.gz")
    ran = preop("liver", "plan", path, "-o", tmp_path / "out", "--modality", "ct", *DRAWN)
    assert ran.code == code
    assert words in ran.err
    assert "bad.nii.gz" in ran.err
    assert ran.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.nii.gz"]


def test_a_missing_file_an_empty_folder_and_a_truncated_file(case, preop, tmp_path):
    out = ("-o", tmp_path / "out", *DRAWN)
    assert preop("liver", "plan", tmp_path / "nowhere.nii", *out).code == 11
    (tmp_path / "empty").mkdir()
    assert preop("liver", "plan", tmp_path / "empty", *out).code == 12
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(case[0].read_bytes()[:5000])
    ran = preop("liver", "plan", cut, *out)
    assert ran.code == 14
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_exists_is_kept(case, preop, tmp_path):
    image, liver = case
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("precious")
    ran = preop("liver", "plan", image, "-o", out, "--liver", liver, *DRAWN)
    assert ran.code == 21
    assert "--overwrite" in ran.err
    assert [p.name for p in out.iterdir()] == ["mine"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(case, preop, tmp_path):
    image, liver = case
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert preop("liver", "plan", image, "-o", closed / "out", "--liver", liver, *DRAWN).code == 20


def test_a_drawn_liver_that_is_empty_is_no_success(case, preop, tmp_path):
    image, liver = case
    empty = images.write_image(images.read_labels(liver) * 0, tmp_path / "empty.nii.gz")
    ran = preop("liver", "plan", image, "-o", tmp_path / "out", "--liver", empty, *DRAWN)
    assert ran.code == 3
    assert "No liver was found" in ran.err
    assert not (tmp_path / "out").exists()


def test_image_info_tells_what_an_image_is(case, preop):
    ran = preop("image", "info", case[0], "--json")
    answer = json.loads(ran.out)
    assert ran.code == 0
    assert (answer["modality"], answer["size"], answer["orientation"]) == ("CT", [60, 50, 40], "RAS")
    assert answer["findings"] == []


def test_image_info_fails_on_what_cannot_be_used(preop, tmp_path):
    path = images.write_image(on_grid(nan_array()), tmp_path / "nan.nrrd")
    ran = preop("image", "info", path)
    assert ran.code == 16
    assert "not-finite" in preop("image", "info", path, "--json").out
    compressed = images.write_image(on_grid(nan_array()), tmp_path / "nan.nii.gz")
    assert preop("image", "info", compressed).code == 16, "ITK would read NaN in a NIfTI file as zero"


def test_the_three_lines_of_the_readme(case, tmp_path, monkeypatch):
    import re
    from pathlib import Path

    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", readme, re.S)[1]
    assert len([line for line in block.splitlines() if line.strip()]) == 3
    image, liver = case
    monkeypatch.chdir(tmp_path)
    # The README's image becomes this small one, with a drawn liver in place of the network's.
    options = f'"{image}", "out", pr.PlanOptions(lesions=False, structures=False), liver="{liver}"'
    ran: dict = {}
    exec(block.replace('"ct.nii.gz", "out"', options), ran)
    assert ran["plan"].volumes_ml["liver"] == pytest.approx(54.4)
