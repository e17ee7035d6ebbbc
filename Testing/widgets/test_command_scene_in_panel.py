"""The scene of the command, opened in the panel: as if Apply had been pressed there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
from measured_case import make_image, make_labels

from LiverPlannerLib.plan.files import record_for_scene
from LiverPlannerLib.plan.measures import find_regions, measure_volumes
from LiverPlannerLib.plan.parts import parts_of_plan
from LiverPlannerLib.plan.pipeline import LiverPlan
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene.plan_tables import VOLUME_COLUMNS
from LiverPlannerLib.scene.results import save_results
from LiverPlannerLib.scene.tables import read_table
from PreopReviewLib.scene import nodes

WARNING = "The liver reaches the superior border of the image."


@pytest.fixture(scope="module")
def plan() -> LiverPlan:
    """A plan as the pipeline makes it, with Couinaud segments, of a small drawn liver."""
    import numpy as np

    from LiverPlannerLib.couinaud.volumes import Division, segment_volumes
    from LiverPlannerLib.liver_extent import counted_mask
    from PreopReviewLib import images

    labels = make_labels()
    liver = images.array_of(counted_mask(labels, "liver")) > 0
    eighths = np.broadcast_to(1 + np.arange(liver.shape[2]) * 8 // liver.shape[2], liver.shape)
    segments = images.image_like(np.where(liver, eighths, 0).astype(np.uint8), labels)
    division = Division(segments, "couinaud 1.0.0", segment_volumes(segments), {}, [], [], 0.1)
    return LiverPlan(
        make_image(labels), labels, "CT", measure_volumes(labels), find_regions(labels), [WARNING],
        {"liver": "kuleuven-liver 1.0.0", "tumor": "kuleuven-lesion 1.0.0"}, seconds={"liver": 1.0}, couinaud=division,
    )  # fmt: skip


def applied(host: Any, plan: LiverPlan) -> Any:
    """The panel after Apply, as far as the worker's result goes into the scene."""
    widget = host.open_module("LiverPlanner")
    volume = nodes.add_volume(host.scene, plan.image, "CT", (400.0, 40.0))
    plan_nodes = scene_plan.add_plan(volume, list(parts_of_plan(plan)), record_for_scene(plan))
    widget.context.parameters.inputVolume, widget.context.parameters.segmentation = volume, plan_nodes.segmentation
    host.process_events(0.1)
    return widget


