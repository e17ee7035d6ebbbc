"""Fixtures of the tests of panels, which run in the test host (Testing/SlicerHost)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def pictures_possible() -> None:
    """For tests that look at slice, 3D or plot views."""
    from PreopReviewLib.scene import views

    problem = views.rendering_problem()
    if problem:
        pytest.skip(f"pictures cannot be drawn here: {problem}")
