"""The training loop: resumable at any iteration, on CPU, GPU or several of them, for every recipe."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from PreopReviewLib.errors import Cancelled, OutputError, TrainingError
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.output import check_run
from PreopReviewLib.progress import CancelToken, Progress, silent
from PreopReviewLib.training.checkpoint import BEST, LAST, read_checkpoint, save_checkpoint
from PreopReviewLib.training.data import batches
from PreopReviewLib.training.log import write_log
from PreopReviewLib.training.recipe import Recipe, recipe_from_dict
from PreopReviewLib.training.schedule import build_optimizer, learning_rate, schedule_of
from PreopReviewLib.training.stops import stopped_by_hand, stops_deferred
from PreopReviewLib.training.task import Place, RunSettings, open_task

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class RunResult:
    """Where a run stands: iteration, minutes trained in all, best validation score (NaN: none yet), last loss."""

    iteration: int
    minutes: float
    best_score: float
    loss: float
    finished: bool


@dataclass
class _State:
    iteration: int = 0
    minutes: float = 0.0
    best_score: float = math.nan
    loss: float = math.nan
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One run in one folder.

    Args:
        recipe: what to train.
        run: folder for checkpoints, log and pool.
        settings: device, time and data.
        kept: checkpoint to go on from.
        progress, cancel: of the preparation of the data.
    """

    def __init__(
        self,
        recipe: Recipe,
        run: Path,
        settings: RunSettings,
        kept: dict[str, Any] | None = None,
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> None:
        import torch

        from PreopReviewLib.models import networks
        from PreopReviewLib.training.distributed import join_group

        self.recipe, self.run_folder, self.settings = recipe, run, settings
        torch.set_num_threads(max(1, settings.threads))
        torch.manual_seed(recipe["training.seed"])
        self.group = join_group(settings.device)
        self.device = self.group.device
        self.task = open_task(recipe, settings, Place(run, kept and kept.get("facts")), progress, cancel)
        self.start = settings.start or ((kept or {}).get("facts") or {}).get("start")
        self.schedule = schedule_of(recipe, self.task.samples_per_epoch / self.group.world)
        self.network = networks.build(recipe["network.name"], recipe["network.arguments"])
        if settings.initial is not None:
            self.network.load_state_dict(settings.initial)
        self.network = self.network.to(self.device, memory_format=torch.channels_last_3d).requires_grad_(True)
        self.optimizer = build_optimizer(recipe, self.network)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.state = _State()
        if kept is not None:
            self._take_up(kept)
        self.parallel: nn.Module = self.group.wrap(self.network)
        self._stop: list[int] = []
        self._proved = False

    # ---- state ------------------------------------------------------------------------------------------

    def _take_up(self, kept: dict[str, Any]) -> None:
        """Go on exactly where a checkpoint left the run."""
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
            "facts": {**self.task.facts, **({"start": self.start} if self.start else {})},
            "shapes": [str(s).rsplit("/", 1)[-1] for s in self.settings.shapes],
            "scans": [str(s).rsplit("/", 1)[-1] for s in self.settings.scans],
        }
        if name == BEST:
            del state["optimizer"], state["network"]
        save_checkpoint(self.run_folder / name, state)

    def _save_last(self) -> None:
        """The state to go on from; it is the best one, too, as long as nothing has been scored."""
        self._save(LAST)
        if math.isnan(self.state.best_score):
            self._save(BEST)

    # ---- loop -------------------------------------------------------------------------------------------

    def fit(self, progress: Progress = silent, cancel: CancelToken | None = None) -> RunResult:
        """Train until the last iteration, the minutes or the cancel; checkpoints are always left behind.

        The first ones are written before the first iteration; a stop by hand ends the iteration first.

        Raises:
            Cancelled: by SIGINT, SIGTERM or SIGHUP, with the checkpoint written.
        """
        with stops_deferred() as stop:
            result = self._fit(progress, cancel or CancelToken(), stop)
        if stop:
            raise stopped_by_hand(stop[0], f"iteration {result.iteration}")
        return result

    def _fit(self, progress: Progress, cancel: CancelToken, stop: list[int]) -> RunResult:
        state, total = self.state, self.schedule.iterations
        self._stop = stop
        self._save_last()
        if state.iteration and self._is_due():  # the run was stopped before it came to it
            self._validate(progress, cancel)
        started = saved = time.monotonic()
        before = state.minutes
        for images, target in self._batches(total):
            self._step(images, target)
            now = time.monotonic()
            state.minutes = before + (now - started) / 60
            if self._is_due():
                self._validate(progress, cancel)
            if now - saved > self.settings.save_every:
                self._save_last()
                saved = now
            out_of_time = self.settings.minutes is not None and state.minutes - before >= self.settings.minutes
            if self.group.any(out_of_time or bool(stop) or cancel.cancelled):
                break
            progress(state.iteration / total, f"iteration {state.iteration}, loss {state.loss:.3f}")
        self._save_last()
        return RunResult(state.iteration, state.minutes, state.best_score, state.loss, state.iteration >= total)

    def _is_due(self) -> bool:
        """Whether the network is to be validated now, and was not yet."""
        state, every = self.state, self.schedule.every
        done = state.history[-1]["iteration"] if state.history else 0
        due = (every and state.iteration % every == 0) or state.iteration == self.schedule.iterations
        return bool(due) and done < state.iteration

    def _batches(self, total: int) -> Any:
        return batches(
            self.task.source,
            self.recipe["data.batch"],
            self.state.iteration,
            total,
            self.settings.workers,
            self.group.rank,
            self.group.world,
            self.recipe.get("data.echo", 1),
        )

    def _step(self, images: Tensor, target: Tensor) -> None:
        import torch

        state, recipe = self.state, self.recipe
        self._seed_step()
        rate = learning_rate(recipe, self.schedule, state.iteration)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        images = images.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last_3d)
        target = target.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(images, target)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss is not finite at iteration {state.iteration}",
                "Lower the learning rate and resume the run",
                "resume",
            )
        loss.backward()
        if recipe["training.clip"]:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), recipe["training.clip"])
        self.optimizer.step()
        state.iteration += 1
        value = float(loss.detach())
        state.loss = value if math.isnan(state.loss) else 0.98 * state.loss + 0.02 * value
        self._update_average()

    def _loss(self, images: Tensor, target: Tensor) -> Tensor:
        """Of a batch; where not even the first can be computed, the recipe does not fit together."""
        try:
            with self._precision():
                output = self.parallel(images)
            loss = self.task.loss(self.network, output, target)
        except (TypeError, ValueError, KeyError, IndexError, AssertionError, RuntimeError, ArithmeticError) as error:
            if self._proved or is_out_of_memory(error):
                raise
            words = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise TrainingError(
                f"The recipe's network cannot be trained on patches of {list(images.shape[2:])} voxels ({words})",
                "Check network.arguments, data.patch, data.classes and loss.arguments of the recipe",
            ) from error
        self._proved = True
        return loss

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

    def _validate(self, progress: Progress, cancel: CancelToken) -> None:
        """Scores the averaged network; the best becomes the best checkpoint. A stop leaves it to the next start."""
        if self.group.rank or self._stop:
            return
        state, total = self.state, self.schedule.iterations

        def show(_: float, words: str) -> None:
            if self._stop or cancel.cancelled:
                stopped.cancel()
            progress(state.iteration / total, words)

        stopped = CancelToken()
        try:
            scores = self.task.validate(self._averaged(), self.device, show, stopped)
        except Cancelled:
            return
        row = {
            "iteration": state.iteration,
            "minutes": round(state.minutes, 2),
            "loss": round(state.loss, 4),
            "learning_rate": learning_rate(self.recipe, self.schedule, state.iteration),
            **{name: round(score, 4) for name, score in scores.items()},
        }
        state.history.append(row)
        write_log(self.run_folder, state.history)
        score = next(iter(scores.values()), math.nan)
        if score > state.best_score or (math.isnan(state.best_score) and not math.isnan(score)):
            state.best_score = score
            self._save(BEST)

    def _averaged(self) -> nn.Module:
        import torch

        from PreopReviewLib.models import networks

        # Built anew: DynUNet keeps outputs of its last step, which cannot be copied.
        with torch.random.fork_rng(devices=[]):  # the dropout of the training goes on as if there had been no look
            network = networks.build(self.recipe["network.name"], self.recipe["network.arguments"])
        network.load_state_dict(self.average)
        return network.to(self.device, memory_format=torch.channels_last_3d).eval()


