"""The picture of an answer: the activation map in 3D beside three slices through its hottest place, with legend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.errors import OutputError
from PreopReviewLib.scene.views import SliceView, ThreeDView
from PreopReviewLib.shown import drawn
from RotatorCuffCAMLib.rendering.looks import HEAT
from RotatorCuffCAMLib.scene.boxes import BOX_COLOR
from RotatorCuffCAMLib.scene.movie import FRAMES
from RotatorCuffCAMLib.scene.nodes import CuffScene, threshold_of
from RotatorCuffCAMLib.scene.shoulder import view_of

INK, GRAY, _PAPER = "#1f2933", "#66727f", "white"
_DPI, FONT = 100, "DejaVu Sans"
OVERLAY = 0.55
"""Opacity of the map over the slices."""

_SIDES = {"Axial": ("R", "L", "A", "P"), "Coronal": ("R", "L", "S", "I"), "Sagittal": ("A", "P", "S", "I")}


def answer_picture(
    cuff_nodes: CuffScene,
    path: str | Path,
    title: str,
    lines: Sequence[str] = (),
    footnote: str = "",
    size: tuple[int, int] = (1800, 1180),
) -> Path:
    """Draws the scene's map.

    Args:
        lines: under the title: class, probabilities, measures.
        size: pixels.

    Raises:
        NoRendering: pictures cannot be drawn here.
        OutputError: the file cannot be written.
    """
    width, height = size
    head, foot, gap = 132, 74, 10
    tall = height - head - foot
    small = (tall - 2 * gap) // 3
    wide = width - round(1.25 * small) - gap
    figure = canvas(size)
    pixels = three_d_pixels(cuff_nodes, (wide, tall))
    put(figure, pixels, 0, head, size)
    for row, plane in enumerate(("Coronal", "Sagittal", "Axial")):
        panel = slice_pixels(cuff_nodes, plane, (width - wide - gap, small))
        axes = put(figure, panel, wide + gap, head + row * (small + gap), size)
        letters(axes, plane, (width - wide - gap, small))
    figure.text(24 / width, 1 - 20 / height, drawn(title), size=20, weight="bold", color=INK, va="top", family=FONT)
    words = "\n".join(lines)
    figure.text(24 / width, 1 - 62 / height, drawn(words), size=12.5, color=INK, va="top", family=FONT, linespacing=1.4)
    color_bar(figure, size, threshold_of(cuff_nodes.activation), cuff_nodes.hot is not None, cuff_nodes.box is not None)
    figure.text(1 - 20 / width, 22 / height, drawn(footnote), size=10, color=GRAY, ha="right", va="center", family=FONT)
    return save(figure, path)


def three_d_pixels(cuff_nodes: CuffScene, size: tuple[int, int], turn: float = 0.0) -> np.ndarray:
    """(height, width, 3): the shoulder with the map in it, from the side where the map lies.

    Args:
        turn: degrees to go on around the patient from there.
    """
    with shoulder_view(cuff_nodes, size) as view:
        view.camera_node.GetCamera().Azimuth(turn)
        view.renderer.ResetCameraClippingRange()
        return view.array()


def turning_pixels(cuff_nodes: CuffScene, size: tuple[int, int], frames: int = FRAMES) -> Iterator[np.ndarray]:
    """Pictures of one full turn around the patient, from the side where the map lies and back."""
    with shoulder_view(cuff_nodes, size) as view:
        camera = view.camera_node.GetCamera()
        for _ in range(frames):
            yield view.array()
            camera.Azimuth(360.0 / frames)
            view.renderer.ResetCameraClippingRange()


def view_picture(
    activation: Any, in_3d: np.ndarray, slices: Mapping[str, np.ndarray], path: str | Path, footnote: str = ""
) -> Path:
    """Pixels of a 3D view beside those of slice views, with the colors of the map.

    Args:
        in_3d: uint8 (height, width, 3).
        slices: by the words over each.

    Raises:
        OutputError: the file cannot be written.
    """
    gap, head, foot = 10, 20, 74
    height = max(in_3d.shape[0], 600)
    shown = [(name, _scaled(pixels, (height - gap * (len(slices) - 1)) // len(slices))) for name, pixels in
             slices.items()]  # fmt: skip
    large = _scaled(in_3d, height)
    wide = max(p.shape[1] for _, p in shown) if shown else 0
    size = (large.shape[1] + gap + wide, head + height + foot)
    figure, top = canvas(size), head
    put(figure, large, 0, head, size)
    for name, pixels in shown:
        axes = put(figure, pixels, large.shape[1] + gap, top, size)
        axes.text(12, 12, name, size=12, weight="bold", color="white", va="top", family=FONT)
        top += pixels.shape[0] + gap
    color_bar(figure, size, threshold_of(activation), False, False)
    figure.text(1 - 20 / size[0], 22 / size[1], drawn(footnote), size=10, color=GRAY, ha="right", va="center",
                family=FONT)  # fmt: skip
    return save(figure, path)


def _scaled(pixels: np.ndarray, height: int) -> np.ndarray:
    """The same picture so many pixels high."""
    from PIL import Image

    width = max(1, round(pixels.shape[1] * height / pixels.shape[0]))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.LANCZOS))


@contextmanager
def shoulder_view(cuff_nodes: CuffScene, size: tuple[int, int]) -> Iterator[ThreeDView]:
    """A 3D view of the shoulder that looks at the map; the color legend steps back meanwhile."""
    legend = _legend(cuff_nodes.activation)
    if legend is not None:
        legend.SetVisibility(False)
    try:
        with ThreeDView(cuff_nodes.activation.GetScene(), size, 1, (0.97, 0.98, 0.99)) as view:
            # Peeling volumes as if they were surfaces would cast all rays once for each layer.
            view.renderer.SetUseDepthPeelingForVolumes(0)
            _light_from_the_eye(view.renderer)
            seen = view_of(cuff_nodes.activation)
            towards, middle = (np.array([-v[0], -v[1], v[2]]) for v in (seen.towards_lps, seen.head_lps))
            camera = view.camera_node.GetCamera()
            camera.SetFocalPoint(*middle)
            camera.SetPosition(*(middle + 400 * towards))
            camera.SetViewUp(0.0, 0.0, 1.0)
            view.fit(-0.05)  # the corners of the volume are clear
            view.show_orientation_marker()
            yield view
    finally:
        if legend is not None:
            legend.SetVisibility(True)


def _light_from_the_eye(renderer: Any) -> None:
    """One light at the camera: the others are for surfaces and leave volumes in the dark."""
    import vtk

    renderer.RemoveAllLights()
    light = vtk.vtkLight()
    light.SetLightTypeToHeadlight()
    light.SetAmbientColor(1.0, 1.0, 1.0)
    renderer.AddLight(light)


def _legend(activation: Any) -> Any:
    import slicer

    return slicer.modules.colors.logic().GetColorLegendDisplayNode(activation)


def slice_pixels(cuff_nodes: CuffScene, plane: str, size: tuple[int, int], field_mm: float = 105.0) -> np.ndarray:
    """(height, width, 3): the MRI with the map over it, through the middle of the hot region."""
    legend = _legend(cuff_nodes.activation)
    if legend is not None:
        legend.SetVisibility(False)
    try:
        with SliceView(cuff_nodes.volume.GetScene(), plane, size) as view:  # type: ignore[arg-type]
            composite = view.logic.GetSliceCompositeNode()
            composite.SetForegroundVolumeID(cuff_nodes.activation.GetID())
            composite.SetForegroundOpacity(OVERLAY)
            view.show(cuff_nodes.volume, cuff_nodes.peak_ras, (field_mm * size[0] / size[1], field_mm))
            return view.array()
    finally:
        if legend is not None:
            legend.SetVisibility(True)


def canvas(size: tuple[int, int]) -> Any:
    """An empty figure of so many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    return figure


