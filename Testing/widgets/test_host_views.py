"""Slice, 3D, plot and table views of the host show what is in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def volume_of(host: Any, array: np.ndarray, name: str = "CT") -> Any:
    import slicer

    node = slicer.util.addVolumeFromArray(array, name=name)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.mark.usefixtures("pictures_possible")
def test_slices_show_a_volume(host: Any, tmp_path: Path) -> None:
    import slicer
    from PySide6.QtGui import QImage

    volume = volume_of(host, np.full((20, 10, 40), 100, np.int16))
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(100, 60)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    picture = QImage(str(host.photograph("slices", tmp_path / "slices.png", size=(200, 200))))
    middle, corner = picture.pixelColor(100, 122), picture.pixelColor(2, 220)
    assert middle.red() > 200
    assert corner.red() < 50


@pytest.mark.usefixtures("pictures_possible")
def test_three_d_shows_a_model_and_each_view_its_node(host: Any) -> None:
    import slicer
    import vtk

    source = vtk.vtkSphereSource()
    source.SetRadius(50)
    source.Update()
    model = slicer.modules.models.logic().AddModel(source.GetOutput())
    model.GetDisplayNode().SetColor(1, 0, 0)
    view = host.app.layoutManager().threeDWidget(0).threeDView()
    assert view.mrmlViewNode().GetID() == "vtkMRMLViewNode1"
    view.resetFocalPoint()
    pixels = view.picture((200, 160)).astype(int)
    red = (pixels[..., 0] > 100) & (pixels[..., 1] < 90)
    assert red.mean() > 0.1


def test_a_layout_with_two_3d_views_has_two(host: Any) -> None:
    import slicer

    manager = host.app.layoutManager()
    told = []
    manager.connect("layoutChanged(int)", told.append)
    assert manager.threeDViewCount == 1
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutDual3DView)
    assert manager.threeDViewCount == 2
    assert manager.threeDWidget(1).mrmlViewNode().GetID() == "vtkMRMLViewNode2"
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    assert manager.threeDViewCount == 2  # kept, though not shown
    assert not manager.threeDWidget(1).mrmlViewNode().IsMappedInLayout()
    assert told == [slicer.vtkMRMLLayoutNode.SlicerLayoutDual3DView, slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView]


def test_a_layout_of_ones_own_must_be_described_first(host: Any) -> None:
    manager = host.app.layoutManager()
    with pytest.raises(ValueError):
        manager.setLayout(501)
    xml = '<layout type="vertical"><item><view class="vtkMRMLSliceNode" singletontag="Red"/></item></layout>'
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(501, xml)
    manager.setLayout(501)
    assert manager.layout == 501


def _show_chart(host: Any) -> Any:
    """A blue line of three points in the layout."""
    import slicer

    table = host.scene.AddNewNodeByClass("vtkMRMLTableNode", "histogram")
    slicer.util.updateTableFromArray(table, np.array([[0.0, 1.0], [1.0, 4.0], [2.0, 2.0]]), ["x", "y"])
    series = host.scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "count")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetColor(0, 0, 1)
    chart = host.scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    return chart


@pytest.mark.usefixtures("pictures_possible")
def test_plots_are_drawn_in_the_plot_view(host: Any, tmp_path: Path) -> None:
    from PySide6.QtGui import QImage

    chart = _show_chart(host)
    view = host.app.layoutManager().plotWidget(0).plotView()
    assert view.mrmlPlotViewNode().GetPlotChartNode() is chart
    picture = QImage(str(host.photograph(view, tmp_path / "plot.png", width=300, height=200)))
    blue = sum(
        picture.pixelColor(x, y).blue() > 150 > picture.pixelColor(x, y).red() + 60
        for x in range(picture.width())
        for y in range(picture.height())
    )
    assert blue > 30


@pytest.mark.usefixtures("pictures_possible")
def test_all_views_are_photographed_with_a_chart_of_fixed_range_in_the_layout(host: Any, tmp_path: Path) -> None:
    from PySide6.QtGui import QImage

    chart = _show_chart(host)
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.5, 1.5)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 5.0)
    picture = QImage(str(host.photograph("all", tmp_path / "all.png", size=(200, 150))))
    assert picture.width() >= 2 * 200
    assert picture.height() >= 3 * 150


def test_tables_show_their_node_and_are_copied(host: Any) -> None:
    import qt
    import slicer

    table = host.scene.AddNewNodeByClass("vtkMRMLTableNode", "volumes")
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    slicer.util.updateTableFromArray(table, np.array([[1.5, 2.0]]), ["liver", "tumor"])
    assert view.model().columnCount() == 2
    view.selectAll()
    view.copySelection()
    assert qt.QApplication.clipboard().text() == "1.5\t2"


def test_place_mode_is_on_for_one_markups_node(host: Any) -> None:
    import slicer

    widget, told = slicer.qSlicerMarkupsPlaceWidget(), []
    widget.connect("activeMarkupsPlaceModeChanged(bool)", told.append)
    widget.setMRMLScene(host.scene)
    curve = host.scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "cut")
    with pytest.raises(RuntimeError):
        widget.setPlaceModeEnabled(True)
    widget.setCurrentNode(curve)
    widget.setPlaceModeEnabled(True)
    interaction = host.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert host.app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID() == curve.GetID()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)  # as a right click does
    assert not widget.placeModeEnabled
    assert told == [True, False]


def test_views_rest_while_a_slot_works_and_draw_one_after_another_then(host: Any) -> None:
    from PreopReviewLib.panels.resting_views import resting_views

    manager = host.app.layoutManager()
    views = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    with pytest.raises(RuntimeError), resting_views():
        with resting_views():
            assert all(view.isRenderPaused() for view in views)
        raise RuntimeError
    assert any(view.isRenderPaused() for view in views), "they draw between events, not in the slot"
    host.wait_until(lambda: not any(view.isRenderPaused() for view in views), 5)


@pytest.mark.usefixtures("pictures_possible")
def test_a_view_that_has_rested_draws_before_the_mouse_does_something_in_it(host: Any) -> None:
    from PreopReviewLib.panels.resting_views import resting_views

    view = host.app.layoutManager().threeDWidget(0).threeDView()
    drawn: list[str] = []
    view.renderWindow().AddObserver("EndEvent", lambda *_args: drawn.append("drawn"))
    mouse = view.interactor()
    mouse.AddObserver("MouseMoveEvent", lambda *_args: drawn.append("moved"))
    with resting_views():
        pass
    for _n in range(2):
        mouse.InvokeEvent("MouseMoveEvent")
    assert drawn == ["drawn", "moved", "moved"]
