"""Files and folders that appear whole or not at all, whatever stops the program; no one else's are replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PreopReviewLib import output_mark, stopping
from PreopReviewLib.errors import OutputError, OutputExists
from PreopReviewLib.workroom import PREFIX, Room, open_room, room_prefix, sweep

ANOTHER = "Give the name of a new one"

_inputs: list[Path] = []
_written: list[Path] = []


def protect(paths: Iterable[str | Path]) -> None:
    """What this run was given: no output replaces any of it, nor a folder that holds it. Replaces the last list."""
    _inputs[:] = [Path(os.path.realpath(p)) for p in paths if os.path.exists(p)]


def last_written() -> Path | None:
    """What this process has put in its place last."""
    return _written[-1] if _written else None


@contextmanager
def output_folder(
    path: str | Path,
    overwrite: bool = False,
    kind: str = "",
    inputs: Sequence[str | Path] = (),
    known: Sequence[str] = (),
    public: bool = False,
) -> Iterator[Path]:
    """A folder that appears only when the block has come to its end without an error.

    The block writes into a temporary folder beside it, which then takes its name, with a file in it
    (`output_mark.MARK`) that says what made it and which files. Only such a folder is ever replaced.

    Args:
        overwrite: replaces what an earlier run has made, if there is nothing else in it.
        kind: what makes it, e.g. ``liver plan``; another kind's folder is not replaced.
        inputs: what the run reads, in addition to `protect`.
        known: files of this kind in folders without a mark, e.g. made by earlier versions.
        public: it holds nothing of patients, so that everyone may read it whom the user's mask allows to; otherwise
            no one beyond the user's group, unless the folder that it replaces was open to others.

    Raises:
        OutputExists: something is there that must not be replaced: now, or once the block has ended.
        OutputError: it cannot be made.
    """
    target = _place(path)
    check_folder(target, overwrite, kind, inputs, known)
    with _room(target) as room:
        mode = stat.S_IMODE(target.stat().st_mode) if target.is_dir() else _mode(public)
        work = room.new / "result"
        work.mkdir()
        yield work
        if stopping.asked():  # something in between may have swallowed it
            raise stopping.Stopped
        output_mark.write(work, kind)
        group = work.stat().st_mode & stat.S_ISGID  # a folder that a group shares hands this down
        work.chmod(mode & 0o777 & ~_umask() | group)
        room.put_in_place([("result", target.name)], overwrite, lambda old: _check_content(old, target, kind, known))
    _record(target)


@contextmanager
def output_files(
    folder: str | Path, overwrite: bool = False, names: Sequence[str] = (), inputs: Sequence[str | Path] = ()
) -> Iterator[Path]:
    """Files that appear in a folder, all of them or none, when the block has come to its end without an error.

    The block writes them into the temporary folder that it is given; other files of the folder stay as they are.

    Args:
        overwrite: replaces files of the same names; never folders, links, pipes or devices.
        names: of files that are known beforehand, so that the refusal comes first.
        inputs: what the run reads, in addition to `protect`.

    Raises:
        OutputExists: something of a name is there that must not be replaced.
        OutputError: they cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    for name in names:
        check_file(folder / name, overwrite, inputs)
    with _room(folder / (names[0] if names else "files")) as room:
        yield room.new
        if stopping.asked():
            raise stopping.Stopped
        written = sorted(os.listdir(room.new))
        for name in written:
            check_file(folder / name, overwrite, inputs)
            _open_up(room.new / name, folder / name)
        room.put_in_place([(name, name) for name in written], overwrite, lambda old: _require_regular(old))
    _record(*(folder / name for name in written))


@contextmanager
def output_file(path: str | Path, overwrite: bool = False, inputs: Sequence[str | Path] = ()) -> Iterator[Path]:
    """One file of the user's, whole or not at all; into /dev/stdout and its like the whole content is written.

    Raises:
        OutputExists: something is there that must not be replaced.
        OutputError: it cannot be written.
    """
    path = Path(path)
    if is_stream(path):
        with private_folder() as place:
            work = place / f"file{path.suffix}"
            yield work
            with _as_output_error(path, place), open(work, "rb") as source, open(path, "wb") as stream:
                shutil.copyfileobj(source, stream)
        return
    check_file(path, overwrite, inputs)
    target = _place(path)
    with _room(target) as room:
        work = room.new / f"file{target.suffix}"
        yield work
        if stopping.asked():
            raise stopping.Stopped
        _open_up(work, target)
        room.put_in_place([(work.name, target.name)], overwrite, _require_regular)
    _record(target)


