"""Recipes, losses, samples, and the loop: resumed exactly, killed, fine-tuned."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from PreopReviewLib import output
from PreopReviewLib.errors import Cancelled, InputError, OutputError, TrainingError
from PreopReviewLib.phantoms.tissues import CLASSES, UNSCORED
from PreopReviewLib.training import fit
from PreopReviewLib.training.checkpoint import BEST, LAST, read_checkpoint, save_checkpoint
from PreopReviewLib.training.data import Numbered
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.phantom_data import PhantomSource
from PreopReviewLib.training.recipe import load_recipe, recipe_files, recipe_from_dict
from PreopReviewLib.training.schedule import Schedule, learning_rate, schedule_of

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[2]


def tiny_recipe(iterations=4, **changes):
    """The five-structure recipe at a size that takes a second."""
    return load_recipe("five-structures").changed(
        data__patch=[16, 16, 16],
        data__spacing_mm=5.0,
        data__echo=1,
        network__arguments={"in_channels": 2, "out_channels": 7, "widths": [4, 8], "block": 2},
        schedule__iterations=iterations,
        schedule__warmup=1,
        validation__every=2,
        validation__cases=2,
        **changes,
    )


def settings(**changes):
    return RunSettings(workers=0, **changes)


# shim2020 trains a classifier, by a loop of its own.
SEGMENTATION = [p for p in recipe_files() if p.stem != "shim2020"]


@pytest.mark.parametrize("path", SEGMENTATION, ids=lambda p: p.stem)
def test_every_field_of_a_recipe_is_marked_and_its_network_can_be_built(path):
    from PreopReviewLib.models import networks
    from PreopReviewLib.training.losses import build_loss

    recipe = load_recipe(path.stem)
    assert {f.origin for f in recipe.fields.values()} <= {"paper", "default"}
    build_loss(recipe["loss.name"], recipe["loss.arguments"])
    network = networks.build(recipe["network.name"], recipe["network.arguments"])
    assert sum(p.numel() for p in network.parameters()) > 1e5


def test_the_recipes_of_the_papers_state_what_the_papers_state():
    oh, lin, gross = load_recipe("oh2023"), load_recipe("lin2024"), load_recipe("gross2024")
    assert (oh["optimizer.learning_rate"], oh["data.batch"], oh["loss.name"]) == (1e-4, 4, "dice")
    assert (lin["optimizer.learning_rate"], lin["loss.name"]) == (2e-4, "nested")
    assert lin["network.arguments"]["dropout"] == 0.3
    assert lin["loss.scales"] == [0.25] * 4
    assert gross["data.spacing_mm"] == 2.0
    assert gross["network.arguments"]["channels"] == [16, 32, 64, 128]


def test_a_field_without_its_origin_is_refused():
    data = load_recipe("oh2023").as_dict()
    data["fields"]["data.batch"] = {"value": 4}
    with pytest.raises(InputError, match=r"data\.batch"):
        recipe_from_dict(data)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(InputError, match="oh2023"):
        load_recipe("oh2032")


def test_settings_on_the_command_line_change_known_fields_only():
    recipe = load_recipe("five-structures").set_from_words(["training.ema=0.9", "data.patch=[32, 32, 32]"])
    assert (recipe["training.ema"], recipe["data.patch"]) == (0.9, [32, 32, 32])
    for wrong in ("training.emma=0.9", "training.ema"):
        with pytest.raises(InputError, match="training"):
            recipe.set_from_words([wrong])


def source(pool=None, seed=3):
    return PhantomSource(seed, (16, 16, 16), 5.0, {"ct": 0.5, "hbp": 0.5}, 3, pool)


def test_a_sample_depends_on_its_number_alone(tmp_path):
    first = source(tmp_path / "a")
    wanted = [first.sample(n) for n in range(8)]
    other = source(tmp_path / "b")
    for number in (7, 2, 5):
        image, target = other.sample(number)
        assert np.array_equal(image, wanted[number][0])
        assert np.array_equal(target, wanted[number][1])


def test_a_damaged_anatomy_in_the_pool_is_grown_again(tmp_path):
    fresh = source(tmp_path)
    before = fresh.sample(0)[0]
    kept = next(tmp_path.glob("*.npz"))
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(fresh.sample(0)[0], before)


def test_samples_hold_known_classes_and_are_unscored_far_outside():
    image, target = source().sample(1)
    assert set(np.unique(target)) <= {*range(len(CLASSES)), UNSCORED}
    assert (target[image[1] < -10 / 16] == UNSCORED).all()
    assert np.isfinite(image).all()


def test_an_echoed_sample_has_the_same_target_and_another_image():
    numbered = Numbered(source(), 0, 16, echo=2)
    (image, target), (again, same) = numbered[0], numbered[8]
    assert np.array_equal(target, same)
    assert not np.array_equal(image, again)


def test_a_resumed_run_ends_with_the_very_weights_of_an_uninterrupted_one(tmp_path):
    start_run(tiny_recipe(4), tmp_path / "whole", settings())
    start_run(tiny_recipe(4), tmp_path / "parts", settings(minutes=0.0))
    assert read_checkpoint(tmp_path / "parts" / LAST)["iteration"] == 1
    start_run(tiny_recipe(4), tmp_path / "parts", settings(), resume=True)
    whole, parts = (read_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert whole["iteration"] == parts["iteration"] == 4
    for key, value in whole["average"].items():
        assert torch.equal(value, parts["average"][key]), key
    with (tmp_path / "whole" / "log.csv").open() as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["2", "4"]
    assert (tmp_path / "whole" / "curve.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments", [{"in_channels": 3, "out_channels": 7}, {"in_channels": 2, "out_channels": 5}], ids=str
)
def test_a_network_that_does_not_fit_the_data_is_said_and_leaves_no_checkpoint(tmp_path, arguments):
    recipe = tiny_recipe(4).changed(network__arguments={"widths": [4, 8], "block": 2, **arguments})
    with pytest.raises(TrainingError, match=r"cannot be trained on patches of \[16, 16, 16\] voxels"):
        start_run(recipe, tmp_path / "run", settings())
    assert not list(tmp_path.rglob("*.pt"))


def test_a_killed_run_is_taken_up_where_its_checkpoint_was(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    import yaml

    recipe.write_text(yaml.safe_dump(tiny_recipe(100000).as_dict()))
    command = [sys.executable, "-c", _SAVING_OFTEN, str(recipe), str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'PreopReview'}:{ROOT / 'LiverPlanner'}"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    last = tmp_path / "run" / LAST
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert last.exists(), process.stderr.read().decode()[-2000:]
    reached = read_checkpoint(last)["iteration"]
    result = start_run(tiny_recipe(reached + 2), tmp_path / "run", settings(), resume=True)
    assert result.iteration == reached + 2


_SAVING_OFTEN = """
import sys
from pathlib import Path
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.recipe import load_recipe
start_run(load_recipe(sys.argv[1]), Path(sys.argv[2]), RunSettings(workers=0, save_every=0.0))
"""


def test_a_run_is_not_overwritten_and_not_resumed_with_another_recipe(tmp_path):
    start_run(tiny_recipe(1), tmp_path / "run", settings())
    with pytest.raises(TrainingError, match="Resume it"):
        start_run(tiny_recipe(1), tmp_path / "run", settings())
    with pytest.raises(InputError, match="oh2023"):
        start_run(load_recipe("oh2023"), tmp_path / "run", settings(), resume=True)
    with pytest.raises(TrainingError, match="no checkpoint"):
        start_run(tiny_recipe(1), tmp_path / "nothing", settings(), resume=True)


def test_a_run_stopped_while_its_cases_are_prepared_begins_anew_when_resumed(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "Trainer", stop)
        start_run(tiny_recipe(1), tmp_path / "run", settings())
    assert start_run(tiny_recipe(1), tmp_path / "run", settings(), resume=True).iteration == 1


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / LAST
    save_checkpoint(path, {"iteration": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "fsync", full)
    with pytest.raises(OutputError, match="No space"):
        save_checkpoint(path, {"iteration": 2})
    assert read_checkpoint(path)["iteration"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [LAST]


def test_a_checkpoint_that_carries_code_is_refused_and_does_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it-ran"),)

    torch.save({"iteration": Hostile()}, tmp_path / LAST)
    with pytest.raises(TrainingError):
        read_checkpoint(tmp_path / LAST)
    assert not (tmp_path / "it-ran").exists()


def test_the_learning_rate_warms_up_holds_and_falls():
    recipe = tiny_recipe(100).changed(schedule__warmup=10, schedule__decay_from=0.5)
    top, plan = recipe["optimizer.learning_rate"], schedule_of(recipe, 0)
    assert learning_rate(recipe, plan, 0) == pytest.approx(top / 10)
    assert learning_rate(recipe, plan, 50) == pytest.approx(top)
    assert learning_rate(recipe, plan, 100) == pytest.approx(top / 100)


@pytest.mark.parametrize(
    ("recipe", "cases", "patches", "iterations", "every"),
    [
        ("oh2023", 108, 1, 27_000, 270),
        ("oh2023", 20, 1, 5_000, 50),
        ("lin2024", 110, 1, 55_000, 550),
        ("gross2024", 329, 2, 20_563, 206),
        ("shim2020", 1924, 1, 32_067, 0),
    ],
)
def test_an_epoch_is_a_pass_over_the_cases_however_many_there_are(recipe, cases, patches, iterations, every):
    chosen = load_recipe(recipe)
    assert chosen.get("data.patches_per_case", 1) == patches
    plan = schedule_of(chosen, cases * patches)
    assert (plan.iterations, plan.every) == (iterations, every)
    assert schedule_of(chosen.changed(schedule__iterations=7, validation__every=3), cases) == Schedule(
        7, 3, pytest.approx(cases / chosen["data.batch"])
    )


def test_phantoms_are_no_data_for_a_recipe_of_labeled_images(tmp_path):
    for name in ("oh2023", "shim2020"):
        with pytest.raises(InputError, match="labeled images"):
            start_run(load_recipe(name), tmp_path, settings())


def test_a_run_that_nobody_has_validated_yet_has_a_best_checkpoint_all_the_same(tmp_path):
    result = start_run(tiny_recipe(50).changed(validation__every=40), tmp_path / "run", settings(minutes=0.0))
    assert math.isnan(result.best_score)
    assert read_checkpoint(tmp_path / "run" / BEST)["iteration"] == 1


def test_a_resumed_run_with_dropout_ends_with_the_same_weights(tmp_path):
    network = {"spatial_dims": 3, "in_channels": 2, "out_channels": 7, "channels": [4, 8], "strides": [2]}
    recipe = tiny_recipe(4, network__name="UNet", schedule__decay_from=1.0).changed(
        network__arguments={**network, "dropout": 0.3}
    )
    start_run(recipe, tmp_path / "whole", settings())
    start_run(recipe.changed(schedule__iterations=2), tmp_path / "cut", settings())
    start_run(recipe, tmp_path / "cut", settings(), resume=True)
    whole, cut = (read_checkpoint(tmp_path / n / LAST)["network"] for n in ("whole", "cut"))
    assert all(torch.equal(whole[k], cut[k]) for k in whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_by_hand_leaves_a_checkpoint_of_whole_iterations(tmp_path, number):
    def stop(fraction: float, _words: str) -> None:
        if 0 < fraction < 1:
            signal.raise_signal(number)

    with pytest.raises(Cancelled, match="Stopped at iteration 2; .*Resume the run") as stopped:
        start_run(tiny_recipe(50), tmp_path / "run", settings(), progress=stop)
    assert stopped.value.exit_code == 128 + number
    assert read_checkpoint(tmp_path / "run" / LAST)["iteration"] == 2
    recipe = tiny_recipe().changed(schedule__iterations=3)
    assert start_run(recipe, tmp_path / "run", settings(), resume=True).iteration == 3
