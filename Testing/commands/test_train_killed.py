"""Training of every recipe, stopped and killed at random moments, ends with the weights of an unbroken run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml

from PreopReviewLib.resources import resource
from PreopReviewLib.training.recipe import load_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="the signals are POSIX")]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
SMALL = {
    "five-structures": {"network.arguments": {"in_channels": 2, "out_channels": 7, "widths": [4, 8], "block": 2}},
    "gross2024": {},
    "oh2023": {},
    "lin2024": {},
}
UNET = {"spatial_dims": 3, "in_channels": 1, "channels": [4, 8], "strides": [2], "num_res_units": 1, "dropout": 0.2}
DYNUNET = {"spatial_dims": 3, "in_channels": 1, "kernel_size": [3, 3, 3], "strides": [1, 2, 2],
           "upsample_kernel_size": [2, 2], "filters": [4, 8, 8], "norm_name": "instance", "deep_supervision": True,
           "deep_supr_num": 1}  # fmt: skip


def smaller(name: str) -> dict[str, object]:
    """Fields that make a recipe run in seconds, with the network of its own kind."""
    recipe = load_recipe(name)
    fields: dict[str, object] = {"data.patch": [16, 16, 16], "data.spacing_mm": 5.0, "validation.cases": 1}
    fields |= {"validation.every": 4, "data.batch": 2, **SMALL[name]}
    if recipe["network.name"] == "UNet":
        fields["network.arguments"] = {**UNET, "out_channels": len(recipe["data.classes"])}
    elif recipe["network.name"] == "DynUNet":
        network = {**DYNUNET, "out_channels": recipe["network.arguments"]["out_channels"]}  # nested regions
        fields |= {"network.arguments": network, "loss.scales": [0.5, 0.5]}
    return fields


@pytest.fixture
def data(tmp_path):
    def of(name):
        classes = load_recipe(name)["data.classes"]
        folder = tmp_path / "data"
        for part in ("imagesTr", "labelsTr"):
            (folder / part).mkdir(parents=True)
        for n in range(4):
            labels = np.zeros((20, 20, 20), np.uint8)
            for value in range(1, len(classes)):
                labels[3 + value : 17 - value, 4:16, 4:16] = value
            image = labels * 40 + np.random.default_rng(n).normal(0, 9, labels.shape)
            for array, file in ((image.astype(np.float32), f"imagesTr/c{n}_0000"), (labels, f"labelsTr/c{n}")):
                written = sitk.GetImageFromArray(array)
                written.SetSpacing((5, 5, 5))
                sitk.WriteImage(written, str(folder / f"{file}.nii.gz"))
        (folder / "dataset.json").write_text(json.dumps({"labels": {c: n for n, c in enumerate(classes)}}))
        return folder

    return of


def weights(run):
    return torch.load(run / "last.pt", weights_only=True)["network"]


@pytest.mark.parametrize("name", SMALL)
def test_a_run_stopped_at_random_moments_ends_as_an_unbroken_one(tmp_path, data, name):
    words = [sys.executable, "-m", "preopreview.cli", "train", "--recipe", name, "--workers", "0"]
    for key, value in {**smaller(name), "schedule.iterations": 40}.items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    if load_recipe(name)["data.kind"] == "images":
        words += ["--data", str(data(name))]
    whole = subprocess.run([*words, "-o", str(tmp_path / "whole")], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    chance, run = random.Random(name), tmp_path / "run"

    def command() -> list[str]:
        return [*words, "-o", str(run), *(["--resume"] if (run / "last.pt").exists() else [])]

    for number in SIGNALS:
        process = subprocess.Popen(command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 300
        while not (run / "last.pt").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 1.5))
        process.send_signal(number)
        said = process.communicate(timeout=120)[1]
        assert process.returncode in (0, -number, 128 + number), said
        assert "Traceback" not in said
        if process.returncode == 0:
            break
    assert (run / "last.pt").exists()
    ended = subprocess.run(command(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for key, value in weights(tmp_path / "whole").items():
        assert torch.equal(value, weights(run)[key]), key
    assert not [p.name for p in run.iterdir() if p.name.startswith(".preop-") and os.listdir(p)]


def test_every_recipe_is_tried_but_for_those_with_trainers_or_images_of_their_own():
    kinds = {
        p.stem: yaml.safe_load(p.read_text(encoding="utf-8"))["fields"] for p in resource("Recipes").glob("*.yaml")
    }
    own = {n for n, f in kinds.items() if f["network.name"]["value"] == "VRN" or f["data.kind"]["value"] == "painted"}
    assert set(kinds) - own == set(SMALL)
