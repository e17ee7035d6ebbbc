"""Self-test of the module PreopReview; runs in Slicer (`Slicer --testing`) and in the test host."""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path

import qt
import slicer
from slicer import ScriptedLoadableModule

SLOW = """
import time
def run(parameters, folder, progress, cancel):
    progress(0.5, "sleeping")
    time.sleep(600)
"""


class PreopReviewSelfTest(ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What both modules need of this one."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """All tests, one after the other."""
        for name in sorted(n for n in dir(self) if n.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def test_the_terminology_knows_every_structure(self) -> None:
        from PreopReviewLib.panels import registration
        from PreopReviewLib.resources import resource

        logic = slicer.modules.terminologies.logic()
        name = registration.register_terminology()
        assert "PreopReview" in name
        with Path(resource("Terminologies", "PreopReview.csv")).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) >= 8
        listed = set()
        for c in range(logic.GetNumberOfCategoriesInTerminology(name)):
            category = slicer.vtkSlicerTerminologyCategory()
            logic.GetNthCategoryInTerminology(name, c, category)
            for t in range(logic.GetNumberOfTypesInTerminologyCategory(name, category)):
                kind = slicer.vtkSlicerTerminologyType()
                logic.GetNthTypeInTerminologyCategory(name, category, t, kind)
                listed.add((category.GetCodeValue(), kind.GetCodeValue()))
        for row in rows:
            assert (row["Category_CodeValue"], row["Type_CodeValue"]) in listed, row["Name"]

    def test_the_color_table_outlives_the_scene_and_is_not_saved_with_it(self) -> None:
        from PreopReviewLib.panels import registration

        node = registration.register_colors()
        slicer.mrmlScene.Clear()
        assert registration.register_colors() is node
        assert slicer.mrmlScene.GetSingletonNode("PreopReview", "vtkMRMLColorTableNode") is node
        assert not node.GetSaveWithScene()
        assert node.GetColorName(1) == "Liver"
        color = [0.0] * 4
        node.GetColor(1, color)
        assert [round(255 * c) for c in color[:3]] == [221, 130, 101]

    def test_settings_reach_the_worker(self) -> None:
        from PreopReviewLib.panels import settings

        kept = qt.QSettings()
        before = {key: kept.value(key) for key in (settings.THREADS, settings.DEVICE)}
        try:
            kept.setValue(settings.THREADS, 3)
            kept.setValue(settings.DEVICE, "cpu")
            assert settings.worker_environment()["OMP_NUM_THREADS"] == "3"
            assert (settings.device("auto"), settings.device("cuda")) == ("cpu", "cuda")
        finally:
            for key, value in before.items():
                if value is None:
                    kept.remove(key)
                else:
                    kept.setValue(key, value)

    def test_the_worker_runs_in_the_python_of_this_application(self) -> None:
        import platform

        from PreopReviewLib import jobs

        runner = jobs.JobRunner()
        with tempfile.TemporaryDirectory() as folder:
            job = runner.start("PreopReviewLib.jobs.checks:surroundings", {}, folder)
            self._poll(runner, job, 120)
            runner.close()
        assert job.state == "finished", str(job.error)
        assert job.result["python"] == platform.python_version()

    def test_a_task_that_does_not_listen_is_stopped_and_the_next_one_runs(self) -> None:
        from PreopReviewLib import jobs

        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "slow_task.py").write_text(SLOW, encoding="utf-8")
            runner = jobs.JobRunner(extra_environment={"PYTHONPATH": folder})
            job = runner.start("slow_task:run", {}, folder)
            self._poll(runner, job, 120, lambda: job.words == "sleeping")
            start = time.monotonic()
            job.cancel()
            self._poll(runner, job, 10)
            assert time.monotonic() - start < 2.0
            assert job.state == "cancelled"
            again = runner.start("PreopReviewLib.jobs.checks:surroundings", {}, folder)
            self._poll(runner, again, 120)
            runner.close()
        assert again.state == "finished", str(again.error)

    def test_about_and_limits_says_that_it_is_not_for_clinical_use(self) -> None:
        from PreopReviewLib.panels import about

        text = about.text()
        assert "Not for clinical use" in text
        assert "five-structures-synthetic" in text
        assert "kuleuven-liver" in text

    def _poll(self, runner, job, seconds, condition=None) -> None:
        """Lets the application work until the job has ended, or the condition holds."""
        end = time.monotonic() + seconds
        while job.running and not (condition and condition()):
            assert time.monotonic() < end, "it took too long"
            runner.poll()
            slicer.app.processEvents()
            time.sleep(0.01)
