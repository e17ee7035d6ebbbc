"""Two segmentation nodes against each other: label images to compare, rows to show, differences as segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.comparison.pair import DIFFERENCES
from LiverPlannerLib.scene.parts import Part, show_only, show_parts
from LiverPlannerLib.scene.segments import Grid, SegmentVoxels, structures_of
from LiverPlannerLib.structures import structure
from LiverPlannerLib.voxel_boxes import hull
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.scene import nodes
from PreopReviewLib.worker_io import load_image, load_surface

MISSED_COLOR, EXTRA_COLOR = (0.88, 0.10, 0.10), (0.70, 0.98, 0.15)
"""Red and bright lime: no structure's colors, and so unlike in brightness that any color vision tells them apart."""


class Pair:
    """Two segmentations to compare.

    Args:
        prediction: the node that is judged.
        reference: the node that it is judged by.

    Raises:
        InputError: one and the same node, or none chosen; no segment of our table.
        NothingFound: a node without segments, or with empty ones only.
        GeometryError: a node without reference geometry.
    """

    def __init__(self, prediction: Any | None, reference: Any | None) -> None:
        if prediction is None or reference is None:
            raise InputError("Two segmentations are needed", "Choose the second one")
        if prediction.GetID() == reference.GetID():
            raise InputError("A segmentation cannot be compared with itself", "Choose another one")
        self.prediction, self.reference = SegmentVoxels(prediction), SegmentVoxels(reference)
        self.prediction.require()
        self.reference.require()

    @property
    def grid(self) -> Grid:
        """Where the comparison is made: the reference's."""
        return self.reference.grid

    def labels(self) -> tuple[sitk.Image, sitk.Image]:
        """Label images of both: cropped alike where they share one grid, whole where they do not."""
        a, b = self.prediction, self.reference
        if not (a.grid.same_lattice(b.grid) and a.grid.start == b.grid.start and a.grid.shape == b.grid.shape):
            return a.labels(None), b.labels(None)
        low, high = hull([*a.masks.values(), *b.masks.values()])
        start, stop = np.array(b.grid.start), np.add(b.grid.start, b.grid.shape)
        low, high = np.maximum(np.subtract(low, 3), start), np.minimum(np.add(high, 3), stop)
        return a.labels_in(low, high), b.labels_in(low, high)

    def notes(self) -> list[str]:
        """What is left out, and what overlaps, in sentences."""
        notes = []
        for one in (self.prediction, self.reference):
            if one.unknown:
                notes.append(
                    f"Not compared, because they are not known structures: {', '.join(one.unknown)} of "
                    f"{one.node.GetName()}."
                )
            notes += one.overlaps()
        return notes


def has_unknown_alone(node: Any) -> bool:
    """Whether a segmentation has segments, and none that means something here."""
    content = node.GetSegmentation()
    segments = [content.GetSegment(key) for key in nodes.segment_keys(node)]
    return bool(segments) and not any(structures_of(segments))


def show_differences(
    scene: Any, node: Any | None, name: str, grid: Grid, folder: Path, records: Mapping[str, Mapping[str, Any]]
) -> Any:
    """Missed and extra voxels of each structure as segments, all hidden; see `choose_differences`.

    Args:
        records: by structure key the image of `measure_tasks.compare`, in `folder`.
    """
    parts: list[Part] = []
    for key, record in records.items():
        surfaces = {word: load_surface(folder, file) for word, file in record["surfaces"].items()}
        parts += difference_parts(key, load_image(folder, dict(record)), surfaces)
    shown = show_parts(scene, node, name, grid, parts)
    show_only(shown, [])
    return shown


def difference_parts(key: str, image: sitk.Image, surfaces: Mapping[str, Any]) -> list[Part]:
    """Segments of one structure's difference image (values of `comparison.difference_image`)."""
    values, name = images.array_of(image), structure(key).name
    colors = {"missed": MISSED_COLOR, "extra": EXTRA_COLOR}
    return [
        Part(
            f"{key}_{word}",
            f"{name}, {word}",
            colors[word],
            images.image_like(values == value, image),
            surface=surfaces.get(word),
        )
        for word, value in DIFFERENCES.items()
    ]


def choose_differences(node: Any, key: str | None, missed: bool, extra: bool) -> None:
    """Shows the differences of one structure, of the requested kinds, and hides all others."""
    kinds = [word for word, wanted in (("missed", missed), ("extra", extra)) if wanted]
    show_only(node, [f"{key}_{word}" for word in kinds if key is not None])


def effort_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The correction effort in a sentence: what of the model output was changed."""
    touched = [row for row in rows if row["dsc"] < 1]
    if not touched:
        return "The plan is the model output: nothing was corrected."
    worst = min(touched, key=lambda row: row["dsc"])
    names = ", ".join(structure(row["structure"]).name.lower() for row in touched)
    name = structure(worst["structure"]).name.lower()
    return f"Corrected: {names}. Most of all the {name}, whose DSC to the model output is {worst['dsc']:.3f}."
