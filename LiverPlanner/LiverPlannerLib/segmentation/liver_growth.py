"""Parenchyma that a liver mask of an MRI leaves out, where the liver stands out from what lies round it.

Networks trained on other contrasts cut whole parts off a liver that is bright after gadoxetate. There the rest can be
told by its brightness; where the liver looks like its neighbors, as in a CT or an MRI without contrast, it cannot.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.segmentation.morphology import closed, distance, opened
from PreopReviewLib import images

GRID_MM, MARGIN_MM, REACH_MM = 2.0, 40.0, 30.0
GRID = (GRID_MM,) * 3
SHELL_MM = (3.0, 25.0)
FIELD_MM = 20.0
WIDTH = 2.5
"""Robust standard deviations from the local mean of the parenchyma within which a voxel looks like it."""
NECK_MM, HOLLOW_MM = 4.0, 9.0
MOST_ALIKE, LEAST_RATIO, LEAST_SHARE = 0.3, 1.3, 0.03


def grown_liver(image: sitk.Image, mask: sitk.Image) -> tuple[sitk.Image, float]:
    """The mask of a bright liver with what looks like it, goes on from it by more than a neck, and lies within 30 mm.

    Args:
        image: MRI.
        mask: its liver as a network gives it, on the same grid.

    Returns:
        mask on the same grid, and the ml added. The mask is left as it is (0 ml) where the liver is less than 1.3 times
        as bright as its surroundings, where 30 % of them look like it, or where less than 3 % would be added.
    """
    box = images.bounding_box(mask, MARGIN_MM)
    small = images.resample_spacing(images.crop(image, box), GRID, "linear")
    own = images.array_of(images.resample_to(images.crop(mask, box) != 0, small, "label")) > 0
    grown = _grown(images.array_of(small).astype(np.float32), own)
    if grown is None or np.count_nonzero(grown) < (1 + LEAST_SHARE) * np.count_nonzero(own):
        return mask, 0.0
    added = images.resample_to(images.image_like(grown.astype(np.uint8), small), images.crop(mask, box), "label")
    out = images.array_of(mask > 0).copy()
    before = np.count_nonzero(out)
    out[box.slices] |= images.array_of(added) > 0
    return images.image_like(out, mask), (np.count_nonzero(out) - before) * images.voxel_ml(mask)


def _grown(values: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """On an isotropic grid; None where the liver does not stand out."""
    from scipy import ndimage

    values = ndimage.gaussian_filter(values, 1.0 / GRID_MM)
    core = distance(own, GRID) > SHELL_MM[0]
    if not core.any():
        return None
    middle = float(np.median(values[core]))
    away = distance(~own, GRID)
    shell = (away > SHELL_MM[0]) & (away < SHELL_MM[1]) & (values > 0.15 * middle)  # air does not count as a neighbor
    if middle <= 0 or not shell.any():
        return None
    off = values - _local_mean(values, core, middle)
    like = np.abs(off) < WIDTH * 1.4826 * float(np.median(np.abs(off[core])))
    if like[shell].mean() > MOST_ALIKE or middle < LEAST_RATIO * float(np.median(values[shell])):
        return None
    wide = opened((like & (away <= REACH_MM)) | own, NECK_MM, GRID)
    out = own | ndimage.binary_propagation(core & wide, mask=wide)
    return ndimage.binary_fill_holes(closed(out, HOLLOW_MM, GRID))


def _local_mean(values: np.ndarray, core: np.ndarray, middle: float) -> np.ndarray:
    """Mean of the parenchyma within about 20 mm, because surface coils make the near side brighter."""
    from scipy import ndimage

    width = FIELD_MM / GRID_MM
    weight = ndimage.gaussian_filter(core.astype(np.float32), width)
    mean = ndimage.gaussian_filter(np.where(core, values, 0).astype(np.float32), width) / np.maximum(weight, 1e-6)
    return np.where(weight > 0.02, mean, middle)
