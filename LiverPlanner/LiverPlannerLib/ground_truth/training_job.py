"""What the process of a round does: `python -m LiverPlannerLib.ground_truth.training_job FOLDER`."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.ground_truth import rounds
from LiverPlannerLib.ground_truth.annotation import is_finished, read_progress
from LiverPlannerLib.ground_truth.export import label_values, training_labels
from LiverPlannerLib.ground_truth.work_list import WorkList, open_list
from LiverPlannerLib.structures import mask_of, members, structure
from PreopReviewLib import images
from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.errors import Cancelled, PreopError, TrainingError
from PreopReviewLib.output import whole_file
from PreopReviewLib.progress import CancelToken, Progress, silent, within
from PreopReviewLib.structured import read_json

if TYPE_CHECKING:
    from PreopReviewLib.models.segmenter import Segmenter
    from PreopReviewLib.training.recipe import Recipe

WATCH_SECONDS = 2.0
RATE_SHARE = 0.5
"""Of the recipe's learning rate, for a network that has learned already."""
MOST_ITERATIONS = 100_000
SUGGESTED = 10
"""Open cases that the new model draws, the most uncertain first."""


def run(folder: Path) -> rounds.RoundState:
    """One round from its request to its end; what happens is in its folder."""
    token = CancelToken()
    state = rounds.RoundState("running")

    def tell(fraction: float, words: str) -> None:
        state.fraction, state.words = round(fraction, 4), words
        rounds.write_state(folder, state)

    with _watched(folder, token):
        try:
            _run(folder, state, _now_and_then(tell), token)
            state.phase, state.fraction = "done", 1.0
        except Cancelled:
            state.phase, state.words = "cancelled", "Cancelled"
        except PreopError as problem:
            state.phase, state.problem = "failed", str(problem)
        except Exception:
            state.phase, state.problem = "failed", f"An error in PreopReview; see {folder / rounds.LOG}"
            traceback.print_exc()
            raise
        finally:
            rounds.write_state(folder, state)
    return state


@contextmanager
def _watched(folder: Path, token: CancelToken) -> Iterator[None]:
    """Reports that it is alive, and checks for a request to stop."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_SECONDS):
            (folder / rounds.ALIVE).touch()
            if (folder / rounds.CANCEL).exists():
                token.cancel()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _now_and_then(progress: Progress, seconds: float = 1.0) -> Progress:
    last = 0.0

    def step(fraction: float, words: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds or fraction >= 1:
            last = time.monotonic()
            progress(fraction, words)

    return step


def _run(folder: Path, state: rounds.RoundState, progress: Progress, token: CancelToken) -> None:
    from PreopReviewLib.models.segmenter import segmenter
    from PreopReviewLib.training.pack import pack_run

    request = read_json(folder / rounds.REQUEST)
    work = open_list(folder.parents[1])
    source, held = request["source"], request["held_back"]
    before = measure(work, source, held, segmenter(request["model"]), within(progress, 0.0, 0.05), token)
    progress(0.05, "Preparing the cases")
    write_data(work, source, request["cases"], folder / "data")
    train(folder, request, within(progress, 0.06, 0.85), token)
    if not (folder / rounds.MODEL).exists():
        command = f"training on {len(request['cases'])} cases of a ground truth list"
        name = f"{Path(work.folder).name}-{folder.name}"
        pack_run(folder / "run", folder / rounds.MODEL, name, checkpoint="last", command=command)
    trained = segmenter(folder / rounds.MODEL)
    after = measure(work, source, held, trained, within(progress, 0.85, 0.9), token)
    state.gain = {key: [before.get(key, 0.0), value] for key, value in after.items()}
    if not state.gain:
        raise TrainingError("The held-out cases hold none of the model's structures", "Finish cases that do")
    state.offered = np.mean([v[1] for v in state.gain.values()]) > np.mean([v[0] for v in state.gain.values()])
    state.offered = bool(state.offered)
    rounds.write_state(folder, state)
    rounds.write_curve(work)
    if state.offered:
        rank(work, source, trained, folder, within(progress, 0.9, 1.0), token)
    progress(1.0, "Done")


def write_data(work: WorkList, source: str, cases: Sequence[str], folder: Path) -> None:
    """The cases to train on, nnU-Net raw; those held back are not among them."""
    from LiverPlannerLib.ground_truth.export import plain

    if (folder / "dataset.json").is_file():
        return
    values = label_values(work.structures)
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    modalities = set()
    for name in cases:
        image = work.image(name)
        modalities.add(images.guess_modality(image))
        labels = training_labels(images.onto_grid(work.labels(name, source), image).labels, values)
        images.write_image(plain(image), folder / "imagesTr" / f"{name}_0000.nii.gz")
        images.write_image(plain(labels), folder / "labelsTr" / f"{name}.nii.gz")
    channel = "CT" if modalities == {"CT"} else "MRI"
    about = {
        "channel_names": {"0": channel},
        "labels": values,
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    fold = {"training": list(cases[1:]), "validation": list(cases[:1])}
    split = {"seed": 0, "how": "the first case for the log; the last weights are taken", "test": [], "folds": [fold]}
    (folder / "split.json").write_text(json.dumps(split, indent=1) + "\n", encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def train(folder: Path, request: dict[str, Any], progress: Progress, token: CancelToken) -> None:
    """Trains from the request's model; a round that was interrupted resumes where it was."""
    from PreopReviewLib.models.catalog import require_package
    from PreopReviewLib.training.checkpoint import LAST, read_checkpoint
    from PreopReviewLib.training.fine_tuning import start_from, told_of
    from PreopReviewLib.training.fit import RunSettings, start_run

    package = require_package(request["model"])
    run_folder = folder / "run"
    recipe, weights = start_from(_recipe_of(package.metadata), package.folder)
    recipe = recipe.changed(
        schedule__iterations=MOST_ITERATIONS,
        optimizer__learning_rate=recipe["optimizer.learning_rate"] * RATE_SHARE,
        validation__every=MOST_ITERATIONS,
    )
    minutes, resume = float(request["minutes"]), (run_folder / LAST).is_file()
    if resume:
        minutes -= float(read_checkpoint(run_folder / LAST)["minutes"])
    if minutes <= 0:
        return
    began = time.monotonic()
    settings = RunSettings(
        str(folder / "data"), minutes=minutes, workers=0, threads=int(request["threads"]), initial=weights,
        start=told_of(package.folder),
    )  # fmt: skip

    def step(_fraction: float, words: str) -> None:
        progress(min(1.0, (time.monotonic() - began) / 60 / minutes), f"Training: {words}")

    start_run(recipe, run_folder, settings, resume, step, token)