def start_run(
    recipe: Recipe,
    run: Path,
    settings: RunSettings,
    resume: bool = False,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> RunResult:
    """Train in a folder: a new run, or the going on of one with its own recipe and its own cases.

    A resumed run takes over only the fields that were set on the command line (such as the iterations). One that was
    stopped while its cases were being prepared, before any checkpoint, begins anew with the cases that are ready.

    Raises:
        TrainingError: a run is there already and `resume` is false, it is of another recipe, or not even the first
            iteration can be computed; no checkpoint is left then.
        InputError, OutputError: as `task.open_task`.
    """
    check_run(run)
    kept = None
    begun = (run / LAST).exists() or not run.is_dir()
    if resume and begun:
        kept = read_checkpoint(run / LAST)
        recipe = recipe_from_dict(kept["recipe"], str(run / LAST)).with_changes_of(recipe)
    elif not resume and (run / LAST).exists():
        raise TrainingError(f"{run} already holds a run", "Resume it, or choose another folder", "resume")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{run} cannot be made ({error.strerror})", "Choose a folder you may write to") from error
    try:
        trainer = Trainer(recipe, run, settings, kept, progress, cancel)
    except Cancelled:
        raise
    except Exception:
        if not any(run.iterdir()):
            run.rmdir()
        raise
    try:
        return trainer.fit(progress, cancel)
    except TrainingError:
        if kept is None and not trainer.state.iteration:  # there is nothing to go on from but the cases that are ready
            for name in (LAST, BEST):
                (run / name).unlink(missing_ok=True)
            if not any(run.iterdir()):
                run.rmdir()
        raise
    finally:
        trainer.group.leave()
