"""Reader study: the cases one after another, answered by key; time, pauses and order are kept by the session."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.run_button import DOUBLE_CLICK_SECONDS, RunButton
from PreopReviewLib.panels.section import Section, enable
from RotatorCuffCAMLib.panels import study_owner
from RotatorCuffCAMLib.readers.session import Session
from RotatorCuffCAMLib.readers.study import load_study
from RotatorCuffCAMLib.scene import reading as scene_reading
from RotatorCuffCAMLib.tears import KEYS

KEYBOARD = (("1", "Q"), ("2", "W"), ("3", "E"), ("4", "R"), ("5", "T"))
"""For the five classes in ordinal order."""

CLOCK_MS = 1000


class ReaderStudySection(Section):
    """One reader at work.

    Attributes:
        session: the reader's pass, or None.
        volume: the case's node while it is shown.
    """

    title = _("Reader study")
    ui_file = "CuffReaderStudy.ui"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.session: Session | None = None
        self.volume: Any | None = None
        self._shortcuts: list[Any] = []
        self._cursor: tuple[int, int] = (0, 0)
        self._curtain = scene_reading.Curtain()
        self._evaluation = ""
        self._timer = timers.repeating(CLOCK_MS, self._on_clock)

    def connect(self) -> None:
        """Connects the buttons."""
        ui = self.ui
        ui.confidenceComboBox.addItem(_("not said"), 0)
        for n, words in enumerate((_("1, a guess"), "2", "3", "4", _("5, certain")), start=1):
            ui.confidenceComboBox.addItem(words, n)
        ui.studyPathLineEdit.connect("currentPathChanged(QString)", self._on_folder)
        ui.startButton.connect("clicked(bool)", lambda *_args: self._guarded(self.start))
        ui.pauseButton.connect("clicked(bool)", lambda *_args: self._guarded(self.pause_or_go_on))
        ui.undoButton.connect("clicked(bool)", lambda *_args: self._guarded(self.undo))
        ui.stopButton.connect("clicked(bool)", lambda *_args: self.stop())
        ui.newStudyButton.connect("clicked(bool)", lambda *_args: self._guarded(self.make_study))
        self.evaluation = RunButton(
            self.context, ui.evaluateButton, ui.studyProgressBar, ui.studyProgressLabel, self.evaluate
        )
        for index, button in enumerate(self._answer_buttons()):
            button.connect("clicked(bool)", lambda _on=False, i=index: self._guarded(self.answer, i))

    def _on_folder(self, path: str) -> None:
        if self.parameters is not None:
            self.parameters.studyFolder = path

    def _answer_buttons(self) -> list[Any]:
        return [getattr(self.ui, f"{key}Button") for key in KEYS]

    def _guarded(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:
            self.context.show_error(_("Reader study"), error)
        self.refresh()

    # ---- what is shown ----

    def refresh(self) -> None:
        """Shows how far the reader is."""
        session, ui = self.session, self.ui
        self._recall()
        if self.parameters is not None and ui.studyPathLineEdit.currentPath != self.parameters.studyFolder:
            ui.studyPathLineEdit.setCurrentPath(self.parameters.studyFolder)
        on = session is not None
        running = on and session.current is not None
        ready = running and not session.paused and self.volume is not None
        reason = "" if self._complete() else _("Choose the study's folder and say who reads.")
        enable(
            ui.startButton, _("A session is open: stop it first.") if on else reason, _("Continues where you stopped.")
        )
        for widget in (ui.studyPathLineEdit, ui.readerLineEdit, ui.groupLineEdit, ui.passSpinBox, ui.newStudyButton):
            widget.enabled = not on
        self._show_owner(on)
        for button in self._answer_buttons():
            button.enabled = bool(ready)
        ui.pauseButton.enabled = bool(running)
        ui.pauseButton.text = _("Go on") if on and session.paused else _("Pause")
        ui.undoButton.enabled = bool(on and session.answers)
        ui.stopButton.enabled = on
        ui.confidenceComboBox.enabled = bool(ready)
        self._show_words()

    def _show_owner(self, on: bool) -> None:
        """Making and evaluating; neither is for readers at work."""
        ui = self.ui
        for widget in (ui.ownerLabel, ui.newStudyButton, ui.secondLookCheckBox, ui.evaluateButton):
            widget.visible = not on
        folder = self.parameters.studyFolder if self.parameters is not None else ""
        self.evaluation.refresh("" if folder else _("Choose the study's folder first."))
        ui.evaluationLabel.text = self._evaluation
        ui.evaluationLabel.visible = bool(self._evaluation) and not on

    def _recall(self) -> None:
        """Fills in the last session's folder and reader where this scene knows none."""
        parameters = self.parameters
        if parameters is None or parameters.studyFolder or parameters.reader or self.session is not None:
            return
        folder, reader, group = study_owner.remembered()
        if folder and Path(folder).is_dir():
            with slicer.util.NodeModify(parameters):
                parameters.studyFolder, parameters.reader, parameters.readerGroup = folder, reader, group

    def make_study(self) -> None:
        """Makes a study of a table of cases and chooses it.

        Raises:
            PreopError: why there is none.
        """
        study = study_owner.make_study(self.widget, bool(self.ui.secondLookCheckBox.checked))
        if study is not None:
            self.parameters.studyFolder = str(study.folder)
            words = _("{name}: {count} cases, in {folder}")
            slicer.util.showStatusMessage(
                words.format(name=study.name, count=len(study.cases), folder=study.folder), 8000
            )

    def evaluate(self) -> None:
        """All readers against the diagnoses, in the worker.

        Raises:
            PreopError: there is no study.
        """
        study_owner.start_evaluation(self.context, self.widget, self.parameters.studyFolder, self._on_evaluated)

    def _on_evaluated(self, words: str, folder: Path) -> None:
        written = _("Tables, figures and summary.md are in <b>{folder}</b>").format(folder=escape(str(folder)))
        self._evaluation = f"{words}<p>{written}</p>"
        self.refresh()

    def _complete(self) -> bool:
        parameters = self.parameters
        return bool(parameters is not None and parameters.studyFolder and parameters.reader.strip())

    def _show_words(self) -> None:
        session, ui = self.session, self.ui
        ui.caseLabel.visible = session is not None
        if session is None:
            ui.modelLabel.visible = False
            ui.studyLabel.text = _("No diagnosis and no name is shown. Every answer is on disk before the next case.")
            return
        if session.current is None:
            ui.caseLabel.text = _("<b>All {total} cases are answered. Thank you.</b>").format(total=session.total)
        else:
            words = _("paused") if session.paused else f"{session.seconds:.0f} s"
            ui.caseLabel.text = _("<b>Case {number} of {total}</b>, {clock}{again}").format(
                number=session.done + 1,
                total=session.total,
                clock=words,
                again=_(": with the model's answer, what do you say now?") if session.look == 2 else "",
            )
        ui.studyLabel.text = _("{study}, reader {reader}, pass {turn}. Log: {path}").format(
            study=escape(session.study.name),
            reader=escape(session.reader),
            turn=session.reading,
            path=escape(session.log.path.name),
        )

    # ---- the session ----

    def start(self) -> None:
        """Opens the reader's log and shows the first case without an answer.

        Raises:
            PreopError: no study there, a log of another study, or one that is open elsewhere.
        """
        parameters = self.parameters
        study = load_study(parameters.studyFolder)
        self.session = Session(study, parameters.reader, parameters.readerGroup, int(parameters.readingPass))
        study_owner.remember(parameters.studyFolder, parameters.reader, parameters.readerGroup)
        self._evaluation = ""
        self._curtain.close()
        self._take_keys()
        self._timer.start()
        self._next()

    def _next(self) -> None:
        """Shows the case that is up, or the end."""
        session = self.session
        self.ui.modelLabel.visible = False
        if session.current is None:
            self._forget_case()
            self._timer.stop()
        elif session.look == 2 and self.volume is not None:
            self._show_model()
            session.show()
        else:
            self._forget_case()
            slicer.app.processEvents()
            self.volume = scene_reading.show_case(session.current, session.done + 1)
            if session.look == 2:  # gone on after the program had ended between the two looks
                self._show_model()
            session.show()
        self.ui.confidenceComboBox.setCurrentIndex(0)
        self.refresh()

    def _show_model(self) -> None:
        session = self.session
        answer = scene_reading.model_answer(session.study, session.current)
        scene_reading.show_model_map(session.study, session.current)
        words = escape(scene_reading.model_words(answer)).replace("\n", "<br>")
        self.ui.modelLabel.text = _("<b>The model says:</b> {words}").format(words=words)
        self.ui.modelLabel.visible = True

    def answer(self, index: int) -> None:
        """Writes the answer and goes on.

        Raises:
            PreopError: it could not be written; the case stays.
        """
        session = self.session
        if session is None or session.current is None or session.paused or self.volume is None:
            return
        if session.on_screen < DOUBLE_CLICK_SECONDS:  # meant for the case before: no one has read this one
            slicer.util.showStatusMessage(_("Not counted: the case has only just been shown."), 3000)
            return
        confidence = self.ui.confidenceComboBox.currentIndex or None
        session.answer(index, confidence)
        self._next()

    def undo(self) -> None:
        """Takes the last answer back and shows its case again."""
        if self.session is not None and self.session.undo() is not None:
            self._forget_case()
            self._next()
            if not self._timer.active:
                self._timer.start()

    def pause_or_go_on(self) -> None:
        """Stops the clock with the images hidden, or goes on."""
        session = self.session
        if session is None or self.volume is None:
            return
        if session.paused:
            self._unhide()
            session.resume()
        else:
            session.pause()
            scene_reading.hide(self.volume)

    def _unhide(self) -> None:
        scene_reading.hang(self.volume)
        if self.session.look == 2:
            self._show_model()

    def stop(self) -> None:
        """Ends the session; the log stays."""
        self._timer.stop()
        self._give_keys_back()
        if self.session is not None:
            self.session.close()
            self.session = None
            self._forget_case()
            self._curtain.open()
        self._forget_case()
        self.refresh()

    def _forget_case(self) -> None:
        self.volume = None
        scene_reading.remove_reading()

    def _on_clock(self) -> None:
        session = self.session
        if session is None or session.current is None:
            return
        place = qt.QCursor.pos()
        here = (place.x(), place.y())
        if here != self._cursor:
            self._cursor = here
            session.touch()
        try:
            session.tick()
        except PreopError as error:
            self._timer.stop()
            self.context.show_error(_("Reader study"), error)
        if session.paused and self.volume is not None:
            scene_reading.hide(self.volume)
        self.refresh()

    # ---- keys ----

    def _take_keys(self) -> None:
        self._give_keys_back()
        for index, keys in enumerate(KEYBOARD):
            for key in keys:
                shortcut = qt.QShortcut(qt.QKeySequence(key), slicer.util.mainWindow() or self.widget)
                shortcut.setAutoRepeat(False)  # a key that is held would answer the cases that follow
                shortcut.connect("activated()", lambda i=index: self._on_key(i))
                self._shortcuts.append(shortcut)

    def _on_key(self, index: int) -> None:
        if self.session is not None:
            self.session.touch()
        self._guarded(self.answer, index)

    def _give_keys_back(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []

    # ---- the module ----

    def exit(self) -> None:
        """The module is left: the clock stops and the keys are released."""
        if self.session is not None and self.session.current is not None and not self.session.paused:
            self._guarded(self.pause_or_go_on)
        self._give_keys_back()

    def enter(self) -> None:
        """The module is opened again."""
        if self.session is not None:
            self._take_keys()
        self.refresh()

    def bind(self, node: Any | None) -> None:
        """The scene is being closed: so is the session, whose log is on disk."""
        if node is None and self.session is not None:
            self.stop()
        super().bind(node)

    def cleanup(self) -> None:
        """Ends the session."""
        self.stop()
