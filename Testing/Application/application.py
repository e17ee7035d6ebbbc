"""Starts the Slicer application that the environment variable SLICER names, with the extension's modules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def run(script: Path, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs a script in the application, which ends by itself.

    Raises:
        KeyError: SLICER is not set.
    """
    modules = [str(ROOT / name) for name in ("PreopReview", "LiverPlanner", "RotatorCuffCAM")]
    command = [os.environ["SLICER"], "--no-splash", "--ignore-slicerrc", "--testing"]
    command += ["--additional-module-paths", *modules, "--python-script", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
