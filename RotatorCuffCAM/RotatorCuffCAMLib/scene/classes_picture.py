"""The picture of the maps of several classes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from PreopReviewLib.shown import drawn
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.scene.nodes import CuffScene, threshold_of
from RotatorCuffCAMLib.scene.pictures import (
    FONT,
    GRAY,
    INK,
    canvas,
    color_bar,
    letters,
    put,
    save,
    slice_pixels,
    three_d_pixels,
)


def classes_picture(
    cuff_nodes: CuffScene, nodes: Sequence[Any], path: str | Path, title: str, heads: Sequence[str], footnote: str = ""
) -> Path:
    """The maps of several classes side by side, in 3D above and over the coronal slice below.

    Args:
        nodes: of `classes.add_class_maps`.
        heads: over each column, of one or two lines.
    """
    cell, gap, head, foot = (420, 420), 10, 150, 74
    size = (len(nodes) * cell[0] + (len(nodes) - 1) * gap, head + 2 * cell[1] + gap + foot)
    figure = canvas(size)
    for n, (above, below) in enumerate(class_pixels(cuff_nodes, nodes, cell)):
        left = n * (cell[0] + gap)
        put(figure, above, left, head, size)
        letters(put(figure, below, left, head + cell[1] + gap, size), "Coronal", cell)
        figure.text((left + 12) / size[0], 1 - 84 / size[1], drawn(heads[n]), size=12.5, color=INK, va="top",
                    family=FONT, linespacing=1.4)  # fmt: skip
    figure.text(24 / size[0], 1 - 20 / size[1], drawn(title), size=20, weight="bold", color=INK, va="top",
                family=FONT)  # fmt: skip
    color_bar(figure, size, threshold_of(cuff_nodes.activation), False, False)
    figure.text(1 - 20 / size[0], 22 / size[1], drawn(footnote), size=10, color=GRAY, ha="right", va="center",
                family=FONT)  # fmt: skip
    return save(figure, path)


def class_pixels(cuff_nodes: Any, maps: Sequence[Any], cell: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each map the shoulder in 3D, and the coronal slice through its own hot region."""
    own = shoulder.rendering_of(cuff_nodes.activation)
    shown, pictures = own.GetVisibility(), []
    own.SetVisibility(False)
    if cuff_nodes.hot is not None:
        cuff_nodes.hot.SetDisplayVisibility(False)
    try:
        for node in maps:
            middle = shoulder.view_of(node).cut_lps
            one = replace(cuff_nodes, activation=node, hot=None, peak_ras=(-middle[0], -middle[1], middle[2]))
            display = shoulder.rendering_of(node)
            display.SetVisibility(True)
            pictures.append((three_d_pixels(one, cell), slice_pixels(one, "Coronal", cell)))
            display.SetVisibility(False)
    finally:
        own.SetVisibility(shown)
        if cuff_nodes.hot is not None:
            cuff_nodes.hot.SetDisplayVisibility(True)
    return pictures
