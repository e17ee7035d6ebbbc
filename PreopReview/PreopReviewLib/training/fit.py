"""The training loop: resumable at any iteration, on CPU, GPU or several of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.errors import TrainingError
from PreopReviewLib.output import whole_file
from PreopReviewLib.progress import CancelToken, Progress, silent
from PreopReviewLib.training.checkpoint import BEST, LAST, read_checkpoint, save_checkpoint
from PreopReviewLib.training.data import batches, training_source, validation_samples
from PreopReviewLib.training.losses import build_loss, over_scales
from PreopReviewLib.training.recipe import Recipe, recipe_from_dict
from PreopReviewLib.training.stops import stopped_by_hand, stops_deferred

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass
class RunSettings:
    """How one `preop train` goes on, beside the recipe.

    Attributes:
        data: "phantoms" or a folder of labeled images.
        shapes: `FILE:LABEL` liver masks for phantoms.
        minutes: stop (with a checkpoint) after so long; None runs to the recipe's last iteration.
        device: "auto", "cpu" or "cuda".
        workers: processes that make samples; 0 = in the training process.
        threads: CPU threads of the network.
        save_every: seconds between checkpoints.
        initial: state dict to start from (fine-tuning).
        scans: `IMAGE:LABELS:VALUES` of labeled CTs for painted data.
    """

    data: str = "phantoms"
    shapes: Sequence[str] = ()
    minutes: float | None = None
    device: str = "auto"
    workers: int = 1
    threads: int = 1
    save_every: float = 60.0
    initial: dict[str, Any] | None = None
    scans: Sequence[str] = ()


@dataclass
class RunResult:
    """Where a run stands: iteration, minutes trained in all, best validation score, last loss."""

    iteration: int
    minutes: float
    best_score: float
    loss: float
    finished: bool


@dataclass
class _State:
    iteration: int = 0
    minutes: float = 0.0
    best_score: float = -1.0
    loss: float = float("nan")
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One run in one folder.

    Args:
        recipe: what to train.
        run: folder for checkpoints, log and pool.
        settings: device, time and data.
    """

    def __init__(self, recipe: Recipe, run: Path, settings: RunSettings) -> None:
        import torch

        from PreopReviewLib.models import networks
        from PreopReviewLib.training.distributed import join_group

        self.recipe, self.run_folder, self.settings = recipe, run, settings
        torch.set_num_threads(max(1, settings.threads))
        torch.manual_seed(recipe["training.seed"])
        self.group = join_group(settings.device)
        self.device = self.group.device
        self.network = networks.build(recipe["network.name"], recipe["network.arguments"])
        if settings.initial is not None:
            self.network.load_state_dict(settings.initial)
        self.network = self.network.to(self.device, memory_format=torch.channels_last_3d).requires_grad_(True)
        self.optimizer = build_optimizer(recipe, self.network)
        self.loss = build_loss(recipe["loss.name"], recipe["loss.arguments"])
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.state = _State()
        self.parallel: nn.Module = self.group.wrap(self.network)

    # ---- state ------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Take up the run in the folder exactly where its last checkpoint left it."""
        kept = read_checkpoint(self.run_folder / LAST)
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.average = {k: v.to(self.device) for k, v in kept["average"].items()}
        self.state = _State(kept["iteration"], kept["minutes"], kept["best_score"], kept["loss"], list(kept["history"]))

    def _seed_step(self) -> None:
        """Dropout depends on the number of the iteration alone: a resumed run draws what an unbroken one would."""
        import torch

        key = [self.recipe["training.seed"], self.state.iteration, self.group.rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def _save(self, name: str) -> None:
        if self.group.rank:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "iteration": self.state.iteration,
            "minutes": self.state.minutes,
            "best_score": self.state.best_score,
            "loss": self.state.loss,
            "history": self.state.history,
            "recipe": self.recipe.as_dict(),
            "data": self.settings.data,
            "shapes": [str(s).rsplit("/", 1)[-1] for s in self.settings.shapes],
            "scans": [str(s).rsplit("/", 1)[-1] for s in self.settings.scans],
        }
        if name == BEST:
            del state["optimizer"], state["network"]
        save_checkpoint(self.run_folder / name, state)

    # ---- loop -------------------------------------------------------------------------------------------

    def fit(self, progress: Progress = silent, cancel: CancelToken | None = None) -> RunResult:
        """Train until the last iteration, the minutes or the cancel; a checkpoint is always left behind.

        The first one is written before the first iteration; a stop by hand ends the iteration first.

        Raises:
            Cancelled: by SIGINT, SIGTERM or SIGHUP, with the checkpoint written.
        """
        with stops_deferred() as stop:
            result = self._fit(progress, cancel, stop)
        if stop:
            raise stopped_by_hand(stop[0], f"iteration {result.iteration}")
        return result

    def _fit(self, progress: Progress, cancel: CancelToken | None, stop: list[int]) -> RunResult:
        source = training_source(
            self.recipe, self.settings.data, self.run_folder, self.settings.shapes, self.settings.scans
        )
        held_out = [] if self.group.rank else validation_samples(self.recipe, self.settings.data, self.settings.shapes)
        total = self.recipe["schedule.iterations"]
        self._save(LAST)
        started = saved = time.monotonic()
        before = self.state.minutes
        stream = batches(
            source,
            self.recipe["data.batch"],
            self.state.iteration,
            total,
            self.settings.workers,
            self.group.rank,
            self.group.world,
            self.recipe.get("data.echo", 1),
        )
        for images, target in stream:
            self._step(images, target)
            now = time.monotonic()
            self.state.minutes = before + (now - started) / 60
            if self.state.iteration % self.recipe["validation.every"] == 0 or self.state.iteration == total:
                self._validate(held_out)
            if now - saved > self.settings.save_every:
                self._save(LAST)
                saved = now
            out_of_time = self.settings.minutes is not None and self.state.minutes - before >= self.settings.minutes
            if self.group.any(out_of_time or bool(stop) or bool(cancel and cancel.cancelled)):
                break
            progress(self.state.iteration / total, f"iteration {self.state.iteration}, loss {self.state.loss:.3f}")
        self._save(LAST)
        state = self.state
        return RunResult(state.iteration, state.minutes, state.best_score, state.loss, state.iteration >= total)

    def _step(self, images: Tensor, target: Tensor) -> None:
        import torch

        state, recipe = self.state, self.recipe
        self._seed_step()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, state.iteration)
        self.network.train()
        images = images.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)
        target = target.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            output = self.parallel(images)
        loss = self._loss_of(output, target)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss is not finite at iteration {state.iteration}", "Lower the learning rate and --resume"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe["training.clip"])
        self.optimizer.step()
        state.iteration += 1
        value = float(loss.detach())
        state.loss = value if math.isnan(state.loss) else 0.98 * state.loss + 0.02 * value
        self._update_average()

    def _loss_of(self, output: Any, target: Tensor) -> Tensor:
        weights = self.recipe.get("loss.scales")
        if weights is None:
            return self.loss(output, target)
        # MONAI's DynUNet stacks its supervised outputs along axis 1, already at full size.
        outputs = list(output.unbind(1)) if output.ndim == 6 else [output]
        return over_scales(self.loss, outputs, target, weights[: len(outputs)])

    def _precision(self) -> Any:
        import torch

        wanted = self.recipe["training.precision"]
        if wanted == "fp32" or (wanted == "auto" and self.device.type == "cpu"):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _update_average(self) -> None:
        import torch

        keep = min(self.recipe["training.ema"], (1 + self.state.iteration) / (10 + self.state.iteration))
        with torch.no_grad():
            for key, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.average[key].lerp_(value, 1 - keep)
                else:
                    self.average[key].copy_(value)

    def _validate(self, held_out: list) -> None:
        if self.group.rank:
            return
        from PreopReviewLib.training.evaluate import patch_dice

        names = self.recipe["data.classes"][1:]
        scores = patch_dice(self._averaged(), held_out, self.recipe, self.device)
        mean = float(np.nanmean(list(scores.values()))) if scores else float("nan")
        row = {
            "iteration": self.state.iteration,
            "minutes": round(self.state.minutes, 2),
            "loss": round(self.state.loss, 4),
            "learning_rate": learning_rate(self.recipe, self.state.iteration),
            "dice": round(mean, 4),
            **{name: round(scores.get(name, float("nan")), 4) for name in names},
        }
        self.state.history.append(row)
        write_log(self.run_folder, self.state.history)
        if mean > self.state.best_score:
            self.state.best_score = mean
            self._save(BEST)

    def _averaged(self) -> nn.Module:
        import torch

        from PreopReviewLib.models import networks

        # Built anew: DynUNet keeps outputs of its last step, which cannot be copied.
        with torch.random.fork_rng(devices=[]):  # the dropout of the training goes on as if there had been no look
            network = networks.build(self.recipe["network.name"], self.recipe["network.arguments"])
        network.load_state_dict(self.average)
        return network.to(self.device, memory_format=torch.channels_last_3d).eval()


