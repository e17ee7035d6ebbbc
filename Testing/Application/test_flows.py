"""Flows in the Slicer application itself, played by mouse events on the real widgets and views.

Skipped where there is no Slicer. Where there is one:

    SLICER=/path/to/Slicer xvfb-run -a --server-args "-screen 0 1366x768x24" python -m pytest Testing/Application
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 1200
NAMES = [
    name
    for file in ("flows.py", "flows_plans.py", "flows_truth.py", "flows_cuff.py", "flows_board.py")
    for name in re.findall(r"^def (\w+)\(\) -> None:", (HERE / file).read_text(), re.MULTILINE)
]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Flow to what went wrong in it; one start of the application for all."""
    slicer = os.environ.get("SLICER")
    if not slicer:
        pytest.skip("SLICER does not name a Slicer application")
    results = tmp_path_factory.mktemp("application") / "results.json"
    modules = [str(ROOT / name) for name in ("PreopReview", "LiverPlanner", "RotatorCuffCAM")]
    command = [slicer, "--no-splash", "--ignore-slicerrc", "--testing", "--additional-module-paths", *modules]
    command += ["--python-script", str(HERE / "flows.py"), str(results)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert results.is_file(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(results.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_flow(played: dict[str, str], name: str) -> None:
    assert played[name] == "", played[name]
