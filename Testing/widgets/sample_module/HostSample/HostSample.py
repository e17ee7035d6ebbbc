"""A small scripted module, written for Slicer, by which the host itself is tested."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


class HostSample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Host Sample")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        slicer.app.connect("startupCompleted()", self.started)
        self.start_ups = 0

    def started(self):
        self.start_ups += 1


@parameterNodeWrapper
class HostSampleParameters:
    inputVolume: vtkMRMLScalarVolumeNode
    models: list[vtkMRMLModelNode]
    threshold: Annotated[float, WithinRange(-10, 200)] = 45.0
    count: Annotated[int, Minimum(0)] = 3
    name: str = "liver"
    enabled: bool = True
    device: Annotated[str, Choice(["auto", "cpu"])] = "auto"
    side: Side = Side.RIGHT
    folder: Path = Path("somewhere")
    marks: list[float]
    height: Annotated[float, Default(170.0)]


class HostSampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.calls = []
        self.parameters = None
        self.tag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/HostSample.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = HostSampleLogic()
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, lambda *_args: self.follow(None))
        self.addObserver(scene, scene.EndCloseEvent, lambda *_args: self.follow(self.logic.getParameterNode()))
        self.calls.append("setup")
        self.follow(self.logic.getParameterNode())

    def follow(self, node):
        if self.parameters is not None:
            self.parameters.disconnectGui(self.tag)
        self.parameters = node
        if node is not None:
            self.tag = node.connectGui(self.ui)

    def onApply(self, *_args):
        self.calls.append("apply")
        if self.parameters.name == "wrong":
            raise ValueError("a wrong name")

    def enter(self):
        self.calls.append("enter")

    def exit(self):
        self.calls.append("exit")

    def cleanup(self):
        self.calls.append("cleanup")
        self.removeObservers()
        self.follow(None)


class HostSampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return HostSampleParameters(super().getParameterNode())


class HostSampleTest(ScriptedLoadableModuleTest):
    ran = 0

    def test_one(self):
        HostSampleTest.ran += 1
