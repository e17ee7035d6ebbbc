"""`preop cuff`, end to end on a synthetic shoulder."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.errors import FileMissing, InputError, TrainingError, UnsupportedImage  # noqa: E402
from PreopReviewLib.models import write_package  # noqa: E402
from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom  # noqa: E402
from PreopReviewLib.training.recipe import load_recipe  # noqa: E402
from RotatorCuffCAMLib import commands, training  # noqa: E402
from RotatorCuffCAMLib.vrn import VRN  # noqa: E402


@pytest.fixture(scope="module")
def shoulder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuff")
    found = make_shoulder_phantom(21, 3, side="L", size=(96, 96, 24))
    images.write_image(found.image, folder / "mri.nii.gz")
    arguments = {"width": 4, "stem_stride": 4}
    torch.manual_seed(0)
    metadata = dict.fromkeys(("name", "version", "task", "description", "license", "intended_use"), "x")
    write_package(
        folder / "model",
        metadata | {"network": {"name": "VRN", "arguments": arguments}},
        VRN(**arguments).state_dict(),
        "card",
        "license",
    )
    return found, folder


def _classify(folder, out, **options):
    commands.classify(folder / "mri.nii.gz", out, model=str(folder / "model"), quiet=True, as_json=True, **options)


def test_classify_writes_probabilities_and_a_map_on_the_mri(shoulder, tmp_path, capsys):
    found, folder = shoulder
    _classify(folder, tmp_path / "out", repetitions=3)
    said = json.loads((tmp_path / "out" / "probabilities.json").read_text())
    assert json.loads(capsys.readouterr().out) == said
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    assert said["side"] == "L"
    assert said["repetitions"] == 3
    head = np.array(found.head_center_lps) * [-1, -1, 1]
    assert np.linalg.norm(np.subtract(said["cube"]["center_ras"], head)) < 15
    source = images.read_image(tmp_path / "out" / "activation.nii.gz")
    assert images.same_grid(source, found.image)
    raw = sitk.ReadImage(str(tmp_path / "out" / "activation-raw.nrrd"))
    k, j, i = np.unravel_index(sitk.GetArrayFromImage(raw).argmax(), (16, 16, 16))
    peak = np.array(raw.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))) * [-1, -1, 1]
    np.testing.assert_allclose(peak, said["activation"]["peak_ras"], atol=1e-2)


def test_a_given_point_side_and_class_are_followed(shoulder, tmp_path, capsys):
    found, folder = shoulder
    x, y, z = found.head_center_lps
    _classify(folder, tmp_path / "out", center=f"{-x},{-y},{z}", side="l", map_class="medium", edge=84.0)
    said = json.loads(capsys.readouterr().out)
    assert said["activation"]["class"] == "medium"
    assert said["head_confidence"] is None
    assert said["cube"]["edge_mm"] == 84


@pytest.mark.parametrize("options", [{"center": "1,2"}, {"side": "X"}, {"map_class": "huge"}, {"center": "900,0,0"}])
def test_wrong_options_leave_no_folder(shoulder, tmp_path, options):
    with pytest.raises(InputError):
        _classify(shoulder[1], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_axial_series_is_refused(shoulder, tmp_path):
    axial = make_shoulder_phantom(1, plane="axial", size=(32, 32, 12))
    images.write_image(axial.image, tmp_path / "axial.nii.gz")
    with pytest.raises(UnsupportedImage, match="axial"):
        commands.classify(tmp_path / "axial.nii.gz", tmp_path / "out", model=str(shoulder[1] / "model"), quiet=True)


def _table(path, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([["image", "class", "r", "a", "s"], *rows])
    return path


def test_tables_with_wrong_classes_missing_images_or_absent_classes_are_refused(shoulder, tmp_path):
    mri = shoulder[1] / "mri.nii.gz"
    with pytest.raises(InputError, match="line 2.*huge"):
        training.read_cases(_table(tmp_path / "a.csv", [[mri, "huge", "", "", ""]]))
    with pytest.raises(FileMissing, match="line 2"):
        training.read_cases(_table(tmp_path / "b.csv", [["no.nii.gz", "none", "", "", ""]]))
    with pytest.raises(TrainingError, match="partial, small"):
        training.read_cases(_table(tmp_path / "c.csv", [[mri, "none", "", "", ""]]))
    with pytest.raises(InputError, match="point"):
        training.read_cases(_table(tmp_path / "d.csv", [[mri, "none", "1", "", ""]]))
    (tmp_path / "e.csv").write_text("picture,label\n")
    with pytest.raises(InputError, match="lacks the column"):
        training.read_cases(tmp_path / "e.csv")


def test_training_resumes_to_the_same_weights_as_without_a_stop(shoulder, tmp_path):
    mri = shoulder[1] / "mri.nii.gz"
    names = ["none", "partial", "small", "Medium", "massive"]
    cases = training.read_cases(_table(tmp_path / "t.csv", [[mri, n, "", "", ""] for n in names]))
    cubes, classes = training.load_cubes(cases)
    assert classes.tolist() == [0, 1, 2, 3, 4]
    arguments = {"width": 4, "stem_stride": 4}
    recipe = load_recipe("shim2020").changed(network__arguments=arguments, data__batch=3, schedule__epochs=2)
    whole = training.train(cubes, classes, recipe, tmp_path / "whole")
    training.train(cubes, classes, recipe.changed(schedule__epochs=1), tmp_path / "parts")
    parts = training.train(cubes, classes, recipe, tmp_path / "parts", resume=True)
    for one, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert len((tmp_path / "parts" / "epochs.csv").read_text().splitlines()) == 3


def test_the_recipe_is_the_papers():
    recipe = load_recipe("shim2020")
    assert [training.learning_rate(recipe, e) for e in (0, 11, 12, 99)] == [0.002, 0.002, 0.0002, 0.0002]
    assert recipe["data.batch"] == 6
    assert recipe["schedule.epochs"] == 100
