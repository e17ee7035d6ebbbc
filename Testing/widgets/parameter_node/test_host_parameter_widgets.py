"""Widgets bound to parameters, both ways.

With SLICER_PYTHON_DIR naming a folder Base/Python of Slicer this file tests Slicer's implementation, which is how it
is known that the host's behaves the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from parameter_case import Side

pytestmark = pytest.mark.usefixtures("host")


def test_widgets_show_and_change_parameters(parameters: Any) -> None:
    import ctk
    import qt
    import slicer

    widgets = {
        "count": qt.QSpinBox(),
        "factor": qt.QDoubleSpinBox(),
        "name": qt.QLineEdit(),
        "on": qt.QCheckBox(),
        "folder": ctk.ctkPathLineEdit(),
        "side": qt.QComboBox(),
        "device": ctk.ctkComboBox(),
        "bounded": ctk.ctkSliderWidget(),
        "volume": slicer.qMRMLNodeComboBox(),
    }
    parameters.connectParametersToGui(widgets)
    assert widgets["factor"].value == 0.5
    assert widgets["folder"].currentPath == str(Path("a/b"))
    assert widgets["side"].currentText == "RIGHT"
    assert (widgets["bounded"].minimum, widgets["bounded"].maximum) == (0, 10)
    assert tuple(widgets["volume"].nodeTypes) == ("vtkMRMLScalarVolumeNode",)
    widgets["count"].value = 12
    widgets["on"].checked = False
    widgets["side"].currentIndex = 0
    widgets["bounded"].value = 7.5
    widgets["name"].text = "tumor"
    assert (parameters.count, parameters.on, parameters.side) == (12, False, Side.LEFT)
    assert (parameters.bounded, parameters.name) == (7.5, "tumor")
    parameters.device = "cpu"
    assert widgets["device"].currentText == "cpu"


def test_a_form_is_bound_by_its_dynamic_properties(parameters: Any) -> None:
    import qt

    form = qt.QWidget()
    layout = qt.QVBoxLayout(form)
    named, unnamed = qt.QLineEdit(), qt.QLineEdit()
    named.setProperty("SlicerParameterName", "name")
    for widget in (named, unnamed):
        layout.addWidget(widget)
    parameters.connectGui(form)
    assert (named.text, unnamed.text) == ("liver", "")


def test_a_disconnected_form_no_longer_follows(parameters: Any) -> None:
    import qt

    edit = qt.QLineEdit()
    tag = parameters.connectParametersToGui({"name": edit})
    parameters.disconnectGui(tag)
    parameters.name = "tumor"
    assert edit.text == "liver"
    edit.text = "duct"
    assert parameters.name == "tumor"


def test_a_node_selector_follows_both_ways(parameters: Any, host: Any) -> None:
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(host.scene)
    parameters.connectParametersToGui({"volume": selector})
    one, two = (host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", n) for n in ("one", "two"))
    selector.setCurrentNode(two)
    assert parameters.volume is two
    parameters.volume = one
    assert selector.currentNode() is one
    host.scene.RemoveNode(one)
    assert parameters.volume is None
    assert selector.currentNode() is None


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("factor", "ctk.ctkSliderWidget"),  # without limits
        ("name", "qt.QComboBox"),  # without Choice
        ("on", "qt.QLineEdit"),
        ("on", "ctk.ctkMenuButton"),  # a subclass of what would do
        ("marks", "qt.QLineEdit"),
    ],
)
def test_a_widget_that_cannot_show_a_parameter_is_refused(parameters: Any, name: str, make: str) -> None:
    import ctk
    import qt

    widget = eval(make, {"qt": qt, "ctk": ctk})()
    with pytest.raises(RuntimeError):
        parameters.connectParametersToGui({name: widget})


def test_an_unknown_parameter_cannot_be_bound(parameters: Any) -> None:
    import qt

    with pytest.raises(ValueError, match="nonsense"):
        parameters.connectParametersToGui({"nonsense": qt.QLineEdit()})
