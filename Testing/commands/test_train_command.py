"""`preop phantom`, `preop train`, `preop evaluate-model`, `preop models pack`."""

from __future__ import annotations

import json

import pytest

TINY = [
    "--set",
    "data.patch=[16, 16, 16]",
    "--set",
    "data.spacing_mm=5.0",
    "--set",
    "network.arguments={in_channels: 2, out_channels: 7, widths: [4, 8], block: 2}",
    "--set",
    "validation.cases=2",
    "--workers",
    0,
]


def test_a_phantom_is_written_whole(preop, tmp_path):
    from PreopReviewLib import images

    done = preop(
        "phantom", "liver", "--seed", 7, "-o", tmp_path / "p", "--size", 48, "--spacing", 5, "--contrast", "ct"
    )
    assert done.code == 0, done.err
    written = {p.name for p in (tmp_path / "p").iterdir() if not p.name.startswith(".")}
    assert written == {"image.nii.gz", "labels.nii.gz", "order.nii.gz", "planted.json"}
    planted = json.loads((tmp_path / "p" / "planted.json").read_text())
    assert planted["seed"] == 7
    assert planted["simulated"]
    image, labels = (images.read_image(tmp_path / "p" / f"{n}.nii.gz") for n in ("image", "labels"))
    assert images.same_grid(image, labels)
    again = preop("phantom", "liver", "-o", tmp_path / "p", "--size", 48, "--spacing", 5)
    assert again.code == 21


@pytest.mark.parametrize("wrong", [["--contrast", "pet"], ["--shapes", "nowhere.nii.gz:6"], ["--shapes", "nolabel"]])
def test_a_phantom_that_cannot_be_made_is_one_line_and_no_folder(preop, tmp_path, wrong):
    done = preop("phantom", "liver", "-o", tmp_path / "p", *wrong)
    assert done.code == 10
    assert done.err.count("\n") == 1
    assert not (tmp_path / "p").exists()


def test_train_resume_evaluate_and_pack(preop, tmp_path):
    run = tmp_path / "run"
    done = preop("train", "-o", run, "--set", "schedule.iterations=2", *TINY)
    assert done.code == 0, done.err
    assert "iteration 2" in done.out
    assert preop("train", "-o", run, *TINY).code == 41
    done = preop("train", "-o", run, "--resume", "--set", "schedule.iterations=3", "--workers", 0)
    assert "iteration 3" in done.out, done.err
    done = preop("models", "pack", run, "-o", tmp_path / "model", "--name", "tiny", "--checkpoint", "last")
    assert done.code == 0, done.err
    done = preop(
        "evaluate-model", tmp_path / "model", "--cases", 1, "--contrasts", "ct", "-o", tmp_path / "figures.json"
    )
    assert done.code == 0, done.err
    assert "simulated" in done.out
    assert "portal_vein" in json.loads((tmp_path / "figures.json").read_text())["1 held-out phantoms, ct"]


def test_training_on_nothing_says_so(preop, tmp_path):
    done = preop("train", "--recipe", "oh2023", "--data", tmp_path, "-o", tmp_path / "run")
    assert done.code == 11
    assert "dataset.json" in done.err
    assert preop("train", "--recipe", "nobody2020", "-o", tmp_path / "run").code == 10


@pytest.mark.parametrize("device", ["foo", "cuda:99", "cpu:1", ""])
def test_a_device_that_is_not_there_is_said_and_no_run_is_begun(preop, tmp_path, device):
    done = preop("train", "-o", tmp_path / "run", "--device", device, *TINY)
    assert done.code == 10, done.err
    assert "device" in done.err
    assert not (tmp_path / "run").exists()


def test_no_run_is_begun_in_the_folder_of_its_data(preop, tmp_path):
    assert preop("phantom", "liver", "-o", tmp_path / "data", "--size", 48, "--spacing", 5).code == 0
    before = sorted(p.name for p in (tmp_path / "data").iterdir())
    ran = preop("train", "--recipe", "oh2023", "--data", tmp_path / "data", "-o", tmp_path / "data", *TINY)
    assert ran.code == 21, ran.err
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == before
