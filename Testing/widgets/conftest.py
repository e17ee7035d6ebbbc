"""Fixtures of the tests of panels, which run in the test host (Testing/SlicerHost)."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
_TESTING = str(Path(__file__).resolve().parents[1])
if _TESTING not in sys.path:
    sys.path.insert(0, _TESTING)

from SlicerHost import why_not  # noqa: E402

_PROBLEM = why_not()
# Most files here import Qt or Slicer at their top, so without these they cannot even be collected.
collect_ignore_glob = ["test_*.py", "*/test_*.py"] if _PROBLEM else []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says why nothing of this folder was run, where that is so."""
    if _PROBLEM:
        terminalreporter.write_line(f"SKIPPED Testing/widgets: {_PROBLEM}", yellow=True)


@pytest.fixture
def host() -> Iterator[Any]:
    """A started Slicer host with an empty scene; an error in a slot or an observer fails the test.

    A host collects garbage when it closes. What is left then (modules, caches) need not be searched by the next one.
    """
    import gc

    from SlicerHost import SlicerHost

    with SlicerHost() as opened:
        yield opened
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def kept_worker() -> Iterator[None]:
    """The worker that a window leaves idle serves the next one in the same environment; to start one takes seconds.

    One that is busy, or was killed, is not kept. How workers start and end is for `unit/test_jobs*`.
    """
    from PreopReviewLib.jobs.runner import JobRunner

    spawn, close = JobRunner._spawn, JobRunner.close
    kept: list[tuple[tuple, Any]] = []

    def start(runner: Any, variables: Mapping[str, str]) -> Any:
        wanted = {k: v for k, v in variables.items() if k not in ("PATH", "PYTEST_CURRENT_TEST")}  # of this host alone
        runner.of_kept = (runner._python, runner._idle, runner._logs, wanted)
        if kept and kept[0][0] == runner.of_kept and kept[0][1].alive:
            worker = kept.pop()[1]
            runner._end = weakref.finalize(runner, worker.kill)
            return worker
        return spawn(runner, variables)

    def park(runner: Any) -> None:
        worker = runner._worker
        if runner._job is None and worker is not None and worker.alive and worker.ready:
            runner._end.detach()
            runner._worker = None
            while kept:
                kept.pop()[1].kill()
            kept.append((runner.of_kept, worker))
        close(runner)

    JobRunner._spawn, JobRunner.close = start, park
    yield
    JobRunner._spawn, JobRunner.close = spawn, close
    while kept:
        kept.pop()[1].kill()


@pytest.fixture(scope="session")
def pictures_possible() -> None:
    """For tests that look at slice, 3D or plot views."""
    from PreopReviewLib.scene import views

    problem = views.rendering_problem()
    if problem:
        pytest.skip(f"pictures cannot be drawn here: {problem}")
