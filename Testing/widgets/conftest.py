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

from SlicerHost import SlicerHost, why_not  # noqa: E402

if why_not():
    pytest.skip(why_not(), allow_module_level=True)


@pytest.fixture
def host() -> Iterator[Any]:
    """A started Slicer host with an empty scene; an error in a slot or an observer fails the test."""
    with SlicerHost() as opened:
        yield opened
