"""What the tutorial of LiverPlanner is photographed on: a simulated CT or MRI whose truth is known, or a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CT_SEED, CT_SIZE, CT_SPACING = 14, (160, 128, 120), 1.8  # with a tumor and a cyst
REFERENCE_LABELS = "5=liver"
"""Of the 117 classes of TotalSegmentator, as label=key of ours. Its portal vein goes on in the splenic one."""
NOT_PLANNED = ("inferior_vena_cava", "gallbladder")
"""In the truth of a simulated image; the models are not made for them."""


@dataclass(frozen=True)
class Case:
    """An image and a segmentation to compare with.

    Attributes:
        title: of the volume in the scene.
        image: sitk.Image.
        modality: ``CT`` or ``MR``.
        labels: sitk.Image in our label values on the image's grid, or None.
        reference: what the segmentation of these labels is called.
    """

    title: str
    image: Any
    modality: str
    labels: Any | None = None
    reference: str = ""


def case(what: str, labels: str | Path | None = None, values: str = REFERENCE_LABELS, title: str = "") -> Case:
    """A case by its name.

    Args:
        what: ``simulated_ct``, ``simulated_mri``, or a file or a DICOM folder.
        labels: a label file to compare with, for a file.
        values: what its values are, e.g. ``5=liver``.
        title: of the volume, for a file.
    """
    if what == "simulated_ct":
        return simulated_ct()
    if what == "simulated_mri":
        return simulated_mri()
    return scan(Path(what), Path(labels) if labels else None, values, title)


def simulated_ct() -> Case:
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(CT_SEED, "ct", CT_SIZE, CT_SPACING)
    return Case("Simulated CT", phantom.image, "CT", planned(phantom.labels), "Truth (planted)")


def simulated_mri() -> Case:
    """The module's own sample, as `LiverPlannerLib.tasks.simulate` makes it, with its truth."""
    from LiverPlannerLib.panels.samples import SAMPLES
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    sample = SAMPLES["SimulatedLiverMRI"]
    phantom = make_liver_phantom(sample["seed"], sample["contrast"], sample["size"], sample["spacing"], slice_mm=0)
    return Case("SimulatedLiverMRI", phantom.image, "MR", planned(phantom.labels), "Truth (planted)")


def scan(path: Path, labels: Path | None, values: str, title: str) -> Case:
    from PreopReviewLib import images

    image = images.read_image(path)
    modality = images.guess_modality(image)
    title = title or f"{modality} {path.name.split('.')[0]}"
    if labels is None:
        return Case(title, image, modality)
    return Case(title, image, modality, relabeled(images.read_labels(labels), image, values), "Reference labels")


def planned(labels: Any) -> Any:
    """The labels without what no model is made for."""
    import numpy as np

    from LiverPlannerLib.structures import structure
    from PreopReviewLib import images

    array = images.array_of(labels)
    others = np.isin(array, [structure(key).label for key in NOT_PLANNED])
    return images.image_like(np.where(others, 0, array).astype(np.uint8), labels)


def relabeled(labels: Any, image: Any, values: str) -> Any:
    """A label image with our values on the grid of an image; what `values` does not name is left out."""
    import numpy as np

    from LiverPlannerLib.structures import structure
    from PreopReviewLib import images

    there = images.array_of(images.resample_to(labels, image, "nearest"))
    ours = np.zeros(there.shape, np.uint8)
    for value, key in parse(values):
        ours[there == value] = structure(key).label
    return images.image_like(ours, image)


def parse(values: str) -> Sequence[tuple[int, str]]:
    """``5=liver,4=gallbladder`` as pairs."""
    pairs = (part.split("=") for part in values.split(","))
    return [(int(value), key.strip()) for value, key in pairs]
