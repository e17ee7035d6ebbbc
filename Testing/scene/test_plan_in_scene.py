"""A plan in the scene: what is added, where it lies, what is kept with it, and which volumes are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

from LiverPlannerLib.plan.parts import parts_of
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.structures import STRUCTURES, structure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, UnsupportedImage
from PreopReviewLib.scene import files, inputs, nodes

RECORD = {"modality": "MR", "volumes_ml": {"liver": 12.0}, "warnings": ["a; b: 5 %\nc"], "models": {"liver": "given"}}


@pytest.fixture
def labels() -> sitk.Image:
    array = np.zeros((20, 24, 28), np.uint8)
    array[4:16, 4:20, 4:24] = 1
    array[6:10, 6:10, 6:10] = 2
    array[8:14, 12:14, 5:22] = 4
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([2.0, 2.1, 3.0])
    image.SetOrigin([-30.0, 12.0, -50.0])
    return image


@pytest.fixture
def volume(scene: Any, labels: sitk.Image) -> Any:
    gray = images.image_like(images.array_of(labels).astype(np.int16) * 40 + 100, labels)
    return nodes.add_volume(scene, gray, "MRI")


def turned(scene: Any, volume: Any, degrees: float = 20.0) -> Any:
    transform = vtk.vtkTransform()
    transform.Translate(12, -30, 5)
    transform.RotateWXYZ(degrees, 1, 2, 3)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    volume.SetAndObserveTransformNodeID(node.GetID())
    return node


def plan_of(volume: Any, labels: sitk.Image, previous: Any = None) -> scene_plan.PlanNodes:
    world = sitk.Image(labels)
    geometry = inputs.world_geometry(volume)
    world.SetSpacing(geometry["spacing"])
    world.SetDirection(geometry["direction"])
    world.SetOrigin(geometry["origin"])
    return scene_plan.add_plan(volume, list(parts_of(world)), RECORD, previous)


def test_a_plan_has_names_colors_codes_and_the_exact_voxels(volume: Any, labels: sitk.Image) -> None:
    plan_nodes = plan_of(volume, labels)
    read = {s.key: s for s in nodes.read_segments(plan_nodes.segmentation)}
    assert list(read) == ["liver", "tumor", "hepatic_vein"]
    for key, content in read.items():
        assert content.name == structure(key).name
        assert content.color == pytest.approx(structure(key).color, abs=1e-3)
        assert structure(key).type.value in content.terminology
        assert images.same_grid(content.mask, labels)
    array = images.array_of(labels)
    assert np.array_equal(images.array_of(read["tumor"].mask), array == 2)
    assert np.array_equal(images.array_of(read["liver"].mask), array > 0)


def test_a_plan_lies_in_the_study_of_its_volume(scene: Any, volume: Any, labels: sitk.Image) -> None:
    study = nodes.put_in_study(scene, [volume], "Patient", "MRI of the liver")
    plan_nodes = plan_of(volume, labels)
    hierarchy = scene.GetSubjectHierarchyNode()
    for node in (plan_nodes.segmentation, plan_nodes.model_output):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert scene_plan.volume_of(plan_nodes.segmentation).GetID() == volume.GetID()


def test_the_model_output_is_hidden_and_not_offered_for_editing(volume: Any, labels: sitk.Image) -> None:
    plan_nodes = plan_of(volume, labels)
    assert plan_nodes.model_output.GetHideFromEditors()
    assert not plan_nodes.model_output.GetDisplayNode().GetVisibility()
    assert plan_nodes.segmentation.GetDisplayNode().GetVisibility()
    assert scene_plan.same_segments(plan_nodes.segmentation, plan_nodes.model_output)
    plan_nodes.segmentation.GetSegmentation().RemoveSegment("tumor")
    assert not scene_plan.same_segments(plan_nodes.segmentation, plan_nodes.model_output)
    assert nodes.segment_keys(plan_nodes.model_output) == ["liver", "tumor", "hepatic_vein"]


def test_a_plan_under_a_rigid_transform_covers_the_transformed_volume(
    scene: Any, volume: Any, labels: sitk.Image
) -> None:
    transform = turned(scene, volume)
    plan_nodes = plan_of(volume, labels)
    assert plan_nodes.segmentation.GetParentTransformNode() is transform
    read = {s.key: s for s in nodes.read_segments(plan_nodes.segmentation)}
    assert images.same_grid(read["liver"].mask, labels)  # in the volume's own space, below the transform
    assert np.array_equal(images.array_of(read["tumor"].mask), images.array_of(labels) == 2)
    surface = vtk.vtkPolyData()
    plan_nodes.segmentation.GetClosedSurfaceRepresentation("tumor", surface)
    inside = images.kji_to_ras(np.array([[7.5, 7.5, 7.5]]), labels)[0]
    assert surface.GetCenter() == pytest.approx(inside, abs=1.0)


def test_world_geometry_is_where_the_volume_is_seen(scene: Any, volume: Any) -> None:
    turned(scene, volume)
    image = inputs.image_of(volume)
    point = np.array([3.0, 5.0, 7.0, 1.0])  # I, J, K
    expected = (inputs.ijk_to_world(volume) @ point)[:3]
    assert images.kji_to_ras(np.array([[7.0, 5.0, 3.0]]), image)[0] == pytest.approx(expected, abs=1e-6)


def test_what_is_known_of_a_plan_comes_back_with_the_scene(
    scene: Any, volume: Any, labels: sitk.Image, tmp_path: Any
) -> None:
    plan_of(volume, labels)
    files.write_bundle(scene, tmp_path / "scene.mrb")
    scene.Clear(False)
    files.read_bundle(scene, tmp_path / "scene.mrb")
    found = scene.GetFirstNodeByName("MRI liver plan")
    assert scene_plan.plan_record(found) == RECORD
    output = scene.GetFirstNodeByName("MRI model output")
    assert output.GetHideFromEditors()
    assert scene_plan.same_segments(found, output)
    assert scene_plan.volume_of(found).GetName() == "MRI"


def test_a_second_plan_replaces_an_unchanged_one_and_keeps_a_changed_one(
    scene: Any, volume: Any, labels: sitk.Image
) -> None:
    first = plan_of(volume, labels)
    second = plan_of(volume, labels, first)
    assert not scene.IsNodePresent(first.segmentation)
    second.segmentation.GetSegmentation().RemoveSegment("tumor")
    third = plan_of(volume, labels, second)
    assert scene.IsNodePresent(second.segmentation)
    assert not second.segmentation.GetDisplayNode().GetVisibility()
    assert third.segmentation.GetName() != second.segmentation.GetName()


def test_a_plan_stopped_half_way_leaves_the_scene_as_it_was(scene: Any, volume: Any, labels: sitk.Image) -> None:
    before = scene.GetNumberOfNodes()
    steps = scene_plan.add_plan_steps(volume, list(parts_of(labels)), RECORD)
    next(steps)
    next(steps)
    steps.close()
    assert scene.GetNumberOfNodes() == before


def test_a_volume_that_left_the_scene_is_said_and_nothing_is_added(scene: Any, volume: Any, labels: sitk.Image) -> None:
    steps = scene_plan.add_plan_steps(volume, list(parts_of(labels)), RECORD)
    next(steps)
    scene.RemoveNode(volume)
    with pytest.raises(InputError, match="removed"):
        list(steps)
    assert scene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_unusable_volumes_are_refused_in_words(scene: Any, volume: Any, labels: sitk.Image) -> None:
    assert inputs.volume_problem(volume) == ""
    assert "No volume is chosen" in inputs.volume_problem(None)
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn")
    assert "label map" in inputs.volume_problem(label_map)
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    assert "holds no image" in inputs.volume_problem(empty)
    thin = nodes.add_volume(scene, labels[:, :, :2], "Thin")
    assert "only" in inputs.volume_problem(thin)
    with pytest.raises(UnsupportedImage):
        inputs.require_volume(thin)


def test_a_color_volume_is_refused(scene: Any, volume: Any) -> None:
    data = vtk.vtkImageData()
    data.SetDimensions(8, 8, 8)
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    color = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photo")
    color.SetAndObserveImageData(data)
    assert "color" in inputs.volume_problem(color)


def test_a_sequence_is_refused(scene: Any, volume: Any) -> None:
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Phases")
    for time in "123":
        sequence.SetDataNodeAtValue(volume, time)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(volume, sequence, False)
    assert "4D sequence" in inputs.volume_problem(volume)


def test_a_non_linear_or_shearing_transform_is_refused_with_a_reason(scene: Any, volume: Any) -> None:
    bent = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    spline = vtk.vtkThinPlateSplineTransform()
    bent.SetAndObserveTransformToParent(spline)
    volume.SetAndObserveTransformNodeID(bent.GetID())
    assert "non-linear transform Bent" in inputs.volume_problem(volume)
    shear = vtk.vtkMatrix4x4()
    shear.SetElement(0, 1, 0.2)
    linear = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shear")
    linear.SetMatrixTransformToParent(shear)
    volume.SetAndObserveTransformNodeID(linear.GetID())
    with pytest.raises(GeometryError, match="shears"):
        inputs.require_volume(volume)


def test_modality_comes_from_dicom_before_the_intensities(scene: Any, volume: Any) -> None:
    assert inputs.guess_modality(volume) == "MR"
    volume.SetAttribute("DICOM.Modality", "CT")
    assert inputs.guess_modality(volume) == "CT"


def test_the_liver_of_a_plan_is_kept_on_the_grid_of_a_volume(scene: Any, volume: Any, labels: sitk.Image) -> None:
    turned(scene, volume)
    plan_nodes = plan_of(volume, labels)
    liver = scene_plan.liver_mask(plan_nodes.segmentation, volume)
    assert images.same_grid(liver, inputs.image_of(volume))
    asked = scene_plan.unsaved_liver(plan_nodes.segmentation, volume)
    assert np.array_equal(asked.array, images.array_of(liver))
    assert asked.geometry == inputs.world_geometry(volume)
    volume.SetOrigin(*(x + 1.3 for x in volume.GetOrigin()))  # between its voxels
    asked = scene_plan.unsaved_liver(plan_nodes.segmentation, volume)
    assert np.array_equal(asked.array, images.array_of(scene_plan.liver_mask(plan_nodes.segmentation, volume)))
    assert not np.array_equal(asked.array, images.array_of(liver))
    assert asked.geometry == inputs.world_geometry(volume)
    assert np.array_equal(images.array_of(liver) > 0, images.array_of(labels) > 0)
    plan_nodes.segmentation.GetSegmentation().RemoveAllSegments()
    with pytest.raises(InputError, match="no liver"):
        scene_plan.liver_mask(plan_nodes.segmentation, volume)


def test_every_structure_becomes_a_part_with_a_surface(labels: sitk.Image) -> None:
    array = images.array_of(labels).copy()
    for i, s in enumerate(STRUCTURES[2:]):
        array[5:8, 5:8, 4 * i // 2 + 5] = s.label
    for part in parts_of(images.image_like(array, labels)):
        assert part.voxels.max() == 1
        assert part.surface.GetNumberOfCells() > 0


def test_one_looks_first_at_the_largest_lesion_else_at_the_liver(volume: Any, labels: sitk.Image) -> None:
    plan_nodes = plan_of(volume, labels)
    middle = images.kji_to_ras(np.array([[9.5, 11.5, 13.5]]), labels)[0]
    assert scene_plan.place_to_look(plan_nodes.segmentation) == pytest.approx(middle, abs=3.0)
    regions = [{"ml": 1.0, "centroid_ras": [1, 2, 3]}, {"ml": 4.0, "centroid_ras": [4, 5, 6]}]
    plan_nodes.segmentation.SetAttribute(scene_plan.RECORD, json.dumps({"regions": regions}))
    assert scene_plan.place_to_look(plan_nodes.segmentation) == (4, 5, 6)
