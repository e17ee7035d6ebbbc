"""The one seam for models that draw structures: whatever the network, an image goes in and named labels come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

import SimpleITK as sitk

from PreopReviewLib.errors import ModelError
from PreopReviewLib.models.catalog import require_package
from PreopReviewLib.models.kinds import WHOLE_SCAN, kind_of
from PreopReviewLib.models.package import ModelPackage
from PreopReviewLib.progress import CancelToken, Progress, silent

PROGRAM_PREFIX = "totalsegmentator-"
"""Names of models that are no package, but tasks of an installed program."""


@dataclass
class SegmenterResult:
    """What a model says of one image.

    Attributes:
        labels: uint8, on the image's grid; the values exclude each other.
        values: the value of each structure in `labels`; a structure without a voxel is there, too.
        model: name and version, for records.
        notes: sentences for the reader.
        warnings: what a reader must know.
        device: where it was computed.
    """

    labels: sitk.Image
    values: Mapping[str, int]
    model: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    device: str = "cpu"

    def mask(self, *structures: str) -> sitk.Image:
        """uint8 mask of the voxels of any of the structures; names that it does not know have none."""
        mask = sitk.Image(self.labels.GetSize(), sitk.sitkUInt8)
        mask.CopyInformation(self.labels)
        for name in structures:
            if name in self.values:
                mask = mask | (self.labels == self.values[name])
        return mask


class Segmenter(Protocol):
    """A model that finds structures in an image.

    Attributes:
        name: name and version.
        structures: what it finds, by name (as in the table of structures where it is one of them).
        modalities: what it was trained on, of CT and MR; empty where that is not stated.
        needs_region: it works inside a given region (the liver) and cannot do without.

    It may have, too, ``channels`` (the images that it needs, as components of the one it is given, in this order) and
    ``partly`` (structures of which it draws a part only, to which another model's are added).
    """

    name: str
    structures: tuple[str, ...]
    modalities: tuple[str, ...]
    needs_region: bool

    def segment(
        self,
        image: sitk.Image,
        region: sitk.Image | None = None,
        *,
        modality: str | None = None,
        device: str = "auto",
        progress: Progress = silent,
        cancel: CancelToken | None = None,
    ) -> SegmenterResult:
        """Labels of a 3-D image (a CT in HU), any spacing and orientation, on its own grid.

        Args:
            region: mask on the image's grid; the liver, for models that work inside it.
            modality: ``CT`` or ``MR`` where it is known; None lets a model that must know it guess.

        Raises:
            ModelError, InputError, GeometryError, NothingFound, OutOfMemory, Cancelled.
        """
        ...


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
            f"The model {first.name} is for {task}, not for segmentation", "Choose a model that draws structures"
        )
    if len(packages) > 1 and kind != WHOLE_SCAN:
        raise ModelError(
            f"{first.name} cannot be averaged with other models", "Name one model, or join them with preop models join"
        )
    module, attribute = kind
    make = getattr(import_module(module), attribute)
    return make(packages) if kind == WHOLE_SCAN else make(first)
