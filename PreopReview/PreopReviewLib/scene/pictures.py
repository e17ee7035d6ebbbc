"""Pictures of a scene worth printing: a translucent reconstruction with legend, and three planes with outlines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.errors import OutputError
from PreopReviewLib.scene import nodes
from PreopReviewLib.scene.views import Direction, Plane, SliceView, ThreeDView
from PreopReviewLib.shown import drawn

_INK, _GRAY, _FAINT = "#1f2933", "#66727f", "#c8d0d8"
_DPI = 100
_FONT = "DejaVu Sans"  # comes with matplotlib, so a picture looks the same everywhere


@dataclass(frozen=True)
class LegendEntry:
    """A line of the legend: what, in which color, and a figure such as ``1126 ml``."""

    name: str
    color: tuple[float, float, float]
    value: str = ""


# ---- reconstruction ----


def reconstruction_picture(
    scene: Any,
    path: str | Path,
    legend: Sequence[LegendEntry],
    *,
    title: str = "",
    footnote: str = "",
    direction: Direction = "Anterior",
    azimuth: float = 8.0,
    elevation: float = 10.0,
    size: tuple[int, int] = (1500, 1000),
) -> Path:
    """Draws what the scene shows in 3D, with title, legend and orientation marker.

    Segmentations need their surfaces (`nodes.make_surfaces`), and their opacities set.

    Args:
        footnote: small print under the legend.
        direction, azimuth, elevation: where from, see `ThreeDView.look_from`.
        size: of the picture in pixels (width, height).

    Raises:
        NoRendering: pictures cannot be drawn here.
        OutputError: the file cannot be written.
    """
    side = round(size[0] * 0.24)
    with ThreeDView(scene, (size[0] - side, size[1]), background_top=(1.0, 1.0, 1.0)) as view:
        view.look_from(direction, azimuth, elevation)
        view.show_orientation_marker()
        pixels = view.array()
    figure = _figure(size)
    _place(figure, pixels, 0, 0, size)
    left, top = (size[0] - side) / size[0], 1 - 70 / size[1]
    heading = _wrapped(title, round(side / 16))
    figure.text(left, top, drawn(heading), size=17, weight="bold", color=_INK, va="top", family=_FONT)
    top -= (20 + 26 * len(heading.splitlines())) / size[1]
    figure.text(left, top, f"{direction} view", size=11.5, color=_GRAY, va="top", family=_FONT)
    _draw_legend(figure, legend, left, top - 60 / size[1], right=1 - 36 / size[0])
    figure.text(left, 40 / size[1], _wrapped(drawn(footnote), 46), size=8.5, color=_GRAY, va="bottom", family=_FONT)
    return _save(figure, path)


def _draw_legend(figure: Any, legend: Sequence[LegendEntry], left: float, top: float, right: float) -> None:
    from matplotlib.patches import Ellipse

    width, height = figure.get_size_inches() * _DPI
    step = min(40 / height, (top - 0.15) / max(len(legend), 1))
    for row, entry in enumerate(legend):
        y = top - row * step
        dot = Ellipse((left + 9 / width, y), 18 / width, 18 / height, facecolor=entry.color, edgecolor="#00000040")
        figure.add_artist(dot)
        figure.text(left + 30 / width, y, drawn(entry.name), size=12.5, color=_INK, va="center", family=_FONT)
        figure.text(right, y, entry.value, size=12.5, color=_INK, va="center", ha="right", family=_FONT)


# ---- slices ----


def slices_picture(
    volume: Any,
    segmentation: Any,
    path: str | Path,
    center_ras: Sequence[float],
    legend: Sequence[LegendEntry] = (),
    *,
    title: str = "",
    footnote: str = "",
    width: int = 1800,
    margin_mm: tuple[float, float, float] = (150.0, 80.0, 80.0),
) -> Path:
    """Axial, coronal and sagittal slice through a point, with colored outlines, all at one scale.

    Radiological convention: the patient's right (sagittal: anterior) is on the left of the picture. The planes are
    the patient's, also where the image is oblique.

    Args:
        volume, segmentation: nodes of one scene; the volume's window and level are used.
        center_ras: the point, mm.
        margin_mm: how much around the segments is shown along R, A and S, as far as the image goes.

    Raises:
        NoRendering: pictures cannot be drawn here.
        OutputError: the file cannot be written.
    """
    low, high = _field(volume, segmentation, margin_mm)
    extent = high - low
    axes = {"Axial": (0, 1), "Coronal": (0, 2), "Sagittal": (1, 2)}
    gap, head, foot = 14, 64 if title else 20, 64
    scale = (width - 4 * gap) / sum(extent[a] for a, _ in axes.values())  # pixels per mm
    tall = round(max(extent[b] for _, b in axes.values()) * scale)
    figure = _figure((width, head + tall + foot), "black")
    x = gap
    with _outlines(segmentation):
        for plane, (a, b) in axes.items():
            size = (round(extent[a] * scale), round(extent[b] * scale))
            middle = (low + high) / 2
            through = ({0, 1, 2} - {a, b}).pop()
            middle[through] = center_ras[through]
            with SliceView(volume.GetScene(), plane, size) as view:  # type: ignore[arg-type]
                view.show(volume, tuple(middle), (extent[a], extent[b]))
                panel = _place(figure, view.array(), x, head, (width, head + tall + foot))
            _label_panel(panel, plane, size, float(center_ras[through]))  # type: ignore[arg-type]
            _mark_point(panel, size, (center_ras[a] - low[a]) * scale, (high[b] - center_ras[b]) * scale)
            x += size[0] + gap
    if title:
        figure.text(
            gap / width, 1 - 18 / (head + tall + foot), drawn(title), size=16, weight="bold", color="white", va="top"
        )
    figure.text(
        1 - gap / width, 1 - 22 / (head + tall + foot), drawn(footnote), size=9.5, color=_FAINT, va="top", ha="right"
    )
    _draw_footer(figure, legend, scale, gap)
    return _save(figure, path)


def _field(volume: Any, segmentation: Any, margin_mm: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The box in RAS mm to be shown: the segments with a margin, within the image; a slab gets room for letters."""
    image, marked = [0.0] * 6, [0.0] * 6
    volume.GetRASBounds(image)
    segmentation.GetRASBounds(marked)
    low, high = np.array(image)[::2], np.array(image)[1::2]
    if marked[0] <= marked[1]:
        low = np.maximum(low, np.array(marked)[::2] - margin_mm)
        high = np.minimum(high, np.array(marked)[1::2] + margin_mm)
    missing = np.maximum(0.42 * (high - low).max() - (high - low), 0)
    return low - missing / 2, high + missing / 2


