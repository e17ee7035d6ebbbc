"""Batches of numbered samples for the training loop, the same ones however often it was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from PreopReviewLib.training.task import Sample, Source

if TYPE_CHECKING:
    from torch import Tensor

ECHO_BLOCK = 8


class Numbered:
    """A torch dataset over a source: item n of `rank` is sample (first + n) of that rank's share."""

    def __init__(self, source: Source, first: int, count: int, rank: int = 0, world: int = 1, echo: int = 1) -> None:
        self.source, self.first, self.count, self.rank, self.world = source, first, count, rank, world
        self.echo = echo
        self._recent: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Sample:
        if not 0 <= item < self.count:
            raise IndexError(item)
        number = (self.first + item) * self.world + self.rank
        return self.source.sample(number) if self.echo == 1 else self._echoed(number)

    def _echoed(self, number: int) -> Sample:
        """Each of ECHO_BLOCK samples comes `echo` times, later ones with other contrast and noise.

        Data echoing (Choi et al. 2019): where making samples costs as much as learning from them, use them again.
        """
        block, place = divmod(number, ECHO_BLOCK * self.echo)
        again, base = divmod(place, ECHO_BLOCK)
        base += block * ECHO_BLOCK
        if base not in self._recent:
            self._recent = {k: v for k, v in self._recent.items() if k >= block * ECHO_BLOCK}
            self._recent[base] = self.source.sample(base)
        image, target = self._recent[base]
        if again:
            rng = np.random.default_rng([number, 77])
            image = image.copy()
            shown = image[0] != 0
            change = rng.uniform(0.8, 1.25) * image[0] + rng.normal() * 0.1
            change += rng.standard_normal(shown.shape, dtype=np.float32) * rng.uniform(0, 0.25)
            image[0] = np.where(shown, change, 0)
        return image, target


def batches(
    source: Source,
    batch: int,
    first_iteration: int,
    last_iteration: int,
    workers: int,
    rank: int = 0,
    world: int = 1,
    echo: int = 1,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches from one iteration to another, in order, so that a resumed run sees what it would have seen."""
    import torch
    from torch.utils.data import DataLoader

    count = (last_iteration - first_iteration) * batch
    loader = DataLoader(
        Numbered(source, first_iteration * batch, count, rank, world, echo),
        batch_size=batch,
        num_workers=workers,
        prefetch_factor=6 if workers else None,
        worker_init_fn=_one_thread,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
    )
    yield from loader


def _collate(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    import torch

    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    return images, torch.from_numpy(np.stack([target for _, target in samples]))


def _one_thread(_worker: int) -> None:
    import torch

    torch.set_num_threads(1)
