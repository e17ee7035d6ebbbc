"""Training the VRN on labeled shoulders, by the recipe of Shim 2020.

SGD with Nesterov momentum 0.9, learning rate 0.002 and from the thirteenth epoch on 0.0002, batches of 6, Xavier
initial weights, cross-entropy and L2 on everything but biases, 100 epochs, shuffled anew in each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import FileMissing, InputError, TrainingError
from PreopReviewLib.output import whole_file
from PreopReviewLib.progress import CancelToken, Progress, silent
from PreopReviewLib.tables import read_table
from PreopReviewLib.training.checkpoint import read_checkpoint, save_checkpoint
from PreopReviewLib.training.stops import stopped_by_hand, stops_deferred

if TYPE_CHECKING:
    import torch

    from PreopReviewLib.training.recipe import Recipe
    from RotatorCuffCAMLib.network.vrn import VRN


STATE = "state.pt"
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Case:
    """One row of the table: an MRI, its class (ordinal index), and the head's middle in RAS mm if it is given."""

    image: Path
    class_index: int
    center_ras: tuple[float, float, float] | None = None


def read_cases(table: str | Path, every_class: bool = True) -> list[Case]:
    """The cases of a CSV with the columns ``image`` and ``class``, and optionally ``r``, ``a``, ``s``.

    Paths are taken from the table's folder.

    Args:
        every_class: refuse a table in which a class has no case.

    Raises:
        FileMissing: no such table or image.
        UnreadableImage: it is no text of a known encoding.
        InputError: a column is missing, a class or number that is none, an image twice; the line is named.
        TrainingError: a class without cases.
    """
    from PreopReviewLib.tables import point_in
    from RotatorCuffCAMLib.tears import TEAR_CLASSES, tear_class

    table = Path(table)
    held_table = read_table(table, ("image", "class"))
    cases: list[Case] = []
    for row in held_table.rows:
        where = held_table.where(row)
        try:
            index = tear_class(row.get("class")).index
        except InputError as error:
            raise InputError(f"{where}: {error.problem}", error.remedy) from error
        image = table.parent / row.get("image")
        if not row.get("image") or not os.path.exists(image):
            raise FileMissing(f"{where}: there is no image {image}", "Paths are taken from the table's folder")
        if any(c.image == image for c in cases):
            raise InputError(f"{where}: the image {row.get('image')} is listed twice", "Keep one line for each image")
        cases.append(Case(image, index, point_in(held_table, row)))
    held = {c.class_index for c in cases}
    lacking = [c.key for c in TEAR_CLASSES if c.index not in held]
    if every_class and lacking:
        raise TrainingError(f"{table} has no case of {', '.join(lacking)}", "Every class needs cases to be learned")
    return cases


