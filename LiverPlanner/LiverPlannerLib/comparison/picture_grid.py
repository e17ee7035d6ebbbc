"""The pictures of the papers: cases below each other, manual beside automatic.

Oh 2023, Figure 1: each structure as a surface seen from the front. Others: one axial slice with outlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from LiverPlannerLib.comparison.cohort import Pair
from LiverPlannerLib.comparison.data_cases import labels_of
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.datasets.layout import Case
from PreopReviewLib.shown import drawn

if TYPE_CHECKING:
    import SimpleITK as sitk
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SURFACES = ("liver", "tumor", "hepatic_vein", "portal_vein", "bile_duct")
"""The columns of Oh's figure."""
MOST_CASES = 12
_PIXEL_MM = 1.5


def surface_grid(pairs: Sequence[Pair], keys: Sequence[str] = SURFACES) -> Figure:
    """Rows of cases; for each structure, the manual surface and beside it the automatic one, seen from the front."""
    from matplotlib.figure import Figure

    shown = [p for p in pairs if "predicted" in p.files][:MOST_CASES]
    figure = Figure(figsize=(2.2 * len(keys) * 2, 1.9 * len(shown) + 0.5), dpi=110, layout="constrained")
    axes = figure.subplots(len(shown), 2 * len(keys), squeeze=False)
    for row, pair in zip(axes, shown, strict=True):
        both = {role: images.orient(labels, "LPS") for role, labels in labels_of(pair).items()}
        for n, key in enumerate(keys):
            for axis, role in zip(row[2 * n : 2 * n + 2], ("manual", "predicted"), strict=True):
                picture = _front_view(mask_of(both[role], key), structure(key).color)
                axis.imshow(picture, interpolation="bilinear")
                axis.set(xticks=[], yticks=[])
                for side in axis.spines.values():
                    side.set_visible(False)
                if pair is shown[0]:
                    drawn_by = "manual" if role == "manual" else "automatic"
                    axis.set_title(f"{structure(key).name}\n{drawn_by}", fontsize=8)
        row[0].set_ylabel(drawn(pair.case), fontsize=8)
    return figure


def _front_view(mask: sitk.Image, color: tuple[float, float, float]) -> np.ndarray:
    """A lit surface (rows, columns, 3): the first voxel from the front on each line of sight, white beside it."""
    from scipy import ndimage

    array = images.array_of(mask) > 0
    step_k, step_j, step_i = images.spacing_kji(mask)
    first = np.where(array.any(1), array.argmax(1) * step_j, np.nan)[::-1]  # LPS: J runs to the back, K to the head
    depth = ndimage.zoom(np.nan_to_num(first, nan=1e3), (step_k / _PIXEL_MM, step_i / _PIXEL_MM), order=0)
    seen = depth < 1e3
    smooth = ndimage.gaussian_filter(np.where(seen, depth, 0.0), 1.2)
    weight = ndimage.gaussian_filter(seen.astype(float), 1.2)
    down, across = np.gradient(smooth / np.maximum(weight, 1e-3), _PIXEL_MM)
    normal = np.stack([-across, -down, np.ones_like(down)]) / np.sqrt(1 + across**2 + down**2)
    light = np.array([-0.35, -0.5, 0.8])
    shade = np.clip(np.tensordot(light / np.linalg.norm(light), normal, 1), 0, 1) * 0.75 + 0.25
    return np.where(seen[..., None], shade[..., None] * np.array(color), 1.0)


def slice_grid(pairs: Sequence[Pair], cases: Sequence[Case]) -> Figure:
    """Rows of cases: the axial slice with the most labels, plain, with the manual and with the automatic outlines."""
    from matplotlib.figure import Figure

    shown = [(p, c) for p, c in zip(pairs, cases, strict=True) if "predicted" in p.files][:MOST_CASES]
    figure = Figure(figsize=(9.5, 3.0 * len(shown) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, (pair, case) in zip(axes, shown, strict=True):
        image = images.orient(images.read_image(case.image), "LPS")
        both = {r: images.onto_grid(m, image).labels for r, m in labels_of(pair).items()}
        k = int((images.array_of(both["manual"]) > 0).sum((1, 2)).argmax())
        plane = images.array_of(image)[k].astype(np.float32)
        ct = images.guess_modality(image) == "CT"
        low, high = (-100.0, 240.0) if ct else np.percentile(plane, (1, 99.5))
        for axis, (title, role) in zip(row, (("", ""), ("manual", "manual"), ("automatic", "predicted")), strict=True):
            axis.imshow(plane, cmap="gray", vmin=low, vmax=high, aspect=image.GetSpacing()[1] / image.GetSpacing()[0])
            axis.set(xticks=[], yticks=[])
            if role:
                _outlines(axis, both[role], k)
            axis.set_title(title or drawn(pair.case), fontsize=8)
    return figure


def _outlines(axis: Axes, labels: sitk.Image, k: int) -> None:
    for s in STRUCTURES:
        plane = images.array_of(mask_of(labels, s.key))[k]
        if plane.any() and not plane.all():
            axis.contour(plane, [0.5], colors=[s.color], linewidths=1.0)
