"""Every command ends by itself when it is given nothing that it can use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the watchdog forks")
@pytest.mark.slow
def test_no_command_hangs_or_traces_on_inputs_that_are_nothing():
    repository = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "Testing.faults.watchdog"]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=900)
    runs = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(runs) > 100, ended.stderr
    failed = [run for run in runs if run[1] not in ("refused cleanly", "succeeded")]
    assert not failed
    assert ended.returncode == 0
