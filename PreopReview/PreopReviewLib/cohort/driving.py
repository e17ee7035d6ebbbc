"""Hands the cases of a cohort to workers, a few ahead of what they do, and keeps what comes back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PreopReviewLib.cohort.cases import CohortCase
from PreopReviewLib.cohort.folder import CohortFolder
from PreopReviewLib.cohort.tasks import Task
from PreopReviewLib.cohort.work import run_case
from PreopReviewLib.errors import InputError
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2
"""Cases that wait at the scheduler, for each worker: none waits for the driver, and memory does not grow with cases."""


@dataclass
class Tally:
    """How far a cohort has come."""

    cases: int
    done_before: int = 0
    done: int = 0
    failed: int = 0
    began: float = 0.0

    @property
    def over(self) -> int:
        """Cases that need nothing any more."""
        return self.done_before + self.done + self.failed

    def words(self, now: float) -> str:
        """For people: how many cases, how many failed, how long it will take."""
        text = f"{self.over} of {self.cases} cases"
        if self.failed:
            text += f", {self.failed} failed"
        now_done = self.done + self.failed
        if not now_done or self.over == self.cases:
            return text
        return f"{text}, {duration((now - self.began) / now_done * (self.cases - self.over))} left"


def duration(seconds: float) -> str:
    """Rounded, in words."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def run_cases(
    client: Client, task: Task, cases: Sequence[CohortCase], folder: CohortFolder, progress: Progress = silent
) -> Tally:
    """Runs what is not done yet; a failing case is kept with its reason and ends nothing.

    Raises:
        InputError: results of other inputs are there already, or the scheduler went away.
    """
    todo = [c for c in cases if not folder.is_done(c)]
    tally = Tally(len(cases), done_before=len(cases) - len(todo), began=time.monotonic())
    progress(tally.over / tally.cases, tally.words(tally.began))
    for case, outcome in _outcomes(client, task, todo, folder):
        if outcome["state"] == "done":
            tally.done += 1
            folder.forget_failure(case)
        else:
            tally.failed += 1
            folder.keep_failure(case, outcome)
        progress(tally.over / tally.cases, tally.words(time.monotonic()))
    return tally


def _outcomes(
    client: Client, task: Task, cases: Iterable[CohortCase], folder: CohortFolder
) -> Iterator[tuple[CohortCase, dict[str, Any]]]:
    from distributed import as_completed

    run, waiting = uuid.uuid4().hex[:8], iter(cases)
    running: dict[str, CohortCase] = {}

    def submit() -> Future | None:
        case = next(waiting, None)
        if case is None:
            return None
        key = f"preop-{run}-{case.name}"
        running[key] = case
        place = str(folder.path.absolute())
        return client.submit(run_case, task.name, place, case.name, dict(case.values), key=key, pure=False)

    ahead = (1 + AHEAD) * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    first = [f for f in (submit() for _ in range(ahead)) if f is not None]
    if not first:
        return
    finished = as_completed(first)
    for future in finished:
        case = running.pop(future.key)
        outcome = _outcome(future)
        future.release()
        following = submit()
        if following is not None:
            finished.add(following)
        yield case, outcome


def _outcome(future: Future) -> dict[str, Any]:
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise InputError("The scheduler went away during the run", "Start it again, and resume the cohort")
    error = future.exception() if future.status == "error" else None
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        problem = "The process that worked on it ended each time, most likely for lack of memory"
        return _failed(problem, "Use fewer workers, or a computer with more memory", "KilledWorker")
    return _failed(f"It could not be run ({type(error).__name__}: {str(error)[:300]})", "", type(error).__name__)


def _failed(problem: str, remedy: str, kind: str) -> dict[str, Any]:
    return {"state": "failed", "problem": problem, "remedy": remedy, "kind": kind, "seconds": None}
