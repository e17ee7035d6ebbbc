"""Which folders of nnU-Net are understood, and what is said of the others; nothing of nnunetv2 is needed for it."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest

from PreopReviewLib.errors import FileMissing, ModelCorrupt, ModelError
from PreopReviewLib.models.importing import ImportOptions, import_model
from PreopReviewLib.models.nnunet.checkpoint import read_checkpoint
from PreopReviewLib.models.nnunet.plans import channels_of, checked_configuration, labels_of, modalities_of
from PreopReviewLib.models.nnunet.result_folder import find_result_folder

torch = pytest.importorskip("torch")

ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {"conv_op": "torch.nn.modules.conv.Conv3d", "dropout_op": None, "nonlin": "torch.nn.LeakyReLU"},
    "_kw_requires_import": ["conv_op", "dropout_op", "nonlin"],
}


def plans(**changes):
    full = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": [32, 32, 32],
        "spacing": [2.0, 1.5, 1.5],
        "normalization_schemes": ["CTNormalization"],
        "architecture": ARCHITECTURE,
        **{f"resampling_fn_{part}": "resample_data_or_seg_to_shape" for part in ("data", "seg", "probabilities")},
        **changes,
    }
    return {
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "dataset_name": "Dataset901_Tiny",
        "configurations": {"3d_fullres": full, "child": {"inherits_from": "3d_fullres", "patch_size": [16, 16, 16]}},
    }


def model(root, folds=("0", "1", "2", "3", "4"), checkpoint="checkpoint_final.pth", changes=None):
    """A result folder whose checkpoints are empty."""
    folder = root / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    for fold in folds:
        (folder / f"fold_{fold}").mkdir(parents=True)
        (folder / f"fold_{fold}" / checkpoint).write_bytes(b"")
    (folder / "plans.json").write_text(json.dumps(plans(**(changes or {}))))
    about = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "file_ending": ".nrrd"}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def test_a_result_folder_gives_all_its_folds_wherever_it_lies(tmp_path):
    results = find_result_folder(model(tmp_path / "copied somewhere"))
    assert list(results.checkpoints) == ["0", "1", "2", "3", "4"]
    assert results.notes == []


def test_a_fold_folder_or_a_checkpoint_in_it_means_that_fold_alone(tmp_path):
    folder = model(tmp_path)
    for given in (folder / "fold_2", folder / "fold_2" / "checkpoint_final.pth"):
        results = find_result_folder(given)
        assert results.folder == folder
        assert list(results.checkpoints) == ["2"]
        assert "Only fold 2 is used" in results.notes[0]


def test_a_dataset_folder_with_one_model_means_that_model_and_with_two_asks_which(tmp_path):
    folder = model(tmp_path / "Dataset901_Tiny")
    assert find_result_folder(tmp_path / "Dataset901_Tiny").folder == folder
    assert find_result_folder(tmp_path).folder == folder
    folder.rename(folder.with_name("nnUNetTrainer__nnUNetPlans__2d"))
    model(tmp_path / "Dataset901_Tiny")
    with pytest.raises(ModelError, match="2 trained nnU-Nets.*__2d.*__3d_fullres"):
        find_result_folder(tmp_path / "Dataset901_Tiny")


def test_a_fold_copied_alone_is_told_what_it_lacks(tmp_path):
    folder = model(tmp_path)
    (folder / "fold_0").rename(tmp_path / "fold_0")
    with pytest.raises(FileMissing, match=r"one fold of an nnU-Net.*Copy the whole folder"):
        find_result_folder(tmp_path / "fold_0")


def test_a_missing_dataset_json_is_named_with_where_it_lies(tmp_path):
    folder = model(tmp_path)
    (folder / "dataset.json").unlink()
    with pytest.raises(FileMissing, match=r"no dataset\.json.*nnUNet_raw"):
        find_result_folder(folder)


def test_fold_all_is_used_alone_and_left_out_beside_others(tmp_path):
    assert list(find_result_folder(model(tmp_path / "a", ["all"])).checkpoints) == ["all"]
    results = find_result_folder(model(tmp_path / "b", ["0", "1", "2", "3", "4", "all"]))
    assert list(results.checkpoints) == ["0", "1", "2", "3", "4"]
    assert "fold_all was left out" in results.notes[0]


def test_checkpoint_best_is_used_where_there_is_no_final_one_and_said(tmp_path):
    results = find_result_folder(model(tmp_path, ["0"], "checkpoint_best.pth"))
    assert results.checkpoints["0"].name == "checkpoint_best.pth"
    assert "checkpoint_best.pth is used" in results.notes[0]


def test_a_missing_fold_is_said_and_one_that_is_asked_for_refused(tmp_path):
    folder = model(tmp_path, ["0", "1", "3", "4"])
    assert find_result_folder(folder).notes == ["Missing: fold 2; the other 4 are averaged."]
    with pytest.raises(FileMissing, match="no fold_2; there are fold_0, fold_1, fold_3, fold_4"):
        find_result_folder(folder, ["0", "2"])


def test_a_fold_whose_training_has_not_ended_is_left_out_or_alone_refused(tmp_path):
    folder = model(tmp_path / "a", ["0", "1"])
    (folder / "fold_1" / "checkpoint_final.pth").rename(folder / "fold_1" / "checkpoint_latest.pth")
    results = find_result_folder(folder)
    assert list(results.checkpoints) == ["0"]
    assert "Fold 1 was left out" in results.notes[0]
    with pytest.raises(FileMissing, match="training has not ended"):
        find_result_folder(model(tmp_path / "b", ["0"], "checkpoint_latest.pth"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["plans.pkl", "fold_0/model_final_checkpoint.model"], "nnU-Net v1"),
        (["fold_0/model_best.model.pkl"], "nnU-Net v1"),
        (["imagesTr/a_0000.nii.gz", "dataset.json"], "a data set of nnU-Net"),
        (["dataset_fingerprint.json", "nnUNetPlans.json"], "preprocessed data"),
        (["readme.txt"], "holds no trained nnU-Net"),
    ],
    ids=["v1", "v1 fold", "raw", "preprocessed", "other"],
)
def test_other_folders_are_called_by_their_name(tmp_path, files, said):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(pickle.dumps(1))
    with pytest.raises((ModelError, FileMissing), match=said):
        find_result_folder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"previous_stage": "3d_lowres"}, "cascade.*3d_fullres or 3d_lowres"),
        ({"preprocessor_name": "MyPreprocessor"}, "preprocessor of its authors' own"),
        ({"normalization_schemes": ["MyNorm"]}, "normalization of its authors' own"),
        ({"resampling_fn_data": "system"}, "resampling of its authors' own"),
        ({"architecture": {**ARCHITECTURE, "network_class_name": "os.system"}}, "network of its authors' own"),
        (
            {"architecture": {**ARCHITECTURE, "arch_kwargs": {"conv_op": "subprocess.Popen"}}},
            "layer that is not torch's",
        ),
        ({"architecture": {**ARCHITECTURE, "arch_kwargs": {"conv_op": "torch.nn.Conv3d.__init__"}}}, "not torch's"),
    ],
    ids=["cascade", "preprocessor", "normalization", "resampling", "network", "layer", "attribute"],
)
def test_plans_that_name_more_than_nnunets_own_parts_are_refused_before_weights_are_opened(tmp_path, changes, said):
    folder = model(tmp_path, changes=changes)
    with pytest.raises(ModelError, match=said):
        import_model("nnunet", folder, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_two_dimensional_pictures_are_refused():
    with pytest.raises(ModelError, match="two-dimensional pictures"):
        checked_configuration({**plans(), "image_reader_writer": "NaturalImage2DIO"}, "3d_fullres")


def test_a_configuration_inherits_and_one_that_is_not_there_is_named():
    assert checked_configuration(plans(), "child")["patch_size"] == [16, 16, 16]
    with pytest.raises(ModelCorrupt, match=r"3d_lowres \(they have 3d_fullres, child\)"):
        checked_configuration(plans(), "3d_lowres")
    circle = plans(inherits_from="child")
    with pytest.raises(ModelCorrupt):
        checked_configuration(circle, "child")


def test_labels_and_regions_give_the_value_that_is_left_for_each():
    assert labels_of({"labels": {"background": 0, "liver": 1, "tumor": 2, "ignore": 3}}) == {1: "liver", 2: "tumor"}
    regions = {"background": 0, "whole_liver": [1, 2], "tumor": [2]}
    assert labels_of({"labels": regions, "regions_class_order": [1, 2]}) == {1: "whole_liver", 2: "tumor"}
    for wrong in ({"labels": regions}, {"labels": {}}, {"labels": {"0": "background", "1": "liver"}}):
        with pytest.raises(ModelCorrupt):
            labels_of(wrong)


def test_channels_are_in_the_order_of_their_numbers_and_say_the_modality():
    assert channels_of({"channel_names": {"1": "T1 portal", "0": "T1 native"}}) == ("T1 native", "T1 portal")
    assert modalities_of(("T1 native", "T1 portal")) == ("MR",)
    assert modalities_of(("CT",)) == ("CT",)
    assert modalities_of(("noNorm",)) == ()
    with pytest.raises(ModelCorrupt, match="not from 0 on"):
        channels_of({"channel_names": {"1": "CT"}})


def checkpoint(path, **more):
    log = {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "epochs": np.int64(3)}
    content = {
        "network_weights": {"a": torch.ones(2)},
        "init_args": {"configuration": "3d_fullres", "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "logging": log,
        **more,
    }
    torch.save(content, path)
    return path


def test_the_numpy_numbers_of_a_training_log_are_let_in(tmp_path):
    loaded = read_checkpoint(checkpoint(tmp_path / "a.pth"))
    assert loaded["logging"]["ema_fg_dice"][0] == 0.5
    assert loaded["trainer_name"] == "nnUNetTrainer"


class Hostile:
    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return os.mkdir, (str(self.flag),)


def test_a_checkpoint_with_code_is_refused_and_nothing_in_it_runs(tmp_path):
    file = checkpoint(tmp_path / "a.pth", extra=Hostile(tmp_path / "it-ran"))
    with pytest.raises(ModelCorrupt, match=r"nothing in it was run.*mkdir"):
        read_checkpoint(file)
    assert not (tmp_path / "it-ran").exists()


def test_a_file_that_is_no_checkpoint_of_nnunet_is_called_so(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="not a checkpoint of nnU-Net v2"):
        read_checkpoint(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(ModelCorrupt):
        read_checkpoint(tmp_path / "b.pth")


def test_names_of_labels_are_those_of_the_table_and_a_user_may_say_others():
    labels = {1: "Liver", 2: "Portal Vein", 3: "hepatic_vessels", 4: "spleen"}
    assert ImportOptions().named(labels) == {1: "liver", 2: "portal_vein", 3: "liver_vessel", 4: "spleen"}
    assert ImportOptions(structures={4: "gallbladder"}).named(labels)[4] == "gallbladder"
    with pytest.raises(ModelError, match=r"no label 7; it has 1 \(Liver\)"):
        ImportOptions(structures={7: "liver"}).named(labels)


def test_eight_segments_are_couinauds():
    named = ImportOptions().named({n: f"liver_segment_{n}" for n in range(1, 9)})
    assert named == {n: f"segment_{n}" for n in range(1, 9)}


def test_the_panel_is_told_what_a_model_needs_before_it_is_run(tmp_path, monkeypatch):
    from LiverPlannerLib.segmentation import model_choices

    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    metadata = {
        "description": "nnU-Net of two images.",
        "network": {"name": "NnUNet", "arguments": {}},
        "inference": {"classes": ["background", "liver"], "channels": ["T1 native", "T1 portal"]},
    }
    (tmp_path / "two" / "configs").mkdir(parents=True)
    (tmp_path / "two" / "configs" / "metadata.json").write_text(json.dumps(metadata))
    for there in (False, True):
        monkeypatch.setattr(model_choices, "find_spec", lambda name, there=there: there or None)
        (choice,) = [c for c in model_choices.plan_models() if c.name == "two"]
        assert choice.channels == ("T1 native", "T1 portal")
        assert choice.lacks == ("" if there else "the Python package nnunetv2")
