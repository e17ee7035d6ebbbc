"""Training samples of whole upper abdomens in random contrasts, for a liver network that no contrast surprises.

Bodies are phantoms round bent real livers (a new one for every `reuse`-th sample, kept in the run's pool) and labeled
CTs, turned and bent anew for each sample. Each sample is wholly determined by the seed and its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.models.preprocessing import network_grid, normalize
from PreopReviewLib.phantoms.anatomy import Anatomy, grow_anatomy
from PreopReviewLib.phantoms.any_contrast import Body, bent, body_of_anatomy, body_of_scan, paint_body
from PreopReviewLib.training.phantom_data import Sample, kept_anatomy

MARGIN_MM = 80.0
SCAN_SHARE = 0.4
LEAST_SHARE = 0.04
"""Of a liver that a sample must show."""


@dataclass(frozen=True)
class PaintedSource:
    """Where samples come from.

    Attributes:
        seed: of the whole run.
        patch: voxels (K, J, I).
        spacing: voxel edge, mm.
        intensity: rule for the network's input, see `preprocessing.normalize`.
        reuse: samples for each new phantom.
        pool: folder for grown phantoms; None grows each one when it is needed.
        shapes: real liver masks with their spacing.
        scans: bodies of labeled CTs.
    """

    seed: int
    patch: tuple[int, int, int]
    spacing: float
    intensity: Mapping[str, Any]
    reuse: int = 6
    pool: Path | None = None
    shapes: Sequence[tuple[np.ndarray, float]] = field(default=())
    scans: Sequence[Body] = field(default=())

    def sample(self, number: int) -> Sample:
        """Input (1, K, J, I) float32 and target (K, J, I) uint8, 1 in the liver."""
        rng = np.random.default_rng([self.seed, 2, number])
        if len(self.scans) and rng.random() < SCAN_SHARE:
            body = self.scans[rng.integers(len(self.scans))]
        else:
            newest = number // self.reuse
            chosen = newest if number % self.reuse == 0 else int(rng.integers(0, max(1, newest - 3)))
            body = body_of_anatomy(kept_anatomy(self.pool, chosen, self._grow))
        body = bent(rng, body)
        box = self._window(rng, body.liver)
        image = normalize(paint_body(rng, _cut(body, box)), self.intensity)
        target = body.liver[box].astype(np.uint8)
        return self._filled(image)[None].astype(np.float32), self._filled(target)

    def _grow(self, number: int) -> Anatomy:
        rng = np.random.default_rng([self.seed, 0, number])
        return grow_anatomy(rng, self.spacing, MARGIN_MM, self.shapes, 0.1)

    def _window(self, rng: np.random.Generator, liver: np.ndarray) -> tuple[slice, ...]:
        """A field of view with liver in it: mostly all of it, sometimes a slab."""
        height = self.patch[0] if rng.random() < 0.75 else int(rng.integers(self.patch[0] // 4, self.patch[0]))
        whole = np.count_nonzero(liver)
        for _ in range(10):
            box = []
            for size, length in zip(liver.shape, (height, *self.patch[1:]), strict=True):
                start = int(rng.integers(0, max(1, size - length + 1)))
                box.append(slice(start, min(size, start + length)))
            if np.count_nonzero(liver[tuple(box)]) >= LEAST_SHARE * whole:
                break
        return tuple(box)

    def _filled(self, array: np.ndarray) -> np.ndarray:
        """Continued by reflection to the patch's size, as `models.whole_scan` does with a small image."""
        short = [max(0, p - n) for p, n in zip(self.patch, array.shape, strict=True)]
        return np.ascontiguousarray(np.pad(array, [(s // 2, s - s // 2) for s in short], mode="symmetric"))


def _cut(body: Body, box: tuple[slice, ...]) -> Body:
    values = None if body.values is None else body.values[box]
    return Body(body.codes[box], body.liver[box], values, body.spacing)


def labeled_scan(source: str, spacing: float) -> Body:
    """The body of ``IMAGE:LABELS:VALUES``, a CT with labels; the values (``5`` or ``1-8``) are the liver's.

    Raises:
        InputError: another form, a value that is not in the labels, or files on different grids.
    """
    parts = source.split(":")
    if len(parts) != 3:
        raise InputError(f"{source!r} is not IMAGE:LABELS:VALUES", "Write for example ct.nii.gz:labels.nii.gz:1-8")
    image, labels = images.read_image(parts[0]), images.read_labels(parts[1])
    if not images.same_grid(image, labels):
        labels = images.resample_to(labels, image, "label")
    low, high = value_range(parts[2])
    small = network_grid(image, spacing)
    codes = images.array_of(images.resample_to(sitk.DICOMOrient(labels, "LPS"), small, "label"))
    liver = (codes >= low) & (codes <= high)
    if not liver.any():
        raise InputError(f"{parts[1]} has no voxel of {parts[2]}", "Check the values of the liver")
    return body_of_scan(images.array_of(small), np.where(liver, 0, codes), liver, spacing)


def value_range(words: str) -> tuple[int, int]:
    """``5`` or ``1-9`` as first and last value.

    Raises:
        InputError: another form.
    """
    low, _, high = words.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        raise InputError(f"{words!r} is not a label value", "Write a number, or two with a hyphen between them")
    return int(low), int(high or low)