@contextmanager
def whole_file(path: str | Path, suffix: str | None = None) -> Iterator[Path]:
    """A temporary path which becomes `path`, synced to disk, when the block ends without an error; replaces.

    Files that the block makes beside it, such as the data of a detached header, come along.
    For files that a program keeps for itself, in a folder that is there; users name theirs to `output_file`.

    Args:
        suffix: how the temporary file's name ends, for writers that choose the format by it; None takes `path`'s.

    Raises:
        OutputExists: a folder, link, pipe or device is there.
        OSError: as the file system gives it, for the caller to say what could not be written.
    """
    target = _place(path)
    _require_regular(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    with open_room(target.parent) as room:
        # A header names the file with its data after itself, so it has its own name from the start.
        own = suffix is None or target.name.endswith(suffix)
        work = room.new / (target.name if own and _encodable(target.name) else f"file{suffix or target.suffix}")
        work.touch()
        yield work
        beside = sorted(set(os.listdir(room.new)) - {work.name})
        names = [*((name, name) for name in beside), (work.name, target.name)]
        for inner, name in names:
            _require_regular(target.with_name(name))
            _open_up(room.new / inner, target.with_name(name))
        room.put_in_place(names, True, _require_regular)
    _record(target)


def temporary_folder() -> tempfile.TemporaryDirectory:
    """A temporary folder for the user's eyes only; one that a killed process has left is removed by the next."""
    sweep(Path(tempfile.gettempdir()))
    return tempfile.TemporaryDirectory(prefix=room_prefix(), ignore_cleanup_errors=True)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A `temporary_folder` for the time of a block."""
    folder = None
    try:
        with stopping.undisturbed():
            folder = temporary_folder()
        yield Path(folder.name)
    finally:
        if folder is not None:
            with stopping.undisturbed():
                folder.cleanup()


def is_stream(path: Path) -> bool:
    """Whether it is a stream of this process or a terminal, such as /dev/stdout: to be written to, not replaced."""
    name = os.path.abspath(path)
    if not name.startswith(("/dev/", "/proc/")) or not os.path.exists(name):
        return False
    mode = os.stat(name).st_mode
    return stat.S_ISCHR(mode) or name.startswith(("/dev/std", "/dev/fd/", "/proc/self/fd/"))


def check_file(path: str | Path, overwrite: bool = False, inputs: Sequence[str | Path] = ()) -> None:
    """Raises, before any work is done, what `output_file` would raise because of what is there.

    Raises:
        OutputExists: something is there that must not be replaced.
    """
    target = _place(path)
    if not os.path.lexists(target):
        return
    _require_regular(target)
    if not overwrite:
        raise OutputExists(f"{path} already exists", "Choose another name, or replace it", "overwrite")
    given = any(_same(target, g) for g in _inputs) and not _named_as_output(target)
    if given or any(_same(target, i) for i in inputs):
        raise OutputExists(f"{path} is an input of this run", "Choose another name for the result")


def _record(*targets: Path) -> None:
    for target in targets:
        if not any(part.startswith(PREFIX) for part in target.parts):  # else it is a part of something unfinished
            _written[:] = [target]


def _require_regular(target: Path) -> None:
    if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
        raise OutputExists(f"{target} is {_what(target)}", "Give the name of a file")


def check_folder(
    path: str | Path,
    overwrite: bool = False,
    kind: str = "",
    inputs: Sequence[str | Path] = (),
    known: Sequence[str] = (),
) -> None:
    """Raises, before any work is done, what `output_folder` would raise because of what is there.

    Raises:
        OutputExists: something is there that must not be replaced.
    """
    target = _place(path)
    inputs = (*inputs, *_inputs)
    if not os.path.lexists(target):
        return
    require_folder(target)
    here = Path(os.path.realpath("."))
    if target == here or target in here.parents:
        raise OutputExists(f"{target} is the folder that you are in, or above it", ANOTHER)
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise OutputExists(f"The folder {target} already exists", "Give another one, or replace it", "overwrite")
    for given in inputs:
        real = Path(os.path.realpath(given))
        if target == real and not _named_as_output(target):
            raise OutputExists(f"The folder {target} is an input of this run", ANOTHER)
        if target in real.parents:
            raise OutputExists(f"The folder {target} holds {given}, which this run reads", ANOTHER)
    _check_content(target, target, kind, known)


def require_folder(path: str | Path) -> None:
    """Raises if there is something else than a folder at the place of one: a link leads elsewhere.

    Raises:
        OutputExists: a link, a file, a pipe or a device.
    """
    target = _place(path)
    if os.path.lexists(target) and (target.is_symlink() or not target.is_dir()):
        raise OutputExists(f"{target} is {_what(target)}", "Give the name of a folder")


def check_run(path: str | Path) -> None:
    """Raises if a folder that a run adds to, as checkpoints are, is one that the run reads.

    Raises:
        OutputExists: it was given as an input, too.
    """
    target = Path(os.path.realpath(path))
    if any(_same(target, given) for given in _inputs) and not _named_as_output(target):
        raise OutputExists(f"The folder {target} is an input of this run", ANOTHER)


def _check_content(folder: Path, target: Path, kind: str, known: Sequence[str]) -> None:
    """Raises OutputExists if the content of `folder`, the one of `target`, is not of our making."""
    made_by = output_mark.kind_of(folder)
    if made_by and kind and made_by != kind:
        raise OutputExists(f"The folder {target} was made by preop {made_by}, not by preop {kind}", ANOTHER)
    stranger = output_mark.stranger(folder, known)
    if stranger is not None:
        raise OutputExists(
            f"The folder {target} holds {stranger}, which no earlier run made", "Give another folder, or move it away"
        )


@contextmanager
def _room(target: Path) -> Iterator[Room]:
    if os.path.lexists(target.parent) and not target.parent.is_dir():
        raise OutputError(f"{target.parent} is {_what(target.parent)}, not a folder", "Give the name of a folder")
    made = False
    try:
        with open_room(target.parent) as room:
            made = True
            with _as_output_error(target, room.folder):
                yield room
    except OSError as error:
        if made:
            raise
        raise OutputError(f"{target} cannot be made ({error.strerror})", "Choose a folder you may write to") from error


@contextmanager
def _as_output_error(target: Path, work: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        if os.path.dirname(str(error.filename)) != str(target.parent):
            raise
        raise OutputExists(f"{error.filename} appeared during the run and was left as it is", ANOTHER) from error
    except OSError as error:
        if isinstance(error.filename, str | bytes) and not _below(os.fsdecode(error.filename), work, target):
            raise  # of something that was read
        raise OutputError(
            f"{target} cannot be written ({error.strerror})", "Check free space and permissions"
        ) from error


def _below(name: str, *folders: Path) -> bool:
    return any(name == str(f) or name.startswith(f"{f}{os.sep}") for f in folders)


def _place(path: str | Path) -> Path:
    """The absolute path; links above it are followed, it itself is not."""
    path = os.path.abspath(path)
    return Path(os.path.realpath(os.path.dirname(path))) / os.path.basename(path)


def _encodable(name: str) -> bool:
    """Whether native writers can be given the name: not if it has bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _same(target: Path, given: str | Path) -> bool:
    try:
        return os.path.samefile(target, given)
    except OSError:
        return False


def _named_as_output(target: Path) -> bool:
    """Whether the command line names it as nothing but the output, once."""
    return sum(_same(target, given) for given in _inputs) == 1


def _what(path: Path) -> str:
    mode = os.lstat(path).st_mode
    kinds = {stat.S_IFLNK: "a link", stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _open_up(work: Path, target: Path) -> None:
    """Gives a file the permissions of the one that it replaces, or those of new results."""
    mode = stat.S_IMODE(os.lstat(target).st_mode) & 0o777 if os.path.lexists(target) else _mode(False) & 0o666
    work.chmod(mode & ~_umask())


def _mode(public: bool) -> int:
    """What is allowed at most with a new result, before the user's mask: images and tables of patients are no one's
    but the user's and the group's."""
    return 0o777 if public else 0o770


def _umask() -> int:
    """The user's; asked for without setting it, where that can be, because threads share it."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/self/status") as file:
            return int(next(line for line in file if line.startswith("Umask:")).split()[1], 8)
    umask = os.umask(0)
    os.umask(umask)
    return umask
