"""Flows in the Slicer application itself, played by mouse events on the real widgets and views.

Skipped where there is no Slicer. Where there is one:

    SLICER=/path/to/Slicer xvfb-run -a --server-args "-screen 0 1366x768x24" python -m pytest Testing/Application
"""

from __future__ import annotations

import json
import os
import re

import pytest
from application import HERE, run

SECONDS = 1200
NAMES = [
    name
    for file in ("flows.py", "flows_plans.py", "flows_truth.py", "flows_cuff.py", "flows_board.py")
    for name in re.findall(r"^def (\w+)\(\) -> None:", (HERE / file).read_text(), re.MULTILINE)
]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Flow to what went wrong in it; one start of the application for all."""
    if not os.environ.get("SLICER"):
        pytest.skip("SLICER does not name a Slicer application")
    results = tmp_path_factory.mktemp("application") / "results.json"
    done = run(HERE / "flows.py", str(results), seconds=SECONDS)
    assert results.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(results.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_flow(played: dict[str, str], name: str) -> None:
    assert played[name] == "", played[name]
