"""Files and folders that appear whole or not at all, whatever stops the program."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PreopReviewLib.errors import OutputError, OutputExists


@contextmanager
def output_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder that appears only when the block has come to its end without an error.

    The block writes into a temporary folder beside it, which then takes its name.

    Raises:
        OutputExists: the folder is there, not empty, and `overwrite` is false.
        OutputError: it cannot be made.
    """
    path = Path(path).absolute()
    if path.is_file():
        raise OutputExists(f"{path} is a file", "Give the name of a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise OutputExists(f"The folder {path} is there already", "Give another one, or --overwrite to replace it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path} cannot be made ({error.strerror})", "Choose a folder you may write to") from error
    try:
        yield work
        put_in_place(work, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Look for space and permissions") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put_in_place(work: Path, folder: Path) -> None:
    """Renames `work` (same file system) to `folder`; an older `folder` goes only once the new one is there."""
    work.chmod(0o777 & ~_umask())  # mkdtemp makes private folders
    if not folder.exists():
        work.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        folder.rename(old / folder.name)
        try:
            work.rename(folder)
        except OSError:
            (old / folder.name).rename(folder)  # the earlier results stay where they were
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def whole_file(path: str | Path, suffix: str | None = None) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its name, synced to disk, when the block ends without an error.

    Args:
        suffix: how the temporary file's name ends, for writers that choose the format by it; None takes `path`'s.

    Raises:
        OSError: as the file system gives it, for the caller to say what could not be written.
    """
    path = Path(path)
    suffix = path.suffix if suffix is None else suffix
    handle, name = tempfile.mkstemp(suffix=suffix, prefix=".writing-", dir=path.parent)
    os.close(handle)
    work = Path(name)
    try:
        yield work
        work.chmod(0o666 & ~_umask())  # mkstemp makes private files
        with open(work, "rb+") as file:
            os.fsync(file.fileno())
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
