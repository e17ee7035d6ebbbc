"""Which models there are, which are installed, and how to get and remove them.

Installed packages lie in the cache folder of the user (`PREOP_MODELS` overrides it), one folder each; those that
come with PreopReview lie in `Resources/Models`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Literal

from PreopReviewLib.archives import copy_plain_file, open_archive, require_honest, unpack_member
from PreopReviewLib.errors import (
    InputError,
    ModelCorrupt,
    ModelError,
    ModelUnavailable,
    OutputError,
    OutputExists,
    UnreadableImage,
)
from PreopReviewLib.models.package import FILES, KIND, METADATA, ModelPackage, load_package
from PreopReviewLib.output import check_folder, output_folder, private_folder
from PreopReviewLib.progress import Progress, silent
from PreopReviewLib.resources import resource
from PreopReviewLib.workroom import room_prefix

DOWNLOADABLE: dict[str, str] = {
    "kuleuven-liver": "liver in CT and MR, pretrained by KU Leuven (fetched from PyPI, 27 MB)",
    "kuleuven-lesion": "liver lesions in CT and MR, pretrained by KU Leuven (fetched from PyPI, 27 MB)",
}
MAX_PACKAGE_BYTES = 2 << 30
"""Of one file of a package; the largest networks of the field's tools take about 0.3 GB."""
State = Literal["installed", "built-in", "not installed", "broken"]


@dataclass(frozen=True)
class Entry:
    """One line of the list: a model that is known or found.

    Attributes:
        problem: why the package is broken; else empty.
    """

    name: str
    state: State
    description: str
    folder: Path | None = None
    version: str = ""
    license: str = ""
    size_mb: float | None = None
    problem: str = ""


def models_folder() -> Path:
    """Where installed packages lie; it need not exist yet."""
    if chosen := os.environ.get("PREOP_MODELS"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("preopreview", appauthor=False) / "models"


def _built_in_folder() -> Path | None:
    try:
        return resource("Models")
    except InputError:  # an installation without any
        return None


def _folders() -> dict[str, tuple[Path, State]]:
    folders: dict[str, tuple[Path, State]] = {}
    places: tuple[tuple[Path | None, State], ...] = ((_built_in_folder(), "built-in"), (models_folder(), "installed"))
    for place, state in places:
        if place is not None and place.is_dir():
            for folder in sorted(place.iterdir()):
                if (folder / METADATA).is_file() and not folder.name.startswith("."):
                    folders[folder.name] = (folder, state)
    return folders


def list_models() -> list[Entry]:
    """Every model that is built in, installed or can be fetched, by name."""
    folders = _folders()
    entries = [_entry(name, folder, state) for name, (folder, state) in folders.items()]
    entries += [Entry(n, "not installed", about) for n, about in DOWNLOADABLE.items() if n not in folders]
    return sorted([*entries, *_programs()], key=lambda e: e.name)


def _programs() -> list[Entry]:
    """TotalSegmentator's tasks, where it is installed."""
    if find_spec("totalsegmentator") is None:
        return []
    from PreopReviewLib.models.totalsegmentator import all_metadata, missing_weights

    entries = []
    for name, data in all_metadata().items():
        missing = missing_weights(name.removeprefix("totalsegmentator-"))
        about = data["description"] + ("; its weights are not there" if missing else "")
        entries.append(
            Entry(name, "not installed" if missing else "installed", about, None, data["version"], data["license"])
        )
    return entries


def _entry(name: str, folder: Path, state: State) -> Entry:
    try:
        package = load_package(folder)
    except ModelError as error:
        return Entry(name, "broken", DOWNLOADABLE.get(name, ""), folder, problem=str(error))
    data = package.metadata
    size = round(package.size_bytes / 1e6, 1)
    return Entry(name, state, data["description"], folder, package.version, data["license"], size)


def find_package(name: str | Path) -> ModelPackage:
    """An installed or built-in package by name, or any by its folder; nothing is fetched.

    Raises:
        ModelUnavailable: it is known but not installed.
        ModelError: it is unknown or broken.
    """
    package = _folders().get(str(name))
    if package:
        return load_package(package[0])
    if Path(name).expanduser().is_dir():
        return load_package(name)
    if str(name) in DOWNLOADABLE:
        raise ModelUnavailable(f"The model {name} is not installed", f"Run: preop models install {name}")
    known = sorted(set(_folders()) | set(DOWNLOADABLE))
    raise ModelError(f"There is no model {str(name)!r}", f"Known are {', '.join(known)}; or give a package's folder")


def require_package(name: str | Path, progress: Progress = silent) -> ModelPackage:
    """As `find_package`, but a model that can be fetched is fetched on first use."""
    try:
        return find_package(name)
    except ModelUnavailable:
        try:
            return install(str(name), progress=progress)
        except OutputExists:  # another process was faster
            return find_package(name)


def install(
    name: str, from_file: str | Path | None = None, progress: Progress = silent, overwrite: bool = False
) -> ModelPackage:
    """Installs a model into the models folder, whole or not at all.

    Args:
        name: of a known model; with a package's folder or zip, the name it shall have.
        from_file: the wheel of `pyliverlesionseg` 0.3, a package's folder, or a zip of one; None fetches it.
        overwrite: replaces an installed one.

    Raises:
        OutputExists: it is installed already, or its folder holds something else.
        ModelUnavailable, ModelCorrupt, ModelError, OutputError: it cannot be had, is not what it should be, is no
            package, or cannot be written.
    """
    from PreopReviewLib.models import kuleuven

    target = installation_folder(name)
    check_folder(target, overwrite, KIND, known=FILES)
    if from_file is None:
        if name not in DOWNLOADABLE:
            raise ModelError(
                f"{name} cannot be fetched", f"Known are {', '.join(DOWNLOADABLE)}; or give its file", "file"
            )
        return kuleuven.install(target, name, progress=progress, overwrite=overwrite)
    path = Path(from_file).expanduser()
    if not path.exists():
        raise ModelError(f"There is no file or folder {path}", "Check the path", "file")
    if path.suffix == ".whl":
        if name not in kuleuven.SOURCES:
            raise ModelError(f"A wheel does not hold the model {name}", f"Known are {', '.join(kuleuven.SOURCES)}")
        return kuleuven.install(target, name, path, progress, overwrite)
    progress(0.0, f"Installing {name}")
    package = _install_folder(path, target, overwrite) if path.is_dir() else _install_zip(path, target, overwrite)
    progress(1.0, "Installed")
    return package


def installation_folder(name: str) -> Path:
    """Where a model of that name is installed; the folder above it is there afterwards.

    Raises:
        ModelError: it cannot be a name. OutputError: the models folder cannot be made.
    """
    if not name or name.startswith(".") or Path(name).name != name:
        raise ModelError(f"{name!r} cannot be the name of a model", "Use letters, digits and hyphens")
    _make(models_folder())
    return models_folder() / name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The models folder {folder} cannot be made ({error.strerror})",
            "Set PREOP_MODELS to a folder you may write",
        ) from error


