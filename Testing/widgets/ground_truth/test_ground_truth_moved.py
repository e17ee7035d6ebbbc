"""A case that is moved while it is drawn: its labels are those of its voxels, on the grid of its image file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer
import vtk
from drawn_case import done, draw, drawn, gray, set_status

from PreopReviewLib import images


@pytest.fixture
def turned(host: Any, widget: Any, listed: Any) -> Any:
    """The first case, drawn, then turned and shifted with its image."""
    host.click(listed.ui.nextCaseButton)
    done(host, widget)
    draw(listed, drawn())
    turn = vtk.vtkTransform()
    turn.RotateWXYZ(25, 0.2, 0.5, 1)
    turn.Translate(30, -12, 8)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    for node in (listed.open_case.nodes.volume, listed.open_case.nodes.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    return listed


def kept(tmp_path: Path) -> bool:
    labels = images.read_labels(tmp_path / "list" / "ab" / "one.nii.gz")
    return images.same_grid(labels, gray()) and bool((images.array_of(labels) == images.array_of(drawn())).all())


@pytest.mark.parametrize("hardened", [False, True], ids=["under a transform", "hardened"])
@pytest.mark.parametrize("by", ["tick", "next"])
def test_labels_are_saved_on_the_grid_of_the_image(host, widget, turned, tmp_path, hardened, by):
    if hardened:
        for node in (turned.open_case.nodes.volume, turned.open_case.nodes.segmentation):
            node.HardenTransform()
    if by == "tick":
        set_status(host, turned, "liver", 2)
    else:
        host.click(turned.ui.nextCaseButton)
        done(host, widget)
    assert host.messages == []
    assert kept(tmp_path)
