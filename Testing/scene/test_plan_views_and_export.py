"""Presets of opacity, two segmentations side by side, surfaces as files and models."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from LiverPlannerLib.resection.surface_files import read_surface
from LiverPlannerLib.scene import export as scene_export
from LiverPlannerLib.scene import models as scene_models
from LiverPlannerLib.scene import views as scene_views
from LiverPlannerLib.scene.segments import segment_specs
from PreopReviewLib.errors import NothingFound, OutputError
from PreopReviewLib.scene import nodes


@pytest.fixture
def segmentation(scene: Any, straight_labels: Any) -> Any:
    node = nodes.add_segmentation(scene, straight_labels, segment_specs(), "Case 1")
    nodes.make_surfaces(node)
    return node


def two_views(scene: Any) -> tuple[Any, Any]:
    views = []
    for name in "12":
        view = slicer.vtkMRMLViewNode()
        view.SetLayoutName(name)
        views.append(scene.AddNode(view))
    return views[0], views[1]


def opacity(node: Any, key: str) -> float:
    return node.GetDisplayNode().GetSegmentOpacity3D(key)


def test_presets_change_opacity_and_hide_what_is_in_the_way(segmentation: Any) -> None:
    scene_views.apply_preset(segmentation, "lesions")
    assert opacity(segmentation, "liver") == 0.15
    assert opacity(segmentation, "tumor") == 1.0
    assert not segmentation.GetDisplayNode().GetSegmentVisibility3D("gallbladder")
    scene_views.apply_preset(segmentation, "solid")
    assert opacity(segmentation, "liver") == 1.0
    assert segmentation.GetDisplayNode().GetSegmentVisibility3D("gallbladder")


def test_a_view_is_filled_by_the_liver_seen_from_the_front(scene: Any, segmentation: Any) -> None:
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
    asked: list[Any] = []
    for view in two_views(scene):
        view.AddObserver(view.ResetFocalPointRequestedEvent, lambda caller, _event: asked.append(caller))
    scene_views.frame(segmentation)
    assert len(asked) == 2, "box and letters are moved around the liver, too"
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    assert camera.GetFocalPoint()[0] == pytest.approx((bounds[0] + bounds[1]) / 2)
    assert camera.GetPosition()[1] > bounds[3]
    assert camera.GetViewUp() == (0, 0, 1)


def test_side_by_side_shows_each_in_its_view_and_puts_everything_back(
    scene: Any, segmentation: Any, straight_labels: Any
) -> None:
    other = nodes.add_segmentation(scene, straight_labels, segment_specs(), "Other")
    other.GetDisplayNode().SetVisibility(False)
    views = two_views(scene)
    both = scene_views.SideBySide(segmentation, other)
    both.begin(views)
    assert segmentation.GetDisplayNode().IsDisplayableInView(views[0].GetID())
    assert not segmentation.GetDisplayNode().IsDisplayableInView(views[1].GetID())
    assert other.GetDisplayNode().GetVisibility()
    assert other.GetSegmentation().ContainsRepresentation("Closed surface")
    assert views[0].GetLinkedControl()
    both.end()
    assert segmentation.GetDisplayNode().GetNumberOfViewNodeIDs() == 0
    assert not other.GetDisplayNode().GetVisibility()
    assert not views[0].GetLinkedControl()


def test_side_by_side_ends_when_a_node_has_left_the_scene(scene: Any, segmentation: Any, straight_labels: Any) -> None:
    other = nodes.add_segmentation(scene, straight_labels, segment_specs(), "Other")
    views = two_views(scene)
    both = scene_views.SideBySide(segmentation, other)
    both.begin(views)
    scene.RemoveNode(other)
    both.end()
    assert segmentation.GetDisplayNode().GetNumberOfViewNodeIDs() == 0


def test_stl_and_obj_are_in_lps_and_come_back_where_they_were(segmentation: Any, tmp_path: Path) -> None:
    written = scene_export.export_surfaces(segmentation, tmp_path, ["stl", "obj"])
    assert {p.name for p in written} >= {"Case_1_Liver.stl", "Case_1_Liver_tumor.obj"}
    points, _triangles = read_surface(tmp_path / "Case_1_Liver_tumor.stl")
    expected = np.array(nodes.surface_of(segmentation, "tumor").GetCenter())
    assert (points.min(0) + points.max(0)) / 2 == pytest.approx(expected, abs=1e-3)
    assert not list(tmp_path.glob(".preop*"))


def test_gltf_is_one_file_in_meters_with_every_segment_in_color(
    segmentation: Any, tmp_path: Path, vtk_may_complain: None
) -> None:  # that there is no X server
    (path,) = scene_export.export_surfaces(segmentation, tmp_path, ["gltf"])
    content = json.loads(path.read_text())
    assert len(content["meshes"]) == len(nodes.segment_keys(segmentation))
    low = np.min([a["min"] for a in content["accessors"] if a.get("type") == "VEC3" and "min" in a], axis=0)
    high = np.max([a["max"] for a in content["accessors"] if a.get("type") == "VEC3" and "max" in a], axis=0)
    bounds = np.array(nodes.surface_of(segmentation, "liver").GetBounds()).reshape(3, 2)
    assert (high - low).max() < 2
    assert high[1] == pytest.approx(bounds[2, 1] / 1000, abs=0.06)  # superior is up
    factors = {tuple(np.round(m["pbrMetallicRoughness"]["baseColorFactor"][:3], 2)) for m in content["materials"]}
    assert len(factors) == len(nodes.segment_keys(segmentation))


def test_a_folder_that_cannot_be_written_leaves_nothing_and_says_so(segmentation: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        scene_export.export_surfaces(segmentation, tmp_path / "missing", ["stl"])
    if os.geteuid() == 0:
        return  # the administrator may write everywhere
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Choose a folder"):
        scene_export.export_surfaces(segmentation, tmp_path, ["stl"])
    tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_noticed_and_leaves_what_was_there(
    segmentation: Any, tmp_path: Path, vtk_may_complain: None
) -> None:
    resource = pytest.importorskip("resource", reason="the size of files can be limited on POSIX systems only")
    (tmp_path / "Case_1_Liver.obj").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        for form in scene_export.FORMATS:
            with pytest.raises(OutputError):
                scene_export.export_surfaces(segmentation, tmp_path, [form])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["Case_1_Liver.obj"]
    assert (tmp_path / "Case_1_Liver.obj").read_text() == "old"


def test_two_segments_of_one_name_give_two_files(segmentation: Any, tmp_path: Path) -> None:
    segmentation.GetSegmentation().GetSegment("cyst").SetName("Liver tumor")
    names = [p.name for p in scene_export.export_surfaces(segmentation, tmp_path, ["obj"])]
    assert {"Case_1_Liver_tumor.obj", "Case_1_Liver_tumor_2.obj"} <= set(names)


def test_models_are_in_a_folder_with_names_and_colors(scene: Any, segmentation: Any) -> None:
    count = scene_models.make_models(segmentation)
    models = scene.GetNodesByClass("vtkMRMLModelNode")
    models.UnRegister(None)
    assert models.GetNumberOfItems() == count == len(nodes.segment_keys(segmentation))
    liver = scene.GetFirstNodeByName("Liver")
    assert liver.GetDisplayNode().GetOpacity() == 0.25
    assert not segmentation.GetDisplayNode().GetVisibility3D()


def test_an_empty_segmentation_has_nothing_to_export(scene: Any, tmp_path: Path) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    empty.CreateDefaultDisplayNodes()
    with pytest.raises(NothingFound, match="no surface"):
        scene_export.export_surfaces(empty, tmp_path, ["stl"])
