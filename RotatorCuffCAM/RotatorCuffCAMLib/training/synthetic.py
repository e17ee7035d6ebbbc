"""Training the demonstration network on synthetic shoulders that are rendered as it learns.

Two phases. ``weak``: cross-entropy on the class alone, as the paper has it. ``guided``: in addition the activation
map is drawn to the tear, whose place is known here because we planted it (never so with patients' reports); the
loss is ``-log`` of the part of the map's positive energy that lies on the tear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.output import output_file, whole_file
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from RotatorCuffCAMLib.network.vrn import VRN


@dataclass(frozen=True)
class SyntheticTraining:
    """How to train on synthetic shoulders.

    Attributes:
        seconds: wall time of the training, unless
        steps: is above 0: number of steps, however long they take.
        weak_share: part of it without guidance.
        batch: cases a step.
        fresh: new shoulders rendered a step; the rest of the batch is drawn from the pool.
        pool: cubes kept.
        rate: peak learning rate (AdamW).
        guidance: weight of the map's loss in the second phase.
        width, blocks: of the network.
        seed: of the shoulders; evaluation uses seeds from 10**9 on.
    """

    seconds: float = 240.0
    steps: int = 0
    weak_share: float = 0.6
    batch: int = 32
    fresh: int = 16
    pool: int = 6000
    rate: float = 2e-3
    decay: float = 1e-3
    guidance: float = 0.3
    width: int = 32
    blocks: int = 2
    stem_stride: int = 1
    seed: int = 1


def render_shards(folder: Path, seed: int, shards: int, size: int = 20) -> None:
    """Writes `shards` files of `size` cubes each, for a trainer that runs beside this on a machine without a GPU."""
    from PreopReviewLib.phantoms.shoulder_cubes import draw_classes, render_cubes

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 22])
    for shard in range(shards):
        rendered = render_cubes(seed * 10_000_000 + shard, draw_classes(rng, size))
        with whole_file(folder / f"{seed:03d}-{shard:05d}.npz") as file:
            np.savez(
                file,
                cubes=rendered.cubes[:, 0].round().byte().numpy(),
                torn=to_map_grid(rendered.torn).numpy(),
                classes=rendered.classes.numpy(),
            )


class CubePool:
    """Cubes as bytes on the device, renewed a few at a time: rendered here, or read from `shards` as they come."""

    def __init__(self, settings: SyntheticTraining, device: str, shards: Path | None = None) -> None:
        import torch

        self.settings, self.device, self.shards = settings, device, shards
        self.read: set[Path] = set()
        self.rng = np.random.default_rng(settings.seed)
        size = (settings.pool, 64, 64, 64)
        self.cubes = torch.empty(size, dtype=torch.uint8, device=device)
        self.torn = torch.empty((settings.pool, 16, 16, 16), device=device)
        self.classes = torch.zeros(settings.pool, dtype=torch.int64, device=device)
        self.filled = self.place = self.drawn = 0

    def renew(self, count: int) -> None:
        """Puts `count` new shoulders over the oldest; with shards, as many as there are new ones."""
        import torch

        from PreopReviewLib.phantoms.shoulder_cubes import draw_classes, render_cubes

        if self.shards is not None:
            for path in sorted(set(self.shards.glob("*.npz")) - self.read):
                self.read.add(path)
                with np.load(path) as held:
                    self._put(*(torch.from_numpy(held[k]).to(self.device) for k in ("cubes", "torn", "classes")))
            return

        rendered = render_cubes(
            self.settings.seed * 10_000_000 + self.drawn, draw_classes(self.rng, count), self.device
        )
        self._put(rendered.cubes[:, 0].round().to(torch.uint8), to_map_grid(rendered.torn), rendered.classes)

    def _put(self, cubes: torch.Tensor, torn: torch.Tensor, classes: torch.Tensor) -> None:
        import torch

        count = len(classes)
        at = (self.place + torch.arange(count, device=self.device)) % self.settings.pool
        self.cubes[at], self.torn[at], self.classes[at] = cubes, torn, classes
        self.place = (self.place + count) % self.settings.pool
        self.filled = min(self.filled + count, self.settings.pool)
        self.drawn += count

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cubes (count, 1, 64, 64, 64) of 0 to 255, classes, and torn parts on the map's grid."""
        import torch

        at = torch.from_numpy(self.rng.integers(0, self.filled, count)).to(self.device)
        cubes, torn = self.cubes[at].float() / 255, self.torn[at]
        # Shifts by whole voxels of the map keep cube and map in step.
        cells = [int(v) for v in self.rng.integers(-1, 2, 3)]
        cubes = torch.roll(cubes, [4 * c for c in cells], (1, 2, 3))
        torn = torch.roll(torn, cells, (1, 2, 3))
        gamma = torch.from_numpy(np.exp(self.rng.uniform(-0.25, 0.25, count)).astype(np.float32)).to(self.device)
        return (cubes ** gamma.view(-1, 1, 1, 1) * 255)[:, None], self.classes[at], torn


