"""`preop cuff`, end to end on a synthetic shoulder."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from PreopReviewLib import images  # noqa: E402
from PreopReviewLib.errors import FileMissing, InputError, TrainingError, UnsupportedImage  # noqa: E402
from PreopReviewLib.models import write_package  # noqa: E402
from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom  # noqa: E402
from PreopReviewLib.training.checkpoint import LAST, read_checkpoint  # noqa: E402
from PreopReviewLib.training.fit import RunSettings, start_run  # noqa: E402
from PreopReviewLib.training.pack import pack_run  # noqa: E402
from PreopReviewLib.training.recipe import load_recipe  # noqa: E402
from PreopReviewLib.training.schedule import build_optimizer, learning_rate, schedule_of  # noqa: E402
from RotatorCuffCAMLib.commands import classify as commands  # noqa: E402
from RotatorCuffCAMLib.network.vrn import VRN  # noqa: E402
from RotatorCuffCAMLib.training import data as training  # noqa: E402


@pytest.fixture(scope="module")
def shoulder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuff")
    phantom = make_shoulder_phantom(21, 3, side="L", size=(96, 96, 24))
    images.write_image(phantom.image, folder / "mri.nii.gz")
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
    return phantom, folder


def _classify(folder, out, image=None, **options):
    given = {"model": str(folder / "model"), "quiet": True, "as_json": True, "pictures": False} | options
    commands.classify(image or folder / "mri.nii.gz", out, **given)


def test_classify_writes_probabilities_and_a_map_on_the_mri(shoulder, tmp_path, capsys):
    phantom, folder = shoulder
    _classify(folder, tmp_path / "out", repetitions=3)
    said = json.loads((tmp_path / "out" / "probabilities.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == said
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    assert said["side"] == "L"
    assert said["repetitions"] == 3
    head = np.array(phantom.head_center_lps) * [-1, -1, 1]
    assert np.linalg.norm(np.subtract(said["cube"]["center_ras"], head)) < 15
    source = images.read_image(tmp_path / "out" / "activation.nii.gz")
    assert images.same_grid(source, phantom.image)
    raw = sitk.ReadImage(str(tmp_path / "out" / "activation-raw.nrrd"))
    k, j, i = np.unravel_index(sitk.GetArrayFromImage(raw).argmax(), (16, 16, 16))
    peak = np.array(raw.TransformIndexToPhysicalPoint((int(i), int(j), int(k)))) * [-1, -1, 1]
    np.testing.assert_allclose(peak, said["activation"]["peak_ras"], atol=1e-2)


def test_a_given_point_side_and_class_are_followed(shoulder, tmp_path, capsys):
    phantom, folder = shoulder
    x, y, z = phantom.head_center_lps
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
        _classify(shoulder[1], tmp_path / "out", tmp_path / "axial.nii.gz")


def test_classify_writes_a_scene_and_a_page_that_say_what_was_found(shoulder, tmp_path, capsys):
    pytest.importorskip("slicer")
    phantom, folder = shoulder
    low, high = (np.array(c) * [-1, -1, 1] for c in phantom.tear_corners_lps)
    box = ",".join(f"{v:.3f}" for v in [*(low + high) / 2, *abs(high - low)])
    _classify(folder, tmp_path / "out", box=box, title="Case <7>", map_class="large")
    said = json.loads(capsys.readouterr().out)
    assert said["missing"] == {}
    assert said["localization"]["peak_mm"] > 0
    assert said["seconds"] > 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Case &lt;7&gt;" in page
    assert "Case <7>" not in page
    assert "not for diagnosis" in page
    assert str(tmp_path) not in page
    assert (tmp_path / "out" / "scene.mrb").stat().st_size > 10_000


def _images_that_are_no_shoulder_mri(folder):
    """Name → (image or path, error)."""
    from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom

    mri = sitk.ReadImage(str(folder / "mri.nii.gz"))
    rng = np.random.default_rng(0)
    ct = sitk.GetImageFromArray(rng.normal(40, 30, (24, 64, 64)).astype(np.int16))
    values = sitk.GetArrayFromImage(ct)
    values[:, :20] = -1000
    ct = sitk.GetImageFromArray(values)
    ct.CopyInformation(sitk.Resample(mri, [64, 64, 24]))
    knee = make_shoulder_phantom(2, plane="sagittal", size=(48, 48, 20)).image
    return {
        "a knee, sagittal as knees are": (knee, "sagittal"),
        "a CT": (ct, "is a CT"),
        "three slices": (mri[:, :, :3], "at least 4 slices"),
        "six slices": (mri[:, :, :6], "only 6 slices, as a localizer"),
        "a localizer": (mri[:, :, 10:11], "one slice|only 1|slice"),
        "color": (sitk.Compose([sitk.Cast(mri, sitk.sitkUInt8)] * 3), "[Cc]olou?r|vector"),
    }


KINDS = ("a knee, sagittal as knees are", "a CT", "three slices", "six slices", "a localizer", "color")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_shoulder_mri_is_refused_in_words(shoulder, tmp_path, kind):
    image, words = _images_that_are_no_shoulder_mri(shoulder[1])[kind]
    sitk.WriteImage(image, str(tmp_path / "x.nrrd"))
    with pytest.raises(InputError, match=words):
        _classify(shoulder[1], tmp_path / "out", tmp_path / "x.nrrd")
    assert not (tmp_path / "out").exists()


def test_two_series_in_a_folder_ask_for_one(shoulder, tmp_path):
    from PreopReviewLib.errors import SeveralSeries

    image = sitk.Cast(sitk.ReadImage(str(shoulder[1] / "mri.nii.gz")), sitk.sitkInt16)[:, :, :9]
    for number in (1, 2):
        _write_series(image, tmp_path / "dicom", number)
    with pytest.raises(SeveralSeries):
        _classify(shoulder[1], tmp_path / "out", tmp_path / "dicom")


def _write_series(image, folder, number):
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    for k in range(image.GetSize()[2]):
        piece = image[:, :, k]
        tags = {
            "0008|0060": "MR",
            "0020|000d": "1.2.826.0.1.3680043.2.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1.{number}",
            "0008|0018": f"1.2.826.0.1.3680043.2.1.{number}.{k + 1}",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{v:.6f}" for v in image.TransformIndexToPhysicalPoint((0, 0, k))),
            "0020|0037": "\\".join(f"{direction[i]:.6f}" for i in (0, 3, 6, 1, 4, 7)),
        }
        for tag, value in tags.items():
            piece.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number}-{k}.dcm"))
        writer.Execute(piece)


def test_a_study_is_made_read_and_evaluated_by_the_command(shoulder, tmp_path, capsys):
    from RotatorCuffCAMLib.commands import readers as commands_readers
    from RotatorCuffCAMLib.readers.session import Session
    from RotatorCuffCAMLib.readers.study import load_study

    mri = shoulder[1] / "mri.nii.gz"
    keys = ["none", "partial", "small", "medium", "large"] * 5
    rows = [["case", "image", "class"], *([f"C{n:02d}", mri, key] for n, key in enumerate(keys))]
    with (tmp_path / "cases.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    commands_readers.study(tmp_path / "cases.csv", tmp_path / "study", seed=3)
    for reader, offset in (("Kim", 0), ("Yoon", 1), ("Ki", 0)):
        session = Session(load_study(tmp_path / "study"), reader, "specialist")
        while session.current is not None:
            session.show()
            session.answer(min(4, keys.index(keys[int(session.current.case[1:])]) + offset), 3)
        session.close()
    with (tmp_path / "model.csv").open("w") as stream:
        stream.write("case,none,partial,small,medium,large\n")
        stream.writelines(f"C{n:02d},{','.join('0.8' if k == key else '0.05' for k in keys[:5])}\n"
                          for n, key in enumerate(keys))  # fmt: skip
    capsys.readouterr()
    commands_readers.evaluate(
        tmp_path / "cases.csv", tmp_path / "out", study=tmp_path / "study", model=tmp_path / "model.csv", figures=False,
        as_json=True,
    )  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert said["readers"]["Kim"]["top1"] == 1
    assert said["readers"]["Yoon"]["top1_within_1"] == 1
    assert said["auc"]["value"] == 1
    assert "shim2020_table3a.csv" in {p.name for p in (tmp_path / "out").iterdir()}
    other = tmp_path / "other"
    commands_readers.study(tmp_path / "cases.csv", other, seed=4)
    (other / "readers" / "kim.1.jsonl").write_bytes((tmp_path / "study" / "readers" / "kim.1.jsonl").read_bytes())
    with pytest.raises(InputError, match="another study"):
        commands_readers.evaluate(tmp_path / "cases.csv", tmp_path / "out2", study=other)


def test_maps_of_a_folder_are_compared_with_boxes(shoulder, tmp_path, capsys):
    from RotatorCuffCAMLib.commands import readers as commands_readers

    phantom, folder = shoulder
    _classify(folder, tmp_path / "maps" / "C1", map_class="large")
    x, y, z = phantom.tear_center_lps
    (tmp_path / "boxes.csv").write_text(f"case,r,a,s,size_r,size_a,size_s\nC1,{-x},{-y},{z},300,300,300\n")
    capsys.readouterr()
    commands_readers.localize(tmp_path / "boxes.csv", tmp_path / "maps", tmp_path / "out.csv", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["summary"]["pointing_game"] == 1  # the box holds everything
    assert said["cases"]["C1"]["energy_inside"] == pytest.approx(1)
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("case,pointing")
    (tmp_path / "boxes.csv").write_text("case,r,a,s,size_r,size_a,size_s\nC2,0,0,0,1,1,1\n")
    with pytest.raises(FileMissing, match="no map"):
        commands_readers.localize(tmp_path / "boxes.csv", tmp_path / "maps")


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


NAMES = ("none", "partial", "small", "Medium", "massive")
SMALL = {"blocks": 2, "classes": 5, "width": 4, "stem_stride": 4, "variant": "corrected"}


@pytest.fixture(scope="module")
def five_shoulders(shoulder, tmp_path_factory):
    """A table of one shoulder in every class."""
    folder = tmp_path_factory.mktemp("five")
    mri = shoulder[1] / "mri.nii.gz"
    rows = [[shutil.copy(mri, folder / f"{n}.nii.gz"), n, "", "", ""] for n in NAMES]
    return _table(folder / "t.csv", rows)


def test_training_resumes_to_the_same_weights_as_without_a_stop(five_shoulders, tmp_path):
    recipe = load_recipe("shim2020").changed(network__arguments=SMALL, data__batch=3, schedule__epochs=2)
    settings = RunSettings(str(five_shoulders), workers=0)
    start_run(recipe, tmp_path / "whole", settings)
    start_run(recipe, tmp_path / "parts", replace(settings, minutes=0.0))
    start_run(recipe, tmp_path / "parts", settings, resume=True)
    whole, parts = (read_checkpoint(tmp_path / n / LAST) for n in ("whole", "parts"))
    assert whole["iteration"] == parts["iteration"] == 4
    for one, other in zip(whole["network"].values(), parts["network"].values(), strict=True):
        assert torch.equal(one, other)


def test_the_authors_own_variant_trains(five_shoulders, tmp_path):
    exact = {"blocks": 2, "classes": 5, "width": 4, "variant": "exact", "units": 1}
    recipe = load_recipe("shim2020").changed(network__arguments=exact, data__batch=2, schedule__iterations=1)
    result = start_run(recipe, tmp_path / "run", RunSettings(str(five_shoulders), workers=0))
    assert result.finished


def test_the_recipe_is_the_papers():
    recipe = load_recipe("shim2020")
    plan = schedule_of(recipe, 1924)
    epochs = [int(e * plan.steps_per_epoch) + 1 for e in (0, 11, 12, 99)]
    assert [learning_rate(recipe, plan, n) for n in epochs] == [0.002, 0.002, 0.0002, 0.0002]
    assert recipe["data.batch"] == 6
    assert recipe["schedule.epochs"] == 100


def test_biases_do_not_decay():
    recipe = load_recipe("shim2020")
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.BatchNorm3d(2))
    groups = build_optimizer(recipe, network).param_groups
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.001, 2), (0.0, 2)]


def test_phantom_shoulder_writes_a_case_or_a_table_of_all_classes(tmp_path):
    from PreopReviewLib.command.phantom_shoulder import shoulder as make

    make(tmp_path / "one", seed=3, tear="large", size=32, slices=12)
    facts = json.loads((tmp_path / "one" / "planted.json").read_text(encoding="utf-8"))
    assert (facts["class"], facts["simulated"]) == ("large", True)
    assert facts["tear"]["width_mm"] > 30
    make(tmp_path / "many", tear="any", size=32, slices=12, count=5)
    cases = training.read_cases(tmp_path / "many" / "cases.csv")
    assert sorted(c.class_index for c in cases) == [0, 1, 2, 3, 4]
    assert all(c.center_ras for c in cases)
    from RotatorCuffCAMLib.localization import read_boxes
    from RotatorCuffCAMLib.readers.study import read_study_cases

    assert len(read_study_cases(tmp_path / "many" / "cases.csv")) == 5
    assert 3 <= len(read_boxes(tmp_path / "many" / "boxes.csv")) <= 4
    for wrong in ({"tear": "huge"}, {"side": "X"}, {"contrast": "flair"}):
        with pytest.raises(InputError):
            make(tmp_path / "wrong", size=32, slices=12, **wrong)


def test_a_labeled_run_is_packed_and_classifies(shoulder, five_shoulders, tmp_path):
    settings = ["network.arguments={blocks: 2, classes: 5, width: 4, stem_stride: 4, variant: corrected}"]
    settings += ["data.batch=2", "schedule.epochs=1"]
    run, package = tmp_path / "run", tmp_path / "package"
    commands.train(five_shoulders, run, settings=settings, device="cpu", quiet=True)
    packed = pack_run(run, package, license_="CC-BY-4.0")
    assert "5 images of 5 patients" in packed.card
    assert "License: CC-BY-4.0" in packed.card
    answer = tmp_path / "answer"
    commands.classify(shoulder[1] / "mri.nii.gz", answer, model=str(package), quiet=True, pictures=False)
    said = json.loads((answer / "probabilities.json").read_text(encoding="utf-8"))
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    with pytest.raises(TrainingError, match="no checkpoint"):
        pack_run(answer, tmp_path / "other")
