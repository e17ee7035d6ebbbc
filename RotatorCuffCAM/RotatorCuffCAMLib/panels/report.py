"""Report: the answer as a folder to keep or send: page, scene, picture, probabilities and map."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.worker_io import save_steps
from RotatorCuffCAMLib.panels.classify import look_of_panel, request_of
from RotatorCuffCAMLib.panels.input import disabled_reason
from RotatorCuffCAMLib.scene import boxes


class ReportSection(Section):
    """Title, button, and where the page lies.

    Attributes:
        written: the folder that was written last, or None.
    """

    title = _("Report")
    ui_file = "CuffReport.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.written: Path | None = None

    def connect(self) -> None:
        """Connects the buttons."""
        ui = self.ui
        self.run = RunButton(self.context, ui.reportButton, ui.reportProgressBar, ui.reportProgressLabel, self.write)
        ui.openButton.connect("clicked(bool)", lambda *_args: self.open())

    def bind(self, node: Any | None) -> None:
        """Another scene: what was written before belongs to the last one."""
        self.written = None
        super().bind(node)

    def refresh(self) -> None:
        """Why no report can be written, or where it is."""
        if self.parameters is None:
            self.run.refresh(_("The scene is being closed."))
            return
        reason = "" if self.parameters.activation is not None else _("Classify a shoulder first.")
        self.run.refresh(reason or disabled_reason(self.parameters))
        enable(
            self.ui.openButton,
            "" if self.written is not None else _("Write a report first."),
            _("Opens the page in the web browser. It needs no network."),
        )
        self.ui.resultLabel.visible = self.written is not None
        if self.written is not None:
            self.ui.resultLabel.text = _("Written to <b>{folder}</b>").format(folder=escape(str(self.written)))

    def write(self, folder: str | Path | None = None) -> None:
        """Writes the folder in the worker.

        Args:
            folder: to make; the user is asked if it is not given.

        Raises:
            PreopError: why it cannot be written.
        """
        from PreopReviewLib.panels import dependencies

        chosen = Path(folder) if folder else self._ask()
        if chosen is None:
            return
        parameters = self.parameters
        box = boxes.box_of(parameters.tearBox) if parameters.tearBox is not None else None
        dependencies.ensure()
        work = self.context.new_folder()
        request = request_of(parameters) | {
            "out": str(chosen),
            "title": self.ui.titleLineEdit.text.strip() or "Shoulder",
            "overwrite": False,
            "look": asdict(look_of_panel(parameters)),
            "box": None if box is None else {k: getattr(box, k) for k in ("center_lps", "half_mm", "axes")},
        }
        self.context.run_job(
            "RotatorCuffCAMLib.tasks:report",
            save_steps(request, work),
            work,
            on_finished=lambda _result: self._on_written(chosen),
            title=_("Report"),
        )

    def _ask(self) -> Path | None:
        chosen = qt.QFileDialog.getExistingDirectory(self.widget, _("Write the report into a new folder of"), "")
        if not chosen:
            return None
        title = "".join(c if c.isalnum() else "_" for c in self.ui.titleLineEdit.text.strip()) or "shoulder"
        return Path(chosen) / f"{title}_cuff"

    def _on_written(self, folder: Path) -> None:
        self.written = folder
        self.refresh()
        slicer.util.showStatusMessage(_("The report is written."), 5000)

    def open(self) -> None:
        """Shows the page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.written / "report.html")))
