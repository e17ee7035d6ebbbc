"""An MRI of a shoulder that is moved after, or while, it is classified: its map stays where it was, and says so."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import slicer  # noqa: E402
import vtk  # noqa: E402

from PreopReviewLib.phantoms.shoulder import make_shoulder_phantom  # noqa: E402
from PreopReviewLib.scene import nodes  # noqa: E402

WAIT = 240.0


def section(widget: Any, name: str) -> Any:
    return next(s for s in widget.sections if type(s).__name__ == name)


def shift(volume: Any, mm: float) -> None:
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, mm)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())


@pytest.fixture
def panel(host: Any) -> Any:
    widget = host.open_module("RotatorCuffCAM")
    image = make_shoulder_phantom(5, 4, side="R", size=(48, 48, 16)).image
    widget.context.parameters.inputVolume = nodes.add_volume(host.scene, image, "Shoulder")
    host.process_events()
    return widget


def test_a_map_is_not_measured_against_a_box_on_an_mri_that_was_moved_since(host: Any, panel: Any) -> None:
    parameters, compare = panel.context.parameters, section(panel, "CompareBoxSection")
    host.click(section(panel, "ClassifySection").ui.classifyButton)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    compare.button.collapsed = False
    box = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Tear")
    bounds = [0.0] * 6
    parameters.activation.GetRASBounds(bounds)
    box.SetCenter([(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)])
    box.SetSize(20, 20, 20)
    parameters.tearBox = box
    host.process_events()
    assert compare.ui.boxTable.rowCount > 0, host.messages
    shown = section(panel, "ActivationSection")
    assert "was moved" not in shown.ui.measuresLabel.text
    shift(parameters.inputVolume, 30)
    panel.refresh()
    assert compare.ui.boxTable.rowCount == 0
    assert "was moved since" in compare.ui.boxLabel.text
    assert "was moved since" in shown.ui.measuresLabel.text
    parameters.inputVolume.SetAndObserveTransformNodeID(None)
    panel.refresh()
    assert compare.ui.boxTable.rowCount > 0
    assert "was moved" not in shown.ui.measuresLabel.text


def test_an_mri_that_is_moved_while_it_is_classified_gets_no_map(host: Any, panel: Any) -> None:
    host.click(section(panel, "ClassifySection").ui.classifyButton)
    shift(panel.context.parameters.inputVolume, 30)
    host.wait_until(lambda: not panel.context.busy, WAIT)
    assert "was moved while it was being classified" in host.messages[-1].text
    assert panel.context.parameters.activation is None
