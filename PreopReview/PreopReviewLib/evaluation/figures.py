"""Figures of cohorts, fit for a slide: white ground, large type, every case shown as a point.

Each function returns a `matplotlib.figure.Figure` and touches no global state of matplotlib, so that it can be used
in a worker thread, in Slicer and on a machine without a display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from PreopReviewLib.errors import OutputError
from PreopReviewLib.evaluation.agreement import BlandAltman
from PreopReviewLib.evaluation.tables import present
from PreopReviewLib.shown import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#1b1f24", "#667080", "#b42318"
PALETTE = ("#0b6e99", "#d9730d", "#4f7a28", "#8b5fbf", "#b8487a", "#5c6773")
FONT = {"title": 15, "label": 13, "tick": 12, "note": 10.5}


def _new(width: float, height: float, columns: int = 1, rows: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=FONT["tick"], colors=INK)
        axis.grid(axis="y", color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def distributions(
    panels: Mapping[str, Mapping[str, ArrayLike]],
    title: str,
    *,
    limits: Mapping[str, tuple[float, float]] | None = None,
    published: Mapping[str, float] | None = None,
    note: str = "",
) -> Figure:
    """Boxes with every case as a point; one panel for each measure.

    Args:
        panels: measure (with its unit) → group → values; NaN is left out.
        limits: measure → lower and upper end of its axis.
        published: group → a figure of the paper, drawn as a red diamond in the first panel.
    """
    groups = max(len(p) for p in panels.values())
    figure, axes = _new(max(7.0, (2.2 + 1.3 * groups) * len(panels)), 5.2, len(panels))
    for number, (axis, (measure, data)) in enumerate(zip(axes, panels.items(), strict=True)):
        _boxes(axis, data)
        axis.set_ylabel(measure, fontsize=FONT["label"], color=INK)
        if limits and measure in limits:
            axis.set_ylim(*limits[measure])
        if published and number == 0:
            places = [i for i, g in enumerate(data, start=1) if g in published]
            means = [published[g] for g in data if g in published]
            axis.plot(places, means, "D", color=LINE, markersize=8, label="mean in the paper", zorder=5)
            axis.legend(frameon=False, fontsize=FONT["note"], loc="lower left")
    _title(figure, title, note)
    return figure


def _boxes(axis: Any, data: Mapping[str, ArrayLike]) -> None:
    generator = np.random.default_rng(0)  # the same scatter each time
    for place, values in enumerate(data.values(), start=1):
        shown = present(values)
        color = PALETTE[(place - 1) % len(PALETTE)]
        if len(shown) == 0:
            axis.text(place, 0.5, "n/a", ha="center", transform=axis.get_xaxis_transform(), color=MUTED)
            continue
        box = axis.boxplot([shown], positions=[place], widths=0.55, showfliers=False, patch_artist=True)
        box["boxes"][0].set(facecolor=color, alpha=0.22, edgecolor=color)
        for part in ("whiskers", "caps", "medians"):
            for line in box[part]:
                line.set(color=color, linewidth=2 if part == "medians" else 1.2)
        spread = generator.uniform(-0.16, 0.16, len(shown))
        size = 26 if len(shown) <= 100 else 8
        axis.scatter(place + spread, shown, s=size, color=color, alpha=0.75, linewidths=0, zorder=4)
    axis.set_xticks(range(1, len(data) + 1), [f"{drawn(n)}\nn = {len(present(v))}" for n, v in data.items()])
    axis.set_xlim(0.4, len(data) + 0.6)


def paired_lines(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    ends: tuple[str, str],
    measures: Mapping[str, str],
    title: str,
    *,
    note: str = "",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Two values of each case joined by a line, the means in bold; one panel for each entry.

    Args:
        panels: name → values at the first and second end, paired by case; pairs with NaN are left out.
        ends: words beneath the two ends.
        measures: name → label of its axis.
        limits: one vertical scale for all panels; without it each has its own.
    """
    figure, axes = _new(max(6.4, 4.2 * len(panels)), 5.2, len(panels), sharey=limits is not None)
    for number, (axis, (name, (first, second))) in enumerate(zip(axes, panels.items(), strict=True)):
        pairs = np.column_stack([np.asarray(first, float), np.asarray(second, float)])
        pairs = pairs[np.isfinite(pairs).all(1)]
        color = PALETTE[number % len(PALETTE)]
        for pair in pairs:
            axis.plot([0, 1], pair, "-o", color=color, alpha=0.35, linewidth=1.2, markersize=5)
        if len(pairs):
            axis.plot([0, 1], pairs.mean(0), "-o", color=INK, linewidth=3, markersize=9, label="mean", zorder=5)
            axis.legend(frameon=False, fontsize=FONT["note"])
        axis.set_xticks([0, 1], ends)
        axis.set_xlim(-0.25, 1.25)
        axis.set_title(f"{drawn(name)} (n = {len(pairs)})", fontsize=FONT["label"], color=INK)
        axis.set_ylabel(measures.get(name, ""), fontsize=FONT["label"], color=INK)
        if limits:
            axis.set_ylim(*limits)
    _title(figure, title, note)
    return figure


