"""What every model that draws structures is like, whatever the network: `Segmenter` and `SegmenterResult`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import SimpleITK as sitk

from PreopReviewLib.progress import CancelToken, Progress, silent

PROGRAM_PREFIX = "totalsegmentator-"
"""Names of models that are not packages but tasks of an installed program."""


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
        probability: by structure, on any grid, where the model gives it.
    """

    labels: sitk.Image
    values: Mapping[str, int]
    model: str
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    device: str = "cpu"
    probability: Mapping[str, sitk.Image] = field(default_factory=dict)

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

    It may have, too, ``channels`` (the images that it needs, as components of the one it is given, in this order),
    ``partly`` (structures of which it draws a part only, to which another model's are added) and ``simulated`` (it
    learned from simulated images).
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