@pytest.fixture(scope="module")
def scene_file(plan: LiverPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's scene.mrb of the plan."""
    folder = tmp_path_factory.mktemp("plan")
    saved = save_results(plan.image, plan.labels, record_for_scene(plan), folder, "CT", couinaud=plan.couinaud.labels)
    return next(f for f in saved.files if f.suffix == ".mrb")


def loaded(host: Any, scene_file: Path) -> Any:
    """The panel after the command's scene was opened."""
    host.load_scene(scene_file)
    widget = host.open_module("LiverPlanner")
    host.process_events(0.1)
    return widget


def looks(node: Any) -> dict[str, Any]:
    """What is seen of a segmentation, by segment."""
    display, content = node.GetDisplayNode(), node.GetSegmentation()
    seen: dict[str, Any] = {"shown": bool(display.GetVisibility()), "read only": bool(node.GetHideFromEditors())}
    for key in nodes.segment_keys(node):
        segment = content.GetSegment(key)
        seen[key] = (
            segment.GetName(), tuple(round(c, 4) for c in segment.GetColor()), segment.GetTerminology(),
            display.GetSegmentOpacity3D(key), display.GetSegmentOpacity2DFill(key), segment.GetLabelValue(),
            segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 0,
        )  # fmt: skip
    return seen


def seen_in(widget: Any) -> dict[str, Any]:
    parameters = widget.context.parameters
    plan_nodes = scene_plan.nodes_of(parameters.segmentation)
    return {
        "volume": parameters.inputVolume.GetName(),
        "plan": (parameters.segmentation.GetName(), looks(parameters.segmentation)),
        "output": (parameters.modelOutput.GetName(), looks(parameters.modelOutput)),
        "couinaud": (plan_nodes.couinaud.GetName(), looks(plan_nodes.couinaud)),
        "volumes": (parameters.volumesTable.GetName(), read_table(parameters.volumesTable, VOLUME_COLUMNS)),
        "record": scene_plan.plan_record(parameters.segmentation),
        "words": widget.open_section("SegmentSection").ui.messageLabel.text,
    }


def test_the_commands_scene_is_what_apply_leaves(host: Any, plan: LiverPlan, scene_file: Path) -> None:
    after_apply = seen_in(applied(host, plan))
    host.close_scene()
    after_loading = seen_in(loaded(host, scene_file))
    assert list(after_loading) == list(after_apply)
    for what in ("plan", "output", "couinaud"):
        (name, now), (expected, before) = after_loading.pop(what), after_apply.pop(what)
        assert name == expected
        assert list(now) == list(before)
        assert now["liver"][3:5] == (0.25, 0.06) if what != "couinaud" else not now["shown"]
        for key in before:
            assert now[key] == before[key], (what, key)
    assert after_loading == after_apply
    assert WARNING in after_loading["words"]
    assert "kuleuven-lesion 1.0.0" in after_loading["words"]
    assert after_loading["record"]["segments"]["model"] == "couinaud 1.0.0"
    assert after_loading["volumes"][1]


def test_the_views_show_the_commands_scene(host: Any, scene_file: Path) -> None:
    widget = loaded(host, scene_file)
    parameters = widget.context.parameters
    place = scene_plan.place_to_look(parameters.segmentation)
    for name in ("Red", "Green", "Yellow"):
        view = host.app.layoutManager().sliceWidget(name)
        assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == parameters.inputVolume.GetID()
        offset = view.mrmlSliceNode().GetSliceToRAS()
        normal = [offset.GetElement(r, 2) for r in range(3)]
        at = sum(n * p for n, p in zip(normal, place, strict=True))
        assert view.mrmlSliceNode().GetSliceOffset() == pytest.approx(at, abs=1e-3)


@pytest.mark.parametrize("chosen", [False, True])
def test_a_ct_is_shown_in_the_grays_of_the_abdomen_unless_others_were_chosen(
    host: Any, plan: LiverPlan, chosen: bool
) -> None:
    widget = host.open_module("LiverPlanner")
    volume = nodes.add_volume(host.scene, plan.image, "CT", (1500.0, -500.0))
    display = volume.GetDisplayNode()
    display.SetAutoWindowLevel(not chosen)
    plan_nodes = scene_plan.add_plan(volume, list(parts_of_plan(plan)), record_for_scene(plan))
    widget.context.parameters.segmentation = plan_nodes.segmentation
    host.process_events(0.1)
    assert (display.GetWindow(), display.GetLevel()) == ((1500.0, -500.0) if chosen else (400.0, 40.0))


def test_numbers_go_on_from_the_commands_scene(host: Any, scene_file: Path) -> None:
    widget = loaded(host, scene_file)
    before = widget.context.parameters.volumesTable
    rows = read_table(before, VOLUME_COLUMNS)
    measured = widget.open_section("MeasureSection").volumes.rows
    assert [r["measure"] for r in measured] == [r["measure"] for r in rows]
    assert [r["value"] for r in measured] == [pytest.approx(r["value"], rel=1e-5) for r in rows]
    assert widget.context.parameters.volumesTable is before
    rows = widget.open_section("CorrectSection").live.measures.changes
    assert {change.key for change in rows} >= {"liver", "tumor"}
    assert all(change.dsc == 1.0 for change in rows)


def test_two_plans_have_one_study_each(host: Any, scene_file: Path) -> None:
    widget = loaded(host, scene_file)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    parameters = widget.context.parameters
    plan_nodes = scene_plan.nodes_of(parameters.segmentation)
    items = {
        hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        for node in (
            parameters.inputVolume,
            plan_nodes.segmentation,
            plan_nodes.model_output,
            plan_nodes.couinaud,
            plan_nodes.volumes_table,
        )
    }
    assert len(items) == 1
