"""From a real CT to two resections on one page for the tumor board, in one run and in a surgeon's two minutes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mouse
import qt
import slicer
from mouse import choose, click, click_tab, drag_plane, press, wait, work

MINUTES = 2
PICTURES = "PREOP_FLOW_PICTURES"
"""Environment variable: a folder for a picture of the screen at each step."""


class Board:
    """The module with the sample CT, and pictures of what is done."""

    def __init__(self) -> None:
        from LiverPlannerLib.panels.samples import add_contrast_ct

        slicer.mrmlScene.Clear()
        slicer.util.selectModule("LiverPlanner")
        self.widget = slicer.modules.liverplanner.widgetRepresentation().self()
        self.context = self.widget.context
        for section in self.widget.built:
            section.button.collapsed = type(section).__name__ != "SegmentSection"
        slicer.util.setSliceViewerLayers(background=add_contrast_ct(), fit=True)
        work(1.0)
        self.step = 0
        mouse.acts.clear()

    def picture(self, name: str) -> None:
        """What is on the screen, where pictures are wanted."""
        self.step += 1
        folder = os.environ.get(PICTURES)
        if folder:
            work(1.0)
            slicer.util.mainWindow().screen().grabWindow(0).save(str(Path(folder) / f"{self.step:02d}_{name}.png"))

    def section(self, name: str) -> Any:
        """Opens a section by a click on its title."""
        titles = self.widget.ui.sectionsLayoutWidget.children()
        click(next(t for t in titles if t.name == f"{name}Button"), (40, 10))
        return next(s for s in self.widget.built if type(s).__name__ == name)

    def done(self) -> None:
        """Waits for what the program computes, and until it has drawn that: nobody drags what is not seen."""
        from PreopReviewLib.panels.resting_views import drawing_is_due

        wait(lambda: not self.context.busy, 600)
        work(1.0)
        measure = next((s for s in self.widget.built if type(s).__name__ == "MeasureSection"), None)
        wait(lambda: measure is None or not measure.remnant.surfaces.awaited)
        wait(lambda: not drawing_is_due())
        work(0.5)


def save_as(path: Path, button: Any) -> None:
    """Clicks a button that asks for a file, types the name and presses Enter."""

    def answer() -> None:
        dialog = next((w for w in slicer.app.topLevelWidgets() if w.inherits("QFileDialog") and w.visible), None)
        if dialog is None:
            qt.QTimer.singleShot(200, answer)
            return
        edit = dialog.findChild("QLineEdit", "fileNameEdit")
        edit.setText("")
        for letter in str(path):
            press(edit, 0, letter)
        press(edit, qt.Qt.Key_Return)

    qt.QTimer.singleShot(200, answer)
    click(button)


def a_ct_becomes_two_resections_on_one_page_within_two_minutes_of_a_surgeon() -> None:
    me = Board()
    segment = me.widget.built[0]
    me.picture("ct")
    click(segment.ui.applyButton)
    me.done()
    assert me.context.parameters.segmentation is not None, segment.ui.messageLabel.text
    me.picture("plan")
    click(segment.button, (40, 10))  # out of the way
    measure = me.section("MeasureSection")
    click_tab(measure.tabs, 1)
    click(measure.ui.addPlaneButton)
    me.done()
    (plane,) = me.context.parameters.cutPlanes
    cut = measure.remnant.cut
    handle = drag_plane(plane, -8)
    wait(lambda: measure.remnant.cut is not cut and measure.remnant.current_cut_quietly() is not None, 20)
    assert plane.GetOriginWorld()[0] < handle[0] - 4
    me.done()
    me.picture("plane")
    click(measure.ui.keepButton)
    click(measure.ui.segmentsRadio, (8, 8))
    choose(measure.ui.presetComboBox, "Left lateral")
    assert me.context.parameters.cutPreset == "left lateral sectionectomy"
    me.done()
    assert measure.remnant.current_cut_quietly() is not None, measure.ui.liveLabel.text
    me.picture("segments")
    click(measure.ui.keepButton)
    click(measure.ui.compareCutsButton)
    me.done()
    assert measure.ui.compareCutsTable.rowCount == 2
    me.picture("compared")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(os.environ.get(PICTURES) or folder) / "page.html"
        page.unlink(missing_ok=True)  # else the dialog asks whether to replace that of the last time
        save_as(page, measure.ui.cutsPageButton)
        me.done()
        assert page.is_file(), measure.ui.liveLabel.text
        assert "Left lateral sectionectomy (S2, S3)" in page.read_text(encoding="utf-8")
    me.picture("page")
    taken = mouse.seconds_of_a_person()
    print(f"{len(mouse.acts)} acts, {taken:.0f} s of a person")
    assert taken < 60 * MINUTES, mouse.acts


FLOWS: tuple[Callable[[], None], ...] = (a_ct_becomes_two_resections_on_one_page_within_two_minutes_of_a_surgeon,)