def _recipe_of(metadata: dict[str, Any]) -> Recipe:
    """The recipe that a package was trained by; for others, that of whole scans or of what is inside a liver."""
    from PreopReviewLib.models.kinds import WHOLE_SCAN, kind_of
    from PreopReviewLib.training.recipe import load_recipe, recipe_from_dict

    training = metadata.get("training", {})
    recorded = training.get("recipe")
    if isinstance(recorded, dict):
        return recipe_from_dict(recorded, f"The model {metadata['name']}")
    if kind_of(metadata) != WHOLE_SCAN:
        return load_recipe("five-structures")
    inference = metadata["inference"]
    recipe = load_recipe("oh2023")
    return recipe.changed(data__patch=inference["window"], data__intensity=inference["intensity"])


def measure(
    work: WorkList, source: str, cases: Sequence[str], model: Segmenter, progress: Progress, token: CancelToken
) -> dict[str, float]:
    """Mean Dice by structure over cases in which it was drawn; the liver counts with all that is in it."""
    by_structure: dict[str, list[float]] = {}
    keys = [k for k in work.structures if k in model.structures or (k == "liver" and not model.needs_region)]
    for number, name in enumerate(cases):
        token.raise_if_cancelled()
        image = work.image(name)
        truth = images.onto_grid(work.labels(name, source), image).labels
        region = mask_of(truth, "liver")
        part = within(progress, number / len(cases), (number + 1) / len(cases))
        result = model.segment(image, region if model.needs_region else None, progress=part, cancel=token)
        for key in keys:
            drawn = images.array_of(result.mask(*(s.key for s in members(key)))) > 0
            true = images.array_of(mask_of(truth, key)) > 0
            if true.any():
                dice = 2 * np.count_nonzero(drawn & true) / (np.count_nonzero(drawn) + np.count_nonzero(true))
                by_structure.setdefault(key, []).append(float(dice))
    return {key: round(float(np.mean(values)), 4) for key, values in by_structure.items()}


def rank(work: WorkList, source: str, model: Segmenter, folder: Path, progress: Progress, token: CancelToken) -> None:
    """The open cases by the model's uncertainty, and what it draws in the most uncertain of them."""
    states = read_progress(work, source)[1]
    waiting = [name for name, state in states.items() if not is_finished(state) and not state.unusable]
    rows = []
    for number, name in enumerate(waiting):
        token.raise_if_cancelled()
        part = within(progress, 0.6 * number / len(waiting), 0.6 * (number + 1) / len(waiting))
        doubt = doubt_of(model, work.image(name), part, token)
        rows.append({"case": name, "uncertainty": round(doubt, 4)})
    rows.sort(key=lambda r: -r["uncertainty"])
    chosen = [] if model.needs_region else rows[:SUGGESTED]
    place = folder / rounds.SUGGESTIONS
    place.mkdir(exist_ok=True)
    for number, row in enumerate(chosen):
        part = within(progress, 0.6 + 0.4 * number / len(chosen), 0.6 + 0.4 * (number + 1) / len(chosen))
        result = model.segment(work.image(row["case"]), progress=part, cancel=token)
        table = np.zeros(256, np.uint8)
        for key, value in result.values.items():
            table[value] = structure(key).label
        drawn = images.image_like(table[images.array_of(result.labels)], result.labels)
        images.write_image(drawn, place / f"{row['case']}.nii.gz")
    with whole_file(folder / rounds.RANKING) as file:
        file.write_text(csv_of_dicts(rows, ["case", "uncertainty"]), encoding="utf-8", newline="")


def doubt_of(model: Segmenter, image: Any, progress: Progress = silent, token: CancelToken | None = None) -> float:
    """How unsure a model is of an image, 0 to 1: mean entropy of its classes where any structure is thinkable.

    1 where it has no means to say so, or finds nothing at all: such a case is worth a look first.
    """
    entropy = getattr(model, "doubt", None)
    return 1.0 if entropy is None else float(entropy(image, progress=progress, cancel=token))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