def bland_altman_plot(results: Mapping[str, BlandAltman], title: str, *, unit: str = "ml", note: str = "") -> Figure:
    """Differences over means with bias and limits of agreement, their confidence bands shaded.

    Args:
        results: panel name → result; at least one.
        unit: of the means.
    """
    columns = 1 if len(results) == 1 else 2  # two rows rather than a strip that no slide can show
    rows = -(-len(results) // columns)
    figure, axes = _new(6.6 * columns + 0.6, (4.2 if rows > 1 else 5.4) * rows, columns, rows)
    for axis in axes[len(results) :]:
        axis.set_visible(False)
    for number, (axis, (name, result)) in enumerate(zip(axes, results.items(), strict=False)):
        color = PALETTE[number % len(PALETTE)]
        axis.scatter(result.means, result.differences, s=30, color=color, alpha=0.75, linewidths=0, zorder=4)
        for line, style in ((result.lower, "--"), (result.bias, "-"), (result.upper, "--")):
            axis.axhline(line.value, color=LINE if style == "-" else INK, linestyle=style, linewidth=1.6)
            axis.axhspan(line.low, line.high, color=LINE if style == "-" else MUTED, alpha=0.12, linewidth=0)
            axis.annotate(
                f"{line.value:.1f}",
                (1.0, line.value),
                xycoords=("axes fraction", "data"),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=FONT["note"],
                color=INK,
                annotation_clip=False,
            )
        axis.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
        axis.set_title(f"{drawn(name)} (n = {result.cases})", fontsize=FONT["label"], color=INK)
        axis.set_xlabel(f"Mean of both ({unit})", fontsize=FONT["label"], color=INK)
        axis.set_ylabel(f"Automated − manual ({result.unit})", fontsize=FONT["label"], color=INK)
    words = "Line: bias; dashed: limits of agreement (± 1.96 SD); shaded: 95% confidence intervals."
    _title(figure, title, " ".join([words, note]).strip())
    return figure


def identity_plot(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]], labels: tuple[str, str], title: str, *, note: str = ""
) -> Figure:
    """Second values over first values with the line of identity; groups in colors."""
    figure, (axis,) = _new(6.6, 6.0)
    for number, (name, (x, y)) in enumerate(groups.items()):
        color = PALETTE[number % len(PALETTE)]
        axis.scatter(x, y, s=30, color=color, alpha=0.75, linewidths=0, label=drawn(name) or "cases", zorder=4)
    everything = present(np.concatenate([np.ravel(v) for pair in groups.values() for v in pair]))
    if len(everything):
        ends = [everything.min(), everything.max()]
        axis.plot(ends, ends, color=INK, linewidth=1.2, label="identity")
    axis.set_xlabel(labels[0], fontsize=FONT["label"], color=INK)
    axis.set_ylabel(labels[1], fontsize=FONT["label"], color=INK)
    axis.legend(frameon=False, fontsize=FONT["note"])
    _title(figure, title, note)
    return figure


def _title(figure: Figure, title: str, note: str) -> None:
    figure.suptitle(drawn(title), fontsize=FONT["title"], color=INK, x=0.01, ha="left", weight="bold")
    if note:
        figure.supxlabel(note, fontsize=FONT["note"], color=MUTED, x=0.01, ha="left")


def save_figures(figures: Mapping[str, Figure], folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Writes NAME.png (200 dpi) and NAME.svg.

    Raises:
        OutputError: the folder cannot be written to.
    """
    paths = [folder / f"{name}.{kind}" for name in figures for kind in formats]
    try:
        for path in paths:
            figures[path.stem].savefig(path, dpi=200, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise OutputError(f"A figure cannot be written to {folder} ({error.strerror})", "Look for space") from error
    return paths
