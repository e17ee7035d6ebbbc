"""The Python packages, asked for and installed when they are first needed, never before.

`ensure` is called on Apply. It asks once, says what it installs, and leaves everything as it was if the answer is no.
"""

from __future__ import annotations

import importlib
import logging
import tempfile
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import slicer
from slicer.i18n import tr as _

from PreopReviewLib import installation
from PreopReviewLib.installation import PackagesMissing
from PreopReviewLib.jobs import find_python
from PreopReviewLib.panels import settings

_ensured: set[str] = set()


def ensure(*further: str) -> None:
    """Makes sure that torch and all of Resources/requirements.txt are installed, and `further` requirements.

    In testing mode nothing is installed, as `slicer.packaging.pip_ensure` has it.

    Raises:
        PackagesMissing: the user declined, the installation failed, or torch does not run here.
    """
    packaging = _packaging()
    wanted = [*packaging.load_requirements(settings.RESOURCES / "requirements.txt"), *further]
    wanted = [r for r in wanted if str(r) not in _ensured]
    missing = [r for r in wanted if not packaging.pip_check(r)]
    torch = "good" if "torch" in _ensured else installation.torch_state()
    if torch == "good" and not missing:
        _ensured.update(["torch", *map(str, wanted)])
        return
    if slicer.app.testingEnabled():
        names = ", ".join(map(str, missing if torch == "good" else ["torch", *missing]))
        logging.info("Testing mode: not installed: %s", names)
        return
    requirement = None if torch == "good" else installation.torch_requirement()
    offline = settings.read().offline_folder
    variables = installation.offline_variables(offline)
    _ask(missing, requirement, torch, offline)
    with installation.environment_with(variables):
        if requirement is not None:
            _install_torch(packaging, requirement, torch, offline)
        _install(packaging, missing, offline)
    _ensured.update(["torch", *map(str, wanted)])


def look_for_torch() -> None:
    """Looks ahead of `ensure` whether torch is installed whole."""
    if installation.torch_state() == "good":
        _ensured.add("torch")


def _packaging() -> Any:
    try:
        import slicer.packaging
    except ImportError as error:
        raise PackagesMissing(
            _("This version of Slicer cannot install Python packages for extensions"),
            _("Install Slicer 5.12 or later"),
        ) from error
    return slicer.packaging


def _ask(missing: list[Any], torch: str | None, state: str, offline: str) -> None:
    names = ([torch] if torch else []) + [str(r) for r in missing]
    if len(names) == 1:
        text = _("PreopReview needs the Python package {name}, which is not installed in this Slicer yet.")
    else:
        text = _("PreopReview needs {count} Python packages that are not installed in this Slicer yet.")
    text = text.format(count=len(names), name=names[0])
    if torch:
        text += " " + (_("One of them is PyTorch, which takes up to 3 GB.") if missing else _("It takes up to 3 GB."))
    if state == "broken":
        text += " " + _("A PyTorch that was installed only in part is removed first.")
    source = _("from {folder}").format(folder=offline) if offline else _("from the Python Package Index")
    text += "\n\n" + _("Installation is {source} into Slicer's own Python. No image leaves this computer.").format(
        source=source
    )
    title = _("PreopReview: install Python packages?")
    if not slicer.util.confirmOkCancelDisplay(text, title, detailedText="\n".join(names)):
        raise PackagesMissing(
            _("The Python packages that this needs were not installed, so nothing was computed or changed"),
            _("Press the button again when you want to install them"),
        )


def _install(packaging: Any, missing: list[Any], offline: str) -> None:
    """Installs packages; what Slicer bundles is held in place by a constraints file."""
    if not missing:
        return
    with tempfile.TemporaryDirectory(prefix="preopreview-", dir=slicer.app.temporaryPath) as folder:
        held = Path(folder) / "constraints.txt"
        held.write_text(installation.constraints(), encoding="utf-8")
        try:
            packaging.pip_ensure(missing, constraints=held, prompt_install=False, requester="PreopReview")
        except (CalledProcessError, RuntimeError) as error:
            raise _failed(error, offline) from error
    importlib.invalidate_caches()


def _install_torch(packaging: Any, requirement: str, state: str, offline: str) -> None:
    if state in ("broken", "old"):
        packaging.pip_uninstall("torch")
    logic = None if offline else _pytorch_extension()
    if logic is None:
        _install(packaging, [requirement], offline)
    else:
        try:
            _by_extension(logic, requirement)
        except Exception as error:  # another extension's code: whatever it raises is an installation that failed
            raise _failed(error, offline) from error
    importlib.invalidate_caches()
    with slicer.util.WaitCursor():
        wrong = _wrong_with_torch()
    if wrong:
        raise PackagesMissing(
            _("PyTorch was installed but does not run ({reason})").format(reason=wrong),
            _("Restart Slicer and try again; if that does not help, remove it with the module PyTorch Utils"),
        )


def _wrong_with_torch() -> str:
    state = installation.torch_state()
    return installation.torch_answers(find_python()) if state == "good" else _("it is incomplete")


def _pytorch_extension() -> Any | None:
    """The logic of the extension PyTorch, which knows which torch a graphics card can use."""
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError:
        return None
    return PyTorchUtilsLogic()


def _by_extension(logic: Any, requirement: str) -> None:
    arguments = {"askConfirmation": False, "torchVersionRequirement": requirement.removeprefix("torch")}
    if settings.device() == "cpu":
        arguments["forceComputationBackend"] = "cpu"
    try:
        logic.installTorch(**arguments)
    except TypeError:  # its arguments have been renamed before
        logging.warning("The PyTorch extension does not take %s", ", ".join(arguments))
        logic.installTorch()


def _failed(error: Exception, offline: str) -> PackagesMissing:
    remedy = (
        _("Check that the folder {folder} holds wheels for this Python and system").format(folder=offline)
        if offline
        else _(
            "Check the network and its proxy, or choose an offline folder in Edit / Application Settings / PreopReview"
        )
    )
    code = getattr(error, "returncode", None)
    reason = _("pip ended with code {code}").format(code=code) if code is not None else str(error)
    return PackagesMissing(_("The Python packages could not be installed ({reason})").format(reason=reason), remedy)
