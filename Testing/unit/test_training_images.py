"""Training on labeled images: data sets good and bad, fine-tuning from a package, packing, several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from PreopReviewLib.datasets.layout import DataSet, find_data_set
from PreopReviewLib.datasets.splitting import read_split, split_by_counts, split_in_folds, write_split
from PreopReviewLib.errors import FileMissing, GeometryError, InputError, ModelError, TrainingError
from PreopReviewLib.models import networks
from PreopReviewLib.models.kinds import simulated
from PreopReviewLib.models.preprocessing import normalize
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.progress import CancelToken, silent
from PreopReviewLib.training.augmentation import augment
from PreopReviewLib.training.card import model_card
from PreopReviewLib.training.checkpoint import LAST, read_checkpoint
from PreopReviewLib.training.fine_tuning import start_from, told_of
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.image_data import class_mapping
from PreopReviewLib.training.pack import pack_run
from PreopReviewLib.training.recipe import load_recipe
from PreopReviewLib.training.task import Place, open_task

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]
STRUCTURES = {
    "background": 0,
    "liver": 1,
    "tumor": 2,
    "cyst": 3,
    "hepatic_vein": 4,
    "portal_vein": 5,
    "bile_duct": 6,
    "inferior_vena_cava": 7,
}


def gross(iterations=2, **changes):
    return load_recipe("gross2024").changed(
        data__patch=[16, 16, 16],
        data__batch=2,
        data__spacing_mm=4.0,
        network__arguments={
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 2,
            "channels": [4, 8],
            "strides": [2],
        },
        schedule__iterations=iterations,
        validation__every=iterations,
        validation__cases=2,
        **changes,
    )


def raw_folder(folder, count=3, labels=None, spacing=4.0):
    """An nnU-Net raw folder of small images with a bright ball."""
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    axes = np.ogrid[:24, :24, :24]
    for number in range(count):
        ball = ((axes[0] - 12) ** 2 + (axes[1] - 10 - number) ** 2 + (axes[2] - 12) ** 2 < 50).astype(np.uint8)
        rng = np.random.default_rng(number)
        values = (ball * 100 + rng.normal(0, 5, ball.shape)).astype(np.float32)
        for array, name in ((values, f"imagesTr/c{number}_0000"), (ball, f"labelsTr/c{number}")):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing([spacing] * 3)
            sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    content = {"labels": labels or {"background": 0, "liver": 1}, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def task_of(recipe, data, run, fold=None):
    """The task of a new run on a data set."""
    return open_task(recipe, RunSettings(str(data), fold=fold), Place(run))


def test_a_raw_folder_trains_and_improves(tmp_path):
    data = raw_folder(tmp_path / "data", 5)
    recipe = gross(80).changed(optimizer__learning_rate=0.01, validation__every=20)
    start_run(recipe, tmp_path / "run", RunSettings(str(data), workers=0))
    history = read_checkpoint(tmp_path / "run" / LAST)["history"]
    assert history[-1]["liver"] > max(0.85, history[0]["liver"])


def test_a_monai_datalist_is_the_same_data(tmp_path):
    data = raw_folder(tmp_path / "data")
    entries = [{"image": f"imagesTr/c{n}_0000.nii.gz", "label": f"labelsTr/c{n}.nii.gz"} for n in range(3)]
    listed = {"labels": {"0": "background", "1": "liver"}, "training": entries}
    (data / "list.json").write_text(json.dumps(listed))
    from_list, from_folder = find_data_set(data / "list.json"), find_data_set(data)
    assert [c.labels for c in from_list.cases] == [c.labels for c in from_folder.cases]
    assert dict(from_list.values) == dict(from_folder.values)


def test_training_and_validation_cases_do_not_overlap(tmp_path):
    task = task_of(gross(), raw_folder(tmp_path / "data", 7), tmp_path)
    parts = [{c.name for c in cases} for cases in (task.source.cases, task.validation)]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 7


def test_a_split_says_which_cases_train_and_which_are_never_seen(tmp_path):
    data = raw_folder(tmp_path / "data", 9)
    write_split(split_in_folds(find_data_set(data), 3, 0.3, 5), data)
    split = read_split(data)
    for fold in range(3):
        task = task_of(gross(), data, tmp_path, fold)
        assert [c.name for c in task.source.cases] == split.folds[fold]["training"]
        assert [c.name for c in task.validation] == split.folds[fold]["validation"]
        assert not set(split.test) & {c.name for c in (*task.source.cases, *task.validation)}
    with pytest.raises(InputError, match="3 folds"):
        task_of(gross(), data, tmp_path)
    with pytest.raises(InputError, match="not split into folds"):
        task_of(gross(), raw_folder(tmp_path / "other"), tmp_path, 1)


SMALL_LIN = {
    "data__classes": ["background", "liver", "tumor"],
    "network__arguments": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 4, 8],
        "norm_name": "instance",
        "dropout": 0.3,
        "deep_supervision": True,
        "deep_supr_num": 1,
    },
    "loss__scales": [0.5, 0.5],
}
SMALL_OH = {
    "data__classes": ["background", "liver", "tumor"],
    "network__arguments": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "channels": [4, 8],
        "strides": [2],
        "dropout": 0.1,
    },
}


@pytest.mark.parametrize("name", ["oh2023", "lin2024"])
def test_a_run_on_images_that_was_stopped_ends_with_the_very_weights_of_an_unbroken_one(tmp_path, name):
    data = raw_folder(tmp_path / "data", 4, {"background": 0, "liver": 1, "tumor": 2})
    for file in (data / "labelsTr").glob("*.nii.gz"):
        labels = sitk.ReadImage(str(file))
        labels[12:14, 10:13, 12:14] = 2
        sitk.WriteImage(labels, str(file))
    recipe = load_recipe(name).changed(
        data__patch=[16, 16, 16],
        data__batch=2,
        data__spacing_mm=4.0,
        schedule__iterations=3,
        validation__every=2,
        **(SMALL_OH if name == "oh2023" else SMALL_LIN),
    )
    settings = RunSettings(str(data), workers=0)
    start_run(recipe, tmp_path / "whole", settings)
    for again in (False, True, True):
        start_run(recipe, tmp_path / "parts", replace(settings, minutes=0.0), again)
    whole, parts = (read_checkpoint(tmp_path / n / LAST) for n in ("whole", "parts"))
    assert whole["iteration"] == parts["iteration"] == 3
    assert all(torch.equal(whole["network"][k], parts["network"][k]) for k in whole["network"])
    assert [r["dice"] for r in whole["history"]] == [r["dice"] for r in parts["history"]]


def test_a_resumed_run_keeps_its_cases_whatever_the_split_says_now(tmp_path):
    data = raw_folder(tmp_path / "data", 6)
    start_run(gross(2), tmp_path / "run", RunSettings(str(data), workers=0))
    before = read_checkpoint(tmp_path / "run" / LAST)["facts"]["training"]
    write_split(split_by_counts(find_data_set(data), (2, 2, 2), 9), data)
    start_run(gross(3), tmp_path / "run", RunSettings(str(data), workers=0), resume=True)
    assert read_checkpoint(tmp_path / "run" / LAST)["facts"]["training"] == before


def test_bad_data_sets_are_refused_with_the_culprit(tmp_path):
    with pytest.raises(FileMissing, match=r"dataset\.json"):
        find_data_set(tmp_path)
    with pytest.raises(TrainingError, match="1 labeled case"):
        find_data_set(raw_folder(tmp_path / "one", 1))
    gone = raw_folder(tmp_path / "gone")
    (gone / "imagesTr" / "c1_0000.nii.gz").unlink()
    with pytest.raises(FileMissing, match="c1_0000"):
        find_data_set(gone)
    (gone / "dataset.json").write_text("{no json")
    with pytest.raises(TrainingError, match="JSON"):
        find_data_set(gone)


def test_labels_that_nobody_named_or_no_recipe_knows_are_refused(tmp_path):
    other = raw_folder(tmp_path / "other", labels={"background": 0, "spleen": 1})
    with pytest.raises(TrainingError, match="spleen"):
        task_of(gross(), other, tmp_path)
    strange = raw_folder(tmp_path / "strange")
    file = strange / "labelsTr" / "c1.nii.gz"
    labels = sitk.ReadImage(str(file))
    labels[2, 2, 2] = 9
    sitk.WriteImage(labels, str(file))
    with pytest.raises(TrainingError, match=r"c1.*\[9\]"):
        task_of(gross(), strange, tmp_path)


def test_an_empty_class_is_refused(tmp_path):
    data = raw_folder(tmp_path / "data", labels={"background": 0, "liver": 1, "tumor": 2})
    recipe = gross().changed(data__classes=["background", "liver", "tumor"])
    with pytest.raises(TrainingError, match="tumor"):
        task_of(recipe, data, tmp_path)


def test_a_liver_only_data_set_is_refused_by_oh2023_with_what_it_lacks(tmp_path):
    data = raw_folder(tmp_path / "data")
    with pytest.raises(TrainingError, match="no labels of tumor, portal_vein, hepatic_vein, bile_duct"):
        task_of(load_recipe("oh2023"), data, tmp_path)


def test_what_is_nested_in_the_liver_is_liver_to_a_recipe_of_the_whole_liver(tmp_path):
    names = {"background": 0, "portal_vein": 1, "liver": 2, "gallbladder": 3}
    mapping = class_mapping(gross(), DataSet([], names))
    assert mapping == {0: 0, 1: 1, 2: 1, 3: 0}


def test_labels_on_another_grid_are_refused(tmp_path):
    data = raw_folder(tmp_path / "data")
    file = data / "labelsTr" / "c2.nii.gz"
    labels = sitk.ReadImage(str(file))
    labels.SetOrigin([5, 0, 0])
    sitk.WriteImage(labels, str(file))
    with pytest.raises(GeometryError, match="c2"):
        task_of(gross(), data, tmp_path)


def test_intensity_rules_do_what_they_say():
    values = np.linspace(0, 100, 101, dtype=np.float32)
    quartiles = normalize(values, {"kind": "quartiles"})
    assert np.percentile(quartiles, [25, 75]) == pytest.approx([-0.5, 0.5])
    assert normalize(values, {"kind": "zscore"}).std() == pytest.approx(1, abs=1e-4)
    fixed = normalize(values, {"kind": "fixed", "clip": [10, 90], "mean": 50, "deviation": 20})
    assert (fixed.min(), fixed.max()) == (-2, 2)
    with pytest.raises(TrainingError, match="rank"):
        normalize(values, {"kind": "rank"})


def test_augmentation_moves_image_and_labels_together():
    target = np.zeros((20, 20, 20), np.uint8)
    target[5:12, 6:15, 4:10] = 1
    settings = {"rotate_degrees": 20, "scale": [0.8, 1.2], "flip": [0, 2], "probability": 1.0}
    image, moved = augment(np.random.default_rng(1), target[None].astype(np.float32), target, settings)
    assert not np.array_equal(moved, target)
    assert ((image[0] > 0.5) != (moved == 1)).mean() < 0.03
    with pytest.raises(InputError, match="elastic"):
        augment(np.random.default_rng(1), target[None].astype(np.float32), target, {"elastic": 1})


@pytest.fixture(scope="module")
def five_folder(tmp_path_factory):
    """Six phantoms of one contrast as a labeled data set, on a coarse grid."""
    folder = tmp_path_factory.mktemp("five")
    (folder / "imagesTr").mkdir()
    (folder / "labelsTr").mkdir()
    for number in range(6):
        phantom = make_liver_phantom(300 + number, "ct", (64, 64, 64), 4.0, 0)
        labels = phantom.labels
        labels = sitk.ChangeLabel(labels, {8: 0})
        sitk.WriteImage(phantom.image, str(folder / "imagesTr" / f"p{number}_0000.nii.gz"))
        sitk.WriteImage(labels, str(folder / "labelsTr" / f"p{number}.nii.gz"))
    (folder / "dataset.json").write_text(json.dumps({"labels": STRUCTURES}))
    return folder


def five(iterations, **changes):
    return load_recipe("five-structures").changed(
        data__patch=[24, 24, 24],
        data__spacing_mm=4.0,
        data__echo=1,
        network__arguments={"in_channels": 2, "out_channels": 7, "widths": [8, 16], "block": 2},
        schedule__iterations=iterations,
        schedule__warmup=2,
        validation__every=10**6,
        validation__cases=4,
        **changes,
    )


@pytest.mark.slow
def test_fine_tuning_from_a_package_improves_on_the_cases(tmp_path, five_folder):
    start_run(five(6), tmp_path / "base", RunSettings(workers=0))
    package = pack_run(tmp_path / "base", tmp_path / "package", checkpoint="last")
    quick = five(200).changed(optimizer__learning_rate=0.01, training__ema=0.9)
    recipe, weights = start_from(quick, package.folder)
    start_run(recipe, tmp_path / "tuned", RunSettings(str(five_folder), workers=0, initial=weights))
    tuned = pack_run(tmp_path / "tuned", tmp_path / "better", checkpoint="last")
    task = task_of(recipe, five_folder, tmp_path)

    def score(one):
        return task.validate(one.load_network(), torch.device("cpu"), silent, CancelToken())["dice"]

    assert score(tuned) > score(package) + 0.03


def test_a_model_that_goes_on_from_one_of_phantoms_says_so_until_its_own_images_are_of_patients(tmp_path, five_folder):
    start_run(five(1), tmp_path / "base", RunSettings(workers=0))
    base = pack_run(tmp_path / "base", tmp_path / "package", name="base", checkpoint="last")
    recipe, weights = start_from(five(2), base.folder)
    settings = RunSettings(str(five_folder), workers=0, initial=weights, start=told_of(base.folder))
    stopped = RunSettings(**{**vars(settings), "minutes": 0})
    start_run(recipe, tmp_path / "tuned", stopped)
    start_run(recipe, tmp_path / "tuned", RunSettings(str(five_folder), workers=0), resume=True)
    tuned = pack_run(tmp_path / "tuned", tmp_path / "own", checkpoint="last").metadata
    assert simulated(base.metadata)
    assert simulated(tuned), "nobody has said that the images are of patients"
    assert tuned["intended_use"].startswith("Goes on from simulated images")
    assert "Goes on from base 1.0.0, whose data were: synthesized images only." in model_card(tuned)
    assert not simulated({**tuned, "training": {**tuned["training"], "simulated": False}})


def test_a_network_given_a_last_stage_starts_from_the_answers_it_gave_without(tmp_path):
    start_run(five(2), tmp_path / "base", RunSettings(workers=0))
    package = pack_run(tmp_path / "base", tmp_path / "package", checkpoint="last")
    arguments = five(2)["network.arguments"] | {"detail": 4}
    recipe, weights = start_from(five(2).changed(network__arguments=arguments), package.folder)
    assert recipe["network.arguments"] == arguments
    with_stage = networks.build("ResidualUNet3D", arguments)
    with_stage.load_state_dict(weights)
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(with_stage(image), package.load_network()(image), atol=1e-5)
    start_run(recipe, tmp_path / "next", RunSettings(workers=0, initial=weights))
    trained = read_checkpoint(tmp_path / "next" / LAST)["average"]
    assert trained["detail.correct.weight"].abs().max() > 0


def test_a_data_set_without_liver_cannot_train_a_network_inside_the_liver(tmp_path, five_folder):
    names = {k: v for k, v in STRUCTURES.items() if k != "liver"} | {"ignore": 1}
    listing = {
        "labels": names,
        "training": [
            {"image": str(p), "label": str(five_folder / "labelsTr" / p.name.replace("_0000", ""))}
            for p in sorted((five_folder / "imagesTr").glob("*.nii.gz"))
        ],
    }
    (tmp_path / "list.json").write_text(json.dumps(listing))
    with pytest.raises(TrainingError, match="liver"):
        task_of(five(2), tmp_path / "list.json", tmp_path)


def test_a_package_keeps_half_precision_weights_and_whole_statistics(tmp_path):
    start_run(five(2), tmp_path / "run", RunSettings(workers=0))
    kept = read_checkpoint(tmp_path / "run" / LAST)["average"]
    package = pack_run(tmp_path / "run", tmp_path / "package", checkpoint="last", command="preop train")
    state = package.load_network().state_dict()
    for key, value in kept.items():
        exact = key.endswith(("running_mean", "running_var"))
        assert torch.allclose(state[key], value.to(state[key].dtype), atol=0 if exact else 2e-3), key
    assert "seed 20260" in package.card
    assert "preop train" in package.card


def test_a_package_that_does_not_state_its_grid_cannot_be_fine_tuned(tmp_path):
    start_run(five(1), tmp_path / "run", RunSettings(workers=0))
    package = pack_run(tmp_path / "run", tmp_path / "package", checkpoint="last")
    file = package.folder / "configs" / "metadata.json"
    content = json.loads(file.read_text())
    del content["inference"]
    file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="cannot be trained further here"):
        start_from(five(1), package.folder)


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path):
    import yaml

    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(five(2).as_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command += ["PreopReviewLib.training", "--recipe", str(tmp_path / "tiny.yaml"), "-o", str(tmp_path / "run")]
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT / 'PreopReview'}:{ROOT / 'LiverPlanner'}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([*command, "--workers", "0"], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_checkpoint(tmp_path / "run" / LAST)["iteration"] == 2
