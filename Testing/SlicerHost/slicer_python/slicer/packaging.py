"""`slicer.packaging` for tests: reads and checks requirements truly, asks as Slicer asks, and installs nothing.

`pip_install` and `pip_uninstall` are replaced by the host with functions that write down what they were asked, see
`SlicerHost.packages`; called without a host they are an error.
"""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import InvalidRequirement, Requirement
from slicer.i18n import tr as _


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a requirements.txt; comments and options of pip are left out."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def load_pyproject_dependencies(path: str | Path) -> list[Requirement]:
    """`project.dependencies` of a pyproject.toml.

    Raises:
        KeyError: it has no table `project`.
    """
    import tomllib

    return [Requirement(text) for text in tomllib.loads(Path(path).read_text())["project"].get("dependencies", [])]


def _requirements(given: Any) -> list[Requirement]:
    if isinstance(given, Requirement):
        return [given]
    if isinstance(given, list):
        return [Requirement(g) if isinstance(g, str) else g for g in given]
    if not isinstance(given, str):
        raise TypeError(f"Expected a text, a Requirement or a list, not {type(given).__name__}")
    try:
        return [Requirement(given)]
    except InvalidRequirement:
        return [Requirement(part) for part in given.split()]


def pip_check(req: Any) -> bool:
    """Whether everything is installed in a version that will do, extras with what they add."""
    return all(_satisfied(r) for r in _requirements(req))


def _satisfied(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if installed not in requirement.specifier:
        return False
    wanted = [Requirement(text) for text in metadata.requires(requirement.name) or []]
    added = [w for w in wanted if w.marker and any(w.marker.evaluate({"extra": e}) for e in requirement.extras)]
    return all(_satisfied(Requirement(str(w).split(";")[0].strip())) for w in added)


def isPipInstallInProgress() -> bool:
    """Installations of the host are over at once."""
    return False


def pip_ensure(
    requirements: Any,
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Installs what is missing after asking; in testing mode only says so, as Slicer does.

    Raises:
        RuntimeError: the user declined.
        subprocess.CalledProcessError: the installation failed.
    """
    missing = [r for r in _requirements(requirements) if not pip_check(r)]
    if not missing:
        return None
    names = ", ".join(map(str, missing))
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info("Testing mode: not installed: %s", names)
        return None
    if prompt_install:
        text = _("{requester} requires these packages: {names}. Install now?")
        question = text.format(requester=requester or _("The module"), names=names)
        if not slicer.util.confirmOkCancelDisplay(question, _("Install Python packages")):
            raise RuntimeError("User declined installation of required packages")
    return pip_install(
        [str(r) for r in missing],
        constraints=constraints,
        skip_packages=skip_packages,
        show_progress=show_progress,
        requester=requester,
    )


def pip_install(requirements: Any, **_options: Any) -> list[str] | None:
    """Replaced by the host."""
    raise RuntimeError("The host must be started before anything is installed")


def pip_uninstall(requirements: Any, **_options: Any) -> None:
    """Replaced by the host."""
    raise RuntimeError("The host must be started before anything is uninstalled")
