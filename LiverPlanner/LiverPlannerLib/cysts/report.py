"""What people see of the cyst filter: rows of a table, one figure for each region, one of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from LiverPlannerLib.cysts import fit as cyst_fit
from LiverPlannerLib.structures import structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from LiverPlannerLib.cysts.filter import CystRegion, CystResult

COLUMNS = (
    "id",
    "decision",
    "reason",
    "paper_decision",
    "voxels",
    "ml",
    "centroid_r_mm",
    "centroid_a_mm",
    "centroid_s_mm",
    "unit",
    "mean",
    "median",
    "mad",
    "area_A",
    "peak",
    "mean_M",
    "sd_S",
    "sd_S_corrected",
    "r2",
    "core_voxels",
    "core_median",
    "core_mad",
    "bic_gain",
    "suggestion",
    "rule_decision",
    "overridden",
    "split_from",
)
_GRAY = "#6b6b6b"
_LARGEST = 40  # regions in the overview; more cannot be read on a slide


def rows(result: CystResult) -> list[dict[str, Any]]:
    """One row for each region, with the keys of `COLUMNS`; what does not apply is None."""
    return [_row(region) for region in result.regions]


def _row(region: CystRegion) -> dict[str, Any]:
    r, a, s = (round(v, 2) for v in region.centroid_ras)
    renamed = {
        "centroid_r_mm": r,
        "centroid_a_mm": a,
        "centroid_s_mm": s,
        "area_A": region.area,
        "mean_M": region.fit_mean,
        "sd_S": region.fit_sd,
        "sd_S_corrected": region.fit_sd_corrected,
    }
    row = {c: renamed[c] if c in renamed else getattr(region, c) for c in COLUMNS}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def as_dict(result: CystResult) -> dict[str, Any]:
    """Plain values, for JSON."""
    settings = result.settings
    decisions = [r.decision for r in result.regions]
    liver = settings.liver
    return {
        "rule": settings.rule,
        "threshold": settings.threshold,
        "unit": settings.scale.unit,
        "liver_median": None if liver is None else liver.median,
        "liver_mad": None if liver is None else liver.mad,
        "regions": [r.as_dict() for r in result.regions],
        "counts": {d: decisions.count(d) for d in ("tumor", "cyst", "undecided")},
        "ml": {d: sum(r.ml for r in result.regions if r.decision == d) for d in ("tumor", "cyst", "undecided")},
        "warnings": result.warnings,
    }


def color_of(decision: str) -> tuple[float, float, float]:
    """The color of a decision: those of the structures, darkened to be seen on white; gray if undecided."""
    if decision == "undecided":
        return (0.45, 0.45, 0.45)
    red, green, blue = structure(decision).color
    return (0.75 * red, 0.75 * green, 0.75 * blue)


def region_figure(result: CystResult, region_id: int) -> Figure:
    """Histogram, smoothed histogram, fitted Gaussian and threshold of one region."""
    from matplotlib.figure import Figure

    region = result.region(region_id)
    # Margins that hold any text: finding the narrowest would draw each of many figures twice.
    figure = Figure(figsize=(8, 4.8), dpi=150)
    axes = figure.add_axes((0.1, 0.115, 0.88, 0.72))
    _draw_region(axes, result, region)
    axes.legend(framealpha=0.85, edgecolor="none", fontsize=10, loc="upper right")
    axes.yaxis.get_major_locator().set_params(integer=True)
    title = f"Region {region.id}: {region.decision}"
    figure.suptitle(f"{title}  ({region.ml:.2f} ml, {region.voxels} voxels)", fontsize=14, x=0.02, ha="left")
    axes.set_title(_wrapped(region.reason), fontsize=10, loc="left", color=_GRAY)
    return figure


def _wrapped(words: str) -> str:
    from textwrap import fill

    return fill(words[:1].upper() + words[1:], 100)


def _draw_region(axes: Axes, result: CystResult, region: CystRegion) -> None:
    settings = result.settings
    scale, x = settings.scale, settings.scale.centers
    counts = result.counts[region.id - 1]
    fit = region.peak * np.exp(-((x - region.fit_mean) ** 2) / (2 * region.fit_sd**2))
    color = color_of(region.decision)
    edges = np.append(x - scale.width / 2, x[-1] + scale.width / 2)
    core = result.core_counts[region.id - 1]
    for heights, gray, words in ((counts, "#d5d5d5", "histogram"), (core, "#b0b0b0", "of these, core")):
        axes.stairs(heights, edges, fill=True, color=gray, label=words)  # one shape; bars would be hundreds
    axes.plot(x, cyst_fit.smooth(counts[None], scale)[0], color="black", lw=1.2, label="smoothed")
    label = f"Gaussian: M {region.fit_mean:.1f}, S {region.fit_sd:.1f}, R² {region.r2:.2f}"
    axes.plot(x, fit, color=color, lw=2.4, label=label)
    core_label = f"core median {region.core_median:.4g} {scale.unit}"
    axes.axvline(region.core_median, color=color, lw=1.6, ls=":", label=core_label)
    _threshold_line(axes, result, f"threshold {settings.threshold:g} {scale.unit}")
    axes.set_xlim(*_window(counts, result))
    axes.set_xlabel("HU" if scale.unit == "HU" else "(value - liver median) / liver MAD; not HU")
    axes.set_ylabel("voxels")
    axes.spines[["top", "right"]].set_visible(False)


def _threshold_line(axes: Axes, result: CystResult, label: str | None = None) -> None:
    axes.axvline(result.settings.threshold, color="#b02020", lw=1.6, ls="--", label=label)


def _window(counts: np.ndarray, result: CystResult) -> tuple[float, float]:
    """The part of the axis that holds 99.8 % of the voxels, and the threshold."""
    scale = result.settings.scale
    low, high = (float(cyst_fit.quantile(counts[None], scale, q)[0]) for q in (0.001, 0.999))
    low, high = min(low, result.settings.threshold), max(high, result.settings.threshold)
    margin = 0.12 * (high - low) + 5 * scale.width
    return low - margin, high + margin


def overview_figure(result: CystResult) -> Figure:
    """Fitted Gaussians of all regions, and each region's core median and spread, by decision.

    Of more than 40 regions the largest 40 are drawn, and the figure says so.
    """
    from matplotlib.figure import Figure

    shown = sorted(result.regions, key=lambda r: -r.voxels)[:_LARGEST]
    shown.sort(key=lambda r: r.core_median)
    figure = Figure(figsize=(12, max(4.8, 1.6 + 0.24 * len(shown))), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    scale, x = result.settings.scale, result.settings.scale.centers
    for region in shown:
        curve = np.exp(-((x - region.fit_mean) ** 2) / (2 * region.fit_sd**2))
        left.plot(x, curve, color=color_of(region.decision), lw=1.6, alpha=0.85)
    _threshold_line(left, result)
    if shown:
        counts = result.counts[[r.id - 1 for r in shown]]
        # One large region must not hide the others.
        left.set_xlim(*_window((counts / counts.sum(1, keepdims=True)).sum(0), result))
    left.set_title("Fitted Gaussians, height 1", fontsize=11, loc="left")
    left.set_ylabel("relative frequency")
    _forest(right, result, shown)
    for axes in (left, right):
        axes.set_xlabel(scale.unit if scale.unit == "HU" else "(value - liver median) / liver MAD; not HU")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_headline(result, len(shown)), fontsize=14, x=0.01, ha="left")
    _legend(figure, result)
    return figure


def _forest(axes: Axes, result: CystResult, shown: list[CystRegion]) -> None:
    for place, region in enumerate(shown):
        color = color_of(region.decision)
        spread = 1.4826 * region.core_mad
        axes.errorbar(region.core_median, place, xerr=spread, color=color, lw=1.6, marker="o", ms=6)
        if region.overridden:
            axes.plot(region.core_median, place, marker="o", ms=11, mfc="none", mec="black", mew=1.2)
    axes.set_yticks(range(len(shown)), [f"{r.id}   {r.ml:.2f} ml" for r in shown], fontsize=9)
    axes.set_ylim(-0.8, len(shown) - 0.2)
    _threshold_line(axes, result)
    axes.set_title("Core median ± 1.48 MAD; region and volume", fontsize=11, loc="left")


def _headline(result: CystResult, shown: int) -> str:
    decisions = [r.decision for r in result.regions]
    number = {d: decisions.count(d) for d in ("cyst", "tumor", "undecided")}
    words = f"{number['cyst']} suspected cysts, {number['tumor']} tumors, {number['undecided']} undecided"
    if shown < len(decisions):
        words += f" (the {shown} largest of {len(decisions)} shown)"
    return f"{words}; rule {result.settings.rule}"


def _legend(figure: Figure, result: CystResult) -> None:
    from matplotlib.lines import Line2D

    names = {"cyst": "suspected cyst", "tumor": "tumor", "undecided": "undecided (stays a tumor)"}
    handles = [Line2D([], [], color=color_of(k), lw=2.4, label=v) for k, v in names.items()]
    threshold = f"threshold {result.settings.threshold:g} {result.settings.scale.unit}"
    handles.append(Line2D([], [], color="#b02020", lw=1.6, ls="--", label=threshold))
    if any(r.overridden for r in result.regions):
        handles.append(Line2D([], [], ls="", marker="o", ms=11, mfc="none", mec="black", label="set by hand"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)
