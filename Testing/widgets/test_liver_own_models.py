"""The section Segment with models of one's own: offered with what they draw, and Apply draws with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from liver_case import small_case, wait
from segment_section import open_module, section, start

from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib import images
from PreopReviewLib.evaluation.overlap import dice
from PreopReviewLib.models.segmenter import segmenter
from PreopReviewLib.scene import nodes

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Models" / "five-structures-synthetic"
UNET = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2, "channels": [8, 16], "strides": [2], "norm": "BATCH"}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's models are; panel and worker look there."""
    folder = tmp_path / "models"
    monkeypatch.setenv("PREOP_MODELS", str(folder))
    return folder


def draw_with(host: Any, widget: Any, name: str) -> tuple[Any, dict[str, Any]]:
    """What a user does to plan with a model: chooses it and presses Apply. The plan and its record."""
    ui = section(widget).ui
    host.choose(ui.modelComboBox, name)
    assert ui.modelComboBox.currentText == name
    start(host, widget)
    wait(host, widget)
    assert host.messages == []
    plan = widget.context.parameters.segmentation
    return plan, scene_plan.plan_record(plan)


def tooltip(widget: Any, name: str) -> str:
    import qt

    box = section(widget).ui.modelComboBox
    return box.itemData(box.findText(name), qt.Qt.ToolTipRole)


def drawn(plan: Any, segment: str) -> np.ndarray:
    """Voxels of a segment on the grid of the plan's volume."""
    volume = scene_plan.volume_of(plan)
    return slicer.util.arrayFromSegmentBinaryLabelmap(plan, segment, volume) > 0


def raw_data(folder: Path) -> Path:
    """Five times the small CT with its liver, as an nnU-Net data set."""
    case = small_case()
    liver = images.image_like((images.array_of(case.labels) > 0).astype(np.uint8), case.labels)
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number in range(5):
        noise = np.random.default_rng(number).normal(0, 3, images.array_of(case.image).shape)
        noisy = images.image_like((images.array_of(case.image) + noise).astype(np.float32), case.image)
        sitk.WriteImage(noisy, str(folder / f"imagesTr/c{number}_0000.nii.gz"))
        sitk.WriteImage(liver, str(folder / f"labelsTr/c{number}.nii.gz"))
    (folder / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1}}))
    return folder


def trained_liver_model(folder: Path, data: Path) -> None:
    """A package of the recipe gross2024 with a small network, learned from the small CT for some seconds."""
    from PreopReviewLib.training.fit import RunSettings, start_run
    from PreopReviewLib.training.pack import pack_run
    from PreopReviewLib.training.recipe import load_recipe

    recipe = load_recipe("gross2024").changed(
        network__arguments=UNET,
        inference__window=[32, 32, 32],
        inference__modalities=["CT"],
        data__patch=[16, 16, 16],
        data__spacing_mm=[4.0, 4.0, 4.0],
        data__batch=4,
        optimizer__learning_rate=0.01,
        schedule__iterations=40,
        validation__every=40,
        validation__cases=1,
    )
    start_run(recipe, folder.parent / "run", RunSettings(str(data), workers=0))
    pack_run(folder.parent / "run", folder, folder.name, checkpoint="last")


def test_my_trained_liver_model_draws_the_liver_of_a_plan(host: Any, models: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    trained_liver_model(models / "ward", raw_data(tmp_path / "data"))
    widget = open_module(host)
    widget.context.parameters.liverSource = None
    widget.context.parameters.structures = widget.context.parameters.couinaud = False
    box = section(widget).ui.modelComboBox
    offered = [box.itemText(i) for i in range(box.count)]
    packages = [name for name in offered if not name.startswith("totalsegmentator-")]  # where that is installed
    assert packages == ["kuleuven-liver", "ward"], "nothing that draws in no image"
    assert "Draws liver" in tooltip(widget, "ward")
    plan, record = draw_with(host, widget, "ward")
    assert record["models"]["liver"] == "ward 1.0.0"
    assert "ward 1.0.0" in section(widget).ui.messageLabel.text
    alone = segmenter("ward").segment(small_case().image)
    assert np.array_equal(drawn(plan, "liver"), images.array_of(alone.mask("liver")) > 0)
    assert dice(drawn(plan, "liver"), images.array_of(small_case().labels) > 0) > 0.85


@pytest.mark.slow
def test_my_fine_tuned_five_structures_draw_what_lies_in_the_liver(
    host: Any, models: Path, tmp_path: Path, preop: Any
) -> None:
    pytest.importorskip("torch")
    run = tmp_path / "run"
    smaller = ("data.batch=1", "data.patch=[32, 32, 32]", "schedule.iterations=2", "validation.every=2")
    options = [word for field in (*smaller, "validation.cases=2") for word in ("--set", field)]
    tuned = preop("train", "--package", SHIPPED, "-o", run, *options, "--workers", "0")
    assert tuned.code == 0, tuned.err
    packed = preop("models", "pack", run, "-o", models / "tuned", "--name", "tuned")
    assert packed.code == 0, packed.err
    widget = open_module(host)
    assert "hepatic_vein" in tooltip(widget, "tuned")
    plan, record = draw_with(host, widget, "tuned")
    assert {record["models"][name] for name in ("portal_vein", "hepatic_vein", "bile_duct")} == {"tuned 1.0.0"}
    assert record["models"]["liver"] == "given"
    assert "tuned 1.0.0" in section(widget).ui.messageLabel.text
    assert "simulated" in section(widget).ui.messageLabel.text, "what is learned from phantoms says so"
    case = small_case()
    liver = images.image_like((images.array_of(case.labels) > 0).astype(np.uint8), case.labels)
    alone = images.array_of(segmenter("tuned").segment(case.image, liver).mask("hepatic_vein")) > 0
    own = drawn(plan, "hepatic_vein")
    assert own.any()
    assert dice(own, alone) > 0.95
    plan, record = draw_with(host, widget, "kuleuven-liver")
    assert record["models"]["hepatic_vein"].startswith("five-structures-synthetic")
    assert not np.array_equal(drawn(plan, "hepatic_vein"), own), "another network"


@pytest.mark.slow
def test_my_nnunet_draws_the_liver_and_the_tumors_of_a_plan(
    host: Any, models: Path, tmp_path: Path, preop: Any
) -> None:
    pytest.importorskip("nnunetv2", reason="nnunetv2, the extra preopreview[nnunet], is not installed")
    from nnunet_samples import scan, train

    result = train(tmp_path / "nnunet")
    made = preop("models", "import", result / "fold_0", "--as", "nnunet", "--name", "mine", "--license", "CC BY 4.0")
    assert made.code == 0, made.err
    (image,), _truth = scan(82)
    volume = nodes.add_volume(slicer.mrmlScene, image, "Ball", (400.0, 40.0))
    widget = host.open_module("LiverPlanner")
    parameters = widget.context.parameters
    parameters.structures = parameters.couinaud = parameters.lesions = False
    host.process_events(0.1)
    assert parameters.inputVolume.GetID() == volume.GetID()
    assert "Draws liver, tumor" in tooltip(widget, "mine")
    assert "Not known" in section(widget).show_card("mine").toPlainText()
    plan, record = draw_with(host, widget, "mine")
    assert record["models"]["liver"] == record["models"]["tumor"] == "mine imported"
    alone = segmenter("mine").segment(image)
    for name in ("liver", "tumor"):
        assert dice(drawn(plan, name), images.array_of(alone.mask(name)) > 0) > 0.95, name
