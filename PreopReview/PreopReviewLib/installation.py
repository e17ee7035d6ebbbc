"""Whether the Python packages are there and whole, and how pip is to be told to install them. Imports none of them.

In Slicer, `panels.dependencies` asks and installs; here is what can be known without a window.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PreopReviewLib.errors import PreopError

LEAST_TORCH = "2.4"
DEEP_TORCH = "2.13"
"""From this release on, torch's wheel has a tree of license files with the longest paths."""
LONGEST_PATH = {DEEP_TORCH: 171, "": 119}
"""Characters of the longest path inside torch's wheel, before and from `DEEP_TORCH` on (seen in 2.13.0)."""
WINDOWS_LIMIT = 259
BUNDLED = ("SimpleITK", "numpy", "scipy", "pydicom", "requests", "packaging", "pip", "setuptools")
"""What comes with Slicer, partly built for it. An installation that would replace one of them is refused."""
State = Literal["absent", "old", "broken", "good"]


class PackagesMissing(PreopError):
    """Python packages that were not installed, or cannot be."""


def torch_state(least: str = LEAST_TORCH) -> State:
    """Whether torch is installed whole, from its files alone: importing a broken torch can end a process.

    An installation that was broken off leaves an empty namespace and a version that satisfies pip.
    """
    from packaging.version import Version

    try:
        distribution = metadata.distribution("torch")
    except metadata.PackageNotFoundError:
        return "broken" if find_spec("torch") else "absent"
    if not _is_whole(distribution):
        return "broken"
    return "good" if Version(distribution.version) >= Version(least) else "old"


def _is_whole(distribution: metadata.Distribution) -> bool:
    """Every Python file and library of its record is there."""
    record = distribution.read_text("RECORD") or ""
    names = (line.split(",", 1)[0] for line in record.splitlines() if line.startswith("torch/"))
    code = [name for name in names if name.endswith((".py", ".so", ".pyd", ".dll", ".dylib"))]
    root = str(distribution.locate_file(""))
    return bool(code) and all(os.path.isfile(os.path.join(root, name)) for name in code)


def torch_requirement(site_packages: str | None = None, windows: bool | None = None, least: str = LEAST_TORCH) -> str:
    """What to ask pip for: on Windows, a torch whose paths are short enough for where Slicer is.

    Raises:
        PackagesMissing: no torch fits in this folder.
    """
    windows = platform.system() == "Windows" if windows is None else windows
    folder = site_packages or sysconfig.get_path("purelib")
    if not windows or len(folder) + 1 + LONGEST_PATH[DEEP_TORCH] <= WINDOWS_LIMIT:
        return f"torch>={least}"
    if len(folder) + 1 + LONGEST_PATH[""] <= WINDOWS_LIMIT:
        return f"torch>={least},<{DEEP_TORCH}"
    raise PackagesMissing(
        f"PyTorch cannot be installed in {folder}: its files would have paths of more than {WINDOWS_LIMIT} "
        "characters, which Windows does not allow",
        "Install Slicer in a folder with a short name, such as C:\\Slicer",
    )


def torch_answers(python: str, seconds: float = 180.0) -> str:
    """What is wrong with torch when it computes something in a process of its own; "" if nothing is."""
    code = "import torch; torch.__version__; assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8"
    try:
        ran = subprocess.run(
            [python, "-c", code],
            capture_output=True,
            timeout=seconds,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ran.returncode == 0:
        return ""
    lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {ran.returncode}"


def constraints() -> str:
    """The text of a constraints file for pip: what Slicer bundles, and torch, stay as they are."""
    lines = []
    for name in (*BUNDLED, "torch", "torchvision"):
        try:
            lines.append(f"{name}==={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"


def offline_variables(folder: str | Path | None) -> dict[str, str]:
    """Variables by which pip takes packages from a folder of wheels and nowhere else; none without a folder.

    Raises:
        PackagesMissing: there is no such folder, or no wheel in it.
    """
    if not folder:
        return {}
    place = Path(folder).expanduser().absolute()
    if not any(place.glob("*.whl")):
        raise PackagesMissing(
            f"The offline folder {place} holds no wheels",
            "Choose the folder with the .whl files in PreopReview's settings, or leave it empty to use the network",
        )
    # As a URI: pip takes a blank in this variable for the end of a path.
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": place.as_uri()}


@contextmanager
def environment_with(variables: dict[str, str]) -> Iterator[None]:
    """This process's environment with some variables, for as long as the block lasts: pip inherits it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def python_version() -> str:
    """Of this interpreter, e.g. 3.12.10."""
    return ".".join(map(str, sys.version_info[:3]))
