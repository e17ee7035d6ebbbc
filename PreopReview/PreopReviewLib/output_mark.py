"""The small file in every folder of results that says what made it, and which files: nothing else may be replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

MARK = ".preop-output.json"
FORMAT = "PreopReview output"
_OF_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}


def write(folder: Path, kind: str) -> None:
    """Lists all files of a folder, with what made them.

    Raises:
        OSError: it cannot be written.
    """
    content = {"format": FORMAT, "version": 1, "made_by": kind, "files": sorted(set(_names(folder)) - {MARK})}
    (folder / MARK).write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


def kind_of(folder: Path) -> str:
    """What made a folder; empty if that is not known."""
    kind = (_read(folder) or {}).get("made_by")
    return kind if isinstance(kind, str) else ""


def stranger(folder: Path, known: Sequence[str] = ()) -> str | None:
    """The first file of a folder that its mark does not list; None if there is none.

    Args:
        known: what counts as listed in a folder without a mark.
    """
    content = _read(folder)
    files = known if content is None else content.get("files")
    listed = {MARK, *(f for f in files if isinstance(f, str))} if isinstance(files, list | tuple) else {MARK}
    if content is None:
        listed.discard(MARK)
    for name in sorted(_names(folder)):
        if name not in listed and os.path.basename(name) not in _OF_THE_SYSTEM:
            return name
    return None


def _names(folder: Path) -> Iterator[str]:
    """All files, links and empty folders below, with slashes."""
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        if inside != "." and not folders and not files:
            yield inside.replace(os.sep, "/")
        for name in (*links, *files):
            yield os.path.normpath(os.path.join(inside, name)).replace(os.sep, "/")


def _read(folder: Path) -> dict | None:
    try:
        content = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None
