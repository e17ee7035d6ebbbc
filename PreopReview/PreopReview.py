"""PreopReview: what Liver Planner and Rotator Cuff CAM share. Hidden: it has settings but no panel of its own."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest


class PreopReview(ScriptedLoadableModule):
    """What Slicer asks about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("PreopReview")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Utilities")]
        parent.dependencies = ["Colors", "Terminologies"]
        parent.contributors = ["PreopReview developers"]
        parent.hidden = True
        parent.widgetRepresentationCreationEnabled = False  # Slicer would look for a class PreopReviewWidget
        parent.helpText = _(
            "<p>Shared by <i>Liver Planner</i> and <i>Rotator Cuff CAM</i>: models, computations in the background, "
            "terminology and settings (Edit / Application Settings / PreopReview).</p><p><b>Not for clinical "
            "use.</b></p>"
        )
        parent.acknowledgementText = _("Apache-2.0. Models have licenses of their own, see their cards.")
        self.settingsPanel: Any = None
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """Terminology, colors and the settings' page; nothing heavy."""
        from PreopReviewLib.panels import registration, settings

        registration.register_terminology()
        registration.register_colors()
        settings.apply()
        self.settingsPanel = settings.add_page()


class PreopReviewTest(ScriptedLoadableModuleTest):
    """The self-test of the module, in its own file."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Runs the tests of Testing/Python."""
        import unittest
        from pathlib import Path

        folder = Path(slicer.util.modulePath("PreopReview")).parent / "Testing" / "Python"
        suite = unittest.TestLoader().discover(str(folder), pattern="PreopReviewSelfTest.py")
        outcome = unittest.TextTestRunner().run(suite)
        if not outcome.wasSuccessful() or outcome.testsRun == 0:
            raise AssertionError(f"PreopReview: {len(outcome.failures) + len(outcome.errors)} tests failed")