def to_map_grid(torn: torch.Tensor, edge: int = 16) -> torch.Tensor:
    """Mean of (B, 64, 64, 64) around the map's voxels, of which voxel i is centered on cube voxel (64/edge)·i."""
    from torch.nn import functional as F

    step = torn.shape[-1] // edge
    return F.avg_pool3d(torn[:, None], step + 1, step, step // 2)[:, 0]


def guidance_loss(network: VRN, features: torch.Tensor, classes: torch.Tensor, torn: torch.Tensor) -> torch.Tensor:
    """-log of the positive energy of the true class's map that lies on the tear; cases without one do not count.

    Args:
        features: (N, C, E, E, E).
        torn: share of each of these voxels that is torn, (N, E, E, E).
    """
    import torch
    from torch.nn import functional as F

    from RotatorCuffCAMLib.network.activation_maps import against, exact_maps

    chosen = (classes > 0) & (torn.flatten(1).amax(1) > 0.02)
    if not bool(chosen.any()):
        return features.sum() * 0
    maps = exact_maps(network, features[chosen])
    where = classes[chosen]
    part = torn[chosen]
    # Full marks where a fifth of the peak's torn part is reached: the rim of the tear counts as well.
    target = (part / (0.4 * part.flatten(1).amax(1).view(-1, 1, 1, 1))).clamp(max=1)
    losses = []
    for each in (maps, against(maps)):
        own = F.softplus(each[torch.arange(len(where)), where] / 4)
        # Of a map that is far below 0 everywhere, softplus leaves exactly nothing.
        losses.append(-torch.log((own * target).sum((1, 2, 3)) / (own.sum((1, 2, 3)) + 1e-12) + 1e-4).mean())
    return torch.stack(losses).mean()


def learning_rate(fraction: float, peak: float, weak_share: float) -> float:
    """Two warm-ups with cosine decay, one for each phase; the second peak is half the first."""
    if fraction < weak_share:
        inside, top = fraction / max(weak_share, 1e-9), peak
    else:
        inside, top = (fraction - weak_share) / max(1 - weak_share, 1e-9), peak * 0.5
    warm = min(1.0, inside / 0.06)
    return top * max(warm * 0.5 * (1 + math.cos(math.pi * min(inside, 1.0))), 0.004)


def train_on_phantoms(
    settings: SyntheticTraining,
    folder: Path,
    device: str = "cpu",
    progress: Progress = silent,
    at_phase: Callable[[str, VRN], None] | None = None,
    shards: Path | None = None,
) -> VRN:
    """Trains for `settings.seconds` and returns the network; writes a checkpoint every minute into `folder`.

    Args:
        at_phase: called with ``weak`` or ``guided`` and the network (evaluation mode) when that phase is over.
    """
    import torch

    from RotatorCuffCAMLib.network.vrn import VRN

    torch.manual_seed(settings.seed)
    network = VRN(settings.blocks, width=settings.width, stem_stride=settings.stem_stride).to(device)
    network = _faster_layout(network, settings, device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    pool = CubePool(settings, device, shards)
    while pool.filled < min(4 * settings.batch, settings.pool):
        pool.renew(settings.fresh)
        if shards is not None:
            time.sleep(1)
    start, saved, step, weak_over, paused = time.monotonic(), 0.0, 0, False, 0.0
    history: list[tuple[float, float, float]] = []
    while True:
        elapsed = time.monotonic() - start - paused
        fraction = step / settings.steps if settings.steps else elapsed / settings.seconds
        if fraction >= 1:
            break
        if not weak_over and settings.weak_share > 0 and fraction >= settings.weak_share:
            began = time.monotonic()
            weak_over = True
            _phase_ends("weak", network, at_phase)
            paused += time.monotonic() - began
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(fraction, settings.rate, settings.weak_share)
        if pool.filled < settings.pool or step % 2 == 0:
            pool.renew(settings.fresh)
        guidance = settings.guidance if weak_over or settings.weak_share == 0 else 0.0
        loss, right = _learn(network, optimizer, pool.sample(settings.batch), guidance)
        step += 1
        if step % 20 == 0:
            history.append((elapsed, float(loss), float(right)))
            progress(fraction, f"step {step}, {pool.drawn} shoulders, loss {float(loss):.3f}, right {float(right):.2f}")
        if elapsed - saved > 60:
            saved = elapsed
            save_weights(network, folder / "checkpoint.safetensors", {"step": str(step)})
    _phase_ends("guided" if settings.weak_share < 1 else "weak", network, at_phase)
    with whole_file(folder / "history.csv") as file:
        file.write_text(
            csv_text([("seconds", "loss", "accuracy"), *((f"{a:.1f}", f"{b:.4f}", f"{c:.3f}") for a, b, c in history)])
        )
    about = {k: str(v) for k, v in asdict(settings).items()} | {"step": str(step), "shoulders": str(pool.drawn)}
    save_weights(network, folder / "model.safetensors", about)
    return network.eval()


def _learn(
    network: VRN, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor, Tensor], guidance: float
) -> tuple[Tensor, Tensor]:
    """One step on cubes, classes and torn voxels; loss and share of right answers, still on the device."""
    import torch
    from torch.nn import functional as F

    cubes, classes, torn = batch
    with torch.autocast("cuda", torch.bfloat16, enabled=cubes.is_cuda):
        features = network.features(cubes)
    logits = network.logits_of(features)
    loss = F.cross_entropy(logits, classes)
    if guidance:
        loss = loss + guidance * guidance_loss(network, features, classes, torn)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
    return loss.detach(), (logits.detach().argmax(1) == classes).float().mean()


def _phase_ends(phase: str, network: VRN, at_phase: Callable[[str, VRN], None] | None) -> None:
    if at_phase is not None:
        network.eval()
        at_phase(phase, network)
        network.train()


def save_weights(network: VRN, path: Path, about: dict[str, str]) -> None:
    """Weights and batch norm statistics, float32, replaced in one move.

    Raises:
        OutputError: they cannot be written.
    """
    from safetensors.torch import save_file

    with output_file(path, overwrite=True) as file:
        save_file({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}, file, metadata=about)


def _faster_layout(network: VRN, settings: SyntheticTraining, device: str) -> VRN:
    """The memory layout in which a training step is faster here; on the CPU channels-last without trying."""
    import torch

    if not device.startswith("cuda"):
        return network.to(memory_format=torch.channels_last_3d).train()
    torch.backends.cudnn.benchmark = True
    state = {k: v.clone() for k, v in network.state_dict().items()}
    took = {}
    for layout in (torch.channels_last_3d, torch.contiguous_format):
        network = network.to(memory_format=layout).train()
        cubes = torch.rand(settings.batch, 1, 64, 64, 64, device=device) * 255
        for turn in range(4):
            if turn == 2:
                torch.cuda.synchronize()
                began = time.monotonic()
            with torch.autocast("cuda", torch.bfloat16):
                features = network.features(cubes)
            network.logits_of(features).square().mean().backward()
        torch.cuda.synchronize()
        took[layout] = (time.monotonic() - began) / 2
        network.zero_grad(set_to_none=True)
    print("step seconds", {str(k): round(v, 4) for k, v in took.items()}, flush=True)
    network.load_state_dict(state)
    return network.to(memory_format=min(took, key=took.get)).train()
