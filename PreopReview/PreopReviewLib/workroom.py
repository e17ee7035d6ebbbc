"""The hidden folder in which results are made, and from which they take their places: all of them, or none.

Its name says which process works in it. It holds ``new`` (what is being made), ``old`` (what was replaced, until all
is done) and, while names change, ``journal.json``. The next process in the same folder finds what a killed process
has left: an unfinished change of names is undone, the rest removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PreopReviewLib.owner import is_dead, owner
from PreopReviewLib.stopping import undisturbed

PREFIX = ".preop-"
JOURNAL = "journal.json"
_NAME = re.compile(re.escape(PREFIX) + r"([0-9a-f.]+)-\w+")
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)

Names = Sequence[tuple[str, str]]
"""(name in ``new``, name beside the room)."""


def room_prefix() -> str:
    """How the name of a room of this process begins."""
    return f"{PREFIX}{owner()}-"


class Room:
    """A room beside the results, for its owner alone to see.

    Attributes:
        folder: the room.
        new: where to make the results.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        with undisturbed():
            self._new_parents = _make_parents(parent)
            sweep(parent)
            try:
                self.folder = Path(tempfile.mkdtemp(prefix=room_prefix(), dir=parent))
                self.new, self._old = self.folder / "new", self.folder / "old"
                self.new.mkdir()
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Removes the room with what is in it, and the folders above it that it made, where they are empty."""
        with undisturbed():
            if hasattr(self, "folder"):
                shutil.rmtree(self.folder, ignore_errors=True)
            for folder in self._new_parents:
                with contextlib.suppress(OSError):  # not empty: there are results in it
                    folder.rmdir()

    def put_in_place(self, names: Names, replace: bool, check: Callable[[Path], None] | None = None) -> None:
        """Gives the results their names; if one cannot have its own, none has.

        Args:
            replace: what is there goes, once all is done; otherwise nothing may be there but an empty folder.
            check: is given each thing that is to go, in its last place; raises if it must stay.

        Raises:
            FileExistsError: something is there, and `replace` is false.
            OSError: as the file system gives it.
        """
        with undisturbed():
            _sync_all(self.new)
            if len(names) == 1 and self._swap(*names[0], replace, check):
                _sync(self.parent)
                return
            self._old.mkdir()
            _write_journal(self.folder / JOURNAL, names)
            try:
                for inner, name in names:
                    self._replace(inner, name, replace, check)
            except BaseException:
                undo(self.folder)
                raise
            (self.folder / JOURNAL).unlink()
            _sync(self.parent)

    def _swap(self, inner: str, name: str, replace: bool, check: Callable[[Path], None] | None) -> bool:
        """One result in one step, where the system can; whether it could."""
        new, target = self.new / inner, self.parent / name
        if not replace or not os.path.lexists(target):
            _move_to_free(new, target)
            return True
        if not new.is_dir():
            if check:
                check(target)
            os.replace(new, target)
            return True
        if target.is_dir() and not any(target.iterdir()):
            _move_to_free(new, target)
            return True
        if not _exchange(new, target):
            return False
        try:
            if check:
                check(new)  # the old one, which no one can change by its name any more
        except BaseException:
            _exchange(new, target)
            raise
        return True

    def _replace(self, inner: str, name: str, replace: bool, check: Callable[[Path], None] | None) -> None:
        target = self.parent / name
        if os.path.lexists(target) and replace:
            target.rename(self._old / inner)
            if check:
                check(self._old / inner)
        _move_to_free(self.new / inner, target)


@contextlib.contextmanager
def open_room(parent: Path) -> Iterator[Room]:
    """A room for the time of a block. A signal that comes while it is being made finds it, and it is closed.

    Raises:
        OSError: it cannot be made.
    """
    room = None
    try:
        with undisturbed():
            room = Room(parent)
        yield room
    finally:
        if room is not None:
            room.close()


def sweep(parent: Path) -> None:
    """Removes what killed processes of this computer have left in a folder, after undoing unfinished changes."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if not match or not is_dead(match[1]) or not entry.is_dir(follow_symlinks=False):
                continue
            room = Path(entry.path)
            if undo(room):
                shutil.rmtree(room, ignore_errors=True)


def undo(room: Path) -> bool:
    """Takes back a change of names that has not come to its end.

    Returns:
        whether nothing of value is left in the room.
    """
    try:
        text = (room / JOURNAL).read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        names = [(str(inner), str(name)) for inner, name in json.loads(text)]
    except (ValueError, TypeError):  # not written to its end: nothing had been moved
        return not _holds_something(room / "old")
    whole = True
    for inner, name in reversed(names):
        new, old, target = room / "new" / inner, room / "old" / inner, room.parent / name
        try:
            if os.path.lexists(target) and not os.path.lexists(new):
                target.rename(new)
            elif os.path.lexists(target) and os.path.samefile(new, target):  # between its two links
                target.unlink()
            if os.path.lexists(old):
                _move_to_free(old, target)
        except OSError:
            whole = False  # someone has put something else there: both stay
    return whole


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _write_journal(path: Path, names: Names) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump([list(pair) for pair in names], file)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _move_to_free(source: Path, target: Path) -> None:
    """Renames; what is at `target` stays, unless it is an empty folder and a folder comes.

    Raises:
        FileExistsError: something is there.
    """
    try:
        if source.is_dir() and not source.is_symlink():
            if os.name == "nt" and target.is_dir():
                target.rmdir()
            source.rename(target)
            return
        try:
            os.link(source, target, follow_symlinks=False)
        except (FileExistsError, FileNotFoundError):
            raise
        except (OSError, NotImplementedError):  # a file system without links
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            source.rename(target)
            return
        source.unlink()
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Two names change what they mean in one step, on Linux; False where that cannot be."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return function(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _make_parents(folder: Path) -> list[Path]:
    """Makes a folder and those above it; returns the made ones, innermost first."""
    missing = []
    for place in (folder, *folder.parents):
        if place.exists():
            break
        missing.append(place)
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _sync_all(folder: Path) -> None:
    """All files below to the disk: what was written late may still find it full."""
    for place, _folders, files in os.walk(folder):
        for name in files:
            if not os.path.islink(os.path.join(place, name)):
                with open(os.path.join(place, name), "rb+" if os.name == "nt" else "rb") as file:
                    os.fsync(file.fileno())
        _sync(Path(place))


def _sync(folder: Path) -> None:
    """A folder's names to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):  # some file systems cannot
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
