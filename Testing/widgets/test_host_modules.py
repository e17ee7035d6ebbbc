"""The host opens, drives, closes and photographs a scripted module as Slicer does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from SlicerHost import SlicerHost
from SlicerHost.host import ErrorInSlot

SAMPLES = Path(__file__).parent / "sample_module"


@pytest.fixture
def host() -> Iterator[Any]:
    with SlicerHost((SAMPLES,)) as opened:
        yield opened


def add_volume(host: Any, name: str = "CT") -> Any:
    return host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_a_module_is_set_up_once_and_entered_left_and_cleaned_up(host: Any) -> None:
    widget = host.open_module("HostSample")
    host.leave_module()
    assert host.open_module("HostSample") is widget
    assert widget.calls == ["setup", "enter", "exit", "enter"]
    host.app.moduleManager().unload_all()
    assert widget.calls[-1] == "cleanup"


def test_start_up_is_told_once_per_host(host: Any) -> None:
    import slicer

    host.open_module("HostSample")
    host.leave_module()
    host.open_module("HostSample")
    assert slicer.modules.HostSampleInstance.start_ups == 1


def test_slicer_util_finds_the_module(host: Any) -> None:
    import slicer

    widget = host.open_module("HostSample")
    assert slicer.util.getModuleWidget("HostSample") is widget
    assert slicer.util.getModuleLogic("HostSample") is widget.logic
    assert slicer.util.modulePath("HostSample").endswith("HostSample.py")
    assert slicer.util.selectedModule() == "HostSample"
    assert slicer.modules.hostsample.title == "Host Sample"


def test_only_selectors_connected_in_the_ui_file_have_a_scene(host: Any) -> None:
    widget = host.open_module("HostSample")
    assert widget.ui.inputSelector.mrmlScene() is host.scene
    assert widget.ui.forgottenSelector.mrmlScene() is None


def test_an_error_in_a_slot_is_raised_by_the_click(host: Any) -> None:
    widget = host.open_module("HostSample")
    host.type_text(widget.ui.nameEdit, "wrong")
    with pytest.raises(ErrorInSlot, match="a wrong name"):
        host.click(widget.ui.applyButton)


def test_what_is_off_cannot_be_clicked(host: Any) -> None:
    widget = host.open_module("HostSample")
    widget.ui.applyButton.enabled = False
    widget.ui.applyButton.toolTip = "Choose a volume first."
    with pytest.raises(AssertionError, match="Choose a volume first"):
        host.click(widget.ui.applyButton)


def test_sections_and_tabs_are_opened_first_and_counted(host: Any) -> None:
    import ctk
    import qt

    section, tabs, page = ctk.ctkCollapsibleButton(), qt.QTabWidget(), qt.QWidget()
    qt.QVBoxLayout(section).addWidget(tabs)
    tabs.addTab(qt.QWidget(), "first")
    tabs.addTab(page, "second")
    button = qt.QPushButton("Apply")
    qt.QVBoxLayout(page).addWidget(button)
    section.collapsed = True
    host.click(button)
    assert (host.clicks, section.collapsed, tabs.currentIndex) == (3, False, 1)
    host.click(button)
    assert host.clicks == 4
    button.hide()
    with pytest.raises(AssertionError, match="hidden"):
        host.click(button)


def test_widgets_and_parameters_follow_each_other(host: Any) -> None:
    widget = host.open_module("HostSample")
    volume = add_volume(host)
    host.choose(widget.ui.inputSelector, volume)
    host.type_text(widget.ui.thresholdSlider, "60")
    host.choose(widget.ui.sideCombo, "LEFT")
    host.type_text(widget.ui.folderEdit, "/elsewhere")
    parameters = widget.parameters
    assert parameters.inputVolume is volume
    assert parameters.threshold == 60
    assert parameters.side.name == "LEFT"
    assert parameters.folder == Path("/elsewhere")
    parameters.height, parameters.enabled, parameters.device = 181.5, False, "cpu"
    assert widget.ui.heightSpinBox.value == 181.5
    assert not widget.ui.enabledCheckBox.checked
    assert widget.ui.deviceCombo.currentText == "cpu"


def test_closing_the_scene_gives_fresh_parameters(host: Any) -> None:
    widget = host.open_module("HostSample")
    host.choose(widget.ui.inputSelector, add_volume(host))
    widget.parameters.threshold = 99.0
    host.close_scene()
    assert widget.parameters.inputVolume is None
    assert widget.parameters.threshold == 45
    assert widget.ui.thresholdSlider.value == 45


def test_parameters_survive_saving_closing_and_loading(host: Any, tmp_path: Path) -> None:
    widget = host.open_module("HostSample")
    widget.parameters.threshold, widget.parameters.marks = 12.5, [1.0, 2.5]
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    widget.parameters.models = [model]
    path = host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert widget.parameters.threshold == 45
    host.load_scene(path)
    assert widget.logic.getParameterNode().threshold == 12.5
    assert widget.logic.getParameterNode().marks == [1.0, 2.5]
    assert [m.GetName() for m in widget.logic.getParameterNode().models] == ["surface"]


def test_a_reloaded_module_has_a_new_panel(host: Any) -> None:
    widget = host.open_module("HostSample")
    again = host.reload_module("HostSample")
    assert again is not widget
    assert widget.calls[-1] == "cleanup"
    assert again.calls[0] == "setup"


def test_the_self_test_runs(host: Any) -> None:
    import slicer

    host.open_module("HostSample")
    slicer.selfTests["HostSample"]()
    import HostSample

    assert HostSample.HostSampleTest.ran == 1


def test_an_unknown_module_field_is_refused(host: Any) -> None:
    module = host.load_module("HostSample")
    with pytest.raises(AttributeError):
        module.catagories = []


@pytest.mark.usefixtures("pictures_possible")
def test_the_panel_and_the_views_are_photographed(host: Any, tmp_path: Path) -> None:
    from PySide6.QtGui import QImage

    widget = host.open_module("HostSample")
    panel = QImage(str(host.photograph(widget, tmp_path / "panel.png")))
    assert panel.width() == 460
    assert len({panel.pixel(x, 34) for x in range(40, 200)}) > 10  # the words of the collapsible button
    everything = QImage(str(host.photograph("all", tmp_path / "all.png")))
    assert everything.width() > 2 * 560
    three_d = QImage(str(host.photograph("3d", tmp_path / "3d.png")))
    assert three_d.pixelColor(10, 10).blue() > three_d.pixelColor(10, 10).red()


def test_a_panel_that_is_gone_is_not_scrolled(host: Any) -> None:
    """An error in the timer's slot fails the test when the host closes."""
    import qt
    from shiboken6 import delete

    from PreopReviewLib.panels.module_widget import SETTLED_MS, scroll_soon

    table = qt.QTableWidget(2, 2)
    scroll_soon(table)
    delete(table)
    host.process_events(4 * SETTLED_MS / 1000)
