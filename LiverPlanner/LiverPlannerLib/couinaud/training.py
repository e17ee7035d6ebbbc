"""Training the network of the Couinaud segments on a CPU: one command, five folds on request.

    python -m LiverPlannerLib.couinaud.training --data FOLDER -o RUN --folds 5 --fold 0

trains on all patients outside the fold and measures on those in it. `--fold all` does every fold one after the other,
and then a network that learns from all patients, whose card holds the figures of the folds. The same command goes on
where an interrupted one ended.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.couinaud.augmentation import bent_map
from LiverPlannerLib.couinaud.channels import liver_channels, padded
from LiverPlannerLib.couinaud.maps import SegmentMap, folds_of, odd_maps, read_maps, shape_of_segments
from LiverPlannerLib.couinaud.settings import NETWORK, Training, settings_from
from PreopReviewLib.errors import InputError, TrainingError
from PreopReviewLib.output import output_file
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from LiverPlannerLib.couinaud.measuring import Figures
    from PreopReviewLib.models.package import ModelPackage

STATE = "state.pt"


class Samples:
    """Batches of bent maps, made by a thread ahead of the network; each depends on its step alone."""

    def __init__(self, cases: Sequence[SegmentMap], settings: Training, step: int) -> None:
        self.cases, self.settings, self.step = cases, settings, step
        self.ready: queue.Queue[Any] = queue.Queue(4)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._make, daemon=True)
        self.thread.start()

    def next(self) -> tuple[np.ndarray, np.ndarray]:
        """Channels (N, 8, K, J, I) float32 and labels (N, K, J, I) uint8.

        Raises:
            TrainingError: the samples cannot be made.
        """
        sample = self.ready.get()
        if isinstance(sample, Exception):
            raise TrainingError(f"A training sample could not be made ({sample})", "Check the label maps") from sample
        return sample

    def close(self) -> None:
        """Ends the thread."""
        self.stop.set()
        while not self.ready.empty():
            self.ready.get_nowait()
        self.thread.join(5)

    def _make(self) -> None:
        divisor = self.settings.block * 2 ** (len(self.settings.widths) - 1)
        try:
            while not self.stop.is_set():
                rng = np.random.default_rng([self.settings.seed, self.step])
                chosen = [bent_map(case.labels, rng) for case in self._cases()]
                shape = tuple(max(c.shape[a] for c in chosen) for a in range(3))
                x = np.stack([padded(liver_channels(c > 0), divisor, shape) for c in chosen])
                y = np.stack([padded(c, divisor, shape) for c in chosen])
                self._put((x, y))
                self.step += 1
        except Exception as error:  # told to the trainer, which raises it
            self._put(error)

    def _cases(self) -> Iterator[SegmentMap]:
        """Those of the step: every map once, in an order of its own, before any comes again."""
        for place in range(self.step * self.settings.batch, (self.step + 1) * self.settings.batch):
            turn, n = divmod(place, len(self.cases))
            order = np.random.default_rng([self.settings.seed, turn, 1]).permutation(len(self.cases))
            yield self.cases[order[n]]

    def _put(self, sample: Any) -> None:
        while not self.stop.is_set():
            try:
                self.ready.put(sample, timeout=0.5)
                return
            except queue.Full:
                continue


def segment_loss(logits: Tensor, labels: Tensor, smooth: float) -> Tensor:
    """Cross-entropy plus soft Dice of the eight segments, over the liver's voxels alone.

    Args:
        logits: (N, 8, K, J, I).
        labels: (N, K, J, I) int64, 0 outside the liver.
    """
    import torch
    from torch.nn import functional as F

    inside = labels > 0
    entropy = F.cross_entropy(logits, labels - 1, ignore_index=-1, label_smoothing=smooth)
    dice = []
    for one, true, where in zip(logits, labels, inside, strict=True):
        share = torch.softmax(one[:, where], 0)
        wanted = F.one_hot(true[where] - 1, 8).T.to(share.dtype)
        there = wanted.sum(1) > 0
        dice.append((2 * (share * wanted).sum(1) + 1)[there] / ((share + wanted).sum(1) + 1)[there])
    return entropy + 1 - torch.cat(dice).mean()


def rate_at(fraction: float, peak: float) -> float:
    """One cycle: up over the first eighth, down by a cosine to nearly nothing."""
    if fraction < 0.125:
        return peak * (0.1 + 0.9 * fraction / 0.125)
    return peak * max(0.002, 0.5 * (1 + math.cos(math.pi * (fraction - 0.125) / 0.875)))


class Run:
    """A network in training, from its start or from where `path` left it.

    Raises:
        TrainingError: `path` was made with other settings.
    """

    def __init__(self, settings: Training, path: Path) -> None:
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        from PreopReviewLib.models.networks import build
        from PreopReviewLib.training.checkpoint import read_checkpoint

        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings, self.path = settings, path
        self.network = build(NETWORK, settings.arguments).to(memory_format=torch.channels_last_3d).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.rate, weight_decay=settings.decay)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average), use_buffers=True
        )
        self.step, self.loss, self.seconds = 0, 3.0, 0.0
        if path.is_file():
            self._go_on_from(read_checkpoint(path))

    def _go_on_from(self, state: dict[str, Any]) -> None:
        kept = settings_from(json.loads(state["settings"]))
        if replace(kept, threads=self.settings.threads) != self.settings:
            raise TrainingError(f"{self.path} was trained with other settings", "Use them, or another folder")
        self.network.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state_dict(state["average"])
        self.step, self.loss, self.seconds = state["step"], state["loss"], 60 * state["minutes"]

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        """One step with a batch of `Samples`.

        Args:
            x: channels (N, 8, K, J, I), float32.
            y: labels (N, K, J, I), uint8, 0 outside the liver.

        Raises:
            TrainingError: the loss is not a number.
        """
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step / self.settings.steps, self.settings.rate)
        loss = segment_loss(self.network(torch.from_numpy(x)), torch.from_numpy(y).long(), self.settings.smooth)
        if not torch.isfinite(loss):
            raise TrainingError("The loss is not finite", "Lower the learning rate")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step, self.loss = self.step + 1, 0.98 * self.loss + 0.02 * float(loss.detach())

    def save(self, seconds: float) -> None:
        """All that is needed to go on, and the averaged network under "network"."""
        from PreopReviewLib.training.checkpoint import save_checkpoint

        state = {
            "network": self.average.module.state_dict(),
            "trained": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "settings": json.dumps(asdict(self.settings)),
            "step": self.step,
            "loss": self.loss,
            "minutes": seconds / 60,
        }
        save_checkpoint(self.path, state)


def train(
    cases: Sequence[SegmentMap],
    settings: Training,
    folder: Path,
    progress: Progress = silent,
) -> nn.Module:
    """The averaged network; the state goes to `folder`/state.pt every two minutes, and an earlier one goes on.

    Raises:
        TrainingError: fewer maps than a batch, other settings than those of the state, or a loss that is not a number.
    """
    if len(cases) < settings.batch:
        raise TrainingError(f"There are {len(cases)} maps to learn from", "Name a folder with more of them")
    run = Run(settings, folder / STATE)
    samples, begun = Samples(cases, settings, run.step), time.monotonic() - run.seconds
    saved = run.seconds
    try:
        while run.step < settings.steps:
            run.learn(*samples.next())
            if run.step % 20 == 0:
                progress(run.step / settings.steps, f"step {run.step}, loss {run.loss:.3f}")
            seconds = time.monotonic() - begun
            if seconds - saved > 120 or run.step == settings.steps:
                saved = seconds
                run.save(seconds)
    finally:
        samples.close()
    return run.average.module.eval()


@dataclass(frozen=True)
class Given:
    """What the command line says besides the settings."""

    output: Path
    command: str
    progress: Progress = silent


def run_fold(cases: Sequence[SegmentMap], folds: int, fold: int, settings: Training, given: Given) -> Figures:
    """Trains on the patients outside a fold (unless that is done), packs the network, and measures on those in it.

    Raises:
        InputError: there is no such fold.
    """
    from LiverPlannerLib.couinaud.measuring import measure

    parts = folds_of([c.name for c in cases], folds)
    if not 0 <= fold < folds:
        raise InputError(f"There is no fold {fold} of {folds}", f"Give 0 to {folds - 1}, or all")
    odd = odd_maps(cases)
    unseen = [c for c in cases if c.name in parts[fold] and c.name not in odd]
    where = given.output / f"fold{fold}"
    learned = [c for c in cases if c.name not in parts[fold] and c.name not in odd]
    train(learned, settings, where, given.progress)
    what = f"Fold {fold} of {folds}, patients that the network has not seen"
    remark = f"One fold, not all {folds}. Maps left out as wrong are not counted."
    figures = measure(unseen, _pack(where, learned, odd, None, given), what, remark, given.progress)
    _pack(where, learned, odd, figures, given)
    _write_figures(where, figures)
    return figures


def run_all(cases: Sequence[SegmentMap], folds: int, settings: Training, given: Given) -> Figures:
    """Every fold, and the network of all patients, packed in `given.output`/all with the figures of the folds."""
    from LiverPlannerLib.couinaud.measuring import together

    figures = together([run_fold(cases, folds, fold, settings, given) for fold in range(folds)])
    odd = odd_maps(cases)
    learned = [c for c in cases if c.name not in odd]
    train(learned, settings, given.output / "all", given.progress)
    _pack(given.output / "all", learned, odd, figures, given)
    return figures


def _pack(
    where: Path, learned: Sequence[SegmentMap], odd: Mapping[str, str], figures: Figures | None, given: Given
) -> ModelPackage:
    from LiverPlannerLib.couinaud.package import write_couinaud_package

    shares = np.stack([shape_of_segments(c)[:, 0] for c in learned])
    usual = list(zip(np.nanmin(shares, 0), np.nanmax(shares, 0), strict=True))
    return write_couinaud_package(
        where / "couinaud", where / STATE, figures, odd, usual, len(learned), given.command
    )  # fmt: skip


def _write_figures(folder: Path, figures: Figures) -> None:
    with output_file(folder / "figures.json", overwrite=True) as file:
        file.write_text(json.dumps(figures.as_dict(), indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m LiverPlannerLib.couinaud.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of label maps, 1 to 8")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, default=Training.steps, help="for each network (default: %(default)s)")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold", default="0", help="number, or all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    def show(fraction: float, words: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} [{fraction:4.0%}] {words}", flush=True)

    if given.fold != "all" and not given.fold.isdigit():
        raise InputError(f"{given.fold!r} is not a fold", f"Give 0 to {given.folds - 1}, or all")
    command = (
        f"python -m LiverPlannerLib.couinaud.training --data FOLDER -o RUN --steps {given.steps} "
        f"--folds {given.folds} --fold {given.fold} --threads {given.threads} --seed {given.seed}"
    )
    settings = Training(steps=given.steps, threads=given.threads, seed=given.seed)
    words = Given(given.output, command, show)
    cases = read_maps(given.data, show)
    for name, reason in odd_maps(cases).items():
        print(f"left out: {name}: {reason}", flush=True)
    if given.fold == "all":
        figures = run_all(cases, given.folds, settings, words)
    else:
        figures = run_fold(cases, given.folds, int(given.fold), settings, words)
    _write_figures(given.output, figures)
    print(json.dumps(figures.as_dict(), indent=2))


if __name__ == "__main__":
    from PreopReviewLib.command.console import run

    run(main)
