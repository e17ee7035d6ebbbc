"""The cyst filter in the scene: table, decisions without measuring again, voxels moved and back, chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib import tasks
from LiverPlannerLib.plan.parts import parts_of
from LiverPlannerLib.scene import cyst_plot as scene_cyst_plot
from LiverPlannerLib.scene import cyst_segments as scene_cyst_segments
from LiverPlannerLib.scene import cysts as scene_cysts
from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib import images, worker_io
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.progress import CancelToken, at_once, silent
from PreopReviewLib.scene import files, nodes

HU = {0: -100, 1: 110, 2: 75}


@pytest.fixture
def labels() -> sitk.Image:
    """A liver with three lesions, all called tumor: the first is dark as water, the others are not."""
    k, j, i = np.mgrid[:32, :48, :56]
    array = np.zeros(k.shape, np.uint8)
    array[4:28, 4:44, 4:52] = 1
    for center, radius in (((14, 14, 14), 6), ((16, 30, 34), 5), ((20, 14, 40), 4)):
        near = (k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2
        array[near < radius**2] = 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([2.0, 2.0, 2.5])
    image.SetOrigin([-40.0, 5.0, 60.0])
    return image


@pytest.fixture
def plan(scene: Any, labels: sitk.Image) -> scene_plan.PlanNodes:
    array = images.array_of(labels)
    gray = np.vectorize(HU.get)(array).astype(float)
    k, j, i = np.mgrid[:32, :48, :56]
    gray[(array == 2) & ((k - 14) ** 2 + (j - 14) ** 2 + (i - 14) ** 2 < 36)] = 8
    gray[:, :2] = -1000
    gray += np.random.default_rng(1).normal(0, 7, gray.shape)
    volume = nodes.add_volume(scene, images.image_like(gray.astype(np.int16), labels), "CT")
    return scene_plan.add_plan(volume, list(parts_of(labels)), {})


def saved(request: dict, folder: Path) -> dict:
    return at_once(worker_io.save_steps(request, folder))


def find(plan: scene_plan.PlanNodes, folder: Path, node: Any = None, threshold: float = 45.0) -> Any:
    request = saved(scene_cysts.request(plan.segmentation, plan.volume, "robust", threshold), folder)
    result = tasks.cysts(request, folder, silent, CancelToken())
    return scene_cysts.show(result, folder, plan.segmentation, node, "robust", threshold)


def voxels(plan: scene_plan.PlanNodes, key: str) -> np.ndarray:
    by_key = {s.key: s for s in nodes.read_segments(plan.segmentation)}
    return images.array_of(by_key[key].mask) > 0 if key in by_key else np.zeros((32, 48, 56), bool)


def test_the_dark_region_is_a_cyst_and_says_why(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    regions = scene_cysts.regions_of(node)
    assert [r.decision for r in regions] == ["cyst", "tumor", "tumor"]
    assert node.GetTable().GetValueByName(0, "decision").ToString() == "cyst"
    assert "below 45 HU" in node.GetTable().GetValueByName(0, "reason").ToString()
    assert regions[0].fit_mean == pytest.approx(8, abs=1.5)


def test_a_threshold_decides_anew_without_measuring(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    scene_cysts.decide(node, "lin2024", 90.0)
    assert [r.decision for r in scene_cysts.regions_of(node)] == ["cyst"] * 3
    scene_cysts.decide(node, "robust", 45.0)
    assert [r.decision for r in scene_cysts.regions_of(node)] == ["cyst", "tumor", "tumor"]


def test_apply_moves_a_region_and_revert_puts_every_voxel_back(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    before = voxels(plan, "tumor")
    node = find(plan, tmp_path)
    assert set(scene_cyst_segments.move(node)) == {"tumor", "cyst"}
    assert voxels(plan, "cyst").sum() == scene_cysts.regions_of(node)[0].voxels
    assert not (voxels(plan, "cyst") & voxels(plan, "tumor")).any()
    assert ((voxels(plan, "cyst") | voxels(plan, "tumor")) == before).all()
    assert scene_cyst_segments.move(node) == []  # nothing is left to move
    scene_cyst_segments.move(node, back=True)
    assert np.array_equal(voxels(plan, "tumor"), before)
    assert not voxels(plan, "cyst").any()


def test_revert_puts_back_a_region_that_was_part_tumor_part_cyst(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    import slicer

    tumor = voxels(plan, "tumor")
    inner = np.zeros(tumor.shape, bool)
    inner[10:18, 10:18, 10:18] = True
    segments = plan.segmentation.GetSegmentation()
    identifier = segments.AddEmptySegment("cyst", "Liver cyst")
    for key, mask in (("tumor", tumor & ~inner), (identifier, tumor & inner)):
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), plan.segmentation, key, plan.volume)
    before = {key: voxels(plan, key) for key in ("tumor", "cyst")}
    node = find(plan, tmp_path)
    scene_cyst_segments.move(node)
    assert not np.array_equal(voxels(plan, "cyst"), before["cyst"])
    scene_cyst_segments.move(node, back=True)
    for key, mask in before.items():
        assert np.array_equal(voxels(plan, key), mask)


def test_a_hand_beats_the_rule_and_can_be_taken_off(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    scene_cysts.override(node, 1, "tumor")
    scene_cysts.override(node, 2, "cyst")
    assert [r.decision for r in scene_cysts.regions_of(node)] == ["tumor", "cyst", "tumor"]
    assert "by hand" in scene_cysts.regions_of(node)[0].reason
    scene_cyst_segments.move(node)
    assert voxels(plan, "cyst").sum() == scene_cysts.regions_of(node)[1].voxels
    scene_cysts.override(node, 1, None)
    scene_cysts.override(node, 2, None)
    scene_cyst_segments.move(node)
    assert voxels(plan, "cyst").sum() == scene_cysts.regions_of(node)[0].voxels


def test_what_was_drawn_or_erased_since_stays_so(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    import slicer

    node = find(plan, tmp_path)
    array = voxels(plan, "tumor").astype(np.uint8)
    array[14, 14, 10:19] = 0  # a line through the cyst erased
    array[30:32, 46:48, 54:56] = 1  # drawn far from everything
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, plan.segmentation, "tumor", plan.volume)
    scene_cyst_segments.move(node)
    both = voxels(plan, "cyst") | voxels(plan, "tumor")
    assert np.array_equal(both, array > 0)
    assert voxels(plan, "tumor")[30:32, 46:48, 54:56].all()


def test_a_transform_moved_later_does_not_shift_the_regions(
    scene: Any, plan: scene_plan.PlanNodes, tmp_path: Path
) -> None:
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    for node in (plan.volume, plan.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    table = find(plan, tmp_path)
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 33.0)
    transform.SetMatrixTransformToParent(matrix)
    before = voxels(plan, "tumor")
    scene_cyst_segments.move(table)
    assert np.array_equal(voxels(plan, "tumor") | voxels(plan, "cyst"), before)
    assert voxels(plan, "cyst").any()


def test_the_table_comes_back_with_the_scene(scene: Any, plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    scene_cysts.override(node, 2, "cyst")
    scene_cyst_plot.plot_region(node, 1)
    name = node.GetName()
    files.write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear(False)
    files.read_bundle(scene, tmp_path / "scene.mrb")
    back = scene.GetFirstNodeByName(name)
    assert [r.decision for r in scene_cysts.regions_of(back)] == ["cyst", "cyst", "tumor"]
    assert set(scene_cyst_segments.move(back)) == {"tumor", "cyst"}
    assert scene_cyst_plot.plot_region(back, 2).GetTitle().startswith("Region 2: cyst")


def test_the_chart_shows_histogram_fit_and_threshold(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    chart = scene_cyst_plot.plot_region(node, 1)
    assert chart.GetNumberOfPlotSeriesNodes() == 5
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    counts = [table.GetColumnByName("counts").GetValue(i) for i in range(table.GetNumberOfRows())]
    assert sum(counts) == pytest.approx(scene_cysts.regions_of(node)[0].voxels, rel=0.01)
    assert scene_cyst_plot.plot_region(node, 2) is chart
    assert "threshold 45 hu" in chart.GetNthPlotSeriesNode(4).GetName().lower()


def test_no_lesion_and_a_vanished_segmentation_are_said(scene: Any, plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    node = find(plan, tmp_path)
    plan.segmentation.GetSegmentation().RemoveSegment("tumor")
    with pytest.raises(NothingFound, match="no lesion"):
        scene_cysts.request(plan.segmentation, plan.volume, "robust", 45.0)
    scene.RemoveNode(plan.segmentation)
    with pytest.raises(InputError, match="no longer exists"):
        scene_cyst_segments.move(node)


def test_lesions_with_segments_of_their_own_are_decided_one_by_one(plan: scene_plan.PlanNodes, tmp_path: Path) -> None:
    import slicer

    tumor = voxels(plan, "tumor")
    left = tumor.copy()
    left[..., 14:] = False  # half of the dark lesion
    segments = plan.segmentation.GetSegmentation()
    second = slicer.vtkSegment()
    second.DeepCopy(segments.GetSegment("tumor"))
    second.SetName("HCC S4")
    segments.AddSegment(second, "second")
    for key, mask in (("tumor", tumor & ~left), ("second", left)):
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), plan.segmentation, key, plan.volume)
    regions = scene_cysts.regions_of(find(plan, tmp_path))
    assert sorted(r.decision for r in regions) == ["cyst", "cyst", "tumor", "tumor"]
