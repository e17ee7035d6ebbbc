"""Samples for the training loop, by number: phantoms on the fly, or patches of a folder of labeled images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from PreopReviewLib.errors import InputError
from PreopReviewLib.training.phantom_data import PhantomSource, Sample
from PreopReviewLib.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from PreopReviewLib.training.painted_data import PaintedSource

VALIDATION_SEED = 990_000_000
PHANTOMS, PAINTED = "phantoms", "painted"
ECHO_BLOCK = 8


class Source(Protocol):
    """Numbered samples; the same number always gives the same sample."""

    def sample(self, number: int) -> Sample: ...


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


def training_source(
    recipe: Recipe, data: str, run: Path, shapes: Sequence[str] = (), scans: Sequence[str] = ()
) -> Source:
    """The source that a recipe and `--data` name.

    Args:
        data: "phantoms", or a folder or datalist of labeled images.
        run: run folder; phantoms keep their pool there.
        shapes: `FILE:LABEL` of real liver masks to bend into phantoms.
        scans: `IMAGE:LABELS:VALUES` of labeled CTs for recipes whose data are painted.

    Raises:
        InputError, TrainingError: data that cannot be trained on.
    """
    if recipe["data.kind"] == PAINTED:
        return _painted(recipe, recipe["training.seed"], run / "pool", shapes, scans)
    if scans:
        raise InputError("Labeled CTs go with recipes whose data are painted", "Leave them out")
    if data == PHANTOMS:
        return _phantoms(recipe, recipe["training.seed"], run / "pool", shapes, recipe.get("data.contrasts"))
    if shapes:
        raise InputError("--shapes goes with --data phantoms only", "Leave it out")
    from PreopReviewLib.training.image_data import image_source

    return image_source(recipe, Path(data), "training")


def validation_samples(recipe: Recipe, data: str, shapes: Sequence[str] = ()) -> list[Sample]:
    """The fixed held-out patches that choose the checkpoint."""
    count = recipe["validation.cases"]
    if recipe["data.kind"] == PAINTED:
        source: Source = _painted(recipe, VALIDATION_SEED, None, shapes, (), reuse=1)
        return [source.sample(n) for n in range(count)]
    if data != PHANTOMS:
        from PreopReviewLib.training.image_data import image_source

        source = image_source(recipe, Path(data), "validation")
        return [source.sample(n) for n in range(count)]
    named = recipe.get("validation.contrasts", {"ct": 0.5, "hbp": 0.5})
    samples = []
    for index, contrast in enumerate(named):
        few = count // len(named) + (index < count % len(named))
        source = _phantoms(recipe, VALIDATION_SEED + index, None, shapes, {contrast: 1.0}, reuse=1)
        samples += [source.sample(n) for n in range(few)]
    return samples


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


def _phantoms(
    recipe: Recipe,
    seed: int,
    pool: Path | None,
    shapes: Sequence[str],
    contrasts: dict[str, float],
    reuse: int | None = None,
) -> PhantomSource:
    from PreopReviewLib.phantoms.shape_files import liver_shapes

    if recipe["data.kind"] != PHANTOMS:
        raise InputError(f"The recipe {recipe.name} is for labeled images", "Give their folder with --data")
    return PhantomSource(
        seed,
        tuple(recipe["data.patch"]),
        float(recipe["data.spacing_mm"]),
        contrasts,
        reuse or recipe.get("data.reuse", 4),
        pool,
        liver_shapes(shapes),
    )


def _painted(
    recipe: Recipe,
    seed: int,
    pool: Path | None,
    shapes: Sequence[str],
    scans: Sequence[str],
    reuse: int | None = None,
) -> PaintedSource:
    from PreopReviewLib.phantoms.shape_files import liver_shapes
    from PreopReviewLib.training.painted_data import PaintedSource, labeled_scan

    spacing = float(recipe["data.spacing_mm"])
    return PaintedSource(
        seed,
        tuple(recipe["data.patch"]),
        spacing,
        recipe.get("data.intensity", {"kind": "zscore"}),
        reuse or recipe.get("data.reuse", 6),
        pool,
        liver_shapes(shapes),
        [labeled_scan(s, spacing) for s in scans],
    )


def _collate(samples: list[Sample]) -> tuple[Tensor, Tensor]:
    import torch

    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    return images, torch.from_numpy(np.stack([target for _, target in samples]))


def _one_thread(_worker: int) -> None:
    import torch

    torch.set_num_threads(1)
