"""Training the light network on a CPU, with one thread, from cubes that were rendered beforehand.

A CPU has time for a few tens of thousands of cubes, too few to learn from five words alone. So the place of the
planted tear is shown as well (with patients it is never known), and the network looks only at the part of the cube
where the phantom's tears can be, a quarter of it, so that a step costs a quarter. With `LightTraining.local_share`
below 1, a second stage goes on with whole cubes. The loss is cross-entropy on the class, the guidance of the map, and
a voxel-wise cross-entropy of two channels (full and partial tear) that are thrown away afterwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.errors import TrainingError
from PreopReviewLib.progress import Progress, silent, within
from PreopReviewLib.training.checkpoint import read_checkpoint, save_checkpoint
from RotatorCuffCAMLib.training.synthetic import guidance_loss, render_shards, save_weights

if TYPE_CHECKING:
    import torch

    from RotatorCuffCAMLib.network.vrn import VRN

LOCAL = (slice(3, 15), slice(0, 9), slice(1, 12))
"""The map's voxels (K, J, I) in which a tear of the phantom can lie."""


@dataclass(frozen=True)
class LightTraining:
    """How to train.

    Attributes:
        seconds: wall time, pauses for evaluation aside.
        local_share: part of it on the part of the cube where tears are; 1 gives a network with that window.
        batch: cubes a step.
        rate: peak learning rate (AdamW); the second stage's is half.
        guidance, dense: weights of the map's loss and of the voxel-wise loss.
        width, blocks, units: of the network.
        threads: of torch.
        seed: of weights and order.
    """

    seconds: float = 3600.0
    local_share: float = 1.0
    batch: int = 16
    rate: float = 4e-3
    decay: float = 1e-3
    guidance: float = 0.3
    dense: float = 1.0
    width: int = 32
    blocks: int = 2
    units: int = 1
    stem_stride: int = 4
    threads: int = 1
    seed: int = 1


