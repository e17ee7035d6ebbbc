"""LiverPlanner as a module: opens at once, imports nothing heavy, has all its sections, files and samples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from liver_case import add_liver, add_volume

REPOSITORY = Path(__file__).resolve().parents[2]
OPENING = """
import sys
sys.path[:0] = [{testing!r}]
from SlicerHost import SlicerHost
with SlicerHost() as host:
    host.load_module("LiverPlanner")
    host.start_up()
    host.open_module("LiverPlanner")
    print("heavy", [m for m in ("torch", "monai", "matplotlib", "skimage", "scipy", "SimpleITK") if m in sys.modules])
"""
ORDER = [
    "Segment",
    "Lesion candidates",
    "Cysts",
    "Correct",
    "Measure",
    "Compare",
    "3D",
    "Ground truth",
    "Report",
    "About and limits",
]


def test_opening_imports_nothing_heavy(host: Any) -> None:
    code = OPENING.format(testing=str(REPOSITORY / "Testing"))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "heavy []" in ran.stdout


def test_the_sections_are_in_the_order_of_a_plan_and_all_but_the_first_closed(host: Any) -> None:
    widget = host.open_module("LiverPlanner")
    assert len(widget.built) == 1
    assert [s.title for s in widget.sections] == ORDER
    assert [s.button.text for s in widget.sections] == ORDER
    assert [s.button.collapsed for s in widget.sections] == [False] + [True] * 9


def test_a_section_opened_later_shows_the_scene_as_it_is(host: Any) -> None:
    volume = add_volume()
    widget = host.open_module("LiverPlanner")
    later = widget.open_section("CystsSection")
    assert later.parameters.inputVolume.GetID() == volume.GetID()
    assert "segment the liver first" in later.ui.findButton.toolTip


def test_a_volume_loaded_while_the_module_is_open_is_taken_and_no_other_after_it(host: Any) -> None:
    widget = host.open_module("LiverPlanner")
    first = add_volume("First")
    host.process_events(0.05)
    assert widget.context.parameters.inputVolume.GetID() == first.GetID()
    add_volume("Second")
    host.process_events(0.05)
    assert widget.context.parameters.inputVolume.GetID() == first.GetID()


def test_scene_closed_and_module_reloaded_with_every_section_open(host: Any) -> None:
    widget = host.open_module("LiverPlanner")
    assert len(widget.sections) == 10
    add_volume()
    host.close_scene()
    assert widget.context.parameters.inputVolume is None
    host.leave_module()
    again = host.reload_module("LiverPlanner")
    assert len(again.sections) == 10


def test_every_button_that_is_off_says_why(host: Any) -> None:
    import qt

    widget = host.open_module("LiverPlanner")
    for section in widget.sections:
        for button in section.widget.findChildren(qt.QPushButton):
            if not button.isEnabled() and button.text and not button.objectName.startswith("qt_"):
                assert len(button.toolTip) > 15, f"{section.title}: {button.objectName or button.text}"


def test_samples_are_registered_and_nothing_is_fetched_for_them(host: Any) -> None:
    import SampleData

    host.load_module("LiverPlanner")
    host.start_up()
    names = {s.sampleName for s in slicer_sources("LiverPlanner", SampleData)}
    assert names == {"LiverContrastCT", "SimulatedLiverMRI", "SimulatedLiverCT"}


def slicer_sources(category: str, _module: Any) -> list[Any]:
    import slicer

    return slicer.modules.sampleDataSources[category]


def test_the_logic_plans_without_a_panel(host: Any) -> None:
    from LiverPlannerLib.plan.pipeline import PlanOptions

    host.load_module("LiverPlanner")
    from LiverPlanner import LiverPlannerLogic

    volume = add_volume()
    said: list[str] = []
    options = PlanOptions(modality="CT", lesions=False)
    plan_nodes = LiverPlannerLogic().plan(volume, options, lambda _f, words: said.append(words), add_liver(volume))
    assert plan_nodes.segmentation.GetSegmentation().GetSegment("liver") is not None
    assert said[-1] == "Done"
    assert host.messages == []


def test_a_sample_is_simulated_while_slicer_stays_alive(host: Any) -> None:
    host.load_module("LiverPlanner")
    from LiverPlannerLib.panels import samples

    volume = samples.add_sample("SimulatedLiverMRI", size=(52, 48, 44), spacing=4.9)
    assert volume.GetImageData().GetDimensions() == (52, 48, 44)
    assert volume.GetName() == "SimulatedLiverMRI"


def test_the_real_sample_comes_with_segments_to_compare_with(host: Any) -> None:
    host.load_module("LiverPlanner")
    from LiverPlannerLib.panels import samples

    volume = samples.add_contrast_ct()
    assert volume.GetImageData().GetDimensions() == (256, 256, 75)
    drawn = host.scene.GetFirstNodeByName("LiverContrastCT Couinaud segments")
    assert drawn.GetSegmentation().GetNumberOfSegments() == 8
    assert not drawn.GetDisplayNode().GetVisibility()


def test_every_resource_of_the_module_is_in_its_cmake_list() -> None:
    folder = REPOSITORY / "LiverPlanner"
    listed = set(re.findall(r"^\s+(Resources/\S+\.\w+)\s*$", (folder / "CMakeLists.txt").read_text(), re.MULTILINE))
    assert {str(p.relative_to(folder)) for p in (folder / "Resources").rglob("*") if p.is_file()} == listed


def test_all_sections_fit_into_one_width_of_the_panel(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from PreopReviewLib.panels import module_widget

    monkeypatch.setattr(module_widget, "SHARE", 1.0)  # the screen of a test is a small one
    widget = host.open_module("LiverPlanner")
    place = widget.ui.sectionsLayoutWidget
    wanted = {type(section).__name__: section.widget.minimumSizeHint().width() for section in widget.sections}
    assert max(wanted.values()) <= place.minimumWidth, wanted


def test_packages_are_imported_a_moment_after_a_panel_was_opened(host, monkeypatch, tmp_path):
    from PreopReviewLib.panels import imports_ahead

    names = ("first_to_import", "not_installed_here", "after_a_missing_one")
    for name in (names[0], names[2]):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(imports_ahead, "NAMES", names)
    monkeypatch.setattr(imports_ahead, "AFTER_MS", 20)
    monkeypatch.setattr(imports_ahead, "BETWEEN_MS", 5)
    host.open_module("LiverPlanner")
    host.wait_until(lambda: names[0] in sys.modules, 5)
    host.process_events(0.2)
    assert names[2] not in sys.modules, "who needs what is missing says so"
    del sys.modules[names[0]]


def test_the_first_apply_finds_everything_imported_and_torch_looked_for(host, monkeypatch):
    pytest.importorskip("torch")
    from PreopReviewLib.panels import dependencies, imports_ahead

    monkeypatch.setattr(imports_ahead, "AFTER_MS", 20)
    monkeypatch.setattr(imports_ahead, "BETWEEN_MS", 5)
    monkeypatch.setattr(dependencies, "_ensured", set())
    widget = host.open_module("LiverPlanner")
    host.wait_until(lambda: "torch" in dependencies._ensured, 10)
    assert {*imports_ahead.NAMES, *widget.imports_ahead} <= set(sys.modules)
