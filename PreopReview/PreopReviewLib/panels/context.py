"""What the sections of one module share: parameters, the job that runs, and words of what has changed."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.panels import timers

POLL_MS = 50


class Context:
    """One per module widget.

    Attributes:
        parameters: the parameter node wrapper, or None while the scene closes.
        job: the job that runs, or None. There is never more than one.
        observers: called with the topic by `notify`, e.g. ``"segmentation"``.
        open_section: opens a section by the name of its class and returns it; set by the module's widget.
        progress_shown: called with (fraction, words) while a job runs and with None when it has ended.
    """

    def __init__(self, resource_path: Callable[[str], str]) -> None:
        self._resource_path = resource_path
        self.parameters: Any | None = None
        self.job: Any | None = None
        self.observers: list[Callable[[str], None]] = []
        self.open_section: Callable[[str], Any] | None = None
        self.progress_shown: list[Callable[[tuple[float, str] | None], None]] = []
        self._runner: Any | None = None
        self._folders: set[Path] = set()
        self._abandoned = False
        self._pieces: tuple[Generator, Path, str, Callable[[Exception], None] | None] | None = None
        self._then: Callable[[Any], None] | None = None  # what the end of the pieces leads to; None ends the job
        self._timer = timers.repeating(POLL_MS, self._poll)

    # ---- resources and words ----

    def resource_path(self, name: str) -> str:
        """The path of a file in the module's Resources folder."""
        return self._resource_path(name)

    def notify(self, topic: str) -> None:
        """Tells every section that something in the scene has changed, e.g. ``"segmentation"``."""
        for observer in list(self.observers):
            observer(topic)

    # ---- jobs ----

    @property
    def runner(self) -> Any:
        """The `jobs.JobRunner`, made when first asked for."""
        if self._runner is None:
            from PreopReviewLib import jobs

            self._runner = jobs.JobRunner()
        return self._runner

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self.job is not None

    def new_folder(self) -> Path:
        """A private temporary folder for the files of one job; it is removed when the job has ended."""
        import slicer

        folder = Path(tempfile.mkdtemp(prefix="preopreview-", dir=slicer.app.temporaryPath))
        self._folders.add(folder)
        return folder

    def run_job(
        self,
        task: str,
        parameters: dict[str, Any] | Generator[None, None, dict[str, Any]],
        folder: Path,
        on_finished: Callable[[dict[str, Any]], Any],
        title: str,
        on_failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Starts a task in the worker process; the event loop goes on.

        Args:
            task: ``"package.module:function"``.
            parameters: plain values for the task. A generator that returns them does a piece of its work at a time,
                before the worker is asked: writing a large image takes longer than a panel may be silent.
            folder: for files both ways, from `new_folder`; removed when the job has ended.
            on_finished: called with the task's result. What it raises is shown as an error. Where it is a
                generator function (`yield` between pieces of work), its pieces are done one at a time, and the
                event loop answers between them; the job counts as running until it is through.
            title: what errors are headed with, e.g. "Segmentation".
            on_failed: called instead of the error display.

        Raises:
            JobBusy: another job runs.
            PackagesMissing: the settings name an offline folder without packages.
        """
        if self.busy:
            from PreopReviewLib.jobs import JobBusy

            self._remove(folder)
            raise JobBusy("A computation is already running", "Wait for it to end, or cancel it")
        self._abandoned = False

        def start(values: dict[str, Any]) -> None:
            self._start(task, values, folder, on_finished, title, on_failed)

        if isinstance(parameters, Generator):
            self.job = _Preparing()
            self._do_pieces(parameters, folder, title, on_failed, start)
        else:
            start(parameters)
        self._timer.start()
        self._show(0.0, "")
        self.notify("job")

    def _start(
        self,
        task: str,
        parameters: dict[str, Any],
        folder: Path,
        on_finished: Callable[[dict[str, Any]], Any],
        title: str,
        on_failed: Callable[[Exception], None] | None,
    ) -> None:
        from PreopReviewLib.panels import settings

        try:
            self.runner.extra_environment = settings.worker_environment()
            self.job = self.runner.start(
                task,
                parameters,
                folder,
                on_progress=self._show,
                on_finished=lambda result: self._finished(result, folder, on_finished, title, on_failed),
                on_failed=lambda error: self._failed(error, folder, title, on_failed),
                on_cancelled=lambda: self._end(folder),
            )
        except Exception:
            self._remove(folder)
            raise

    def _do_pieces(
        self,
        pieces: Generator,
        folder: Path,
        title: str,
        on_failed: Callable[[Exception], None] | None,
        then: Callable[[Any], None] | None = None,
    ) -> None:
        self._pieces, self._then = (pieces, folder, title, on_failed), then
        self._timer.setInterval(0)

    def cancel_job(self) -> None:
        """Asks the running job to stop; nothing happens if there is none."""
        if self._pieces is not None:
            self._abandoned = True  # the worker is done; what is left of showing its result is dropped
        elif self.job is not None:
            self.job.cancel()

    def abandon_job(self) -> None:
        """Stops the running job and drops its result even if it is there already: its scene is gone."""
        self._abandoned = True
        self.cancel_job()

    def show_error(self, title: str, error: Exception) -> None:
        """One sentence of cause and one of remedy; what is unforeseen also goes to the log with its trace."""
        import slicer

        if not isinstance(error, PreopError):
            logging.error("%s failed", title, exc_info=error)
        slicer.util.errorDisplay(str(error), windowTitle=title)

    def _poll(self) -> None:
        if self._pieces is not None:
            self._next_piece()
        else:
            self.runner.poll()

    def _show(self, fraction: float, words: str) -> None:
        for observer in self.progress_shown:
            observer((fraction, words))

    def _finished(
        self,
        result: dict[str, Any],
        folder: Path,
        on_finished: Callable[[dict[str, Any]], Any],
        title: str,
        on_failed: Callable[[Exception], None] | None,
    ) -> None:
        if self._abandoned:
            self._end(folder)
            return
        from PreopReviewLib.panels.resting_views import resting_views

        try:
            with resting_views():
                pieces = on_finished(result)
        except Exception as error:  # shown, with its trace in the log: nothing above a timer's callback catches it
            self._failed(error, folder, title, on_failed)
            return
        if isinstance(pieces, Generator):
            self._do_pieces(pieces, folder, title, on_failed)
        else:
            self._end(folder)

    def _next_piece(self) -> None:
        pieces, folder, title, on_failed = self._pieces
        try:
            if not self._abandoned:
                next(pieces)
                return
            pieces.close()
        except StopIteration as done:
            if self._then is not None:
                self._go_on(done.value)
                return
        except Exception as error:  # as in `_finished`
            self._pieces = None
            self._failed(error, folder, title, on_failed)
            return
        self._pieces = None
        self._end(folder)

    def _go_on(self, values: Any) -> None:
        """All is prepared: now the worker."""
        _pieces, folder, title, on_failed = self._pieces
        self._pieces, then = None, self._then
        self._timer.setInterval(POLL_MS)
        try:
            then(values)
        except Exception as error:  # as in `_finished`
            self._failed(error, folder, title, on_failed)

    def _failed(
        self, error: Exception, folder: Path, title: str, on_failed: Callable[[Exception], None] | None
    ) -> None:
        self._end(folder)
        if self._abandoned:
            return
        if on_failed is not None:
            on_failed(error)
        else:
            self.show_error(title, error)

    def _end(self, folder: Path) -> None:
        self._timer.stop()
        self._timer.setInterval(POLL_MS)
        self.job = None
        self._remove(folder)
        for observer in self.progress_shown:
            observer(None)
        self.notify("job")

    def _remove(self, folder: Path) -> None:
        if folder in self._folders:
            self._folders.discard(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Ends the worker and removes the temporary folders; the module is being unloaded."""
        self._timer.stop()
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        if self._pieces is not None:
            self._pieces[0].close()
            self._pieces = None
        self.job = None
        for folder in list(self._folders):
            self._remove(folder)


class _Preparing:
    """Stands for the job while its parameters are made."""


def require(value: Any, problem: str, remedy: str) -> Any:
    """The value, or an InputError where it is None or empty."""
    if value is None or value == "":
        raise InputError(problem, remedy)
    return value
