"""The module LiverPlanner with a drawn plan of a small CT, in the hands of a surgeon."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import slicer
from LiverPlannerSelfTest import add_drawn_plan, make_ct
from mouse import SliceMouse, choose, click, click_tab, wait, work

INSIDE = ("tumor", "hepatic_vein")
"""Structures of the drawn plan that lie in its liver."""


class Surgeon:
    """The module with a drawn plan of a small CT."""

    def __init__(self) -> None:
        slicer.mrmlScene.Clear()
        self.volume, labels = make_ct()
        slicer.util.selectModule("LiverPlanner")
        self.widget = slicer.modules.liverplanner.widgetRepresentation().self()
        self.parameters = self.widget.context.parameters
        self.plan = add_drawn_plan(self.volume, labels).segmentation
        self.parameters.inputVolume, self.parameters.segmentation = self.volume, self.plan
        slicer.util.setSliceViewerLayers(background=self.volume, fit=True)
        self.red = SliceMouse("Red")
        work(0.5)

    def open(self, name: str) -> Any:
        """Opens one section by its title, and closes the others."""
        for section in self.widget.built:
            section.button.collapsed = type(section).__name__ != name or section.button.collapsed
        button = next(b for b in self.titles() if b.name == f"{name}Button")
        if button.collapsed:
            click(button, (40, 10))
        work(0.5)
        return next(s for s in self.widget.built if type(s).__name__ == name)

    def titles(self) -> list[Any]:
        """The buttons of the sections."""
        return [c for c in self.widget.ui.sectionsLayoutWidget.children() if c.inherits("ctkCollapsibleButton")]

    def tab(self, section: Any, index: int) -> None:
        """Clicks a tab of the section Measure."""
        click_tab(section.tabs, index)

    def add_plane(self) -> tuple[Any, Any]:
        """Cuts the plan by a new plane: the section Measure at its tab Remnant, and the plane."""
        measure = self.open("MeasureSection")
        self.tab(measure, 1)
        click(measure.ui.addPlaneButton)
        work(1.5)
        return measure, self.parameters.cutPlanes[-1]

    def open_list(self, folder: Path, annotator: str = "ab") -> Any:
        """Opens a list of ground truth: the section."""
        truth = self.open("GroundTruthSection")
        truth.ui.annotatorEdit.text = annotator
        truth.open(folder)
        return truth

    def next_case(self, truth: Any, button: Any, name: str) -> None:
        """Clicks a button that opens the next case, and waits for it."""
        button.setFocus()  # as a click of the window system does
        click(button)
        wait(lambda: truth.open_case.name == name and not self.widget.context.busy)
        work(1.0)

    @contextmanager
    def listed(self, names: Sequence[str]) -> Iterator[tuple[Any, Path]]:
        """A list of ground truth of so many copies of the CT, its first case open: the section, and the folder."""
        from LiverPlannerLib.ground_truth.cases import find_cases
        from LiverPlannerLib.ground_truth.work_list import create_list

        with tempfile.TemporaryDirectory() as place:
            images, folder = Path(place) / "images", Path(place) / "list"
            images.mkdir()
            for name in names:
                slicer.util.saveNode(self.volume, str(images / f"{name}.nrrd"))
            create_list(folder, find_cases(images, folder), ("liver", "tumor"))
            truth = self.open_list(folder)
            self.next_case(truth, truth.ui.nextCaseButton, names[0])
            try:
                yield truth, folder
            finally:
                truth.close_list()

    def ml(self, section: Any) -> dict[str, float]:
        """Volumes of the plan, as the panel measures them."""
        section.live.update()
        plan = section.live.measures.plan
        return {key: plan.mask(key).count * plan.grid.voxel_ml for key in ("liver", *INSIDE)}

    def ras(self, i: float, j: float, k: float) -> list[float]:
        """Where a voxel of the volume is."""
        import vtk

        matrix = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(matrix)
        return list(matrix.MultiplyPoint((i, j, k, 1.0))[:3])

    def effect(self, correct: Any, name: str) -> None:
        """Chooses an effect, or none, by its button."""
        click(next(b for b in correct.editor.findChildren("QToolButton") if b.name == name))

    def choose_node(self, selector: Any, node: Any) -> None:
        """Chooses a node in a qMRMLNodeComboBox by its name."""
        choose(selector.findChildren("QComboBox")[0], node.GetName())
        work(0.5)

    def brush(self, correct: Any, segment_id: str, view: Any, start: list[float], end: list[float]) -> None:
        """A stroke of the brush in a slice view."""
        correct.editor.setCurrentSegmentID(segment_id)
        self.effect(correct, "Paint")
        view.look_at(start)
        view.drag(start, end)
        self.effect(correct, "NULL")
        work(0.5)
