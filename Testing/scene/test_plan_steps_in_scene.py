"""A plan of a large image comes into the scene in steps that are all short, and replaces an earlier one so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.plan import parts as plan_parts
from LiverPlannerLib.plan.layers import layers_steps
from LiverPlannerLib.plan.parts import Part, parts_of
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene import plan_nodes
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import nodes


@pytest.fixture(scope="module")
def labels() -> sitk.Image:
    """A liver of 8 million voxels with four structures in it and one outside."""
    array = np.zeros((160, 320, 320), np.uint8)
    array[10:150, 30:290, 30:260] = 1
    for key, box in {
        "tumor": np.s_[20:140, 40:60, 40:60],
        "cyst": np.s_[60:80, 100:200, 100:120],
        "hepatic_vein": np.s_[20:140, 210:216, 40:250],
        "portal_vein": np.s_[20:140, 240:246, 40:250],
        "gallbladder": np.s_[40:60, 100:140, 270:300],
    }.items():
        array[box] = structure(key).label
    return sitk.GetImageFromArray(array)


@pytest.fixture(scope="module")
def coarse(labels: sitk.Image) -> sitk.Image:
    """The same with every other voxel along each axis, for what size does not matter to."""
    return labels[::2, ::2, ::2]


def volume_of(scene: Any, labels: sitk.Image) -> Any:
    return nodes.add_volume(scene, images.image_like(images.array_of(labels).astype(np.int16), labels), "CT")


def representations(scene: Any) -> int:
    """Voxels and surfaces of all segments of a scene, each counted as one."""
    found = scene.GetNodesByClass("vtkMRMLSegmentationNode")
    nodes_of = [found.GetItemAsObject(i).GetSegmentation() for i in range(found.GetNumberOfItems())]
    segments = [n.GetNthSegment(i) for n in nodes_of for i in range(n.GetNumberOfSegments())]
    kinds = ("Binary labelmap", "Closed surface")
    return sum(segment.GetRepresentation(kind) is not None for segment in segments for kind in kinds)


def followed(scene: Any, steps: Any) -> tuple[list[int], Any]:
    """How many representations come or go in each step, and what the generator returns."""
    changes, before = [], representations(scene)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return [*changes, abs(representations(scene) - before)], done.value
        changes.append(abs(representations(scene) - before))
        before = representations(scene)


@pytest.fixture(scope="module")
def stored(labels: sitk.Image, tmp_path_factory: Any) -> tuple[list[dict[str, Any]], Path]:
    """Records of the parts of a plan, and the folder that they are in."""
    folder = tmp_path_factory.mktemp("parts")
    return [plan_parts.save_part(part, folder) for part in parts_of(labels, surfaces=False)], folder


def test_steps_change_little_each_also_where_an_earlier_plan_is_replaced(
    scene: Any, labels: sitk.Image, stored: tuple[list[dict[str, Any]], Path]
) -> None:
    volume = volume_of(scene, labels)

    def steps(previous: Any) -> Iterator[None]:
        return scene_plan.add_plan_steps(volume, plan_parts.load_parts(*stored), {"a": 1}, previous)

    _changes, first = followed(scene, steps(None))
    adding, second = followed(scene, steps(first))
    removing, _nothing = followed(scene, plan_nodes.remove_steps(second.replaced))
    segments = second.segmentation.GetSegmentation().GetNumberOfSegments()
    assert len(adding) > 30
    assert max(adding) == segments  # never two segmentations at once; the segments of one share their layers
    assert max(removing) == 1
    assert sum(removing) == 2 * segments
    assert not scene.IsNodePresent(first.segmentation)
    assert not scene.IsNodePresent(first.model_output)
    assert second.segmentation.GetDisplayNode().GetVisibility()
    assert not second.model_output.GetDisplayNode().GetVisibility()


def test_a_plan_has_as_few_layers_as_its_overlaps_allow(scene: Any, coarse: sitk.Image) -> None:
    made = scene_plan.add_plan(volume_of(scene, coarse), parts_of(coarse, surfaces=False), {})
    assert made.segmentation.GetSegmentation().GetNumberOfLayers() == 2  # the liver has everything in it
    array = images.array_of(coarse)
    for content in nodes.read_segments(made.segmentation):
        expected = (
            np.isin(array, [1, 2, 3, 4, 5, 6]) if content.key == "liver" else array == structure(content.key).label
        )
        assert np.array_equal(images.array_of(content.mask) > 0, expected), content.key


def test_the_output_of_the_models_shares_no_voxel_with_the_plan_that_is_edited(scene: Any, coarse: sitk.Image) -> None:
    made = scene_plan.add_plan(volume_of(scene, coarse), parts_of(coarse, surfaces=False), {})
    maps = [n.GetSegmentation().GetSegment("cyst").GetRepresentation("Binary labelmap") for n in made_nodes(made)]
    maps[0].GetPointData().GetScalars().Fill(0)
    maps[0].Modified()
    assert not scene_plan.same_segments(made.segmentation, made.model_output)
    assert maps[1].GetPointData().GetScalars().GetRange()[1] > 0


def made_nodes(made: Any) -> tuple[Any, Any]:
    return made.segmentation, made.model_output


def test_a_segment_in_another_box_is_compared_by_its_voxels(scene: Any, coarse: sitk.Image) -> None:
    def moved(part: Part, grow: int) -> Part:
        """The same voxels in a larger box."""
        start = tuple(s - grow for s in part.start)
        return Part(part.key, start, np.pad(part.voxels, grow))

    parts = [p for p in parts_of(coarse, surfaces=False) if p.key in ("liver", "cyst")]
    a = scene_plan.add_plan(volume_of(scene, coarse), parts, {}).segmentation
    b = scene_plan.add_plan(volume_of(scene, coarse), [moved(p, 3) for p in parts], {}).segmentation
    assert scene_plan.same_segments(a, b)
    further = [parts[0], Part("cyst", (parts[1].start[0] + 1, *parts[1].start[1:]), parts[1].voxels)]
    assert not scene_plan.same_segments(a, scene_plan.add_plan(volume_of(scene, coarse), further, {}).segmentation)


def test_removing_that_is_stopped_removes_at_once(scene: Any, coarse: sitk.Image) -> None:
    made = scene_plan.add_plan(volume_of(scene, coarse), parts_of(coarse, surfaces=False), {})
    steps = plan_nodes.remove_steps(made_nodes(made))
    next(steps)
    next(steps)
    steps.close()
    assert not any(scene.IsNodePresent(n) for n in made_nodes(made))


@pytest.mark.parametrize("after", [1, 12, 24, 30])
def test_adding_that_is_stopped_leaves_the_scene_as_it_was(
    scene: Any, labels: sitk.Image, stored: tuple[list[dict[str, Any]], Path], after: int
) -> None:
    volume = volume_of(scene, labels)
    before = scene.GetNumberOfNodes()
    steps = scene_plan.add_plan_steps(volume, plan_parts.load_parts(*stored), {})
    for _ in range(after):
        next(steps)
    steps.close()
    assert scene.GetNumberOfNodes() == before


def test_parts_that_share_no_voxel_share_a_layer() -> None:
    ones = np.ones((2, 2, 2), np.uint8)
    corner = np.zeros((2, 2, 2), np.uint8)
    corner[0, 0, 0] = 1
    liver = np.ones((2, 2, 4), np.uint8)
    parts = [Part("liver", (0, 0, 0), liver), Part("cyst", (1, 1, 1), corner), Part("tumor", (1, 1, 2), ones)]
    layers = at_once(layers_steps(parts))
    assert [layer.value_of for layer in layers] == [{"liver": 1}, {"cyst": 1, "tumor": 2}]
    assert layers[1].start == (1, 1, 1)
    assert layers[1].values.shape == (2, 2, 3)
    assert layers[1].values[0, 0].tolist() == [1, 2, 2]
