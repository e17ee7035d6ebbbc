"""The small picture of a case: the best that its task has made, or slices of its image with what was found."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from PreopReviewLib import images
from PreopReviewLib.cohort.folder import THUMBNAIL
from PreopReviewLib.cohort.tasks import Task
from PreopReviewLib.errors import PreopError

EDGE = 420
"""Pixels of the longer side."""
MOST_COLORS = 10


def write_thumbnail(task: Task, values: Mapping[str, str], folder: Path) -> None:
    """Writes it into the folder of the case; nothing where there is nothing to show.

    Args:
        values: of the parameters of the task, by name.
        folder: holds what the task has made.
    """
    picture_file = next((p for name in task.pictures for p in sorted(folder.glob(name))), None)
    if picture_file is not None:
        with Image.open(picture_file) as picture:
            _save(picture, folder)
        return
    image = next((values[n] for n in ("image", "inputs") if values.get(n)), "")
    result = next((str(p) for name in ("*.seg.nrrd", "labels.nii.gz") for p in sorted(folder.glob(name))), "")
    labels = result or values.get("labels") or values.get("auto") or ""
    if not labels:
        return
    try:
        drawn = _slices(image, labels)
    except PreopError:  # a picture that cannot be drawn is no reason to lose the case's results
        return
    if drawn is not None:
        _save(drawn, folder)


def _save(picture: Image.Image, folder: Path) -> None:
    small = picture.convert("RGB")
    small.thumbnail((EDGE, EDGE))
    small.save(folder / THUMBNAIL, optimize=True)


def _slices(image: str, labels: str) -> Image.Image | None:
    from matplotlib import colormaps

    from PreopReviewLib.reports.slice_pictures import Outline, three_planes

    drawn = images.read_labels(labels)
    shown = images.read_image(image) if image else sitk.Cast(drawn != 0, sitk.sitkFloat32)
    if image:
        drawn = images.onto_grid(drawn, shown).labels
    array = images.array_of(drawn)
    present = [int(v) for v in np.unique(array) if v][:MOST_COLORS]
    if not present:
        return None
    colors = colormaps["tab10"].colors  # type: ignore[attr-defined]
    outlines = [Outline(drawn == v, colors[n % len(colors)]) for n, v in enumerate(present)]
    low, high = np.percentile(images.array_of(shown)[array != 0], (1, 99))
    center = images.kji_to_ras(np.argwhere(array).mean(axis=0, keepdims=True), drawn)[0]
    figure = three_planes(shown, outlines, center, (max(2.0 * (high - low), 1.0), (low + high) / 2))
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=50, facecolor="black")
    return Image.open(stream)
