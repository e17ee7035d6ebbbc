"""Starting, watching and ending jobs. One runner has one worker, and runs one job at a time."""

from __future__ import annotations

import itertools
import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PreopReviewLib.jobs import failure
from PreopReviewLib.jobs.failure import JobBusy, JobError
from PreopReviewLib.jobs.process import WorkerProcess
from PreopReviewLib.jobs.protocol import SCRATCH, Message, encode
from PreopReviewLib.jobs.python import environment, find_python, log_folder, own_settings
from PreopReviewLib.progress import Progress, silent

TRIES = 4
"""Workers tried for a job that none has accepted."""
State = Literal["running", "finished", "failed", "cancelled"]


def _nothing(*_: Any) -> None:
    """What is called where the caller gave no callback."""


@dataclass(eq=False)
class Job:
    """One run of a task.

    Attributes:
        state: ``running`` until one of the three ends has come; then for good.
        fraction, words: the latest progress.
        result: what the task returned, once finished.
        error: why it failed, once failed.
    """

    number: int
    task: str
    parameters: Mapping[str, Any] = field(repr=False)
    folder: Path
    on_progress: Progress = field(default=silent, repr=False)
    on_finished: Callable[[dict], None] = field(default=_nothing, repr=False)
    on_failed: Callable[[JobError], None] = field(default=_nothing, repr=False)
    on_cancelled: Callable[[], None] = field(default=_nothing, repr=False)
    state: State = "running"
    fraction: float = 0.0
    words: str = ""
    result: dict | None = None
    error: JobError | None = None
    _request_cancel: Callable[[], None] = field(default=_nothing, repr=False)

    @property
    def running(self) -> bool:
        return self.state == "running"

    def cancel(self) -> None:
        """Asks the task to stop; after `JobRunner.grace_seconds` it is stopped. `on_cancelled` follows in `poll`."""
        if self.running:
            self._request_cancel()


