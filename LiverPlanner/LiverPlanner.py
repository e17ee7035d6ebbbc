"""LiverPlanner: from one CT or MRI to coded liver structures, volumes, remnant, margins, comparison and report."""

from __future__ import annotations

from typing import Any

import ctk
import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin
from vtkmodules.vtkCommonCore import vtkCommand

SAMPLES = "LiverPlanner"


class LiverPlanner(ScriptedLoadableModule):
    """What Slicer asks about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Liver Planner")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["PreopReview"]
        parent.contributors = ["PreopReview developers"]
        parent.helpText = _(
            "<p>From one CT or MRI to liver, lesions, vessels and bile duct, with volumes, remnant, margins, "
            "comparison and report.</p>"
            "<p><b>In three clicks:</b> load a volume, open this module, press <i>Apply</i>. Everything after that is "
            "optional: each section below works on the segmentation you have.</p>"
            "<p>The liver and the lesions come from models trained on patients; vessels, bile duct and cysts from one "
            "trained on simulated images only. Look at each result before you use it. "
            "<b>Not for clinical use.</b></p>"
        )
        parent.acknowledgementText = _(
            "Liver and lesion models: KU Leuven (pyliverlesionseg, Apache-2.0). Cyst filter after Lin et al. 2024."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)


def register_sample_data() -> None:
    """Adds our samples to the Sample Data module."""
    from LiverPlannerLib.panels.samples import register

    register(SAMPLES)


class LiverPlannerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: makes the sections and tells them about the scene; what a section does is in its own class.

    Attributes:
        context: what the sections share.
        sections: in the order of the panel.
    """

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: LiverPlannerLogic | None = None
        self.context: Any = None
        self.sections: list[Any] = []
        self._observed: tuple[Any, int] | None = None
        self._refreshing = False

    def setup(self) -> None:
        """Builds the panel; called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from LiverPlannerLib.panels import section_classes
        from PreopReviewLib.panels.context import Context

        shell = slicer.util.loadUI(self.resourcePath("UI/LiverPlanner.ui"))
        self.layout.addWidget(shell)
        self.ui = slicer.util.childWidgetVariables(shell)
        shell.setMRMLScene(slicer.mrmlScene)
        self.logic = LiverPlannerLogic()
        self.context = Context(self.resourcePath)
        self.context.observers.append(lambda _topic: self.refresh())
        for kind in section_classes():
            self._add_section(kind(self.context))
        self.layout.addStretch(1)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def _add_section(self, section: Any) -> None:
        button = ctk.ctkCollapsibleButton()
        button.text = section.title
        button.name = type(section).__name__ + "Button"
        box = qt.QVBoxLayout(button)
        box.setContentsMargins(6, 4, 6, 6)
        box.addWidget(section.widget)
        button.collapsed = section.collapsed
        self.ui.sectionsLayoutWidget.layout().addWidget(button)
        section.button = button
        section.connect()
        self.sections.append(section)

    def cleanup(self) -> None:
        """Lets go of everything; called when the module is unloaded or reloaded."""
        self.removeObservers()
        self.setParameterNode(None)
        for section in self.sections:
            section.cleanup()
        if self.context is not None:
            self.context.close()

    def enter(self) -> None:
        """The module is opened."""
        self.initializeParameterNode()
        for section in self.sections:
            section.enter()

    def exit(self) -> None:
        """The module is left; a running job goes on."""
        for section in self.sections:
            section.exit()

    def onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        """The scene is being closed: a job that runs for it is of no use any more."""
        self.context.abandon_job()
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        """The scene is empty, or another one has been loaded."""
        self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Takes the scene's parameter node, and the first volume where none is chosen."""
        if self.logic is None or slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        self.setParameterNode(self.logic.getParameterNode())
        parameters = self.context.parameters
        if parameters.inputVolume is None:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first is not None and first.GetClassName() == "vtkMRMLScalarVolumeNode":
                parameters.inputVolume = first

    def setParameterNode(self, node: Any | None) -> None:
        """Makes the panel follow a parameter node, or none."""
        if self._observed is not None:
            observed, tag = self._observed
            observed.RemoveObserver(tag)
            self._observed = None
        self.context.parameters = node
        self._refreshing = True  # binding writes into widgets; one refresh at the end is enough
        try:
            for section in self.sections:
                section.bind(node)
        finally:
            self._refreshing = False
        if node is not None:
            self._observed = (node, node.AddObserver(vtkCommand.ModifiedEvent, lambda *_args: self.refresh()))
            self.refresh()

    def refresh(self) -> None:
        """Lets every section show what the scene holds now."""
        if self._refreshing or self.context.parameters is None:
            return
        self._refreshing = True
        try:
            for section in self.sections:
                section.refresh()
        finally:
            self._refreshing = False


class LiverPlannerLogic(ScriptedLoadableModuleLogic):
    """The module without its panel; for scripts, tests and batch runs. Opens no dialog."""

    def getParameterNode(self) -> Any:
        """The scene's parameters."""
        from LiverPlannerLib.panels.parameters import LiverPlannerParameters

        return LiverPlannerParameters(super().getParameterNode())

    def plan(self, volume: vtkMRMLScalarVolumeNode, options: Any = None, progress: Any = None) -> Any:
        """Segments a volume in this process and puts the plan into the scene.

        Args:
            volume: CT or MRI.
            options: `LiverPlannerLib.plan.PlanOptions`.
            progress: called with fraction and words.

        Returns:
            `LiverPlannerLib.scene_plan.PlanNodes`.

        Raises:
            PreopError: as checking, computing and showing raise it.
        """
        from LiverPlannerLib import scene_plan

        return scene_plan.plan_volume(volume, options, progress)


class LiverPlannerTest(ScriptedLoadableModuleTest):
    """The self-test of the module, in its own file."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Runs the tests of Testing/Python."""
        import unittest
        from pathlib import Path

        folder = Path(slicer.util.modulePath("LiverPlanner")).parent / "Testing" / "Python"
        suite = unittest.defaultTestLoader.discover(str(folder), pattern="LiverPlannerSelfTest.py")
        outcome = unittest.TextTestRunner().run(suite)
        if not outcome.wasSuccessful() or outcome.testsRun == 0:
            raise AssertionError(f"LiverPlanner: {len(outcome.failures) + len(outcome.errors)} tests failed")
