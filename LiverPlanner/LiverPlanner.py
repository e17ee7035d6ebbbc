"""LiverPlanner: from one CT or MRI to coded liver structures, volumes, remnant, margins, comparison and report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from PreopReviewLib.panels.module_widget import LaterSection, SectionsWidget

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


class LiverPlannerWidget(SectionsWidget):
    """The panel; what a section does is in its own class."""

    shell = "LiverPlanner.ui"
    imports_ahead = ("LiverPlannerLib.scene.segments", "LiverPlannerLib.plan.parts")

    def make_logic(self) -> Any:
        """The module's logic."""
        return LiverPlannerLogic()

    def section_classes(self) -> Sequence[type | LaterSection]:
        """Segment, Cysts, Correct, Measure, Compare, 3D, Ground truth, Report."""
        from LiverPlannerLib.panels import section_classes

        return section_classes()


class LiverPlannerLogic(ScriptedLoadableModuleLogic):
    """The module without its panel; for scripts, tests and batch runs. Opens no dialog."""

    def getParameterNode(self) -> Any:
        """The scene's parameters."""
        from LiverPlannerLib.panels.parameters import LiverPlannerParameters

        return LiverPlannerParameters(super().getParameterNode())

    def plan(
        self, volume: vtkMRMLScalarVolumeNode, options: Any = None, progress: Any = None, liver: Any = None
    ) -> Any:
        """Segments a volume in this process and puts the plan into the scene.

        Args:
            volume: CT or MRI.
            options: `LiverPlannerLib.plan.pipeline.PlanOptions`.
            progress: called with fraction and words.
            liver: segmentation node whose liver is kept; None finds it with the model.

        Returns:
            `LiverPlannerLib.scene.plan.PlanNodes`.

        Raises:
            PreopError: as checking, computing and showing raise it.
        """
        from LiverPlannerLib.scene import plan as scene_plan

        return scene_plan.plan_volume(volume, options, progress, liver)


class LiverPlannerTest(ScriptedLoadableModuleTest):
    """What the button Reload and Test runs: the self-test of Testing/Python, where it exists."""

    def runTest(self, **_kwargs: Any) -> None:
        """Runs the self-test; an installed extension has no Testing folder and says so."""
        import sys
        from importlib import import_module
        from pathlib import Path

        folder = Path(slicer.util.modulePath("LiverPlanner")).parent / "Testing" / "Python"
        if not (folder / "LiverPlannerSelfTest.py").is_file():
            self.delayDisplay(_("The self-test is in the source code of the extension"))
            return
        sys.path.insert(0, str(folder))
        try:
            import_module("LiverPlannerSelfTest").LiverPlannerSelfTest().runTest()
        finally:
            sys.path.remove(str(folder))
