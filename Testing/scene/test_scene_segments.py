"""Segmentation nodes as structures: matching, voxels without copies, label images, changes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.scene.measures import LiveMeasures
from LiverPlannerLib.scene.segments import SegmentVoxels, segment_specs, structure_of_segment
from LiverPlannerLib.structures import SEGMENTS, STRUCTURES, mask_of
from LiverPlannerLib.terminology_files import terminology_entry
from LiverPlannerLib.voxel_boxes import paint as paint_box
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, NothingFound
from PreopReviewLib.images.vtk_images import fill
from PreopReviewLib.scene import nodes


@pytest.fixture
def plan(scene, labels):
    return nodes.add_segmentation(scene, labels, segment_specs(), "plan")


def paint(node, key: str, kji: tuple[slice, slice, slice], value: int = 1) -> None:
    """Sets voxels of a segment as the Segment Editor does, with its event; `kji` on the reference grid."""
    import slicer
    import vtk

    voxels = SegmentVoxels(node)
    whole = np.zeros(voxels.grid.shape, np.uint8)
    paint_box(whole, voxels.grid.start, voxels.masks[key], 1)
    whole[kji] = value
    content, matrix = fill(slicer.vtkOrientedImageData(), whole), vtk.vtkMatrix4x4()
    node.GetSegmentation().GetSegment(key).GetRepresentation("Binary labelmap").GetImageToWorldMatrix(matrix)
    content.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(content, node, key, logic.MODE_REPLACE)


@pytest.mark.parametrize(
    ("name", "entry", "key"),
    [
        ("Leber", "list~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~list~^^~^^", "liver"),
        ("x", "list~SCT^49755003^a~SCT^108369006^Neoplasm~^^~list~SCT^10200004^Liver~^^", "tumor"),
        ("Portal veins", "", "portal_vein"),
        ("Tumor 2", "", "tumor"),
        ("hepatic_vein", "list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~list~^^~^^", "hepatic_vein"),
        ("Kidney", "", None),
    ],
)
def test_segments_are_matched_by_terminology_then_by_name(name, entry, key):
    import slicer

    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetTerminology(entry)
    meaning = structure_of_segment(segment)
    assert (meaning and meaning.key) == key


def test_volumes_are_those_of_the_label_image(plan, labels):
    voxels = SegmentVoxels(plan)
    for s in STRUCTURES:
        expected = images.array_of(mask_of(labels, s.key)).sum() * images.voxel_ml(labels)
        assert voxels.volume_ml(s.key) == pytest.approx(expected)


def test_the_label_image_comes_back_in_its_place(plan, labels):
    voxels = SegmentVoxels(plan)
    whole = voxels.labels(None)
    assert images.same_grid(whole, labels)
    assert np.array_equal(images.array_of(whole), images.array_of(labels))
    cropped = voxels.labels(2)
    assert cropped.GetNumberOfPixels() < labels.GetNumberOfPixels()
    back = sitk.Resample(cropped, labels, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    assert np.array_equal(images.array_of(back), images.array_of(labels))


def test_only_what_was_edited_is_reported(plan):
    voxels = SegmentVoxels(plan)
    assert voxels.update() == set()
    vein = voxels.masks["hepatic_vein"]
    paint(plan, "tumor", (slice(14, 16), slice(15, 20), slice(5, 9)))
    assert voxels.update() == {"tumor", "liver"}
    assert voxels.masks["hepatic_vein"] is vein  # in the same layer, but not changed
    assert voxels.update() == set()


def test_two_tumor_segments_are_one_structure(plan):
    import slicer

    before = SegmentVoxels(plan).volume_ml("tumor")
    segmentation = plan.GetSegmentation()
    copied = slicer.vtkSegment()
    copied.DeepCopy(segmentation.GetSegment("cyst"))
    copied.SetName("Tumor 2")
    copied.SetTerminology("")
    segmentation.AddSegment(copied, "second")
    voxels = SegmentVoxels(plan)
    assert voxels.volume_ml("tumor") == pytest.approx(before + voxels.volume_ml("cyst"))
    assert "share" in voxels.overlaps()[0]


def test_lesions_of_segments_of_their_own_are_told_apart_and_where_two_share_voxels_the_smaller_has_them(plan):
    import slicer

    assert SegmentVoxels(plan).lesions_on(SegmentVoxels(plan).labels()) is None
    content = plan.GetSegmentation()
    second = slicer.vtkSegment()
    second.DeepCopy(content.GetSegment("tumor"))
    second.SetName("All tumors")
    content.AddSegment(second, "second")
    voxels = SegmentVoxels(plan)
    for labels in (voxels.labels(), voxels.labels(None)):
        drawn = voxels.lesions_on(labels)
        tumor = images.array_of(labels) == 2
        assert sorted(drawn.names.values())[0] == "All tumors"
        assert np.array_equal(drawn.array[tumor] > 0, np.ones(int(tumor.sum()), bool))
        assert not drawn.array[images.array_of(labels) == 1].any()


def test_a_moved_segmentation_keeps_its_volumes_and_moves_its_labels(scene, plan, labels):
    import vtk

    before = SegmentVoxels(plan).labels()
    move = scene.AddNewNodeByClass("vtkMRMLTransformNode", "move")
    matrix = vtk.vtkTransform()
    matrix.RotateZ(20)
    matrix.Translate(5, 0, 0)
    move.SetMatrixTransformToParent(matrix.GetMatrix())
    voxels = SegmentVoxels(plan)
    plan.SetAndObserveTransformNodeID(move.GetID())
    assert "liver" in voxels.update()
    after = voxels.labels()
    expected = np.array(matrix.TransformPoint(*images.kji_to_ras(np.zeros((1, 3)), before)[0]))
    assert images.kji_to_ras(np.zeros((1, 3)), after)[0] == pytest.approx(expected, abs=1e-3)
    assert voxels.volume_ml("liver") == pytest.approx(
        images.array_of(mask_of(before, "liver")).sum() * images.voxel_ml(before)
    )


def test_a_sheared_segmentation_is_refused(scene, plan):
    import vtk

    shear = scene.AddNewNodeByClass("vtkMRMLTransformNode", "shear")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 1, 0.4)
    shear.SetMatrixTransformToParent(matrix)
    plan.SetAndObserveTransformNodeID(shear.GetID())
    with pytest.raises(GeometryError, match="shears.*Harden"):
        SegmentVoxels(plan)


def test_a_segmentation_without_reference_geometry_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    with pytest.raises(GeometryError, match="'drawn' has no reference geometry. Set its source volume"):
        SegmentVoxels(node)


def test_nothing_known_and_nothing_drawn_are_said_apart(scene, labels):
    import slicer

    node = nodes.add_segmentation(scene, labels, [], "empty")
    with pytest.raises(NothingFound, match="no segments"):
        SegmentVoxels(node).labels()
    other = slicer.vtkSegment()
    other.SetName("Kidney")
    other.AddRepresentation("Binary labelmap", slicer.vtkOrientedImageData())
    node.GetSegmentation().AddSegment(other, "Kidney")
    with pytest.raises(InputError, match="only Kidney"):
        SegmentVoxels(node).labels()
    other.SetName("Liver")
    with pytest.raises(NothingFound, match="are empty"):
        SegmentVoxels(node).labels()


def test_renamed_segments_stay_by_their_codes_and_deleted_ones_leave(plan):
    live = LiveMeasures(plan)
    plan.GetSegmentation().GetSegment("tumor").SetName("xyz")
    assert live.update() == set()
    plan.GetSegmentation().RemoveSegment("cyst")
    assert live.update() == {"cyst", "liver"}
    assert "cyst" not in [c.key for c in live.changes]


def test_a_segment_of_surfaces_only_is_measured(scene, plan):
    import slicer

    nodes.make_surfaces(plan, {}, 0.0)
    segmentation = plan.GetSegmentation()
    only = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surfaces")
    only.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segment = slicer.vtkSegment()
    segment.SetName("Liver")
    segment.AddRepresentation("Closed surface", segmentation.GetSegment("liver").GetRepresentation("Closed surface"))
    only.GetSegmentation().AddSegment(segment, "liver")
    converter = slicer.vtkSegmentationConverter
    name = converter.GetReferenceImageGeometryParameterName()
    only.GetSegmentation().SetConversionParameter(name, segmentation.GetConversionParameter(name))
    expected = SegmentVoxels(plan).volume_ml("liver")
    assert SegmentVoxels(only).volume_ml("liver") == pytest.approx(expected, rel=0.08)


def test_changes_against_the_model_output_follow_an_edit(scene, labels, plan):
    model = nodes.add_segmentation(scene, labels, segment_specs(), "model output")
    live = LiveMeasures(plan, model)
    assert {c.dsc for c in live.changes} == {1.0}
    paint(plan, "tumor", (slice(0, 30), slice(0, 48), slice(0, 56)), 0)
    assert live.update() == {"tumor", "liver"}
    tumor = next(c for c in live.changes if c.key == "tumor")
    assert (tumor.now_ml, tumor.added_ml, tumor.dsc) == (0.0, 0.0, 0.0)
    assert tumor.model_ml > 0
    assert tumor.removed_ml == pytest.approx(tumor.model_ml)


def test_a_model_output_on_another_grid_is_said(scene, labels, plan):
    coarse = images.resample_spacing(labels, (4, 4, 4), "nearest")
    model = nodes.add_segmentation(scene, coarse, segment_specs(), "model output")
    with pytest.raises(GeometryError, match="different grids"):
        LiveMeasures(plan, model)


def test_the_edited_surface_alone_is_made_anew(plan):
    from PreopReviewLib.surfaces import enclosed_mm3

    nodes.make_surfaces(plan)
    live = LiveMeasures(plan)
    live.refresh_surfaces([c.key for c in live.changes])
    before = enclosed_mm3(nodes.surface_of(plan, "cyst"))
    paint(plan, "cyst", (slice(10, 20), slice(28, 36), slice(28, 36)))
    made = live.refresh_surfaces(live.update())
    assert made == ["cyst"]  # the liver is listed as changed, but its own segment has the same voxels
    assert enclosed_mm3(nodes.surface_of(plan, "cyst")) > 2 * before


def test_couinaud_segments_without_a_liver_are_the_liver(scene, labels):
    """As others draw them: their union can be compared with a plan."""
    array = images.array_of(labels)
    inside = array > 0
    half = np.cumsum(inside).reshape(array.shape) <= inside.sum() // 2
    drawn = images.image_like(np.where(inside, np.where(half, 2, 7), 0).astype(np.uint8), labels)
    specs = [nodes.SegmentSpec(s.key, s.name, s.color, (s.label,), terminology_entry(s)) for s in SEGMENTS]
    node = nodes.add_segmentation(scene, drawn, specs, "Couinaud")
    voxels = SegmentVoxels(node)
    assert set(voxels.structures.values()) == {"liver"}
    assert voxels.mask("liver").count == inside.sum()
    segment = node.GetSegmentation().GetSegment("segment_2")
    segment.SetTag("PreopReview.Structure", "none")  # somebody has said so
    assert SegmentVoxels(node).mask("liver").count == (inside & ~half).sum()
