"""A tiny nnU-Net trained by nnunetv2 itself, imported, and used as a model of ours."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from nnunet_samples import LABELS, REGIONS, predicted, scan, train, untrained

from PreopReviewLib import images
from PreopReviewLib.errors import Cancelled, InputError, ModelError
from PreopReviewLib.models.importing import ImportOptions, import_model
from PreopReviewLib.models.segmenter import segmenter
from PreopReviewLib.progress import CancelToken

pytest.importorskip("nnunetv2", reason="nnunetv2, the extra preopreview[nnunet], is not installed")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(scope="module")
def package(trained, tmp_path_factory):
    return import_model("nnunet", trained, tmp_path_factory.mktemp("package") / "tiny")


@pytest.fixture(scope="module")
def plans(trained):
    return json.loads((trained / "plans.json").read_text())


def for_two_channels(plans):
    full = plans["configurations"]["3d_fullres"]
    full = {**full, "normalization_schemes": ["ZScoreNormalization"] * 2, "use_mask_for_norm": [False] * 2}
    of_one = plans["foreground_intensity_properties_per_channel"]["0"]
    seen = {"0": of_one, "1": of_one}
    return {**plans, "configurations": {"3d_fullres": full}, "foreground_intensity_properties_per_channel": seen}


def as_array(result):
    return images.array_of(result.labels)


def test_it_draws_what_nnunets_own_predictor_draws_voxel_for_voxel(trained, package):
    (image,), truth = scan(77)
    segmented = segmenter(package).segment(image)
    assert np.array_equal(as_array(segmented), predicted(trained, [image]))
    assert segmented.values == {"liver": 1, "tumor": 2}
    drawn, true = as_array(segmented), images.array_of(truth)
    dice = [2 * np.sum((drawn == v) & (true == v)) / np.sum((drawn == v) + 1 * (true == v)) for v in (1, 2)]
    assert min(dice) > 0.6


def test_the_environment_variables_of_nnunet_are_not_needed(package, monkeypatch):
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(name, raising=False)
    assert as_array(segmenter(package).segment(scan(78)[0][0])).any()


def test_several_folds_are_averaged_as_nnunet_averages_them(trained, plans, tmp_path):
    folder = shutil.copytree(trained, tmp_path / trained.name)
    other = untrained(tmp_path / "other", trained, plans, json.loads((trained / "dataset.json").read_text()))
    shutil.copytree(other / "fold_0", folder / "fold_1")
    imported = import_model("nnunet", folder, tmp_path / "package")
    (image,), _ = scan(79)
    assert np.array_equal(as_array(segmenter(imported).segment(image)), predicted(folder, [image], (0, 1)))


@pytest.mark.parametrize("kind", ["regions", "two channels", "residual encoder", "batch norm", "fold all"])
def test_stock_variants_load_and_give_what_nnunet_gives(trained, plans, tmp_path, kind):
    dataset = {"channel_names": {"0": "CT"}, "labels": LABELS, "numTraining": 5, "file_ending": ".mha"}
    trainer, fold, channels = "nnUNetTrainer_1epoch", 0, 1
    full = plans["configurations"]["3d_fullres"]
    if kind == "regions":
        dataset |= {"labels": REGIONS, "regions_class_order": [1, 2]}
    elif kind == "two channels":
        dataset["channel_names"] = {"0": "T1 native", "1": "T1 portal"}
        plans, channels = for_two_channels(plans), 2
        full = plans["configurations"]["3d_fullres"]
    elif kind == "residual encoder":
        old = full["architecture"]["arch_kwargs"]
        kept = {k: v for k, v in old.items() if k != "n_conv_per_stage"}
        kept["n_blocks_per_stage"] = [1] * old["n_stages"]
        name = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
        full = {**full, "architecture": {**full["architecture"], "network_class_name": name, "arch_kwargs": kept}}
    elif kind == "batch norm":
        trainer = "nnUNetTrainerBN"
    else:
        fold = "all"
    changed = {**plans, "configurations": {"3d_fullres": full}}
    folder = untrained(tmp_path, trained, changed, dataset, trainer, fold)
    model = segmenter(import_model("nnunet", folder, tmp_path / "package"))
    given, _ = scan(80, channels=channels)
    image = given[0] if channels == 1 else sitk.Compose(given)
    assert np.array_equal(as_array(model.segment(image)), predicted(folder, given, (fold,)))
    if channels == 2:
        with pytest.raises(InputError, match=r"2 images of the scan \(T1 native, T1 portal\), and was given 1"):
            model.segment(given[0])


def test_a_trainer_of_its_authors_own_is_refused_by_name(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / trained.name)
    file = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(file, weights_only=False)
    torch.save({**content, "trainer_name": "nnUNetTrainerOfOurs"}, file)
    with pytest.raises(ModelError, match="trained by nnUNetTrainerOfOurs, a trainer of its authors' own"):
        import_model("nnunet", folder, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_cancelling_ends_it_between_windows(package):
    token = CancelToken()

    def at_a_window(_fraction, words):
        if words.startswith("Window"):
            token.cancel()

    with pytest.raises(Cancelled):
        segmenter(package).segment(scan(81)[0][0], progress=at_a_window, cancel=token)


def test_my_nnunet_draws_the_liver_of_a_plan_and_of_a_prediction(trained, tmp_path, preop, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))
    made = preop("models", "import", trained / "fold_0", "--as", "nnunet", "--name", "mine", "--license", "CC BY 4.0")
    assert made.code == 0, made.err
    assert "Only fold 0 is used" in made.out
    listed = preop("models", "list", "--json")
    mine = next(m for m in json.loads(listed.out)["models"] if m["name"] == "mine")
    assert (mine["state"], mine["license"]) == ("installed", "CC BY 4.0")
    (image,), _ = scan(82)
    sitk.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    drawn = segmenter("mine").segment(image)
    predicting = preop("predict", "mine", tmp_path / "scan.nii.gz", "-o", tmp_path / "predicted", "-q")
    assert predicting.code == 0, predicting.err
    stored = sitk.ReadImage(str(tmp_path / "predicted" / "scan.seg.nrrd"))
    assert np.array_equal(images.array_of(stored), as_array(drawn))
    options = ["--model", "mine", "--modality", "ct", "--no-lesions", "--no-structures", "--no-segments", "-q"]
    plan = preop("liver", "plan", tmp_path / "scan.nii.gz", "-o", tmp_path / "plan", *options)
    assert plan.code == 0, plan.err
    said = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert said["models"]["liver"] == "mine imported"
    assert said["volumes_ml"]["liver"] == pytest.approx(np.count_nonzero(as_array(drawn)) * 0.01, rel=0.05)


def test_a_panel_offers_it_with_its_structures_and_card(package, tmp_path, monkeypatch):
    from LiverPlannerLib.segmentation.model_choices import plan_models
    from PreopReviewLib.models.overview import card, overview

    monkeypatch.setenv("PREOP_MODELS", str(package.folder.parent))
    choice = next(c for c in plan_models() if c.name == package.folder.name)
    assert choice.structures == ("liver", "tumor")
    assert "Not known" in card(package.folder.name)
    assert next(n for n in overview() if n.name == package.folder.name).license == "not stated"


def test_wishes_give_other_names(trained, tmp_path):
    imported = import_model(
        "nnunet", trained, tmp_path / "package", ImportOptions(structures={2: "cyst"}, name="cysts")
    )
    assert segmenter(imported).structures == ("liver", "cyst")
    assert imported.name == "cysts"


def test_a_model_of_several_images_asks_for_them_before_it_runs_and_uses_them(trained, plans, tmp_path, preop):
    dataset = {"channel_names": {"0": "T1 native", "1": "T1 portal"}, "labels": LABELS, "file_ending": ".nii.gz"}
    folder = untrained(tmp_path, trained, for_two_channels(plans), dataset)
    two = import_model("nnunet", folder, tmp_path / "two")
    given, truth = scan(83, channels=2)
    for number, image in enumerate(given):
        sitk.WriteImage(image, str(tmp_path / f"scan_{number:04d}.nii.gz"))
    sitk.WriteImage(truth > 0, str(tmp_path / "liver.nii.gz"))
    first, second = (tmp_path / f"scan_{n:04d}.nii.gz" for n in (0, 1))
    alone = preop("predict", two.folder, first, "-o", tmp_path / "alone", "-q")
    assert alone.code == 0, alone.err
    options = ["--liver", tmp_path / "liver.nii.gz", "--no-lesions", "--no-structures", "--no-segments", "-q"]
    options += ["--model", f"tumor={two.folder}", "--modality", "ct"]
    plan = ["liver", "plan", first, "-o", tmp_path / "plan", *options]
    refused = preop(*plan)
    assert "needs 2 images of the scan: T1 native, T1 portal" in " ".join(refused.err.split())
    assert preop(*plan, "--also", second).code == 0
    second.unlink()
    lacking = preop("predict", two.folder, first, "-o", tmp_path / "lacking", "-q")
    assert "needs scan_0001.nii.gz (T1 portal)" in " ".join(lacking.err.split())
