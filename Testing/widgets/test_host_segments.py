"""Segment widgets and the Segment Editor's stand-in, over MRML's real nodes and logic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SHAPE = (12, 16, 20)


@pytest.fixture
def volume(host: Any) -> Any:
    import slicer

    array = np.zeros(SHAPE, np.int16)
    array[:, :, 10:] = 100
    return slicer.util.addVolumeFromArray(array, name="CT")


@pytest.fixture
def segmentation(host: Any, volume: Any) -> Any:
    node = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "plan")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.CreateDefaultDisplayNodes()
    for name in ("Liver", "Tumor"):
        node.GetSegmentation().AddEmptySegment(name.lower(), name)
    return node


@pytest.fixture
def editor(host: Any, segmentation: Any, volume: Any) -> Any:
    import slicer

    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLSegmentEditorNode(host.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode", "editor"))
    widget.setMRMLScene(host.scene)
    widget.setSegmentationNode(segmentation)
    widget.setSourceVolumeNode(volume)
    return widget


def voxels(segmentation: Any, segment_id: str, volume: Any) -> np.ndarray:
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, volume).astype(bool)


def block(*slices: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[slices] = True
    return mask


# ---- the editor ----


def test_the_editor_wants_its_node_first(host: Any, segmentation: Any, volume: Any) -> None:
    import slicer

    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(host.scene)
    with pytest.raises(RuntimeError, match="segment editor node first"):
        widget.setSegmentationNode(segmentation)
    with pytest.raises(RuntimeError, match="segment editor node first"):
        widget.setSourceVolumeNode(volume)


def test_the_editor_wants_the_segmentation_before_the_volume(host: Any, volume: Any) -> None:
    import slicer

    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLSegmentEditorNode(host.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode", "editor"))
    widget.setMRMLScene(host.scene)
    with pytest.raises(RuntimeError, match="segmentation node first"):
        widget.setSourceVolumeNode(volume)


def test_the_first_segment_is_current(editor: Any) -> None:
    assert editor.currentSegmentID() == "liver"
    assert editor.segmentationNode().GetName() == "plan"
    assert editor.sourceVolumeNode().GetName() == "CT"


def test_an_edit_changes_exactly_the_voxels_and_can_be_undone(
    host: Any, editor: Any, segmentation: Any, volume: Any
) -> None:
    first, second = block(slice(2, 6), slice(2, 8), slice(3, 9)), block(slice(4, 9), slice(2, 8), slice(3, 9))
    host.edit_segment(editor, first)
    host.edit_segment(editor, second)
    assert np.array_equal(voxels(segmentation, "liver", volume), first | second)
    host.edit_segment(editor, first, mode="remove")
    assert np.array_equal(voxels(segmentation, "liver", volume), second & ~first)
    editor.undo()
    assert np.array_equal(voxels(segmentation, "liver", volume), first | second)
    editor.undo()
    assert np.array_equal(voxels(segmentation, "liver", volume), first)
    editor.redo()
    assert np.array_equal(voxels(segmentation, "liver", volume), first | second)


def test_an_edit_takes_voxels_from_other_segments_unless_overlap_is_allowed(
    host: Any, editor: Any, segmentation: Any, volume: Any
) -> None:
    whole, part = block(slice(2, 8), slice(2, 8), slice(2, 8)), block(slice(4, 6), slice(4, 6), slice(4, 6))
    host.edit_segment(editor, whole, segment_id="liver")
    host.edit_segment(editor, part, segment_id="tumor")
    assert np.array_equal(voxels(segmentation, "liver", volume), whole & ~part)
    node = editor.mrmlSegmentEditorNode()
    node.SetOverwriteMode(node.OverwriteNone)
    host.edit_segment(editor, whole, mode="set", segment_id="liver")
    assert np.array_equal(voxels(segmentation, "liver", volume), whole)
    assert np.array_equal(voxels(segmentation, "tumor", volume), part)


def test_an_edit_stays_within_the_intensity_mask(host: Any, editor: Any, segmentation: Any, volume: Any) -> None:
    node = editor.mrmlSegmentEditorNode()
    node.SourceVolumeIntensityMaskOn()
    node.SetSourceVolumeIntensityMaskRange(50, 150)
    host.edit_segment(editor, block(slice(2, 6), slice(2, 6), slice(6, 14)))
    assert np.array_equal(voxels(segmentation, "liver", volume), block(slice(2, 6), slice(2, 6), slice(10, 14)))


def test_a_read_only_editor_cannot_edit(host: Any, editor: Any) -> None:
    editor.readOnly = True
    with pytest.raises(AssertionError, match="read-only"):
        host.edit_segment(editor, block(slice(0, 1)))


def test_effects_are_known_by_name_and_keep_parameters(editor: Any) -> None:
    editor.setActiveEffectByName("Paint")
    effect = editor.activeEffect()
    assert effect.name == "Paint"
    effect.setParameter("BrushSphere", 1)
    assert effect.integerParameter("BrushSphere") == 1
    editor.setActiveEffect(None)
    assert editor.activeEffect() is None
    assert editor.effectByName("Nonsense") is None
    with pytest.raises(ValueError, match="Pain"):
        editor.setEffectNameOrder(["Pain"])
    with pytest.raises(NotImplementedError):
        effect.self()


def test_another_segmentation_ends_the_effect(host: Any, editor: Any) -> None:
    editor.setActiveEffectByName("Paint")
    editor.setSegmentationNode(host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other"))
    assert editor.activeEffect() is None


def test_the_editor_tells_what_it_shows(host: Any, editor: Any) -> None:
    told: list[Any] = []
    editor.connect("currentSegmentIDChanged(QString)", told.append)
    editor.setCurrentSegmentID("tumor")
    assert told == ["tumor"]


def test_closing_the_scene_empties_the_editor(host: Any, editor: Any) -> None:
    host.close_scene()
    assert editor.segmentationNode() is None
    assert editor.sourceVolumeNode() is None


# ---- tables and selectors of segments ----


def test_the_table_follows_the_segmentation(host: Any, segmentation: Any) -> None:
    import qt
    import slicer

    table = slicer.qMRMLSegmentsTableView()
    table.setMRMLScene(host.scene)
    table.setSegmentationNode(segmentation)
    assert table.displayedSegmentIDs() == ["liver", "tumor"]
    segmentation.GetSegmentation().AddEmptySegment("cyst", "Cyst")
    segmentation.GetSegmentation().RemoveSegment("liver")
    assert table.displayedSegmentIDs() == ["tumor", "cyst"]
    table.setSelectedSegmentIDs(["cyst"])
    segmentation.GetSegmentation().GetSegment("cyst").SetName("Cyst 1")
    assert table.selectedSegmentIDs() == ["cyst"]
    table.tableWidget().item(0, 0).setCheckState(qt.Qt.Unchecked)
    assert not segmentation.GetDisplayNode().GetSegmentVisibility("tumor")


def test_show_3d_makes_and_removes_surfaces(host: Any, editor: Any, segmentation: Any) -> None:
    import slicer

    host.edit_segment(editor, block(slice(2, 8), slice(2, 8), slice(2, 8)))
    button = slicer.qMRMLSegmentationShow3DButton()
    assert not button.enabled
    button.setSegmentationNode(segmentation)
    host.click(button)
    assert segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    assert button.checked
    host.click(button)
    assert not segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


def test_a_node_of_another_class_is_refused(host: Any, volume: Any) -> None:
    import slicer

    for kind in ("qMRMLSegmentsTableView", "qMRMLSegmentationShow3DButton"):
        with pytest.raises(TypeError):
            getattr(slicer, kind)().setSegmentationNode(volume)
