"""The sample of the demonstration: a real CT in contrast, part of the installation, with its own license."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PreopReviewLib.resources import resource

CT_ORIGIN = "Medical Segmentation Decathlon, Task 3, volume 0 (CC BY-SA 4.0), at 1.4 × 1.4 × 5 mm"


@dataclass(frozen=True)
class Sample:
    """A file to run on, and what to say of it.

    Attributes:
        path: of the image.
        origin: where it comes from, and its license.
        segments: Couinaud segments 1 to 8 of the same liver, drawn by others, on the image's grid.
    """

    path: Path
    origin: str
    segments: Path


def sample_ct() -> Sample:
    """A portal-venous CT with a whole liver.

    Raises:
        InputError: the samples are not part of this installation.
    """
    folder = resource("Samples", "ct_contrast")
    return Sample(folder / "ct_contrast.nii.gz", CT_ORIGIN, folder / "couinaud_segments.nii.gz")