def _install_folder(source: Path, target: Path, overwrite: bool) -> ModelPackage:
    load_package(source).load_network()  # not only whole: the weights fit
    with output_folder(target, overwrite, KIND, [source], FILES, public=True) as work:
        for name in FILES:  # whatever else lies there does not belong to the package
            copy_plain_file(source / name, work / name)
        load_package(work)
    return load_package(target)


def _install_zip(source: Path, target: Path, overwrite: bool) -> ModelPackage:
    with private_folder() as temporary:
        try:
            with open_archive(source) as archive:
                require_honest(archive, MAX_PACKAGE_BYTES)
                names = archive.namelist()
                roots = [
                    n[: -len(METADATA)] for n in names if PurePosixPath(n).parts[-2:] == PurePosixPath(METADATA).parts
                ]
                if len(roots) != 1:
                    raise ModelError(
                        f"{source} holds {len(roots)} model packages instead of one", "Give a zip of one package"
                    )
                for name in FILES:
                    if roots[0] + name in names:
                        place = temporary / "package" / name
                        place.parent.mkdir(parents=True, exist_ok=True)
                        unpack_member(archive, roots[0] + name, place, MAX_PACKAGE_BYTES)
        except (UnreadableImage, OSError) as error:
            why = error.problem if isinstance(error, UnreadableImage) else error
            raise ModelCorrupt(f"{source} cannot be unpacked: {why}", "Fetch it again") from error
        return _install_folder(temporary / "package", target, overwrite)


def remove(name: str) -> Path:
    """Removes an installed package and returns the folder it had.

    Raises:
        ModelError: it is not installed, or comes with PreopReview.
        OutputError: it cannot be removed.
    """
    listed = _folders().get(name)
    if listed is None or listed[1] != "installed":
        reason = "comes with PreopReview" if listed else "is not installed"
        raise ModelError(f"The model {name} {reason}", "See: preop models list")
    try:
        gone = Path(tempfile.mkdtemp(prefix=room_prefix(), dir=listed[0].parent))
        listed[0].rename(gone / name)
        shutil.rmtree(gone)
    except OSError as error:
        raise OutputError(f"{listed[0]} cannot be removed ({error})", "Look for permissions") from error
    return listed[0]
