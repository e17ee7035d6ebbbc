"""What a tutorial does with a panel: clicks, waits, takes pictures; in the test host, or in the Slicer application."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any


class Hands:
    """Somebody in the Slicer application (started by `in_slicer.py`), who takes a picture after each step.

    Args:
        folder: where the pictures go.
        prefix: how their names begin.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix
        self.made: list[Path] = []
        self.began = time.monotonic()

    def open(self, module: str) -> Any:
        """Opens a module; its panel."""
        import slicer

        self.widget = getattr(slicer.modules, module.lower()).widgetRepresentation().self()
        slicer.util.selectModule(module)
        self.process_events(0.5)
        self.context = self.widget.context
        return self.widget

    def process_events(self, seconds: float = 0.0) -> None:
        """Lets the application work for a time."""
        import slicer

        end = time.monotonic() + seconds
        slicer.app.processEvents()
        while time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)

    def press(self, button: Any) -> None:
        assert button.enabled, f"{button.name} is off: {button.toolTip}"
        button.click()

    def click(self, button: Any) -> None:
        """Clicks, and waits for the job that this starts, if any."""
        self.press(button)
        self.wait()

    def click_if_on(self, button: Any) -> bool:
        """Clicks a button that this case may leave off; says why it is off."""
        if not button.enabled:
            print(f"{button.name} is off: {button.toolTip}", flush=True)
            return False
        self.click(button)
        return True

    def click_row(self, table: Any, row: int) -> None:
        """Chooses a row of a QTableWidget as a click does."""
        table.selectRow(row)
        self.tell_of_click(table, row)
        self.process_events(0.5)

    def tell_of_click(self, table: Any, row: int) -> None:
        table.cellClicked(row, 0)

    def stroke(self, editor: Any, segment: str, mask: Any) -> None:
        """Adds voxels to a segment as an effect of the Segment Editor does.

        Args:
            editor: qMRMLSegmentEditorWidget with a segmentation and its volume.
            mask: bool, K-J-I, on the grid of the volume.
        """
        from vtk.util.numpy_support import vtk_to_numpy

        editor.setActiveEffectByName("Paint")
        editor.setCurrentSegmentID(segment)
        effect = editor.activeEffect()
        effect.saveStateForUndo()
        labelmap = effect.defaultModifierLabelmap()
        vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(mask.shape)[:] = mask
        labelmap.Modified()
        effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeAdd)

    def wait(self, seconds: float = 1800.0) -> None:
        """Until no job runs and nothing is left to show."""
        end = time.monotonic() + seconds
        self.process_events(0.1)
        while self.context.busy:
            assert time.monotonic() < end, "the job takes too long"
            self.process_events(0.05)
        self.process_events(0.5)

    def only(self, name: str) -> Any:
        """Opens one section and closes the others."""
        section = self.widget.open_section(name)
        for other in self.widget.sections:
            other.button.collapsed = other.button is not section.button
        self.process_events(0.5)
        return section

    def picture(self, name: str) -> None:
        """Takes a picture of panel and views."""
        self.process_events(0.5)
        path = self.folder / f"{self.prefix}_{name}.png"
        self.photograph(path)
        self.made.append(path)
        print(f"{time.monotonic() - self.began:6.1f} s {path.name}", flush=True)

    def photograph(self, path: Path) -> None:
        import slicer

        for view in slicer.util.getNodesByClass(
            "vtkMRMLViewNode"
        ):  # box and letters reach beyond a view that is filled
            view.SetBoxVisible(False)
            view.SetAxisLabelsVisible(False)
            view.SetOrientationMarkerType(view.OrientationMarkerTypeHuman)
        slicer.util.forceRenderAllViews()
        self.process_events(0.3)
        slicer.util.mainWindow().grab().save(str(path))


class HostHands(Hands):
    """Somebody in the test host: an error in any slot ends the tutorial."""

    def __init__(self, folder: Path, prefix: str, host: Any) -> None:
        super().__init__(folder, prefix)
        self.host = host

    def open(self, module: str) -> Any:
        self.widget = self.host.open_module(module)
        self.context = self.widget.context
        return self.widget

    def process_events(self, seconds: float = 0.0) -> None:
        self.host.process_events(seconds)

    def press(self, button: Any) -> None:
        self.host.click(button)

    def tell_of_click(self, table: Any, row: int) -> None:
        table.cellClicked.emit(row, 0)

    def stroke(self, editor: Any, segment: str, mask: Any) -> None:
        self.host.edit_segment(editor, mask, "add", segment)

    def photograph(self, path: Path) -> None:
        self.host.photograph("all", path)
