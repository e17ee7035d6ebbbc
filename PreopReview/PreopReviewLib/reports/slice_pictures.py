"""Slices with outlines, drawn without Slicer and without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.reports.page import Picture, SliceStack

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN_MM = 25.0
_SIDES = {"Axial": ("R", "L", "A", "P"), "Coronal": ("R", "L", "S", "I"), "Sagittal": ("A", "P", "S", "I")}


@dataclass(frozen=True)
class Outline:
    """A mask (anything but 0) on the image's grid, with its color (sRGB, 0 to 1) and the opacity of its inside."""

    mask: sitk.Image
    color: tuple[float, float, float]
    fill: float = 0.14


def three_planes(
    image: sitk.Image, outlines: Sequence[Outline], center_ras: Sequence[float], window: tuple[float, float]
) -> Figure:
    """Axial, coronal and sagittal slices through a point, around what is outlined.

    Radiological convention. The planes are those of the image's axes nearest to the patient's.

    Args:
        center_ras: mm; crossed lines mark it.
        window: width and level.
    """
    from matplotlib.figure import Figure

    stack = _Stack(image, outlines, window)
    point = stack.voxel(center_ras)
    low, high = stack.field()
    mm = stack.mm
    size = (high - low) * mm
    widths, heights = (size[2], size[2], size[1]), (size[1], size[0], size[0])
    inch = 13.0 / sum(widths)
    figure = Figure(figsize=(13.0, max(heights) * inch), facecolor="black")
    left = 0.0
    for plane, wide, tall in zip(_SIDES, widths, heights, strict=True):
        box = (left / sum(widths), (1 - tall / max(heights)) / 2, wide / sum(widths) * 0.992, tall / max(heights))
        axes = figure.add_axes(box)
        stack.draw(axes, plane, point, low, high)
        _letters(axes, plane)
        _cross(axes, plane, point, mm)
        left += wide
    return figure


