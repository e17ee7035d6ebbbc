"""Edits of a segment as an effect of the Segment Editor makes them, by MRML's real logic."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Mode = Literal["add", "remove", "set"]


def edit_segment(editor: Any, mask: np.ndarray, mode: Mode = "add", segment_id: str | None = None) -> None:
    """One stroke: the state is saved for undo, then voxels are added, removed or set, within the editor's masking.

    Args:
        editor: a qMRMLSegmentEditorWidget with segmentation and source volume.
        mask: bool, K-J-I, on the segmentation's reference geometry (with a source volume, as a rule the volume's).
        segment_id: the current segment, unless given.

    Raises:
        AssertionError: the editor is not ready, or the mask is on another grid.
    """
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    logic, node = editor._logic, editor.mrmlSegmentEditorNode()
    assert node is not None, "the editor has no segment editor node"
    assert not editor.readOnly, "the editor is read-only"
    if segment_id is not None:
        editor.setCurrentSegmentID(segment_id)
    segment_id = editor.currentSegmentID()
    assert logic.GetSegmentationNode() is not None, "the editor has no segmentation"
    assert segment_id, "the editor has no segment"
    assert logic.GetSourceVolumeNode() is not None, "the editor has no source volume"
    logic.UpdateReferenceGeometryImage()
    logic.UpdateAlignedSourceVolume()
    logic.UpdateSelectedSegmentLabelmap()
    logic.UpdateMaskLabelmap()
    logic.ResetModifierLabelmapToDefault()
    labelmap = logic.GetModifierLabelmap()
    shape = labelmap.GetDimensions()[::-1]
    assert mask.shape == shape, f"the mask has the shape {mask.shape}, the editor's grid {shape}"
    flat = np.ascontiguousarray(mask, dtype=np.uint8).ravel()
    values = numpy_to_vtk(flat, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    values.SetName("ImageScalars")
    labelmap.GetPointData().SetScalars(values)
    labelmap.Modified()
    logic.SaveStateForUndo()
    modes = {
        "add": logic.ModificationModeAdd,
        "remove": logic.ModificationModeRemove,
        "set": logic.ModificationModeSet,
    }
    logic.ModifySegmentByLabelmap(logic.GetSegmentationNode(), segment_id, labelmap, modes[mode], False, False)