@contextmanager
def _outlines(segmentation: Any) -> Iterator[None]:
    """Smooth outlines (cuts of the surfaces, if there are any) and faint fill, for the duration of a picture."""
    display = segmentation.GetDisplayNode()
    before = (
        display.GetPreferredDisplayRepresentationName2D(),
        display.GetSliceIntersectionThickness(),
        display.GetOpacity2DFill(),
    )
    if segmentation.GetSegmentation().ContainsRepresentation(nodes.SURFACE):
        display.SetPreferredDisplayRepresentationName2D(nodes.SURFACE)
    display.SetSliceIntersectionThickness(3)
    display.SetOpacity2DFill(0.12)
    try:
        yield
    finally:
        display.SetPreferredDisplayRepresentationName2D(before[0])
        display.SetSliceIntersectionThickness(before[1])
        display.SetOpacity2DFill(before[2])


def _label_panel(panel: Any, plane: Plane, size: tuple[int, int], position: float) -> None:
    """Name and position of the plane, and the four directions at the borders."""
    from matplotlib.patheffects import withStroke

    axis, sides = {
        "Axial": ("S" if position >= 0 else "I", "RLAP"),
        "Coronal": ("A" if position >= 0 else "P", "RLSI"),
        "Sagittal": ("R" if position >= 0 else "L", "APSI"),
    }[plane]
    width, height = size
    words = {"color": "white", "family": _FONT, "path_effects": [withStroke(linewidth=2.5, foreground="#000000b0")]}
    panel.text(12, 12, plane, size=13, weight="bold", va="top", **words)
    panel.text(12, 36, f"{axis} {abs(position):.1f} mm", size=10, va="top", **{**words, "color": _FAINT})
    places = ((10, height / 2), (width - 10, height / 2), (width / 2, 10), (width / 2, height - 10))
    aligned = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, place, (ha, va) in zip(sides, places, aligned, strict=True):
        panel.text(*place, letter, size=13, weight="bold", ha=ha, va=va, **{**words, "color": "#ffd65c"})


def _mark_point(panel: Any, size: tuple[int, int], x: float, y: float) -> None:
    """Short ticks at the borders that show where the two other planes cut this one."""
    x = size[0] - x  # right, or anterior, is on the left of the picture
    style = {"color": "#ffffff", "linewidth": 1.2, "alpha": 0.7}
    for where in ((0, 22), (size[1] - 22, size[1])):
        panel.plot((x, x), where, **style)
    for where in ((0, 22), (size[0] - 22, size[0])):
        panel.plot(where, (y, y), **style)


def _draw_footer(figure: Any, legend: Sequence[LegendEntry], scale: float, gap: int) -> None:
    """A scale bar and the legend in one line under the slices."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Ellipse

    width, height = figure.get_size_inches() * _DPI
    y, x = 32 / height, float(gap)
    figure.add_artist(Line2D((x / width, (x + 50 * scale) / width), (y, y), color="white", linewidth=2.5))
    x += 50 * scale + 10
    figure.text(x / width, y, "5 cm", size=11, color="white", va="center", family=_FONT)
    x += 90
    for entry in legend:
        figure.add_artist(Ellipse((x / width, y), 16 / width, 16 / height, facecolor=entry.color))
        text = f"{entry.name}  {entry.value}".strip()
        drawn = figure.text((x + 16) / width, y, text, size=11, color="white", va="center", family=_FONT)
        x += 16 + drawn.get_window_extent(figure.canvas.get_renderer()).width + 34


# ---- canvas ----


def _figure(size: tuple[int, int], background: str = "white") -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=background)
    FigureCanvasAgg(figure)
    return figure


def _place(figure: Any, pixels: np.ndarray, left: int, top: int, canvas: tuple[int, int]) -> Any:
    """Puts an RGB array on the figure, pixel for pixel; the axes returned count pixels from its upper left."""
    height, width = pixels.shape[:2]
    box = (left / canvas[0], 1 - (top + height) / canvas[1], width / canvas[0], height / canvas[1])
    axes = figure.add_axes(box)
    axes.imshow(pixels, interpolation="nearest", extent=(0, width, height, 0), aspect="auto")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def _wrapped(text: str, columns: int) -> str:
    import textwrap

    return "\n".join(textwrap.fill(line, columns) for line in text.splitlines())


def _save(figure: Any, path: str | Path) -> Path:
    path = Path(path)
    try:
        figure.savefig(path, dpi=_DPI, facecolor=figure.get_facecolor(), format="png")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror})", "Choose a folder with space and write permission"
        ) from error
    return path