def build_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer that a recipe names.

    Raises:
        TrainingError: it does not take the recipe's arguments.
    """
    import torch

    name, arguments = recipe["optimizer.name"], recipe["optimizer.arguments"]
    try:
        return getattr(torch.optim, name)(network.parameters(), lr=recipe["optimizer.learning_rate"], **arguments)
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"{name} does not take optimizer.arguments {arguments} ({error})", "Correct them"
        ) from error


def learning_rate(recipe: Recipe, iteration: int) -> float:
    """Linear warm-up, constant, then a half cosine to one hundredth from the share `decay_from` on."""
    top, total = recipe["optimizer.learning_rate"], recipe["schedule.iterations"]
    warmup, start = recipe["schedule.warmup"], recipe["schedule.decay_from"] * total
    rate = top * min(1.0, (iteration + 1) / max(1, warmup))
    if iteration > start:
        done = min(1.0, (iteration - start) / max(1.0, total - start))
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
    return rate


def write_log(run: Path, history: list[dict[str, float]]) -> None:
    """`log.csv` and `curve.png` of what has been measured so far."""
    run.mkdir(parents=True, exist_ok=True)
    with whole_file(run / "log.csv") as file:
        file.write_text(csv_of_dicts(history, list(history[0])), encoding="utf-8", newline="")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    at = [row["iteration"] for row in history]
    axes.plot(at, [row["loss"] for row in history], "k", label="loss")
    skipped = ("iteration", "minutes", "loss", "learning_rate")
    for name in (key for key in history[0] if key not in skipped):
        axes.plot(at, [row[name] for row in history], label=name)
    axes.set_xlabel("iteration")
    axes.set_ylim(0, max(1.5, min(3.0, history[0]["loss"])))
    axes.legend(fontsize=7, ncol=3)
    with whole_file(run / "curve.png") as file:
        figure.savefig(file, dpi=90)


def start_run(
    recipe: Recipe,
    run: Path,
    settings: RunSettings,
    resume: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> RunResult:
    """Train in a folder: a new run, or the going on of one with its own recipe.

    A resumed run takes over only the fields that were set on the command line (such as the iterations).

    Raises:
        TrainingError: a run is there already and `resume` is false, or it is of another recipe.
    """
    if resume:
        kept = read_checkpoint(run / LAST)
        recipe = recipe_from_dict(kept["recipe"], str(run / LAST)).with_changes_of(recipe)
    elif (run / LAST).exists():
        raise TrainingError(f"{run} already holds a run", "Add --resume, or choose another folder")
    trainer = Trainer(recipe, run, settings)
    if resume:
        trainer.resume()
    try:
        return trainer.fit(progress, cancel)
    finally:
        trainer.group.leave()
