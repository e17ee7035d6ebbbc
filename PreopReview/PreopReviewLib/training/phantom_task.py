"""Segmentation inside a given liver, learned from phantoms that are painted while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PreopReviewLib.progress import CancelToken, Progress
from PreopReviewLib.training.phantom_data import PhantomSource
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.segmentation_loss import SegmentationLoss
from PreopReviewLib.training.task import Place, RunSettings, Sample

if TYPE_CHECKING:
    import torch
    from torch import nn

VALIDATION_SEED = 990_000_000


def open_task(
    recipe: Recipe, settings: RunSettings, place: Place, _progress: Progress, _cancel: CancelToken
) -> PhantomTask:
    """See `task.open_task`. Grown anatomies are kept in the run folder."""
    return PhantomTask(recipe, place.run / "pool", settings.shapes)


class PhantomTask:
    """See `task.Task`."""

    samples_per_epoch = 0

    def __init__(self, recipe: Recipe, pool: Path | None, shapes: Sequence[str] = ()) -> None:
        self.recipe, self.shapes = recipe, shapes
        self.source = phantoms(recipe, recipe["training.seed"], pool, shapes, recipe["data.contrasts"])
        self.loss = SegmentationLoss(recipe)
        self.facts = {"simulated": True}
        self._held_out: list[Sample] = []

    def validate(
        self, network: nn.Module, device: torch.device, progress: Progress, cancel: CancelToken
    ) -> dict[str, float]:
        """The mean Dice over the classes, then that of each, over all voxels of fixed held-out patches."""
        from PreopReviewLib.training.evaluate import mean_scores, patch_dice

        if not self._held_out:
            progress(0.0, "Painting held-out phantoms")
            self._held_out = validation_samples(self.recipe, self.shapes)
        cancel.raise_if_cancelled()
        return mean_scores([patch_dice(network, self._held_out, self.recipe, device)], self.recipe["data.classes"][1:])


def validation_samples(recipe: Recipe, shapes: Sequence[str] = ()) -> list[Sample]:
    """The fixed held-out patches that choose the checkpoint, some of each contrast."""
    count = recipe["validation.cases"]
    named = recipe.get("validation.contrasts", {"ct": 0.5, "hbp": 0.5})
    samples = []
    for index, contrast in enumerate(named):
        few = count // len(named) + (index < count % len(named))
        source = phantoms(recipe, VALIDATION_SEED + index, None, shapes, {contrast: 1.0}, reuse=1)
        samples += [source.sample(n) for n in range(few)]
    return samples


def phantoms(
    recipe: Recipe,
    seed: int,
    pool: Path | None,
    shapes: Sequence[str],
    contrasts: dict[str, float],
    reuse: int | None = None,
) -> PhantomSource:
    """The phantoms that a recipe describes."""
    from PreopReviewLib.phantoms.shape_files import liver_shapes

    return PhantomSource(
        seed,
        tuple(recipe["data.patch"]),
        float(recipe["data.spacing_mm"]),
        contrasts,
        reuse or recipe.get("data.reuse", 4),
        pool,
        liver_shapes(shapes),
    )
