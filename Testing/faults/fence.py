"""The folder that a trial owns, with a stranger's file in it for hostile paths to name, and what would lead out of it.

A trial works two folders deep, so that ``../../x`` is still its own, and is seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .trial import Trial

STRANGER = "/of-others/passwd"
"""What generators write for a file of somebody else; `placed` makes it a path of the trial. ``../..`` leads to it."""
_DEPTH = ("above", "work")
_TEXT = 1 << 20
_UP = re.compile(rb"(?:\.\.[/\\]){%d,}" % (len(_DEPTH) + 1))


def fenced(own: Path) -> Path:
    """Makes a trial's own folder and returns the one in it that the trial works in."""
    work = own.joinpath(*_DEPTH)
    work.mkdir(parents=True)
    stranger = own / STRANGER[1:]
    stranger.parent.mkdir()
    stranger.write_text("root:x:0:0\n")
    stranger.chmod(0o444)
    return work


def own_of(work: Path) -> Path:
    """The folder that the trial owns."""
    return work.parents[len(_DEPTH) - 1]


def placed(value: object, work: Path) -> object:
    """A value of a generator's list; the stranger's file where it names that."""
    return str(own_of(work)) + STRANGER if value == STRANGER else value


def strays(trial: Trial, work: Path) -> list[str]:
    """What in a trial's words, links and files leads out of the folder that it owns."""
    own = os.path.realpath(own_of(work))
    words = [*trial.arguments, *(trial.earlier or ())]
    found = [w for w in words if any(_is_outside(p, own, work) for p in (w, *re.split("[=,;\n]", w)))]
    for place, folders, files in os.walk(own):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            if os.path.islink(path):
                if _is_outside(os.path.realpath(path), own, work):
                    found.append(path)
            elif os.path.isfile(path):
                found += [f"{name}: {words}" for words in _named_in(path, own)]
    return found


def _is_outside(word: str, own: str, work: Path) -> bool:
    if not (word.startswith(("/", "~")) or ".." in word.split("/")):
        return False
    home = str(work / ".home")
    full = os.path.normpath(os.path.join(os.path.realpath(work), re.sub("^~[^/]*", lambda _: home, word)))
    return not (full + os.sep).startswith(own + os.sep)


def _named_in(path: str, own: str) -> Iterator[str]:
    with open(path, "rb") as file:
        raw = file.read(_TEXT)
    roots = b"|".join(re.escape(os.fsencode(n)) for n in sorted(os.listdir("/")))
    for match in re.finditer(rb"(?<![\w.~/\\-])/(?:%s)/[^\s\"',;]*" % roots, raw):
        if not match[0].startswith(os.fsencode(own) + b"/"):
            yield match[0].decode("utf-8", "replace")
    for match in _UP.finditer(raw):
        yield match[0].decode()
