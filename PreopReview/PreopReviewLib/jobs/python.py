"""Which Python runs the worker, and in which environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

LIBRARIES = ("PreopReviewLib", "LiverPlannerLib", "RotatorCuffCAMLib")


def find_python() -> str:
    """The interpreter for the worker: this one, or Slicer's `PythonSlicer` inside of the application.

    As in Slicer itself, an executable without "python" in its name is the application, which cannot run modules;
    `PythonSlicer` is on its PATH, and beside it in `bin`. `PREOP_PYTHON` overrides both.

    Returns:
        a path; the name `PythonSlicer` where none was found, so that starting it says what is missing.
    """
    if chosen := os.environ.get("PREOP_PYTHON"):
        return chosen
    executable = Path(sys.executable or "")
    if "python" in executable.name.lower():
        return str(executable)
    if path := shutil.which("PythonSlicer"):
        return path
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    homes = [executable.parent, executable.parent / "bin"]
    if home := os.environ.get("SLICER_HOME"):
        homes.append(Path(home) / "bin")
    return next((str(h / name) for h in homes if (h / name).is_file()), name)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The worker's environment: this process's, the libraries' folders on PYTHONPATH, and `extra`.

    A PYTHONPATH in `extra` comes first, before the libraries' folders and what there was.
    """
    extra = dict(extra or {})
    folders = [extra.pop("PYTHONPATH", ""), *_library_folders(), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # no module of the working directory takes the place of a library's
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        **extra,
        "PYTHONPATH": os.pathsep.join(f for f in folders if f),
    }


def own_settings(extra: Mapping[str, str]) -> dict[str, str]:
    """The variables that matter to a running worker: if one has changed, the next job gets a new worker.

    Others change all the time in an application of many modules.
    """
    return {k: v for k, v in os.environ.items() if k.startswith(("PREOP_", "PIP_"))} | dict(extra)


def _library_folders() -> list[str]:
    """Slicer adds the folders of modules to the search path of its own process only."""
    folders: dict[str, None] = {}
    for name in LIBRARIES:
        spec = find_spec(name)
        if spec and spec.origin:
            folders[str(Path(spec.origin).resolve().parents[1])] = None
    return list(folders)


def log_folder() -> Path:
    """Where the workers' logs are (`PREOP_LOGS` overrides the user's log folder)."""
    if chosen := os.environ.get("PREOP_LOGS"):
        return Path(chosen).expanduser()
    try:
        from platformdirs import user_log_path
    except ModuleNotFoundError:  # Slicer, before the packages are installed
        return Path.home() / ".preopreview" / "logs"
    return user_log_path("preopreview", appauthor=False)
