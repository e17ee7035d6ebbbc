"""RotatorCuffCAM: class of a rotator cuff tear from a shoulder MRI, its 3D activation map, and the reader study."""

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

from PreopReviewLib.panels.module_widget import SectionsWidget


class RotatorCuffCAM(ScriptedLoadableModule):
    """What Slicer asks about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Rotator Cuff CAM")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["PreopReview"]
        parent.contributors = ["PreopReview developers"]
        parent.helpText = _(
            "<p>Class of a rotator cuff tear (none, partial, small, medium, large to massive) from a coronal shoulder "
            "MRI, and a 3D class activation map, after Shim et al. 2020; and the reader study with "
            "which such a network is compared with people.</p>"
            "<p><b>The model that comes with it has seen synthetic shoulders only. It is a demonstration and must "
            "not be used on patients.</b> The module is ready for weights of those who have labeled MRI: "
            "<i>preop cuff train</i>.</p>"
            "<p><b>In three clicks:</b> load a coronal series, open this module, press <i>Classify</i>.</p>"
        )
        parent.acknowledgementText = _(
            "Method: Shim et al., Automated rotator cuff tear classification using 3D convolutional neural network, "
            "Sci Rep 10 (2020). Network blocks: Brock et al. 2016."
        )


class RotatorCuffCAMWidget(SectionsWidget):
    """The panel."""

    shell = "RotatorCuffCAM.ui"

    def make_logic(self) -> Any:
        """The module's logic."""
        return RotatorCuffCAMLogic()

    def section_classes(self) -> Sequence[type]:
        """Input, Classify, Activation map, Compare with a box, Reader study, Report."""
        from RotatorCuffCAMLib.panels import section_classes

        return section_classes()


class RotatorCuffCAMLogic(ScriptedLoadableModuleLogic):
    """The module without its panel; for scripts, tests and batch runs. Opens no dialog."""

    def getParameterNode(self) -> Any:
        """The scene's parameters."""
        from RotatorCuffCAMLib.panels.parameters import RotatorCuffParameters

        return RotatorCuffParameters(super().getParameterNode())

    def classify(self, volume: vtkMRMLScalarVolumeNode, model: str = "tear-synthetic", options: Any = None) -> Any:
        """Classifies a volume in this process and puts the answer into the scene.

        Args:
            volume: coronal MRI of a shoulder.
            options: `RotatorCuffCAMLib.cuff.CuffOptions`.

        Returns:
            `RotatorCuffCAMLib.scene.nodes.CuffScene`.

        Raises:
            PreopError: as checking, computing and showing raise it.
        """
        from PreopReviewLib.scene import inputs
        from RotatorCuffCAMLib.cuff import as_dict, examine
        from RotatorCuffCAMLib.network.classifier import load_network
        from RotatorCuffCAMLib.scene import answer as scene_answer

        image = inputs.image_of(volume)
        result = examine(image, load_network(model), options, volume.GetName())
        return scene_answer.add_answer(volume, image, result, as_dict(result, volume.GetName(), model))


class RotatorCuffCAMTest(ScriptedLoadableModuleTest):
    """The self-test of the module, in its own file."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Runs the tests of Testing/Python."""
        import unittest
        from pathlib import Path

        folder = Path(slicer.util.modulePath("RotatorCuffCAM")).parent / "Testing" / "Python"
        suite = unittest.TestLoader().discover(str(folder), pattern="RotatorCuffCAMSelfTest.py")
        outcome = unittest.TextTestRunner().run(suite)
        if not outcome.wasSuccessful() or outcome.testsRun == 0:
            raise AssertionError(f"RotatorCuffCAM: {len(outcome.failures) + len(outcome.errors)} tests failed")