def load_cubes(cases: Sequence[Case], progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """Cubes (N, 64, 64, 64) as bytes and classes (N,) of the cases; where no point is given, the head is looked for."""
    from PreopReviewLib import images
    from RotatorCuffCAMLib.head import find_head
    from RotatorCuffCAMLib.region import cut_cube

    cubes = np.empty((len(cases), 64, 64, 64), np.uint8)
    for n, case in enumerate(cases):
        progress(n / len(cases), f"Reading {case.image.name}")
        image = images.read_image(case.image)
        ras = case.center_ras
        center = (-ras[0], -ras[1], ras[2]) if ras else find_head(image).center_lps
        cubes[n] = np.round(images.array_of(cut_cube(image, center, source=str(case.image)).image))
    return cubes, np.array([c.class_index for c in cases])


@dataclass
class _At:
    """Where a run is: batches done of its epoch, and what they have added up to."""

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    right: int = 0


def train(
    cubes: np.ndarray,
    classes: np.ndarray,
    recipe: Recipe,
    folder: str | Path,
    device: str = "cpu",
    resume: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> VRN:
    """Trains by the recipe; the whole state is in `folder`/state.pt before the first batch, after each epoch, every
    `SAVE_SECONDS` and on every stop, and a run that goes on from it ends with the weights of an unbroken one.

    Args:
        cubes: (N, 64, 64, 64) bytes.
        classes: (N,) ordinal indices.

    Raises:
        TrainingError: fewer cases than two, a run that is there already, nothing to resume, or a state of another
            network.
        Cancelled: at the end of a batch, by the token or a signal; the state is written.
    """
    import torch

    from PreopReviewLib.models import networks

    if len(cubes) < 2:
        raise TrainingError(f"{len(cubes)} case is too few to train on", "Give more")
    folder = Path(folder)
    refuse_another_run(folder, resume)
    torch.manual_seed(recipe["training.seed"])
    network = networks.build("VRN", recipe["network.arguments"]).to(device)
    optimizer = _optimizer(network, recipe)
    at = _resume(folder / STATE, network, optimizer) if resume else _At()
    rows = ["epoch,rate,loss,accuracy,seconds"]
    if at.epoch and (folder / "epochs.csv").is_file():
        rows = (folder / "epochs.csv").read_text(encoding="utf-8").splitlines()
    epochs, saved = recipe["schedule.epochs"], [time.monotonic()]
    _save(folder / STATE, network, optimizer, at)

    def after_a_batch() -> None:
        stopping = bool(stop) or bool(cancel and cancel.cancelled)
        if stopping or time.monotonic() - saved[0] > SAVE_SECONDS:
            _save(folder / STATE, network, optimizer, at)
            saved[0] = time.monotonic()
        if stop:
            raise stopped_by_hand(stop[0], f"epoch {at.epoch + 1}")
        if cancel is not None:
            cancel.raise_if_cancelled()

    with stops_deferred() as stop:
        while at.epoch < epochs:
            began, rate = time.monotonic(), learning_rate(recipe, at.epoch)
            for group in optimizer.param_groups:
                group["lr"] = rate
            _epoch(network, optimizer, cubes, classes, recipe, at, device, after_a_batch)
            loss, right = at.total / len(cubes), at.right / len(cubes)
            rows.append(f"{at.epoch},{rate:g},{loss:.5f},{right:.4f},{time.monotonic() - began:.1f}")
            with whole_file(folder / "epochs.csv") as file:
                file.write_text("\n".join(rows) + "\n", encoding="utf-8")
            at.epoch, at.step, at.total, at.right = at.epoch + 1, 0, 0.0, 0
            _save(folder / STATE, network, optimizer, at)
            words = f"Epoch {at.epoch} of {epochs}: loss {loss:.3f}, {right:.0%} right in training"
            progress(at.epoch / epochs, words)
    return network.eval()  # type: ignore[return-value]


def refuse_another_run(folder: Path, resume: bool) -> None:
    """Raises TrainingError if a run is in a folder that a new one would write over."""
    held = next((name for name in (STATE, "model.safetensors") if (folder / name).exists()), None)
    if held is not None and not resume:
        raise TrainingError(f"{folder} holds a run already ({held})", "Continue it, or choose another folder")


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The rate of an epoch, counted from 0."""
    late = epoch >= recipe["schedule.drop_at"]
    return recipe["optimizer.late_rate"] if late else recipe["optimizer.learning_rate"]


def _optimizer(network: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    import torch

    # L2 acts on every variable but the biases, as in the authors' program.
    decayed = [p for n, p in network.named_parameters() if not n.endswith("bias")]
    plain = [p for n, p in network.named_parameters() if n.endswith("bias")]
    arguments: dict[str, Any] = dict(recipe["optimizer.arguments"])
    groups = [
        {"params": decayed, "weight_decay": arguments.pop("weight_decay")},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe["optimizer.learning_rate"], **arguments)


def _epoch(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    cubes: np.ndarray,
    classes: np.ndarray,
    recipe: Recipe,
    at: _At,
    device: str,
    after_a_batch: Callable[[], None],
) -> None:
    """The rest of a pass in an order that seed and epoch give; `at` counts loss and right answers by case."""
    import torch
    from torch.nn import functional as F

    seed = recipe["training.seed"]
    rng = np.random.default_rng([seed, at.epoch])
    order, size, jitter = rng.permutation(len(cubes)), recipe["data.batch"], recipe["data.jitter_voxels"]
    network.train()
    for step, start in enumerate(range(0, len(order), size)):
        chosen = order[start : start + size]
        if len(chosen) < 2:
            continue  # batch norm needs two
        shifts = rng.integers(-jitter, jitter + 1, (len(chosen), 3))
        if step < at.step:
            continue  # done before the stop
        torch.manual_seed(int(np.random.SeedSequence([seed, at.epoch, step]).generate_state(1)[0]))
        batch = np.stack([_shifted(cubes[n], by) for n, by in zip(chosen, shifts, strict=True)])
        target = torch.from_numpy(classes[chosen]).to(device)
        with torch.autocast("cuda", torch.bfloat16, enabled=device.startswith("cuda")):
            logits = network(torch.from_numpy(batch[:, None]).to(device).float())
        loss = F.cross_entropy(logits.float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        at.step = step + 1
        at.total += float(loss.detach()) * len(chosen)
        at.right += int((logits.detach().argmax(1) == target).sum())
        after_a_batch()


def _shifted(cube: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The cube moved by whole voxels; what comes in is 0."""
    moved = np.zeros_like(cube)
    to = tuple(slice(max(b, 0), min(s, s + b)) for b, s in zip(by, cube.shape, strict=True))
    of = tuple(slice(max(-b, 0), min(s, s - b)) for b, s in zip(by, cube.shape, strict=True))
    moved[to] = cube[of]
    return moved


def _save(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, at: _At) -> None:
    save_checkpoint(path, {"network": network.state_dict(), "optimizer": optimizer.state_dict(), **asdict(at)})


def _resume(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> _At:
    state = read_checkpoint(path)
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        # Runs of earlier versions were written at the end of an epoch.
        return _At(
            int(state["epoch"]), int(state.get("step", 0)), float(state.get("total", 0)), int(state.get("right", 0))
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(f"{path} is the state of another network", "Choose another folder or recipe") from error
