"""The one seam for models that draw structures: whatever the network, an image goes in and named labels come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name

from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.catalog import require_package
from PreopReviewLib.models.kinds import WHOLE_SCAN, kind_of
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.models.seam import PROGRAM_PREFIX, Segmenter, SegmenterResult

__all__ = ["PROGRAM_PREFIX", "Segmenter", "SegmenterResult", "segmenter"]


def segmenter(models: str | Path | ModelPackage | Sequence[str | Path | ModelPackage]) -> Segmenter:
    """The segmenter of a model by name or folder, or of several folds whose probabilities are averaged.

    An installed model is preferred to the one of that name that comes with PreopReview.

    Raises:
        ModelError: unknown or broken, not a segmentation model, or folds that do not go together.
        ModelUnavailable: known, but it cannot be fetched.
    """
    given = [models] if isinstance(models, str | Path | ModelPackage) else list(models)
    if len(given) == 1 and isinstance(given[0], str) and given[0].startswith(PROGRAM_PREFIX):
        from PreopReviewLib.models import totalsegmentator

        if task := totalsegmentator.task_of(given[0]):
            return totalsegmentator.TotalSegmentatorTask(task)
    packages = [m if isinstance(m, ModelPackage) else require_package(m) for m in given]
    first = packages[0]
    kind = kind_of(first.metadata)
    if kind is None:
        task = first.metadata.get("task", "another task")
        raise ModelError(
            f"The model {first.name} is for {task}, not for drawing structures in an image",
            "Choose a model that draws structures",
        )
    if len(packages) > 1 and kind != WHOLE_SCAN:
        raise ModelError(
            f"{first.name} cannot be averaged with other models", "Name one model, or join them with preop models join"
        )
    make = resolve_name(kind)
    return make(packages) if kind == WHOLE_SCAN else make(first)
