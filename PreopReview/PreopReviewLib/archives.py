"""Zip files of others: chosen members, unpacked within limits, no links followed."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PreopReviewLib.errors import UnreadableImage

MAX_MEMBERS = 10_000
MAX_BYTES = 8 << 30
"""Of one member, unpacked: a 512×512×4000 scan of 64-bit numbers."""
MAX_RATIO = 1000
"""Unpacked to packed: deflate cannot do better than 1032 on anything, and images stay below 100."""
_SMALL = 1 << 20


def unpack_member(archive: zipfile.ZipFile, name: str, target: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Writes one member of an archive to a file; what the member itself says of its size is not believed.

    Raises:
        UnreadableImage: it is encrypted, damaged, a link, too large, or packed as no honest file is.
    """
    where = f"{name} in {archive.filename}"
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise UnreadableImage(f"{where} is encrypted", "Save it again without a password")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnreadableImage(f"{where} is a link", "Pack the file itself")
    _require_honest(info, where)
    try:
        with archive.open(info) as source, target.open("wb") as out:
            _copy(source.read, out.write, max_bytes, where)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise UnreadableImage(f"{where} is damaged ({error})", "Save or fetch it again") from error
    return target


def require_honest(archive: zipfile.ZipFile, max_bytes: int) -> None:
    """Refuses an archive for what any of its members would be unpacked, wanted or not.

    Raises:
        UnreadableImage: one unpacks from almost nothing, or all together are larger than `max_bytes`.
    """
    for info in archive.infolist():
        _require_honest(info, f"{info.filename} in {archive.filename}")
    total = sum(info.file_size for info in archive.infolist())
    if total > max_bytes:
        problem = f"{archive.filename} unpacks to {total / 1e9:.1f} GB, more than {max_bytes / 1e9:.1f} GB"
        raise UnreadableImage(problem, "Pack only what belongs together")


def _require_honest(info: zipfile.ZipInfo, where: str) -> None:
    if info.file_size > _SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise UnreadableImage(f"{where} unpacks to {info.file_size / 1e9:.1f} GB from almost nothing", "Pack it again")


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], limit: int, where: str) -> None:
    done = 0
    while block := read(1 << 20):
        done += len(block)
        if done > limit:
            raise UnreadableImage(f"{where} is larger than {limit / 1e6:.0f} MB", "Give the file itself")
        write(block)


def open_archive(path: str | Path) -> zipfile.ZipFile:
    """A zip file, for reading.

    Raises:
        UnreadableImage: it is not an archive, or holds too many members.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableImage(f"{path} is not a readable zip file ({error})", "Save or fetch it again") from error
    if len(archive.namelist()) > MAX_MEMBERS:
        archive.close()
        raise UnreadableImage(f"{path} holds more than {MAX_MEMBERS} files", "Pack only what belongs together")
    return archive


def copy_plain_file(source: Path, target: Path) -> bool:
    """Copies a file that is not a link and is not reached through one; False, and nothing done, for anything else."""
    if source.is_symlink() or not source.is_file() or source.parent.is_symlink():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target, follow_symlinks=False)
    return True
