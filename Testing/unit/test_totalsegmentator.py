"""TotalSegmentator's own code with weights of its layout, made from a tiny nnU-Net: the published ones are not here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from nnunet_samples import scan, train

from LiverPlannerLib.plan.pipeline import PlanOptions, make_plan
from LiverPlannerLib.segmentation.model_choices import plan_models
from PreopReviewLib import images
from PreopReviewLib.errors import ModelCorrupt, ModelUnavailable
from PreopReviewLib.models import totalsegmentator as program
from PreopReviewLib.models.segmenter import segmenter

pytest.importorskip("totalsegmentator", reason="the extra preopreview[totalsegmentator] is not installed")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow


def as_class(trained: Path, folder: Path, trainer: str, classes: int, liver: int, tumor: int = 0) -> None:
    """The tiny nnU-Net as a model of many classes, its liver and tumor as two of them, in TotalSegmentator's layout."""
    target = folder / f"{trainer}__nnUNetPlans__3d_fullres"
    (target / "fold_0").mkdir(parents=True)
    content = torch.load(trained / "fold_0" / "checkpoint_final.pth", weights_only=False)
    for key, value in content["network_weights"].items():
        if ".seg_layers." not in key:
            continue
        wide = torch.full((classes + 1, *value.shape[1:]), -30.0 if key.endswith("bias") else 0.0)
        wide[0], wide[liver] = value[0], value[1]
        if tumor:
            wide[tumor] = value[2]
        content["network_weights"][key] = wide
    content["trainer_name"] = trainer
    torch.save(content, target / "fold_0" / "checkpoint_final.pth")
    labels = {"background": 0, **{f"class_{n}": n for n in range(1, classes + 1)}}
    about = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 5, "file_ending": ".nii.gz"}
    (target / "dataset.json").write_text(json.dumps(about))
    (target / "plans.json").write_text((trained / "plans.json").read_text())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the tasks total, liver_vessels and liver_segments, named as the installed version names them."""
    from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS as NAMES

    trained = train(tmp_path_factory.mktemp("nnunet"))
    root = tmp_path_factory.mktemp("weights")
    coarse = "nnUNetTrainer_4000epochs_NoMirroring"
    as_class(trained, root / NAMES[298]["foldername"], coarse, 117, liver=5)
    as_class(trained, root / NAMES[8]["foldername"], "nnUNetTrainer", 2, liver=1, tumor=2)
    as_class(trained, root / NAMES[570]["foldername"], "nnUNetTrainerNoMirroring", 8, liver=4, tumor=8)
    for number, classes in ((291, 24), (292, 26), (293, 18), (294, 23), (295, 26)):
        # class 5 of the organs is the liver; class 11 of the cardiac part the portal and splenic vein
        mapped = {"liver": 5, "tumor": 4} if number == 291 else {"liver": 0, "tumor": 0}
        as_class(
            trained,
            root / NAMES[number]["foldername"],
            "nnUNetTrainerNoMirroring",
            classes,
            **mapped,
        )
    return root


@pytest.fixture
def in_place(weights, monkeypatch):
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(weights))
    return weights


def own_answer(image, task, home, weights, monkeypatch):
    """What TotalSegmentator's Python interface gives for the image."""
    import nibabel
    from totalsegmentator.python_api import totalsegmentator

    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(home))
    (home / "config.json").write_text(
        json.dumps({"totalseg_id": "test", "send_usage_stats": False, "prediction_counter": 0})
    )
    sitk.WriteImage(image, str(home / "scan.nii.gz"))
    segmented = totalsegmentator(nibabel.load(home / "scan.nii.gz"), None, ml=True, task=task, quiet=True, device="cpu")
    monkeypatch.delenv("TOTALSEG_HOME_DIR")
    return np.asanyarray(segmented.dataobj).astype(np.uint8).transpose(2, 1, 0)


def test_our_names_are_those_of_its_tables():
    from totalsegmentator.map_to_binary import class_map

    for task, (_modality, classes) in program.TASKS.items():
        assert set(classes) <= set(class_map[task].values())


