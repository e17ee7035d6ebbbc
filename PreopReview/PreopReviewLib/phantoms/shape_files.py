"""Real liver masks from label files, as shapes for phantoms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from PreopReviewLib.errors import InputError

SHAPE_SPACING = 2.0


def liver_shape(source: str) -> tuple[np.ndarray, float]:
    """A liver mask, smoothed over its slices and resampled, cropped to the liver.

    Args:
        source: `FILE:LABEL`, e.g. `labels.nii.gz:6`; `FILE:1-8` takes several labels for one liver.

    Returns:
        bool array (K, J, I; up, back, left) and its spacing in mm.

    Raises:
        InputError: no such file, no label given, or the label is not in it.
    """
    import SimpleITK as sitk

    from PreopReviewLib import images

    name, _, label = source.rpartition(":")
    low, _, high = label.partition("-")
    if not name or not low.isdigit() or (high and not high.isdigit()):
        raise InputError(f"{source!r} is not FILE:LABEL", "Write for example labels.nii.gz:6 or segments.nii.gz:1-8")
    if not Path(name).is_file():
        raise InputError(f"There is no file {name}", "Check the path")
    labels = sitk.DICOMOrient(images.read_labels(name), "LPS")
    mask = sitk.BinaryThreshold(labels, float(low), float(high or low))
    spacing = mask.GetSpacing()
    soft = sitk.SmoothingRecursiveGaussian(sitk.Cast(mask, sitk.sitkFloat32), [max(0.8, s / 2) for s in spacing])
    size = [int(n * s / SHAPE_SPACING) for n, s in zip(mask.GetSize(), spacing, strict=True)]
    fine = sitk.Resample(
        soft, size, sitk.Transform(), sitk.sitkLinear, mask.GetOrigin(), [SHAPE_SPACING] * 3, mask.GetDirection()
    )
    array = sitk.GetArrayFromImage(fine) > 0.5
    if not array.any():
        raise InputError(f"Label {label} is not in {name}", "Check the label's value")
    voxels = np.argwhere(array)
    box = tuple(slice(a, b + 1) for a, b in zip(voxels.min(0), voxels.max(0), strict=True))
    return np.ascontiguousarray(array[box]), SHAPE_SPACING


def liver_shapes(sources: Sequence[str]) -> tuple[tuple[np.ndarray, float], ...]:
    """The masks of several sources; the name of a file may hold `*`, as in `segments/*.nii.gz:1-8`.

    Raises:
        InputError: as `liver_shape`; or a pattern that fits no file.
    """
    named: list[str] = []
    for source in sources:
        name, _, label = source.rpartition(":")
        if "*" not in name:
            named.append(source)
            continue
        paths = sorted(Path(name).parent.glob(Path(name).name))
        if not paths:
            raise InputError(f"No file is called {name}", "Check the pattern")
        named += [f"{path}:{label}" for path in paths]
    return tuple(liver_shape(source) for source in named)