class Shards:
    """Cubes (bytes), torn parts and classes of a folder of shards (`render_shards`), read in the order given."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder, np.random.default_rng(seed)
        self.read: set[Path] = set()
        self.parts: list[dict[str, np.ndarray]] = []
        self.count = 0

    def look(self) -> None:
        """Reads what is new."""
        for path in sorted(set(self.folder.glob("*.npz")) - self.read):
            self.read.add(path)
            with np.load(path) as held:
                self.parts.append({k: held[k] for k in ("cubes", "torn", "classes")})
            self.count += len(self.parts[-1]["classes"])

    def draw(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random cubes (size, 64, 64, 64) bytes, torn parts (size, 16, 16, 16), classes (size,)."""
        shards = self.rng.integers(0, len(self.parts), size)
        chosen = [(self.parts[s], int(self.rng.integers(len(self.parts[s]["classes"])))) for s in shards]
        cubes, torn, classes = (np.stack([p[k][n] for p, n in chosen]) for k in ("cubes", "torn", "classes"))
        return cubes, torn, classes

    def batch(self, size: int, local: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cubes (size, 1, ...) of 0 to 255, shifted by whole voxels of the map and changed in contrast and noise."""
        import torch

        cubes, torn, classes = self.draw(size)
        shift = self.rng.integers(-1, 2, 3)
        if local:
            where = [slice(max(0, p.start + s), p.stop + s) for p, s in zip(LOCAL, shift, strict=True)]
            cubes = cubes[(slice(None), *(slice(4 * w.start, 4 * w.stop) for w in where))]
            torn = torn[(slice(None), *where)]
        else:
            cubes, torn = np.roll(cubes, 4 * shift, (1, 2, 3)), np.roll(torn, shift, (1, 2, 3))
        each = (size, 1, 1, 1)
        x = (cubes / np.float32(255)) ** np.exp(self.rng.uniform(-0.25, 0.25, each)).astype(np.float32)
        noise = self.rng.standard_normal(x.shape, dtype=np.float32)
        x = x * self.rng.uniform(0.9, 1.05, each).astype(np.float32) + noise * self.rng.uniform(0, 0.02, each).astype(
            np.float32
        )
        return (
            torch.from_numpy(np.clip(x, 0, 1) * np.float32(255))[:, None],
            torch.from_numpy(torn),
            torch.from_numpy(classes),
        )


def dense_loss(marks: torch.Tensor, torn: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of full and partial tear at each voxel of the map.

    Args:
        marks: (N, 2, ...) logits: full, partial.
        torn: (N, ...) torn part of each voxel; full marks from 40 % of the case's greatest part on.
    """
    import torch
    from torch.nn import functional as F

    most = torn.flatten(1).amax(1).view(-1, 1, 1, 1)
    share = (torn / (0.4 * most).clamp(min=1e-3)).clamp(max=1)
    partial = (classes == 1).view(-1, 1, 1, 1)
    target = torch.stack([share * ~partial, share * partial], 1)
    sure = ((classes == 0) | (most.flatten() > 0.03)).view(-1, 1, 1, 1, 1).float()
    losses = F.binary_cross_entropy_with_logits(marks, target, reduction="none") * (1 + 4 * target) * sure
    # A mean over voxels would drown the few torn ones: the sum of a case, against about 20 voxels.
    return losses.sum((1, 2, 3, 4)).mean() / 20


def learning_rate(fraction: float, peak: float, local_share: float) -> float:
    """Warm-up and cosine decay in each stage; the second peaks at a half."""
    if fraction < local_share:
        inside, top = fraction / local_share, peak
    else:
        inside, top = (fraction - local_share) / max(1 - local_share, 1e-9), 0.5 * peak
    warm = min(1.0, inside / 0.04)
    return top * max(warm * 0.5 * (1 + math.cos(math.pi * min(inside, 1.0))), 0.005)


def train_light(
    settings: LightTraining,
    cubes: Path,
    folder: Path,
    progress: Progress = silent,
    at_checkpoint: Callable[[float, VRN], None] | None = None,
    resume: bool = False,
) -> VRN:
    """Trains from the shards in `cubes`; every two minutes the whole state goes to `folder`/state.pt.

    Args:
        at_checkpoint: called about every tenth of the time in the second stage, with the part done and the network.

    Raises:
        TrainingError: no shards, or nothing to resume.
    """
    import torch

    shards = Shards(cubes, settings.seed)
    shards.look()
    if shards.count < 2 * settings.batch:
        raise TrainingError(f"{cubes} holds {shards.count} cubes", "Render some first: render_shards")
    state = _State(settings, folder)
    if resume:
        state.load()
    torch.set_num_threads(settings.threads)
    saved = reported = time.monotonic()
    shown = max(settings.local_share, state.elapsed / settings.seconds)
    while state.elapsed < settings.seconds:
        began = time.monotonic()
        fraction = state.elapsed / settings.seconds
        loss, right = state.step(shards, fraction)
        state.elapsed += time.monotonic() - began
        if began - reported > 10:
            reported = began
            progress(fraction, f"step {state.steps}, {shards.count} cubes, loss {loss:.3f}, right {right:.2f}")
        if began - saved > 120:
            saved = began
            shards.look()
            state.save(shards.count)
        if at_checkpoint is not None and fraction - shown > 0.08:
            shown = fraction
            at_checkpoint(fraction, state.network.eval())
    state.save(shards.count)
    if settings.local_share >= 1:
        progress(1.0, "Fitting the last layer to all shoulders")
        refit_head(state.network, *pooled_features(state.network, cubes))
        state.save(shards.count)
    return state.network.eval()


def render_and_train(
    seconds: float,
    folder: Path,
    progress: Progress = silent,
    resume: bool = False,
    settings: LightTraining | None = None,
) -> VRN:
    """Renders shards for a third of the time into `folder`/cubes, then trains on all that are there.

    Args:
        seconds: wall time of both.
        resume: go on from `folder`/state.pt; its share of the time is not spent again.
        settings: all but the time; by default those of `LightTraining`.
    """
    from dataclasses import replace

    cubes, began, part = folder / "cubes", time.monotonic(), seconds / 3
    first = len(list(cubes.glob("*.npz")))
    rendered = 0
    while rendered < 2 or time.monotonic() - began < part:
        progress(min((time.monotonic() - began) / seconds, 1 / 3), f"Drawing shoulders: {20 * (first + rendered)}")
        render_shards(cubes, 100 + first + rendered, 1)
        rendered += 1
    chosen = replace(settings or LightTraining(), seconds=max(seconds - (time.monotonic() - began), 1.0))
    return train_light(chosen, cubes, folder, within(progress, 1 / 3, 1.0), resume=resume)


def pooled_features(network: VRN, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of the features over the part of the cube, (N, C), and classes (N,), of all shards."""
    import torch

    part = tuple(slice(4 * p.start, 4 * p.stop) for p in LOCAL)
    means, classes = [], []
    with torch.inference_mode():
        for path in sorted(folder.glob("*.npz")):
            with np.load(path) as held:
                cubes = torch.from_numpy(held["cubes"][(slice(None), *part)]).float()[:, None]
                means.append(network.eval().features(cubes).mean((2, 3, 4)))
                classes.append(torch.from_numpy(held["classes"]))
    return torch.cat(means).clone(), torch.cat(classes)


def refit_head(network: VRN, means: torch.Tensor, classes: torch.Tensor, decay: float = 1e-4) -> None:
    """Replaces pooled batch norm and last layer by the regression that fits all training shoulders at once.

    A few thousand small batches leave the statistics of the batch norm and the last layer far from their optimum,
    which for given features is a convex problem.

    Args:
        means, classes: (n, width) and (n,), of `pooled_features`.
        decay: weight of the squared weights.
    """
    import torch
    from torch.nn import functional as F

    norm, head = network.pooled_norm, network.head
    with torch.no_grad():
        norm.running_mean.copy_(means.mean(0))
        norm.running_var.copy_(means.var(0))
        norm.weight.fill_(1.0)
        norm.bias.zero_()
        scaled = (means - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
    weights = torch.zeros_like(head.weight).requires_grad_()
    biases = torch.zeros_like(head.bias).requires_grad_()
    optimizer = torch.optim.LBFGS([weights, biases], max_iter=400, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(scaled @ weights.T + biases, classes) + decay * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        head.weight.copy_(weights)
        head.bias.copy_(biases)


def with_window(network: VRN, settings: LightTraining) -> VRN:
    """The network that was trained on the part of the cube, as one that takes whole cubes and looks at that part."""
    import torch

    from RotatorCuffCAMLib.network.vrn import VRN

    window = [v for part in LOCAL for v in (part.start, part.stop)]
    windowed = VRN(
        settings.blocks, width=settings.width, stem_stride=settings.stem_stride, units=settings.units, window=window
    )
    windowed.load_state_dict(network.state_dict())
    # The mean is now one over all voxels, most of them 0: smaller by this factor.
    share = float(np.prod([p.stop - p.start for p in LOCAL])) / 16**3
    norm = windowed.pooled_norm
    with torch.no_grad():
        norm.weight *= torch.sqrt((norm.running_var * share**2 + norm.eps) / (norm.running_var + norm.eps)) / share
        norm.running_mean *= share
        norm.running_var *= share**2
    return windowed.eval()


class _State:
    """Network, optimizer and how far they are."""

    def __init__(self, settings: LightTraining, folder: Path) -> None:
        import torch
        from torch import nn

        from RotatorCuffCAMLib.network.vrn import VRN

        torch.manual_seed(settings.seed)
        self.settings, self.folder = settings, folder
        self.network = VRN(
            settings.blocks, width=settings.width, stem_stride=settings.stem_stride, units=settings.units
        ).to(memory_format=torch.channels_last_3d)
        self.marks = nn.Conv3d(self.network.last.conv.out_channels, 2, 1)
        nn.init.constant_(self.marks.bias, -4.0)
        parameters = [*self.network.parameters(), *self.marks.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=settings.decay)
        self.elapsed, self.steps, self.average = 0.0, 0, (0.0, 0.0)

    def step(self, shards: Shards, fraction: float) -> tuple[float, float]:
        """One step; running means of loss and of right answers."""
        import torch
        from torch.nn import functional as F

        settings, network = self.settings, self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(fraction, settings.rate, settings.local_share)
        cubes, torn, classes = shards.batch(settings.batch, fraction < settings.local_share)
        features = network.features(cubes.to(memory_format=torch.channels_last_3d))
        logits = network.logits_of(features)
        loss = F.cross_entropy(logits, classes) + settings.dense * dense_loss(self.marks(features), torn, classes)
        if self.steps > 200 and settings.guidance:
            loss = loss + settings.guidance * guidance_loss(network, features, classes, torn)
        if not torch.isfinite(loss):
            raise TrainingError(f"The loss is not finite at step {self.steps}", "Resume with a lower rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        self.optimizer.step()
        right = float((logits.detach().argmax(1) == classes).float().mean())
        keep = min(0.97, self.steps / (self.steps + 1))
        self.average = tuple(
            keep * a + (1 - keep) * b for a, b in zip(self.average, (float(loss.detach()), right), strict=True)
        )
        self.steps += 1
        return self.average

    def save(self, cubes: int) -> None:
        """state.pt to go on from, model.safetensors to use."""
        state = {
            "network": self.network.state_dict(),
            "marks": self.marks.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "at": [self.elapsed, self.steps],
        }
        save_checkpoint(self.folder / "state.pt", state)
        about = {k: str(v) for k, v in asdict(self.settings).items()}
        about |= {"step": str(self.steps), "shoulders": str(cubes)}
        network = self.network
        if self.settings.local_share >= 1:
            network = with_window(network, self.settings)
            about["window"] = ",".join(map(str, network.window))
        save_weights(network, self.folder / "model.safetensors", about)

    def load(self) -> None:
        """Raises TrainingError where there is nothing."""
        held = read_checkpoint(self.folder / "state.pt")
        self.network.load_state_dict(held["network"])
        self.marks.load_state_dict(held["marks"])
        self.optimizer.load_state_dict(held["optimizer"])
        self.elapsed, self.steps = float(held["at"][0]), int(held["at"][1])
