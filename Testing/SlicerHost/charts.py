"""Pictures of plot chart nodes, by VTK's charts off-screen."""

from __future__ import annotations

from typing import Any

from PySide6 import QtGui


def draw(chart_node: Any, size: tuple[int, int]) -> QtGui.QImage:
    """The chart with its series, titles, ranges and legend as the nodes say."""
    import vtk

    from PreopReviewLib.scene import views

    view = vtk.vtkContextView()
    window = views._render_window()
    view.SetRenderWindow(window)
    window.SetSize(*size)
    view.GetRenderer().SetBackground(1.0, 1.0, 1.0)
    chart = vtk.vtkChartXY()
    view.GetScene().AddItem(chart)
    for index in range(chart_node.GetNumberOfPlotSeriesNodes()):
        _add_series(chart, chart_node.GetNthPlotSeriesNode(index))
    _describe(chart, chart_node)
    window.Render()
    image = _grab(window)
    window.Finalize()
    return image


def _add_series(chart: Any, series: Any) -> None:
    import vtk

    table_node = series.GetTableNode() if series is not None else None
    if table_node is None or not series.GetYColumnName():
        return
    table = table_node.GetTable()
    kinds = {
        series.PlotTypeBar: vtk.vtkChart.BAR,
        series.PlotTypeScatterBar: vtk.vtkChart.BAR,
        series.PlotTypeScatter: vtk.vtkChart.POINTS,
        series.PlotTypeLine: vtk.vtkChart.LINE,
    }
    plot = chart.AddPlot(kinds[series.GetPlotType()])
    if series.GetXColumnName() and series.GetPlotType() != series.PlotTypeLine:
        plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
    else:
        plot.SetInputData(table, "", series.GetYColumnName())
        plot.SetUseIndexForXSeries(True)
    plot.SetLabel(series.GetName())
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(series.GetLineWidth())
    if series.GetPlotType() == series.PlotTypeScatter and series.GetLineStyle() != series.LineStyleNone:
        _add_line(chart, table, series)


def _add_line(chart: Any, table: Any, series: Any) -> None:
    import vtk

    line = chart.AddPlot(vtk.vtkChart.LINE)
    line.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
    line.SetColorF(*series.GetColor())
    line.SetWidth(series.GetLineWidth())
    line.SetLabel("")


def _describe(chart: Any, node: Any) -> None:
    import vtk

    if node.GetTitleVisibility() and node.GetTitle():
        chart.SetTitle(node.GetTitle())
    chart.SetShowLegend(bool(node.GetLegendVisibility()))
    left, bottom = chart.GetAxis(vtk.vtkAxis.LEFT), chart.GetAxis(vtk.vtkAxis.BOTTOM)
    for axis, title in ((left, node.GetYAxisTitle()), (bottom, node.GetXAxisTitle())):
        axis.SetTitle(title or "")
        axis.SetGridVisible(bool(node.GetGridVisibility()))
    for axis, automatic, get in (
        (bottom, node.GetXAxisRangeAuto(), node.GetXAxisRange),
        (left, node.GetYAxisRangeAuto(), node.GetYAxisRange),
    ):
        if not automatic:
            axis.SetRange(*get())
            axis.SetBehavior(vtk.vtkAxis.FIXED)


def _grab(window: Any) -> QtGui.QImage:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    from .views import to_image

    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _ = image.GetDimensions()
    return to_image(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3])
