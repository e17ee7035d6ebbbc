"""The hidden module PreopReview in the test host: registration, settings, dependencies, "About and limits"."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest
import slicer

from PreopReviewLib import installation
from PreopReviewLib.errors import PreopError


def store():
    """The application's settings; qt is there once the host has been started."""
    import qt

    return qt.QSettings()


@pytest.fixture
def started(host):
    """The host with the module loaded and its start over."""
    host.load_module("PreopReview")
    host.start_up()
    return host


@pytest.fixture
def settings(started, monkeypatch):
    """`panels.settings` with nothing set before and after."""
    from PreopReviewLib.panels import settings

    monkeypatch.delenv("PREOP_MODELS", raising=False)
    kept = store()
    keys = (settings.MODELS_FOLDER, settings.DEVICE, settings.THREADS, settings.OFFLINE_FOLDER)
    for key in keys:
        kept.remove(key)
    yield settings
    for key in keys:
        kept.remove(key)
    os.environ.pop("PREOP_MODELS", None)


def test_the_self_test_passes(started):
    module = started.app.moduleManager().module("PreopReview")
    assert module is not None
    slicer.selfTests["PreopReview"]()


def test_starting_imports_nothing_heavy():
    code = (
        "import sys, os; sys.path.insert(0, 'Testing')\n"
        "from SlicerHost import SlicerHost\n"
        "with SlicerHost() as host:\n"
        "    host.load_module('PreopReview'); host.start_up()\n"
        "    print([m for m in ('torch', 'monai', 'matplotlib', 'skimage') if m in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.stdout.strip().splitlines()[-1] == "[]", ran.stderr


def test_the_module_is_hidden_but_known(started):
    assert started.load_module("PreopReview").hidden


def test_our_terminology_and_colors_are_there_after_the_start(started):
    names = slicer.vtkStringArray() if hasattr(slicer, "vtkStringArray") else _strings()
    slicer.modules.terminologies.logic().GetLoadedTerminologyNames(names)
    assert "Segmentation category and type - PreopReview" in [
        names.GetValue(i) for i in range(names.GetNumberOfValues())
    ]
    node = slicer.mrmlScene.GetSingletonNode("PreopReview", "vtkMRMLColorTableNode")
    started.close_scene()
    assert slicer.mrmlScene.GetSingletonNode("PreopReview", "vtkMRMLColorTableNode") is node
    assert node.GetColorName(4) == "Hepatic vein"


def _strings():
    import vtk

    return vtk.vtkStringArray()


class TestSettings:
    def test_nothing_set_is_the_user_s_cache_any_device_and_all_threads(self, settings):
        assert settings.read() == settings.Settings("", "auto", 0, "")
        assert settings.worker_environment() == {}

    def test_what_the_page_shows_is_kept_and_reaches_the_worker(self, settings, tmp_path):
        page = settings.add_page()
        page.ui.modelsPathEdit.setCurrentPath(str(tmp_path))
        page.ui.deviceComboBox.currentIndex = 3
        page.ui.threadsSpinBox.value = 2
        assert settings.read() == settings.Settings(str(tmp_path), "cpu", 2, "")
        variables = settings.worker_environment()
        assert variables["PREOP_MODELS"] == str(tmp_path)
        assert {variables[name] for name in settings.THREAD_VARIABLES} == {"2"}
        assert os.environ["PREOP_MODELS"] == str(tmp_path), "this process lists the models there"
        page.ui.modelsPathEdit.setCurrentPath("")
        assert "PREOP_MODELS" not in os.environ

    def test_a_new_page_shows_what_was_kept(self, settings):
        store().setValue(settings.THREADS, 5)
        store().setValue(settings.DEVICE, "cuda")
        page = settings.SettingsPanel()
        assert page.ui.threadsSpinBox.value == 5
        assert page.ui.deviceComboBox.currentIndex == 1

    def test_nonsense_in_the_settings_counts_as_not_set(self, settings):
        store().setValue(settings.THREADS, "many")
        store().setValue(settings.DEVICE, "tpu")
        assert settings.read() == settings.Settings()

    def test_an_offline_folder_without_wheels_is_told(self, settings, tmp_path):
        store().setValue(settings.OFFLINE_FOLDER, str(tmp_path))
        with pytest.raises(installation.PackagesMissing, match="holds no wheels"):
            settings.worker_environment()

    def test_the_page_can_be_photographed(self, settings, started, tmp_path):
        page = settings.add_page()
        page.resize(520, 240)
        started.photograph(page, tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 2000


class Torch:
    """Stands for the extension PyTorch."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.calls: list[dict] = []
        self.fails = fails

    def installTorch(self, **arguments):
        self.calls.append(arguments)
        if self.fails and arguments:
            raise self.fails


@pytest.fixture
def dependencies(settings, started, monkeypatch):
    """`panels.dependencies` outside of testing mode, with nothing known to be installed yet."""
    from PreopReviewLib.panels import dependencies

    dependencies = importlib.reload(dependencies)
    monkeypatch.setattr(started.app, "_testing", False)
    monkeypatch.setattr(dependencies, "_pytorch_extension", lambda: None)
    monkeypatch.setattr(installation, "torch_answers", lambda python: "")
    return dependencies


class TestDependencies:
    def test_with_everything_there_nobody_is_asked(self, dependencies, started):
        dependencies.ensure()
        assert started.packages.installed == []
        assert started.dialogs.messages == []

    def test_what_is_missing_is_asked_for_once_and_installed(self, dependencies, started):
        started.packages.missing = {"edt", "monai"}
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert started.packages.installed == [["edt>=2.4", "monai>=1.4"]]
        (question,) = [m for m in started.dialogs.messages if m.kind == "question"]
        assert "2 Python packages" in question.text
        dependencies.ensure()
        assert len(started.packages.installed) == 1

    def test_a_single_package_is_named(self, dependencies, started):
        started.packages.missing = {"edt"}
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert "needs the Python package edt>=2.4, which is" in started.dialogs.messages[0].text

    def test_what_slicer_bundles_is_held_in_place(self, dependencies, started, monkeypatch):
        seen = []
        started.packages.missing = {"edt"}
        started.dialogs.answer("ok")
        ensure = slicer.packaging.pip_ensure

        def spy(requirements, constraints, **options):
            seen.append(constraints.read_text())
            return ensure(requirements, constraints, **options)

        monkeypatch.setattr(slicer.packaging, "pip_ensure", spy)
        dependencies.ensure()
        assert "SimpleITK===" in seen[0]
        assert "numpy===" in seen[0]
        assert "torch===" in seen[0]

    def test_a_declined_installation_is_a_sentence_and_an_unchanged_scene(self, dependencies, started):
        before = slicer.mrmlScene.GetNumberOfNodes()
        started.packages.missing = {"monai"}
        started.dialogs.answer("cancel")
        with pytest.raises(PreopError, match="were not installed, so nothing was computed or changed"):
            dependencies.ensure()
        assert started.packages.installed == []
        assert slicer.mrmlScene.GetNumberOfNodes() == before
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert started.packages.installed == [["monai>=1.4"]], "it asks again the next time"

    def test_no_network_is_a_sentence_with_a_way_out(self, dependencies, started):
        started.packages.missing = {"monai"}
        started.packages.fails = True
        started.dialogs.answer("ok")
        with pytest.raises(PreopError, match="offline folder") as caught:
            dependencies.ensure()
        assert "pip ended with code 1" in caught.value.problem

    def test_the_offline_folder_is_the_only_source(self, dependencies, started, settings, tmp_path, monkeypatch):
        (tmp_path / "edt-3.0-py3-none-any.whl").touch()
        store().setValue(settings.OFFLINE_FOLDER, str(tmp_path))
        seen = []
        monkeypatch.setattr(slicer.packaging, "pip_install", lambda *a, **k: seen.append(dict(os.environ)))
        started.packages.missing = {"edt"}
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert seen[0]["PIP_NO_INDEX"] == "1"
        assert seen[0]["PIP_FIND_LINKS"] == tmp_path.as_uri()
        assert "PIP_NO_INDEX" not in os.environ

    def test_an_absent_torch_comes_from_pip_where_the_extension_is_not(self, dependencies, started, monkeypatch):
        states = iter(["absent", "good"])
        monkeypatch.setattr(installation, "torch_state", lambda: next(states))
        started.packages.missing = {"torch"}
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert started.packages.installed == [["torch>=2.4"]]

    def test_a_half_installed_torch_is_removed_first(self, dependencies, started, monkeypatch):
        states = iter(["broken", "good"])
        monkeypatch.setattr(installation, "torch_state", lambda: next(states))
        started.packages.missing = {"torch"}
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert started.packages.uninstalled == ["torch"]
        assert "installed only in part" in started.dialogs.messages[0].text

    def test_torch_comes_through_the_extension_where_it_is(self, dependencies, started, monkeypatch):
        extension = Torch()
        states = iter(["absent", "good"])
        monkeypatch.setattr(installation, "torch_state", lambda: next(states))
        monkeypatch.setattr(dependencies, "_pytorch_extension", lambda: extension)
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert extension.calls == [{"askConfirmation": False, "torchVersionRequirement": ">=2.4"}]
        assert started.packages.installed == []

    def test_an_extension_that_renamed_its_arguments_is_called_without(self, dependencies, started, monkeypatch):
        extension = Torch(TypeError("unexpected keyword"))
        states = iter(["absent", "good"])
        monkeypatch.setattr(installation, "torch_state", lambda: next(states))
        monkeypatch.setattr(dependencies, "_pytorch_extension", lambda: extension)
        started.dialogs.answer("ok")
        dependencies.ensure()
        assert extension.calls[-1] == {}

    def test_a_torch_that_does_not_run_is_told(self, dependencies, started, monkeypatch):
        states = iter(["absent", "good"])
        monkeypatch.setattr(installation, "torch_state", lambda: next(states))
        monkeypatch.setattr(installation, "torch_answers", lambda python: "ImportError: libc10.so")
        started.packages.missing = {"torch"}
        started.dialogs.answer("ok")
        with pytest.raises(PreopError, match=r"does not run \(ImportError: libc10.so\)"):
            dependencies.ensure()

    def test_in_testing_mode_nothing_is_installed(self, dependencies, started, monkeypatch):
        monkeypatch.setattr(started.app, "_testing", True)
        started.packages.missing = {"monai"}
        dependencies.ensure()
        assert started.packages.installed == []

    def test_a_further_requirement_is_installed_on_request(self, dependencies, started):
        dependencies.ensure()
        started.packages.missing = {"mirp"}
        started.dialogs.answer("ok")
        dependencies.ensure("mirp>=2.4")
        assert started.packages.installed == [["mirp>=2.4"]]


def test_about_and_limits_is_the_last_section_of_a_panel(started):
    widget = started.open_module("LiverPlanner")
    section = widget.open_section("AboutSection")
    started.process_events()
    shown = section.ui.aboutBrowser.toPlainText()
    for words in ("Not for clinical use", "kuleuven-lesion", "five-structures-synthetic", "simulated images only"):
        assert words in shown
    box = widget.ui.sectionsLayoutWidget.layout()
    assert box.indexOf(section.button) == box.count() - 1
