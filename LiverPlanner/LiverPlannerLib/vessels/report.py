"""What people see of a vessel tree: rows of a table and a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.structures import structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from LiverPlannerLib.vessels.branches import VesselTree

COLUMNS = (
    "id",
    "parent",
    "tree",
    "generation",
    "main",
    "radius_mm",
    "length_mm",
    "ml",
    "reason",
    "overridden",
)
_PERIPHERAL = "#9a9a9a"


def rows(tree: VesselTree) -> list[dict[str, Any]]:
    """One row for each branch, with the keys of `COLUMNS`."""
    values = [{c: getattr(b, c) for c in COLUMNS} for b in tree.branches]
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in values]


def tree_figure(tree: VesselTree) -> Figure:
    """The centerlines from the front and from above: main branches in the structure's color, as wide as they are.

    The largest branches carry their ids, for overriding them by hand.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), dpi=150, layout="constrained")
    views = figure.subplots(1, 2)
    _draw(views[0], tree, (0, 2), "From the front", ("R", "L", "I", "S"))
    _draw(views[1], tree, (0, 1), "From below", ("R", "L", "P", "A"))
    name = structure(tree.structure).name if tree.structure else "Vessel tree"
    main = sum(b.main for b in tree.branches)
    words = f"{name}: {main} main of {len(tree.branches)} branches, {100 * tree.main_share:.0f} % of the volume"
    figure.suptitle(words, fontsize=14, x=0.01, ha="left")
    _legend(figure, tree)
    return figure


def _color(tree: VesselTree) -> tuple[float, float, float]:
    return structure(tree.structure).color if tree.structure else (0.15, 0.3, 0.65)


def _smoothed(tree: VesselTree, times: int = 6) -> np.ndarray:
    """Centerline points for drawing, without the steps of the voxel grid; ends and roots stay."""
    child = np.flatnonzero(tree.parent_point >= 0)
    parent = tree.parent_point[child]
    count = np.bincount(child, minlength=len(tree.points)) + np.bincount(parent, minlength=len(tree.points))
    points = tree.points.copy()
    for _ in range(times):
        total = np.zeros_like(points)
        np.add.at(total, child, points[parent])
        np.add.at(total, parent, points[child])
        inner = count > 1
        points[inner] = 0.5 * points[inner] + 0.5 * total[inner] / count[inner, None]
    return points


def _draw(axes: Axes, tree: VesselTree, plane: tuple[int, int], title: str, ends: tuple[str, ...]) -> None:
    from matplotlib.collections import LineCollection

    order = np.argsort([b.main for b in tree.branches], kind="stable")  # main ones on top
    first, smooth = tree.parent_point, _smoothed(tree)
    for n in order:
        branch = tree.branches[n]
        points = np.flatnonzero((tree.branch_of == branch.id) & (first >= 0))
        lines = np.stack([smooth[points], smooth[first[points]]], 1)[:, :, plane]
        width = np.clip(1.6 * tree.radii[points], 1.0, 16.0)
        color = _color(tree) if branch.main else _PERIPHERAL
        axes.add_collection(LineCollection(lines, linewidths=width, colors=[color], capstyle="round"))
    for branch in sorted(tree.branches, key=lambda b: -b.ml)[:14]:
        line = tree.centerline(branch.id)
        if len(line):
            middle = line[len(line) // 2][list(plane)]
            axes.annotate(
                str(branch.id),
                middle,
                fontsize=8,
                ha="center",
                va="center",
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
            )
    for root in np.flatnonzero(first < 0):
        if tree.branches[tree.branch_of[root] - 1].generation >= 0:
            axes.plot(*tree.points[root][list(plane)], marker="D", ms=7, mfc="white", mec="black")
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.invert_xaxis()  # radiological: the patient's right is on the left of the picture
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(f"{ends[0]}  <  mm  >  {ends[1]}")
    axes.set_ylabel(f"{ends[2]}  <  mm  >  {ends[3]}")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, tree: VesselTree) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_color(tree), lw=6, label="main"),
        Line2D([], [], color=_PERIPHERAL, lw=3, label="peripheral"),
        Line2D([], [], ls="", marker="D", mfc="white", mec="black", label="root"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=10)
