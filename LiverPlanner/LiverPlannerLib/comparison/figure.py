"""One picture of a comparison: where each structure is right, false and missed, with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from LiverPlannerLib.comparison.columns import StructureComparison
from LiverPlannerLib.comparison.pair import Comparison
from LiverPlannerLib.liver_extent import counted_mask
from PreopReviewLib import images
from PreopReviewLib.errors import InputError
from PreopReviewLib.shown import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"both": "#009e73", "only automatic": "#d55e00", "only manual": "#0072b2"}
"""Told apart with any color vision (Okabe and Ito)."""
_COLUMNS, _WINDOW = 4, (-100.0, 240.0)
_MARGIN_MM = 12.0


def comparison_figure(comparison: Comparison, image: sitk.Image | None = None, title: str = "") -> Figure:
    """Axial slices, one for each structure, through the most of its voxels that are in either mask.

    Args:
        comparison: from `compare`.
        image: the CT or MRI behind, in gray, resampled to the labels; without it the reference's liver is shown.
        title: e.g. the case.

    Returns:
        A Figure of its own, outside of pyplot.

    Raises:
        InputError: there is no structure with voxels to show.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = [row for row in comparison.rows if row.overlap.state != "both empty"]
    if not shown:
        raise InputError("Nothing to show: every structure is empty", "Compare structures that occur")
    columns = min(len(shown), _COLUMNS)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.3 * columns, 3.5 * rows + 0.9), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    reference = images.orient(comparison.reference, "LPS")
    back = _background(reference, image)
    for axis, row in zip(axes, shown, strict=False):
        _panel(axis, row, images.orient(comparison.difference(row.key), "LPS"), back)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    handles = [Patch(facecolor=color, label=name) for name, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(drawn(title) if title else "Automatic against manual", fontsize=12)
    figure.text(0.995, 0.005, f"HD95: {comparison.convention}; right is on the left", ha="right", fontsize=6)
    return figure


def _background(reference: sitk.Image, image: sitk.Image | None) -> np.ndarray:
    """Gray values 0 to 1 on the oriented grid of the reference."""
    if image is None:
        return 0.08 + 0.17 * images.array_of(counted_mask(reference, "liver"))
    array = images.array_of(images.resample_to(image, reference, "linear", fill=-1024)).astype(np.float32)
    low, high = _WINDOW if images.guess_modality(image) == "CT" else np.percentile(array, (1, 99.5))
    return np.clip((array - low) / max(high - low, 1e-6), 0, 1)


def _panel(axis: Axes, row: StructureComparison, difference: sitk.Image, back: np.ndarray) -> None:
    from matplotlib.colors import ListedColormap

    array, mm = images.array_of(difference), images.spacing_kji(difference)
    k = int((array > 0).sum(axis=(1, 2)).argmax())
    window = _window(array[k] > 0, mm[1:])
    extent = (0, (window[1].stop - window[1].start) * mm[2], (window[0].stop - window[0].start) * mm[1], 0)
    axis.imshow(back[k][window], cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    values = np.ma.masked_equal(array[k][window], 0)
    axis.imshow(
        values,
        cmap=ListedColormap(list(COLORS.values())),
        vmin=1,
        vmax=3,
        alpha=0.75,
        extent=extent,
        interpolation="nearest",
    )
    _scale_bar(axis, extent)
    axis.set_axis_off()
    axis.set_title(f"{row.name}\n{_numbers(row)}", fontsize=8)


def _window(mask: np.ndarray, mm: np.ndarray) -> tuple[slice, slice]:
    """A square of the slice around the mask, at least 60 mm wide, as far as the image goes."""
    voxels = np.argwhere(mask)
    low, high = voxels.min(axis=0) * mm, (voxels.max(axis=0) + 1) * mm
    half = max(float((high - low).max()) / 2 + _MARGIN_MM, 30.0)
    start = np.maximum(((low + high) / 2 - half) / mm, 0).astype(int)
    stop = np.minimum(np.ceil(((low + high) / 2 + half) / mm).astype(int), mask.shape)
    return slice(int(start[0]), int(stop[0])), slice(int(start[1]), int(stop[1]))


def _numbers(row: StructureComparison) -> str:
    o, d = row.overlap, row.distances
    if o.state != "both":
        return "missed: only in the manual labels" if o.state == "missed" else "false: only in the automatic labels"
    distances = f"HD95 {d.hd95:.1f} mm   ASSD {d.assd:.2f} mm"
    return f"DSC {o.dsc:.3f}   {distances}\n{row.predicted_ml:.1f} ml, manual {row.reference_ml:.1f} ml"


def _scale_bar(axis: Axes, extent: tuple[float, float, float, float]) -> None:
    length = 50.0 if extent[1] > 120 else 10.0
    x, y = extent[1] * 0.95, extent[2] * 0.95
    axis.plot([x - length, x], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axis.text(
        x - length / 2, y - extent[2] * 0.02, f"{length:g} mm", color="white", ha="center", va="bottom", fontsize=7
    )
