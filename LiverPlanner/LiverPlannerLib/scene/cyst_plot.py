"""One region of the cyst filter as a chart in Slicer's plot view: histogram, smoothed, fitted Gaussian, threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from LiverPlannerLib.cysts.rules import CystRegion
from LiverPlannerLib.scene.cysts import HISTOGRAMS, regions_of, state_of
from LiverPlannerLib.scene.tables import Column, write_table

CHART = "PreopReview.CystChart"
_SERIES = (
    # column, title, color, width, dashed
    ("counts", "Histogram", (0.70, 0.70, 0.70), 2, False),
    ("core", "of these, core", (0.45, 0.45, 0.45), 2, False),
    ("smoothed", "Smoothed", (0.0, 0.0, 0.0), 1, False),
    ("fit", "Gaussian", (0.0, 0.0, 0.0), 3, False),
    ("threshold", "Threshold", (0.69, 0.13, 0.13), 2, True),
)


def plot_region(node: Any, region_id: int) -> Any:
    """Fills the chart of a table of the cyst filter with one region, and returns the vtkMRMLPlotChartNode.

    Args:
        node: the table node of `scene.cysts.show`.
    """
    region = next(r for r in regions_of(node) if r.id == region_id)
    state = state_of(node)
    chart = node.GetNodeReference(CHART) or _new_chart(node)
    values = _curves(node, region)
    low, high = _window(values, state["threshold"])
    _write_curves(node, chart, values, low, high, state["threshold"])
    numbers = {
        "Gaussian": f": M {region.fit_mean:.1f}, S {region.fit_sd:.1f}, R² {region.r2:.2f}",
        "Threshold": f" {state['threshold']:g} HU",
    }
    for i, (_column, title, color, _width, _dashed) in enumerate(_SERIES):
        series = chart.GetNthPlotSeriesNode(i)
        series.SetName(title + numbers.get(title, ""))
        series.SetColor(*(_decision_color(region.decision) if title == "Gaussian" else color))
    chart.SetTitle(f"Region {region.id}: {region.decision} ({region.ml:.2f} ml)")
    chart.SetXAxisTitle("HU")
    chart.SetYAxisTitle("voxels")
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(low, high)
    chart.SetLegendVisibility(True)
    return chart


def _decision_color(decision: str) -> tuple[float, float, float]:
    from LiverPlannerLib.structures import structure

    if decision == "undecided":
        return (0.45, 0.45, 0.45)
    red, green, blue = structure(decision).color
    return (0.75 * red, 0.75 * green, 0.75 * blue)  # darker, to be seen on white


def _curves(node: Any, region: CystRegion) -> dict[str, np.ndarray]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    table = node.GetNodeReference(HISTOGRAMS).GetTable()
    values = {"hu": vtk_to_numpy(table.GetColumnByName("hu"))}
    for name in ("counts", "core", "smoothed"):
        values[name] = vtk_to_numpy(table.GetColumnByName(f"{name}_{region.id}"))
    values["fit"] = region.peak * np.exp(-((values["hu"] - region.fit_mean) ** 2) / (2 * region.fit_sd**2))
    return values


def _window(values: dict[str, np.ndarray], threshold: float) -> tuple[float, float]:
    """The part of the axis that holds 99.8 % of the voxels, and the threshold."""
    share = np.cumsum(values["counts"]) / max(values["counts"].sum(), 1)
    low, high = (float(values["hu"][np.searchsorted(share, q)]) for q in (0.001, 0.999))
    low, high = min(low, threshold), max(high, threshold)
    margin = 0.12 * (high - low) + 5
    return low - margin, high + margin


def _write_curves(
    node: Any, chart: Any, values: dict[str, np.ndarray], low: float, high: float, threshold: float
) -> None:
    scene = node.GetScene()
    inside = (values["hu"] >= low) & (values["hu"] <= high)
    columns = [Column(key, key) for key in values]
    rows = [dict(zip(values, row, strict=True)) for row in np.stack([v[inside] for v in values.values()], 1).tolist()]
    write_table(scene, chart.GetNthPlotSeriesNode(0).GetTableNode(), f"{node.GetName()} curves", columns, rows)
    top = float(max(values["counts"][inside].max(initial=1), values["fit"][inside].max(initial=1)))
    line = [{"hu": threshold, "threshold": 0.0}, {"hu": threshold, "threshold": 1.05 * top}]
    columns = [Column("hu", "hu"), Column("threshold", "threshold")]
    last = chart.GetNthPlotSeriesNode(len(_SERIES) - 1)
    write_table(scene, last.GetTableNode(), f"{node.GetName()} threshold", columns, line)


def _new_chart(node: Any) -> Any:
    scene = node.GetScene()
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{node.GetName()} histogram")
    tables = [scene.AddNewNodeByClass("vtkMRMLTableNode", f"{node.GetName()} {what}") for what in ("curves", "line")]
    for table in tables:
        table.SetHideFromEditors(True)
    for column, title, color, width, dashed in _SERIES:
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
        series.SetHideFromEditors(True)
        series.SetAndObserveTableNodeID(tables[column == "threshold"].GetID())
        series.SetXColumnName("hu")
        series.SetYColumnName(column)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineStyle(series.LineStyleDash if dashed else series.LineStyleSolid)
        series.SetLineWidth(width)
        series.SetColor(*color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    node.SetNodeReferenceID(CHART, chart.GetID())
    return chart