class JobRunner:
    """Runs tasks (see `worker`) in one child process that is kept for the next.

    All callbacks come from `poll`, in the thread that calls it; none comes after the state has left ``running``,
    except the one that tells of that.

    Args:
        python: interpreter of the worker; `find_python()` if None.
        idle_seconds: after this long without a job the worker ends and frees its memory, the graphics card's too.
        extra_environment: variables for the worker, e.g. ``OMP_NUM_THREADS``, ``PREOP_MODELS``; may be changed at
            any time, for the next job.
        logs: folder of the workers' logs; `log_folder()` if None.
    """

    grace_seconds = 1.0
    """How long a task may take to notice that it was cancelled."""
    startup_seconds = 120.0
    """How long a worker may take to start (a cold network drive is slow)."""

    def __init__(
        self,
        python: str | None = None,
        idle_seconds: float = 600.0,
        extra_environment: Mapping[str, str] | None = None,
        *,
        logs: Path | None = None,
    ) -> None:
        self._python, self._idle, self._logs = python, idle_seconds, logs
        self.extra_environment = dict(extra_environment or {})
        self._numbers = itertools.count(1)
        self._job: Job | None = None
        self._worker: WorkerProcess | None = None
        self._accepted = self._fresh = False
        self._tries = 0
        self._settings: dict[str, str] = {}  # those that the worker was started with
        self._deadline: float | None = None  # for the start of the worker
        self._kill_at: float | None = None  # for the end of a cancelled job
        self._cancelling = False
        self._unstartable: JobError | None = None  # told in the next poll, as all is
        self._end: weakref.finalize | None = None

    @property
    def job(self) -> Job | None:
        """The job that is running, if one is."""
        return self._job

    @property
    def worker_pid(self) -> int | None:
        """Of the worker, while there is one."""
        return self._worker.pid if self._worker and self._worker.alive else None

    def start(
        self,
        task: str,
        parameters: Mapping[str, Any],
        folder: str | Path,
        *,
        on_progress: Progress = silent,
        on_finished: Callable[[dict], None] = _nothing,
        on_failed: Callable[[JobError], None] = _nothing,
        on_cancelled: Callable[[], None] = _nothing,
    ) -> Job:
        """Starts a task in the worker, and the worker if there is none. Never blocks.

        Args:
            task: ``module:function``.
            parameters: anything JSON can hold.
            folder: the caller's own folder, for files both ways; the caller removes it.

        Raises:
            JobBusy: a job is running. TypeError, ValueError: parameters that JSON cannot hold.
        """
        if self._job is not None:
            raise JobBusy("A computation is already running", "Wait for it to end, or cancel it")
        callbacks = (on_progress, on_finished, on_failed, on_cancelled)
        job = Job(next(self._numbers), task, dict(parameters), Path(folder).absolute(), *callbacks)
        encode(_request(job))
        job._request_cancel = lambda: self._cancel(job)
        self._job, self._cancelling, self._kill_at, self._tries = job, False, None, 0
        self._submit(job)
        return job

    def poll(self) -> None:
        """Calls the callbacks that are due. Call it every 50 ms or so while a job runs; it never blocks."""
        job = self._job
        if job is None:
            return
        if self._unstartable is not None:
            self._fail(job, self._unstartable)
            return
        news = False
        while self._job is job and self._worker and (message := self._worker.take()):
            if message["type"] == "progress":
                news = self._note_progress(job, message) or news
            else:
                if news:
                    job.on_progress(job.fraction, job.words)
                    news = False
                self._handle(job, message)
        if news and self._job is job:
            job.on_progress(job.fraction, job.words)
        self._watch(job)

    def wait(self, job: Job, seconds: float | None = None) -> Job:
        """For scripts without an event loop: polls until the job has ended, or for so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        while job.running and (end is None or time.monotonic() < end):
            self.poll()
            time.sleep(0.01)
        return job

    def close(self) -> None:
        """Ends the worker and all it has started; a running job becomes cancelled without a call. May be used again."""
        job, self._job = self._job, None
        if job is not None:
            job.state = "cancelled"
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.join(5.0)
        if job is not None and worker is not None:
            worker.discard(job.folder / SCRATCH)

    def _submit(self, job: Job) -> None:
        self._accepted, self._unstartable = False, None
        self._tries += 1
        settings = own_settings(self.extra_environment)
        if self._worker is not None and self._settings != settings:
            self._worker.kill()
            self._worker = None
        self._fresh = self._worker is None or not self._worker.alive
        if self._fresh:
            self._settings = settings
            self._worker = self._spawn(environment(self.extra_environment))
            self._deadline = time.monotonic() + self.startup_seconds
        if self._worker is not None:
            self._worker.send(_request(job))

    def _spawn(self, variables: Mapping[str, str]) -> WorkerProcess | None:
        python = self._python or find_python()
        command = [python, "-m", "PreopReviewLib.jobs.worker", "--idle", str(self._idle)]
        if os.name != "nt":
            command.append("--own-group")
        try:
            worker = WorkerProcess(command, variables, self._logs or log_folder())
        except OSError as error:
            self._unstartable = failure.not_started(error.strerror or str(error), python, None)
            return None
        if self._end is not None:
            self._end.detach()
        self._end = weakref.finalize(self, worker.kill)
        return worker

    def _note_progress(self, job: Job, message: Message) -> bool:
        if message["id"] != job.number or self._cancelling:
            return False
        job.fraction, job.words = message["fraction"], message["words"]
        return True

    def _handle(self, job: Job, message: Message) -> None:
        kind = message["type"]
        if kind == "ended":
            self._worker_ended(job, message["code"])
        elif kind == "ready":
            self._worker.ready = True  # type: ignore[union-attr]
        elif message.get("id") != job.number:
            return
        elif kind == "accepted":
            self._accepted = True
        elif self._cancelling or kind == "cancelled":
            self._finish(job, "cancelled", job.on_cancelled)
        elif kind == "finished":
            job.result = message["result"]
            self._finish(job, "finished", lambda: job.on_finished(message["result"]))
        elif kind == "failed":
            self._fail(job, self._error_of(message))

    def _error_of(self, message: Message) -> JobError:
        log = self._worker.log if self._worker else None
        remedy = failure.see_log(message["remedy"], log) if message["see_log"] else message["remedy"]
        return JobError(message["problem"], remedy, exit_code=message["exit_code"], kind=message["kind"], log=log)

    def _worker_ended(self, job: Job, code: int) -> None:
        worker, self._worker = self._worker, None
        assert worker is not None
        worker.discard(job.folder / SCRATCH)
        if self._cancelling:
            self._finish(job, "cancelled", job.on_cancelled)
        elif not self._accepted and (not self._fresh or code == 0) and self._tries < TRIES:
            self._submit(job)  # it had just gone idle: the job never reached it
        elif not worker.ready and code != -9:
            cause = worker.last_words() or f"exit code {code}"
            self._fail(job, failure.not_started(cause, worker.command[0], worker.log))
        else:
            self._fail(job, failure.ended_early(code, worker.log))

    def _watch(self, job: Job) -> None:
        """Ends a worker that does not stop, or does not start."""
        worker, now = self._worker, time.monotonic()
        if self._job is not job or worker is None:
            return
        if self._kill_at is not None and now > self._kill_at:
            worker.kill()
            self._kill_at = now + 1.0  # again, should it not be gone
        if self._fresh and not worker.ready and self._deadline is not None and now > self._deadline:
            self._deadline = None
            worker.kill()
            self._worker = None
            cause = f"no answer within {self.startup_seconds:.0f} s"
            self._fail(job, failure.not_started(cause, worker.command[0], worker.log))

    def _cancel(self, job: Job) -> None:
        if self._job is job and not self._cancelling:
            self._cancelling = True
            self._kill_at = time.monotonic() + self.grace_seconds
            if self._worker is not None:
                self._worker.send({"type": "cancel", "id": job.number})

    def _fail(self, job: Job, error: JobError) -> None:
        job.error = error
        self._finish(job, "failed", lambda: job.on_failed(error))

    def _finish(self, job: Job, state: State, call: Callable[[], None]) -> None:
        # All is settled before the call: it may start the next job, or run an event loop that polls.
        job.state, self._job = state, None
        self._kill_at, self._cancelling = None, False
        if state == "finished":
            job.fraction = 1.0
        call()


def _request(job: Job) -> Message:
    return {
        "type": "run",
        "id": job.number,
        "task": job.task,
        "parameters": job.parameters,
        "folder": str(job.folder),
    }
