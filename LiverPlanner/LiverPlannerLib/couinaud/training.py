"""Training the network of the Couinaud segments on a CPU: one command, by the clock, five folds on request.

    python -m LiverPlannerLib.couinaud.training --data FOLDER -o RUN --minutes 40 --folds 5 --fold 0

trains on all patients outside the fold and measures on those in it; `--fold all` does every fold one after the other
and writes the figures of all patients. The rate follows the clock, so a busy machine ends at the same point of the
schedule with fewer steps.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.couinaud.augmentation import bent_map
from LiverPlannerLib.couinaud.channels import liver_channels, padded
from LiverPlannerLib.couinaud.maps import SegmentMap, folds_of, odd_maps, read_maps, shape_of_segments
from LiverPlannerLib.couinaud.settings import NETWORK, Training
from PreopReviewLib.errors import InputError, TrainingError
from PreopReviewLib.output import output_file
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from LiverPlannerLib.couinaud.measuring import Figures

STATE = "state.pt"


class Samples:
    """Batches of bent maps, made by a thread ahead of the network."""

    def __init__(self, cases: Sequence[SegmentMap], settings: Training, seed: int) -> None:
        self.cases, self.settings = cases, settings
        self.rng = np.random.default_rng(seed)
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
        order: list[int] = []
        divisor = self.settings.block * 2 ** (len(self.settings.widths) - 1)
        try:
            while not self.stop.is_set():
                chosen = []
                for _ in range(self.settings.batch):
                    order = order or self.rng.permutation(len(self.cases)).tolist()
                    chosen.append(bent_map(self.cases[order.pop()].labels, self.rng))
                shape = tuple(max(c.shape[a] for c in chosen) for a in range(3))
                x = np.stack([padded(liver_channels(c > 0), divisor, shape) for c in chosen])
                y = np.stack([padded(c, divisor, shape) for c in chosen])
                self._put((x, y))
        except Exception as error:  # told to the trainer, which raises it
            self._put(error)

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


def train(
    cases: Sequence[SegmentMap],
    settings: Training,
    folder: Path,
    progress: Progress = silent,
) -> nn.Module:
    """The averaged network; the state goes to `folder`/state.pt every two minutes.

    Raises:
        TrainingError: fewer maps than a batch, or a loss that is not a number.
    """
    import torch

    from PreopReviewLib.models.networks import build
    from PreopReviewLib.training.checkpoint import save_checkpoint

    if len(cases) < settings.batch:
        raise TrainingError(f"There are {len(cases)} maps to learn from", "Name a folder with more of them")
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    network = build(NETWORK, settings.arguments).train()
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.decay)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average), use_buffers=True
    )
    samples, begun, saved, step, running = Samples(cases, settings, settings.seed), time.monotonic(), 0.0, 0, 3.0
    try:
        while (fraction := (time.monotonic() - begun) / (60 * settings.minutes)) < 1:
            for group in optimizer.param_groups:
                group["lr"] = rate_at(fraction, settings.rate)
            x, y = samples.next()
            loss = segment_loss(network(torch.from_numpy(x)), torch.from_numpy(y).long(), settings.smooth)
            if not torch.isfinite(loss):
                raise TrainingError("The loss is not finite", "Lower the learning rate")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(network)
            step, running = step + 1, 0.98 * running + 0.02 * float(loss.detach())
            if step % 20 == 0:
                progress(fraction, f"step {step}, loss {running:.3f}")
            if time.monotonic() - begun - saved > 120 or fraction >= 1:
                saved = time.monotonic() - begun
                save_checkpoint(folder / STATE, _state(average.module, settings, step, saved))
    finally:
        samples.close()
    save_checkpoint(folder / STATE, _state(average.module, settings, step, time.monotonic() - begun))
    return average.module.eval()


def _state(network: nn.Module, settings: Training, step: int, seconds: float) -> dict[str, Any]:
    return {
        "network": network.state_dict(),
        "settings": json.dumps(asdict(settings)),
        "step": step,
        "minutes": seconds / 60,
    }


def run_fold(cases: Sequence[SegmentMap], folds: int, fold: int, settings: Training, given: Given) -> Figures:
    """Trains on the patients outside a fold (unless that is done), packs the network, and measures on those in it.

    Raises:
        InputError: there is no such fold.
    """
    from LiverPlannerLib.couinaud.measuring import measure
    from LiverPlannerLib.couinaud.package import write_couinaud_package

    parts = folds_of([c.name for c in cases], folds)
    if not 0 <= fold < folds:
        raise InputError(f"There is no fold {fold} of {folds}", f"Give 0 to {folds - 1}, or all")
    odd = odd_maps(cases)
    learned = [c for c in cases if c.name not in parts[fold] and c.name not in odd]
    unseen = [c for c in cases if c.name in parts[fold] and c.name not in odd]
    where = given.output / f"fold{fold}"
    if not given.measure_only:
        train(learned, settings, where, given.progress)
    shares = np.stack([shape_of_segments(c)[:, 0] for c in learned])
    usual = list(zip(np.nanmin(shares, 0), np.nanmax(shares, 0), strict=True))
    pack = partial(
        write_couinaud_package, where / "couinaud", where / STATE,
        left_out=odd, usual_shares=usual, learned=len(learned), command=given.command,
    )  # fmt: skip
    what = f"Fold {fold} of {folds}, patients that the network has not seen"
    remark = f"One fold, not all {folds}. Maps left out as wrong are not counted."
    figures = measure(unseen, pack(figures=None), what, remark, given.progress)
    pack(figures=figures)
    with output_file(where / "figures.json", overwrite=True) as file:
        file.write_text(json.dumps(figures.as_dict(), indent=2) + "\n", encoding="utf-8")
    return figures


@dataclass(frozen=True)
class Given:
    """What the command line says besides the settings."""

    output: Path
    command: str
    measure_only: bool = False
    progress: Progress = silent


def main() -> None:
    from LiverPlannerLib.couinaud.measuring import together

    parser = argparse.ArgumentParser(prog="python -m LiverPlannerLib.couinaud.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of label maps, 1 to 8")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=40.0, help="for each fold")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold", default="0", help="number, or all")
    parser.add_argument("--measure-only", action="store_true", help="take the networks that are in the run's folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    def show(fraction: float, words: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} [{fraction:4.0%}] {words}", flush=True)

    command = (
        f"python -m LiverPlannerLib.couinaud.training --data FOLDER -o RUN --minutes {given.minutes:g} "
        f"--folds {given.folds} --fold {given.fold} --threads {given.threads} --seed {given.seed}"
    )
    settings = Training(minutes=given.minutes, threads=given.threads, seed=given.seed)
    words = Given(given.output, command, given.measure_only, show)
    if given.fold != "all" and not given.fold.isdigit():
        raise InputError(f"{given.fold!r} is not a fold", f"Give 0 to {given.folds - 1}, or all")
    cases = read_maps(given.data, show)
    for name, reason in odd_maps(cases).items():
        print(f"left out: {name}: {reason}", flush=True)
    wanted = range(given.folds) if given.fold == "all" else [int(given.fold)]
    figures = [run_fold(cases, given.folds, fold, settings, words) for fold in wanted]
    joined = figures[0] if len(figures) == 1 else together(figures)
    with output_file(given.output / "figures.json", overwrite=True) as file:
        file.write_text(json.dumps(joined.as_dict(), indent=2) + "\n", encoding="utf-8")
    print(json.dumps(joined.as_dict(), indent=2))


if __name__ == "__main__":
    from PreopReviewLib.command.console import run

    run(main)
