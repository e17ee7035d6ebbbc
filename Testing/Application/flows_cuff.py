"""What an orthopedic surgeon and a reader do with RotatorCuffCAM in the Slicer application, by mouse events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from mouse import SliceMouse, click, work
from RotatorCuffCAMSelfTest import _coronal_volume


class Reader:
    """The module with one shoulder in the views."""

    def __init__(self) -> None:
        slicer.mrmlScene.Clear()
        self.volume = _coronal_volume()
        slicer.util.selectModule("RotatorCuffCAM")
        self.widget = slicer.modules.rotatorcuffcam.widgetRepresentation().self()
        self.parameters = self.widget.context.parameters
        self.parameters.inputVolume = self.volume
        slicer.util.setSliceViewerLayers(background=self.volume, fit=True)
        work(0.5)

    def open(self, name: str) -> Any:
        """Opens one section, and closes the others."""
        for section in self.widget.sections:
            section.button.collapsed = type(section).__name__ != name
        work(0.3)
        return next(s for s in self.widget.sections if type(s).__name__ == name)

    def ras(self, i: float, j: float, k: float) -> list[float]:
        """Where a voxel of the shoulder is."""
        import vtk

        matrix = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(matrix)
        return list(matrix.MultiplyPoint((i, j, k, 1.0))[:3])


def two_clicks_draw_a_box_along_the_series() -> None:
    me = Reader()
    compare = me.open("CompareBoxSection")
    green = SliceMouse("Green")
    green.look_at(me.ras(32, 32, 8))
    for first, second in (((20, 24), (40, 36)), ((28, 20), (38, 44))):
        click(compare.ui.drawButton)
        for i, j in (first, second):
            green.click(me.ras(i, j, 8))
        work(0.3)
        size = sorted(me.parameters.tearBox.GetSize())
        wide, high = (2.0 * abs(a - b) for a, b in zip(first, second, strict=True))
        assert max(abs(a - b) for a, b in zip(size, sorted((wide, high, min(wide, high))), strict=True)) < 4, size
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 1
    me.open("ReportSection")
    assert not me.parameters.tearBox.GetDisplayNode().GetVisibility2D()


def a_case_is_read_without_a_trace_of_the_scene() -> None:
    from RotatorCuffCAMLib.readers.study import StudyCase, create_study

    me = Reader()
    red = slicer.app.layoutManager().sliceWidget("Red")
    red.mrmlSliceNode().SetFieldOfView(90, 90, 1)
    composite = red.mrmlSliceCompositeNode()
    with tempfile.TemporaryDirectory() as folder:
        cases = []
        for n in range(2):
            other = _coronal_volume(f"Patient {n}")
            slicer.util.saveNode(other, str(Path(folder) / f"{n}.nrrd"))
            slicer.mrmlScene.RemoveNode(other)
            cases.append(StudyCase(f"Patient {n}", Path(folder) / f"{n}.nrrd"))
        study = create_study(Path(folder) / "study", cases)
        reading = me.open("ReaderStudySection")
        reading.ui.studyPathLineEdit.setCurrentPath(str(study.folder))
        reading.ui.readerLineEdit.text = "Kim"
        work(0.2)
        click(reading.ui.startButton)
        work(1.0)
        shown = []
        for button in (reading.ui.noneButton, reading.ui.smallButton):
            shown.append(slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName())
            click(button)
            work(1.0)
        assert shown == ["Case 1", "Case 2"]
        assert composite.GetBackgroundVolumeID() is None, "nothing takes the place of the last case"
        click(reading.ui.stopButton)
        work(0.3)
    assert composite.GetBackgroundVolumeID() == me.volume.GetID()
    assert abs(red.mrmlSliceNode().GetFieldOfView()[0] - 90) < 1


FLOWS: tuple[Callable[[], None], ...] = (
    two_clicks_draw_a_box_along_the_series,
    a_case_is_read_without_a_trace_of_the_scene,
)
