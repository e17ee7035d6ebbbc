"""Report: the plan as one page to keep or send, with its tables beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels import modality
from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene import report as scene_report
from LiverPlannerLib.scene.comparison import has_unknown_alone
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import RunButton
from PreopReviewLib.panels.section import Section, enable
from PreopReviewLib.scene import inputs
from PreopReviewLib.worker_io import save_steps

FOLDER = "PreopReview/ReportFolder"
"""Setting: where the last report was written."""


class ReportSection(Section):
    """What goes on the page, the button that writes it, and where it lies.

    Attributes:
        written: the page that was written last, or None.
    """

    title = _("Report")
    ui_file = "Report.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.written: Path | None = None
        self._missing: dict[str, str] = {}

    def connect(self) -> None:
        """Connects the buttons."""
        ui = self.ui
        self.run = RunButton(self.context, ui.reportButton, ui.reportProgressBar, ui.reportProgressLabel, self.write)
        ui.openButton.connect("clicked(bool)", lambda *_args: self.open())
        ui.resultLabel.visible = False

    def bind(self, node: Any | None) -> None:
        """Another scene: what was written before belongs to the last one."""
        self.written, self._missing = None, {}
        super().bind(node)

    def refresh(self) -> None:
        """Shows what can go on the page, and why the button is off where it is."""
        if self.parameters is None:
            self.run.refresh(_("The scene is being closed."))
            return
        ui, parameters = self.ui, self.parameters
        reason = "" if scene_report.has_cut(parameters) else _("Cut the liver first, in the section Measure.")
        enable(ui.remnantCheckBox, reason, _("The cut of the section Measure: remnant, margins, and both sides in 3D."))
        reason = _("Choose one first, in the section Compare.")
        if parameters.referenceSegmentation is not None:
            unknown = has_unknown_alone(parameters.referenceSegmentation)
            reason = _("Say in the section Compare which of its segments is what.") if unknown else ""
        enable(ui.comparisonCheckBox, reason, _("The plan against the second segmentation of the section Compare."))
        simulated = scene_report.is_simulated(parameters.inputVolume)
        blocked = ui.simulatedCheckBox.blockSignals(True)
        ui.simulatedCheckBox.checked = simulated or parameters.reportSimulated
        ui.simulatedCheckBox.blockSignals(blocked)
        ui.simulatedCheckBox.enabled = not simulated
        ui.simulatedCheckBox.toolTip = (
            _("The volume is marked as simulated, and the page will say so.")
            if simulated
            else _("States prominently on the page that the image is simulated.")
        )
        self.run.refresh(self.disabled_reason())
        self._show_result()

    def disabled_reason(self) -> str:
        """Why no report can be written, a sentence; empty if one can."""
        if self.parameters.inputVolume is None:
            return _("Choose a volume in the section Segment first.")
        if self.parameters.segmentation is None:
            return _("There is no plan yet: press Apply in the section Segment first.")
        parameters = self.parameters
        unusable = inputs.volume_problem(parameters.inputVolume)
        # The page names the patient of the volume: it must not show the liver of another one.
        of_others = unusable or scene_plan.mismatch_problem(parameters.segmentation, parameters.inputVolume)
        return of_others or scene_plan.apart_problem(parameters.segmentation, parameters.inputVolume)

    # ---- writing ----

    def write(self, path: str | Path | None = None) -> None:
        """Measures the plan and writes its page in the worker process.

        Args:
            path: of the page; the user is asked if it is not given.

        Raises:
            PreopError: why it cannot be written. Nothing is written then.
        """
        from PreopReviewLib.panels import dependencies

        chosen = Path(path) if path else self._ask()
        if chosen is None:
            return
        dependencies.ensure()
        folder = self.context.new_folder()
        request = scene_report.request(self.parameters, folder, modality.chosen(self.parameters))
        self.written, self._missing = None, {}
        self.context.run_job(
            "LiverPlannerLib.report.tasks:write",
            save_steps({**request, "out": str(chosen)}, folder),
            folder,
            on_finished=self._on_written,
            title=_("Report"),
        )

    def _ask(self) -> Path | None:
        settings = qt.QSettings()
        last = str(settings.value(FOLDER) or "")
        folder = Path(last) if last and Path(last).is_dir() else Path.home()
        name = str(folder / "liver_report.html")
        path = qt.QFileDialog.getSaveFileName(self.widget, _("Write the report"), name, _("Web pages (*.html)"))
        if not path:
            return None
        chosen = Path(path)
        chosen = chosen if chosen.suffix.lower() in (".html", ".htm") else chosen.with_name(f"{chosen.name}.html")
        settings.setValue(FOLDER, str(chosen.parent))
        return chosen

    def _on_written(self, result: dict[str, Any]) -> None:
        self.written = Path(result["files"][0])
        self._missing = dict(result["missing"])
        self.refresh()
        slicer.util.showStatusMessage(_("The report is written."), 5000)

    def open(self) -> None:
        """Shows the page in the browser."""
        if self.written is None or not self.written.exists():
            self.context.show_error(
                _("Report"), InputError(_("The report is no longer where it was written"), _("Write it again"))
            )
            return
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.written)))

    def _show_result(self) -> None:
        ui = self.ui
        enable(
            ui.openButton,
            "" if self.written is not None else _("Write a report first."),
            _("Opens the page in the web browser. It needs no network."),
        )
        ui.resultLabel.visible = self.written is not None
        if self.written is None:
            return
        lines = [_("Written to <b>{name}</b>, tables beside it as CSV.").format(name=escape(str(self.written)))]
        lines += [
            _("Not measured: {topic}. {reason}").format(topic=escape(topic), reason=escape(reason))
            for topic, reason in self._missing.items()
        ]
        ui.resultLabel.text = "".join(f"<p style='margin: 2px;'>{line}</p>" for line in lines)
