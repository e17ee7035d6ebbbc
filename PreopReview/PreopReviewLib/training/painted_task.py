"""Segmentation of whole scans, learned from bodies that are painted in random contrasts while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PreopReviewLib.phantoms.shape_files import liver_shapes
from PreopReviewLib.progress import CancelToken, Progress
from PreopReviewLib.training.painted_data import PaintedSource, labeled_scan
from PreopReviewLib.training.phantom_task import VALIDATION_SEED
from PreopReviewLib.training.recipe import Recipe
from PreopReviewLib.training.segmentation_loss import SegmentationLoss
from PreopReviewLib.training.task import Place, RunSettings, Sample

if TYPE_CHECKING:
    import torch
    from torch import nn


def open_task(
    recipe: Recipe, settings: RunSettings, place: Place, _progress: Progress, _cancel: CancelToken
) -> PaintedTask:
    """See `task.open_task`. Grown bodies are kept in the run folder."""
    return PaintedTask(recipe, place.run / "pool", settings.shapes, settings.scans)


class PaintedTask:
    """See `task.Task`."""

    samples_per_epoch = 0

    def __init__(self, recipe: Recipe, pool: Path | None, shapes: Sequence[str], scans: Sequence[str]) -> None:
        self.recipe, self.shapes = recipe, shapes
        self.source = painted(recipe, recipe["training.seed"], pool, shapes, scans)
        self.loss = SegmentationLoss(recipe)
        self.facts = {"simulated": not scans}
        self._held_out: list[Sample] = []

    def validate(
        self, network: nn.Module, device: torch.device, progress: Progress, cancel: CancelToken
    ) -> dict[str, float]:
        """The mean Dice over the classes, then that of each, over all voxels of fixed held-out painted phantoms."""
        from PreopReviewLib.training.evaluate import mean_scores, patch_dice

        if not self._held_out:
            progress(0.0, "Painting held-out phantoms")
            source = painted(self.recipe, VALIDATION_SEED, None, self.shapes, (), reuse=1)
            self._held_out = [source.sample(n) for n in range(self.recipe["validation.cases"])]
        cancel.raise_if_cancelled()
        return mean_scores([patch_dice(network, self._held_out, self.recipe, device)], self.recipe["data.classes"][1:])


def painted(
    recipe: Recipe,
    seed: int,
    pool: Path | None,
    shapes: Sequence[str],
    scans: Sequence[str],
    reuse: int | None = None,
) -> PaintedSource:
    """The painted bodies that a recipe describes."""
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
