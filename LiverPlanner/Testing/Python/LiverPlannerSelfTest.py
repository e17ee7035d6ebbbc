"""Self-test of LiverPlanner, in Slicer's form: `Slicer --testing` runs it, and so does the test host.

It makes its own image, from our phantom where torch is there, and else a simple one; it needs no model but the one
that is shipped, and no network.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

SECONDS = 300.0


class LiverPlannerSelfTest(ScriptedLoadableModuleTest):
    """Opens the module, plans on a small CT, finds cysts, changes the look, exports, closes the scene."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """All of it."""
        self.setUp()
        self.test_panel_without_a_run()
        self.setUp()
        self.test_plan_in_the_panel()

    def test_panel_without_a_run(self) -> None:
        """A drawn plan: cysts, looks and export, without any network."""
        volume, labels = make_ct()
        widget = self.opened()
        nodes = add_drawn_plan(volume, labels)
        parameters = widget.context.parameters
        parameters.inputVolume, parameters.segmentation = volume, nodes.segmentation
        parameters.modelOutput = nodes.model_output
        cysts = widget.open_section("CystsSection")
        assert cysts.disabled_reason() == ""
        cysts.ui.findButton.click()
        self.wait(widget)
        assert cysts.ui.regionTable.rowCount >= 2
        cysts.ui.applyCystsButton.click()
        assert nodes.segmentation.GetSegmentation().GetSegment("cyst") is not None
        cysts.ui.revertCystsButton.click()
        three_d = widget.open_section("ThreeDSection")
        three_d.ui.vesselsButton.click()
        opacity = nodes.segmentation.GetDisplayNode().GetSegmentOpacity3D("liver")
        assert abs(opacity - 0.12) < 1e-3
        three_d.ui.modelsButton.click()
        assert slicer.mrmlScene.GetFirstNodeByName("Liver") is not None
        slicer.mrmlScene.Clear()
        assert widget.context.parameters.inputVolume is None
        self.delayDisplay("The panel works without a run")

    def test_plan_in_the_panel(self) -> None:
        """One click from a volume to a plan, by the model that is shipped; skipped where torch is not installed."""
        import importlib.util

        if importlib.util.find_spec("torch") is None:
            self.delayDisplay("torch is not installed: the plan is not tested")
            return
        volume, labels = make_ct()
        widget = self.opened()
        drawn = add_drawn_plan(volume, labels)
        parameters = widget.context.parameters
        parameters.inputVolume, parameters.liverSource, parameters.lesions = volume, drawn.segmentation, False
        segment = widget.open_section("SegmentSection")
        assert segment.ui.applyButton.enabled, segment.ui.applyButton.toolTip
        segment.ui.applyButton.click()
        assert widget.context.busy
        self.wait(widget)
        assert parameters.segmentation is not None
        assert parameters.segmentation.GetSegmentation().GetSegment("liver") is not None
        assert "ml" in segment.ui.messageLabel.text
        self.delayDisplay("A plan was made")

    def opened(self) -> Any:
        """The module's panel."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule("LiverPlanner")
        return slicer.modules.liverplanner.widgetRepresentation().self()

    def wait(self, widget: Any) -> None:
        """Until no job runs."""
        end = time.monotonic() + SECONDS
        while widget.context.busy:
            assert time.monotonic() < end, "the job takes too long"
            slicer.app.processEvents()
            time.sleep(0.01)


def make_ct() -> tuple[Any, np.ndarray]:
    """A volume node with a liver of 80 ml, a tumor, a cyst and a vessel in air, and its labels (K, J, I)."""
    k, j, i = np.mgrid[:36, :44, :48]
    labels = np.zeros(k.shape, np.uint8)
    labels[((k - 18) / 15) ** 2 + ((j - 22) / 18) ** 2 + ((i - 24) / 20) ** 2 < 1] = 1
    labels[(k - 14) ** 2 + (j - 20) ** 2 + (i - 18) ** 2 < 30] = 2
    labels[(k - 22) ** 2 + (j - 24) ** 2 + (i - 32) ** 2 < 30] = 2
    cyst = (labels == 2) & (i > 25)
    labels[(abs(j - 30) < 2) & (abs(k - 18) < 2) & (labels == 1)] = 4
    values = np.array([-1000, 110, 75, 8, 160])[labels].astype(float)
    values[cyst] = 8
    values += np.random.default_rng(0).normal(0, 6, values.shape)
    volume = slicer.util.addVolumeFromArray(values.astype(np.int16), np.diag([2.0, 2.0, 2.5, 1.0]), "Self-test CT")
    volume.CreateDefaultDisplayNodes()
    return volume, labels


def add_drawn_plan(volume: Any, labels: np.ndarray) -> Any:
    """The labels as a plan of the volume."""
    import SimpleITK as sitk

    from LiverPlannerLib.plan.parts import parts_of
    from LiverPlannerLib.scene import plan as scene_plan
    from PreopReviewLib.scene import inputs

    image = sitk.GetImageFromArray(labels)
    geometry = inputs.world_geometry(volume)
    image.SetSpacing(geometry["spacing"])
    image.SetDirection(geometry["direction"])
    image.SetOrigin(geometry["origin"])
    return scene_plan.add_plan(volume, list(parts_of(image, surfaces=False)), {"modality": "CT"})
