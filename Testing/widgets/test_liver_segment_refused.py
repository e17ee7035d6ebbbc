"""The section Segment: what cannot be segmented is said in a sentence, and nothing is added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from liver_case import add_volume, scene_content, small_case, wait
from segment_section import open_module, section, start


@pytest.fixture
def opened(host: Any) -> Any:
    return open_module(host)


def test_apply_is_off_with_a_reason_for_what_is_no_single_3d_image(host: Any) -> None:
    widget = host.open_module("LiverPlanner")
    button = section(widget).ui.applyButton
    assert not button.isEnabled()
    assert "Load a CT or MRI" in button.toolTip
    volume = add_volume()
    widget.context.parameters.inputVolume = volume
    host.process_events()
    assert button.isEnabled()
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    volume.SetAndObserveTransformNodeID(bent.GetID())
    host.process_events()
    assert not button.isEnabled()
    assert "non-linear transform Bent" in button.toolTip
    volume.SetAndObserveTransformNodeID(None)
    host.process_events()
    assert button.isEnabled()
    label_map = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn labels")
    widget.context.parameters.inputVolume = label_map
    host.process_events()
    assert not button.isEnabled()


def test_a_segmentation_without_liver_is_refused_before_anything_starts(host: Any, opened: Any) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Nothing")
    empty.SetReferenceImageGeometryParameterFromVolumeNode(opened.context.parameters.inputVolume)
    opened.context.parameters.liverSource = empty
    before = scene_content()
    host.click(section(opened).ui.applyButton)
    assert not opened.context.busy
    assert "no liver" in host.messages[-1].text
    assert scene_content() == before


def test_a_declined_installation_ends_in_a_sentence_and_nothing_starts(
    host: Any, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PreopReviewLib.panels import dependencies

    monkeypatch.setattr(dependencies, "_ensured", set())
    monkeypatch.setattr(host.app, "_testing", False)
    monkeypatch.setattr(dependencies, "_pytorch_extension", lambda: None)
    host.packages.missing.add("monai")
    host.dialogs.answer("cancel", "ok")  # the question, then the sentence
    before = scene_content()
    host.click(section(opened).ui.applyButton)
    assert not opened.context.busy
    assert host.packages.installed == []
    assert scene_content() == before
    assert "nothing was computed or changed" in host.messages[-1].text


def test_too_small_a_liver_ends_in_a_sentence_without_command_line_words(host: Any, opened: Any) -> None:
    liver = opened.context.parameters.liverSource
    array = np.zeros(small_case().image.GetSize()[::-1], np.uint8)
    array[10:13, 10:13, 10:13] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, liver, "liver", opened.context.parameters.inputVolume)
    before = scene_content()
    start(host, opened)
    wait(host, opened)
    assert "No liver was found in CT" in host.messages[-1].text
    assert "--" not in host.messages[-1].text
    assert "No liver was found" in section(opened).ui.messageLabel.text
    assert scene_content() == before


def test_an_mri_called_a_ct_is_said(host: Any, opened: Any) -> None:
    volume = opened.context.parameters.inputVolume
    values = slicer.util.arrayFromVolume(volume)
    values[:] = np.clip(values, 0, None) + 200
    slicer.util.arrayFromVolumeModified(volume)
    host.choose(section(opened).ui.modalityComboBox, "CT")
    start(host, opened)
    wait(host, opened)
    assert "not a CT in Hounsfield units" in host.messages[-1].text
    assert "--modality" not in host.messages[-1].text