def test_a_task_gives_what_its_own_interface_gives_and_writes_nothing_of_its_own(in_place, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (image,), _ = scan(77, (40, 44, 48))
    model = segmenter("totalsegmentator-liver_segments")
    segmented = model.segment(image, device="cpu")
    own = own_answer(image, "liver_segments", tmp_path, in_place, monkeypatch)
    drawn = images.array_of(segmented.labels)
    assert segmented.values == {f"segment_{n}": n for n in range(1, 9)}
    assert np.array_equal(drawn, own)
    assert (drawn == 4).any()
    assert (drawn == 8).any()
    assert not (tmp_path / "home").exists()


def test_its_segments_are_the_couinaud_segments_of_a_plan(in_place):
    (image,), truth = scan(78, (40, 44, 48))
    options = PlanOptions("CT", ("segments=totalsegmentator-liver_segments",), lesions=False, structures=False)
    plan = make_plan(image, options, liver_mask=truth > 0)
    assert plan.couinaud.model.startswith("totalsegmentator-liver_segments")
    volumes = {v.key: v.ml for v in plan.couinaud.volumes}
    assert volumes["segment_4"] > volumes["segment_8"] > 0
    assert sum(volumes.values()) == pytest.approx(plan.volumes_ml["liver"], rel=1e-3)
    assert any("no segment 1, 2, 3, 5, 6, 7" in w for w in plan.couinaud.warnings)


def test_total_gives_liver_and_gallbladder_to_a_plan(in_place):
    (image,), _ = scan(79, (40, 44, 48))
    options = PlanOptions("CT", ("totalsegmentator-total",), lesions=False, structures=False, segments=False)
    plan = make_plan(image, options)
    assert plan.models["liver"].startswith("totalsegmentator-total")
    assert plan.volumes_ml["liver"] > 20
    assert plan.volumes_ml["gallbladder"] > 0


def test_an_undivided_vessel_stays_so_where_nothing_names_it(in_place):
    (image,), truth = scan(80, (40, 44, 48))
    options = PlanOptions("CT", ("totalsegmentator-liver_vessels",), lesions=False, structures=False, segments=False)
    plan = make_plan(image, options, liver_mask=truth > 0)
    assert plan.volumes_ml["liver_vessel"] > 0
    assert any("nothing here told portal from hepatic" in note for note in plan.notes)


def test_weights_that_hold_code_are_refused_and_nothing_runs(in_place, tmp_path, monkeypatch):
    import os
    import shutil

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it-ran"),)

    copy = shutil.copytree(in_place, tmp_path / "weights")
    file = next((copy / "Dataset298_TotalSegmentator_total_6mm_1559subj").rglob("checkpoint_final.pth"))
    torch.save({**torch.load(file, weights_only=False), "logging": Hostile()}, file)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(copy))
    with pytest.raises(ModelCorrupt, match="more than weights"):
        segmenter("totalsegmentator-liver_segments").segment(scan(81)[0][0], device="cpu")
    assert not (tmp_path / "it-ran").exists()


def test_without_weights_one_sentence_says_what_is_missing_and_nothing_is_fetched(tmp_path, monkeypatch, preop):
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"no weights for its task liver_vessels.*Dataset008_HepaticVessel"):
        segmenter("totalsegmentator-liver_vessels")
    listed = {m["name"]: m for m in json.loads(preop("models", "list", "--json").out)["models"]}
    assert listed["totalsegmentator-total"]["state"] == "not installed"
    assert "Not known" in preop("models", "info", "totalsegmentator-total").out
    assert list(tmp_path.iterdir()) == []


def test_the_panel_offers_its_tasks_with_what_they_draw(in_place):
    offered = {c.name: c.structures for c in plan_models()}
    assert offered["totalsegmentator-total"] == ("liver", "gallbladder", "inferior_vena_cava", "portal_vein")
    assert "segment_8" in offered["totalsegmentator-liver_segments"]