def axial_series(
    image: sitk.Image, outlines: Sequence[Outline], window: tuple[float, float], count: int = 12, columns: int = 4
) -> Figure:
    """Axial slices at equal distances through what is outlined, from superior to inferior."""
    from matplotlib.figure import Figure

    stack = _Stack(image, outlines, window)
    low, high = stack.field()
    first, last = stack.marked()
    shown = np.unique(np.linspace(first, last, min(count, last - first + 1)).round().astype(int))[::-1]
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    size = (high - low) * stack.mm
    wide = 13.0 / columns
    figure = Figure(figsize=(13.0, rows * wide * size[1] / size[2]), facecolor="black")
    for place, k in enumerate(shown):
        row, column = divmod(place, columns)
        axes = figure.add_axes((column / columns, 1 - (row + 1) / rows, 0.992 / columns, 0.992 / rows))
        stack.draw(axes, "Axial", np.array([k, 0, 0]), low, high)
        position = images.kji_to_ras(
            np.array([[k, *(stack.array.shape[1] // 2, stack.array.shape[2] // 2)]]), stack.image
        )
        _write(axes, 0.02, 0.97, _position(float(position[0, 2])), 9)
    return figure


def axial_stack(
    image: sitk.Image,
    outlines: Sequence[Outline],
    window: tuple[float, float],
    center_ras: Sequence[float],
    count: int = 60,
    pixels: int = 360,
) -> SliceStack:
    """Axial slices to scroll through, from superior to inferior, around what is outlined.

    Args:
        center_ras: mm; the slice nearest to it is shown first.
        count: of slices, at most.
        pixels: of the longer side of a slice.
    """
    stack = _Stack(image, outlines, window)
    low, high = stack.field()
    shown = np.unique(np.linspace(low[0], high[0] - 1, min(count, high[0] - low[0])).round().astype(int))[::-1]
    sides = (high - low)[1:] * stack.mm[1:]
    size = tuple(int(n) for n in np.maximum(np.round(sides / sides.max() * pixels), 8)[::-1])
    pairs = [stack.sprite(int(k), low, high, size) for k in shown]
    places = [images.kji_to_ras(np.array([[k, low[1], low[2]]]), stack.image)[0, 2] for k in shown]
    return SliceStack(
        Picture(_encoded([gray for gray, _ in pairs], "JPEG"), "Axial slices, to scroll through"),
        Picture(_encoded([drawn for _, drawn in pairs], "PNG"), ""),
        size,  # type: ignore[arg-type]
        tuple(_position(float(s)) for s in places),
        int(np.abs(shown - stack.voxel(center_ras)[0]).argmin()),
    )


def _encoded(slices: Sequence[np.ndarray], form: str) -> bytes:
    """Slices one below the other, as a file without metadata."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(np.concatenate(slices))
    picture.save(buffer, form, **({"quality": 80} if form == "JPEG" else {"optimize": True}))
    return buffer.getvalue()


def _position(superior: float) -> str:
    return f"S {superior:.0f} mm" if superior >= 0 else f"I {-superior:.0f} mm"


class _Stack:
    """Image and masks with I to the left, J to posterior, K to superior."""

    def __init__(self, image: sitk.Image, outlines: Sequence[Outline], window: tuple[float, float]) -> None:
        self.image = images.orient(image, "LPS")
        self.array = images.array_of(self.image)
        self.masks = [(images.array_of(images.orient(o.mask, "LPS")) != 0, o.color, o.fill) for o in outlines]
        self.mm = images.spacing_kji(self.image)
        self.low, self.high = window[1] - window[0] / 2, window[1] + window[0] / 2

    def voxel(self, ras: Sequence[float]) -> np.ndarray:
        voxel = images.ras_to_kji(np.array([ras], float), self.image)[0].round().astype(int)
        return np.clip(voxel, 0, np.array(self.array.shape) - 1)

    def marked(self) -> tuple[int, int]:
        """First and last slice with a mask; of none, those of the image."""
        hit = [m.any(axis=(1, 2)) for m, *_ in self.masks]
        slices = np.flatnonzero(np.any(hit, axis=0)) if hit else np.array([], int)
        return (int(slices[0]), int(slices[-1])) if len(slices) else (0, len(self.array) - 1)

    def field(self) -> tuple[np.ndarray, np.ndarray]:
        """The box of voxels to show: the masks with a margin, inside the image."""
        shape = np.array(self.array.shape)
        either = np.any([m for m, *_ in self.masks], axis=0) if self.masks else np.zeros(shape, bool)
        if not either.any():
            return np.zeros(3, int), shape
        spans = [np.flatnonzero(either.any(axis=tuple({0, 1, 2} - {a}))) for a in range(3)]
        margin = np.ceil(_MARGIN_MM / self.mm).astype(int)
        low = np.maximum(np.array([s[0] for s in spans]) - margin, 0)
        return low, np.minimum(np.array([s[-1] for s in spans]) + 1 + margin, shape)

    def sprite(self, k: int, low: np.ndarray, high: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """One axial slice in pixels: gray (H, W), and its outlines (H, W, 4), transparent elsewhere; uint8."""
        from PIL import Image

        box = (k, slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
        values = np.clip((self.array[box].astype(np.float32) - self.low) / max(self.high - self.low, 1e-6), 0, 1)
        scaled = Image.fromarray((255 * values).astype(np.uint8)).resize(tuple(size), Image.Resampling.BILINEAR)
        drawn = np.zeros((size[1], size[0], 4), np.uint8)
        for mask, color, _fill in self.masks:
            shape = Image.fromarray(255 * mask[box].astype(np.uint8)).resize(tuple(size), Image.Resampling.BILINEAR)
            inside = np.pad(np.asarray(shape) > 127, 1)
            middle = inside[1:-1, 1:-1]
            around = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
            drawn[middle & ~around] = (*(round(255 * c) for c in color), 255)
        return np.asarray(scaled), drawn

    def draw(self, axes: Axes, plane: str, point: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """One slice; the axes are in mm from the center of the first voxel."""
        through = list(_SIDES).index(plane)
        a, b = [axis for axis in range(3) if axis != through]
        index: list[slice | int] = [slice(int(s), int(e)) for s, e in zip(low, high, strict=True)]
        index[through] = int(point[through])
        extent = (
            (low[b] - 0.5) * self.mm[b],
            (high[b] - 0.5) * self.mm[b],
            (high[a] - 0.5) * self.mm[a],
            (low[a] - 0.5) * self.mm[a],
        )
        axes.imshow(
            self.array[tuple(index)],
            cmap="gray",
            vmin=self.low,
            vmax=self.high,
            extent=extent,
            interpolation="bilinear",
        )
        rows, columns = np.arange(low[a], high[a]) * self.mm[a], np.arange(low[b], high[b]) * self.mm[b]
        for mask, color, fill in self.masks:
            shown = mask[tuple(index)]
            if shown.any() and min(shown.shape) > 1:
                axes.contourf(columns, rows, shown, levels=[0.5, 1.5], colors=[color], alpha=fill)
                axes.contour(columns, rows, shown, levels=[0.5], colors=[color], linewidths=1.4)
        axes.set_xlim(extent[0], extent[1])
        # Indices grow to the left of the patient, to posterior and to superior.
        axes.set_ylim((extent[2], extent[3]) if plane == "Axial" else (extent[3], extent[2]))
        axes.set_aspect("equal")
        axes.set_axis_off()


def _letters(axes: Axes, plane: str) -> None:
    left, right, top, bottom = _SIDES[plane]
    _write(axes, 0.02, 0.97, plane, 10)
    for x, y, letter, across, along in (
        (0.02, 0.5, left, "left", "center"),
        (0.98, 0.5, right, "right", "center"),
        (0.5, 0.985, top, "center", "top"),
        (0.5, 0.015, bottom, "center", "bottom"),
    ):
        _write(axes, x, y, letter, 11, across, along)


def _write(axes: Axes, x: float, y: float, words: str, size: int, across: str = "left", along: str = "top") -> None:
    from matplotlib.patheffects import withStroke

    stroke = [withStroke(linewidth=2, foreground="black")]
    axes.text(x, y, words, transform=axes.transAxes, color="white", size=size, ha=across, va=along, path_effects=stroke)


def _cross(axes: Axes, plane: str, point: np.ndarray, mm: np.ndarray) -> None:
    a, b = [axis for axis in range(3) if axis != list(_SIDES).index(plane)]
    style = {"color": "white", "lw": 0.6, "alpha": 0.55, "ls": (0, (4, 4))}
    axes.axhline(point[a] * mm[a], **style)
    axes.axvline(point[b] * mm[b], **style)