def put(figure: Any, pixels: np.ndarray, left: int, top: int, canvas: tuple[int, int]) -> Any:
    """Puts pixels (rows, columns, 3) on a figure, their upper left corner at left and top; the axes count pixels."""
    height, width = pixels.shape[:2]
    axes = figure.add_axes((left / canvas[0], 1 - (top + height) / canvas[1], width / canvas[0], height / canvas[1]))
    axes.imshow(pixels, interpolation="nearest", extent=(0, width, height, 0), aspect="auto")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def letters(axes: Any, plane: str, size: tuple[int, int]) -> None:
    """The plane and the patient's directions on a slice."""
    width, height = size
    axes.text(12, 12, plane, size=12, weight="bold", color="white", va="top", family=FONT)
    left, right, top, bottom = _SIDES[plane]
    for letter, x, y in (
        (left, 12, height / 2),
        (right, width - 12, height / 2),
        (top, width / 2, 12),
        (bottom, width / 2, height - 12),
    ):
        axes.text(x, y, letter, size=12, weight="bold", color="#ffd65c", ha="center", va="center", family=FONT)


def color_bar(figure: Any, size: tuple[int, int], threshold: float, outlined: bool, boxed: bool) -> None:
    """The colors in percent, the threshold, and what the white box is."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    width, height = size
    colors = LinearSegmentedColormap.from_list("heat", [(p / 100, c) for p, c in HEAT])
    axes = figure.add_axes((24 / width, 34 / height, 420 / width, 16 / height))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=colors, aspect="auto", extent=(0, 100, 0, 1))
    axes.axvspan(0, threshold, color="white", alpha=0.75, linewidth=0)
    axes.set_yticks([])
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    axes.tick_params(labelsize=10, colors=INK, length=3)
    words = f"Activation, percent of its maximum (shown from {threshold:.0f} %)"
    figure.text(24 / width, 58 / height, words, size=10.5, color=INK, family=FONT)
    x = 490
    entries = [((0.95, 0.35, 0.10), "outline: activation ≥ 50 %")] if outlined else []
    entries += [(BOX_COLOR, "box: the tear, as it was drawn")] if boxed else []
    for color, text in entries:
        frame = (x / width, 34 / height)
        style = {"fill": False, "edgecolor": color, "linewidth": 2.2, "transform": figure.transFigure}
        figure.add_artist(Rectangle(frame, 22 / width, 16 / height, **style))
        figure.text((x + 32) / width, 42 / height, text, size=10.5, color=INK, va="center", family=FONT)
        x += 300


def save(figure: Any, path: str | Path) -> Path:
    """Writes a figure as PNG.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    try:
        figure.savefig(path, dpi=_DPI, facecolor=figure.get_facecolor(), format="png")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Choose a folder with space") from error
    return path
