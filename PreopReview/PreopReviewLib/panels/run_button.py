"""A button that starts a job and is Cancel while it runs, with a bar and words below it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from slicer.i18n import tr as _

from PreopReviewLib.panels.context import Context

DOUBLE_CLICK_SECONDS = 0.5
"""Qt's interval is 0.4 s."""


class FirstClick:
    """Tells the second click of a double click on a button that has become another one by the first: Cancel, or the
    same for the next case."""

    def __init__(self) -> None:
        self._done: float | None = None

    def done(self) -> None:
        """What the first click asks for has been done; clicks that have waited meanwhile come now."""
        self._done = monotonic()

    @property
    def is_second(self) -> bool:
        """Whether a click that comes now belongs to the one before."""
        return self._done is not None and monotonic() - self._done < DOUBLE_CLICK_SECONDS


class RunButton:
    """Makes a QPushButton start and cancel jobs.

    While its own job runs, the button says Cancel, and the progress shows in `bar` and `words`; while another
    section's job runs, it is off and its tooltip says so.

    Args:
        button: QPushButton; its text in the .ui is that of the idle state.
        bar, words: QProgressBar and QLabel of the same section, hidden while nothing runs.
        start: called by a click in the idle state; it calls `Context.run_job`. What it raises is shown.
    """

    def __init__(self, context: Context, button: Any, bar: Any, words: Any, start: Callable[[], None]) -> None:
        self._context, self._button, self._bar, self._words, self._start = context, button, bar, words, start
        self._idle_text = button.text
        self._idle_tooltip = button.toolTip
        self._reason = ""
        self._mine = False
        self._cancelling = False
        self._first = FirstClick()
        bar.setRange(0, 100)
        bar.visible = words.visible = False
        button.connect("clicked(bool)", self._clicked)
        context.progress_shown.append(self._show)

    def refresh(self, reason: str = "") -> None:
        """Shows the state; call it from the section's `refresh`.

        Args:
            reason: why it cannot be started now, a sentence; empty if it can.
        """
        self._reason = reason
        if self._mine and self._context.busy:
            self._button.text = _("Cancelling…") if self._cancelling else _("Cancel")
            self._button.enabled = not self._cancelling
            self._button.toolTip = _("Stop. The scene stays as it was before.")
            return
        self._mine = self._cancelling = False
        self._button.text = self._idle_text
        if self._context.busy:
            reason = _("Another computation is running. Wait for it, or cancel it.")
        self._button.enabled = not reason
        self._button.toolTip = reason or self._idle_tooltip

    def _clicked(self, *_args: object) -> None:
        if self._mine and self._context.busy:
            if self._first.is_second:
                return
            self._cancelling = True
            self._context.cancel_job()
            self.refresh(self._reason)
            return
        self._mine = True
        try:
            self._start()
        except Exception as error:
            self._context.show_error(self._idle_text, error)
        self._mine = self._context.busy
        self.refresh(self._reason)
        self._first.done()

    def _show(self, progress: tuple[float, str] | None) -> None:
        import slicer

        if progress is None:
            self._bar.visible = self._words.visible = False
            if self._mine:
                slicer.util.showStatusMessage("", 1)
            self.refresh(self._reason)
            return
        if not self._mine:
            return
        fraction, words = progress
        self._bar.visible = self._words.visible = True
        self._bar.setValue(round(100 * fraction))
        self._words.text = words or _("Starting…")
        slicer.util.showStatusMessage(f"{round(100 * fraction)} %  {words}", 2000)
