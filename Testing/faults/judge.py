"""What a run was: refused cleanly, succeeded, or one of the failures."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
from dataclasses import dataclass
from pathlib import Path

from .trial import Ran, Trial

REFUSED, SUCCEEDED = "refused cleanly", "succeeded"
FAILURES = ("traceback", "crash", "hang", "partial output", "wrong success", "outside its folder", "unclear refusal")
CODES = {2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 30, 31, 32, 40, 41, 50, 51, 60}
"""Exit codes of refusals: what `PreopReviewLib.errors` lists, and wrong usage."""
MARK = ".preop-output.json"
_TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp")
_OF_OTHERS = ("torchinductor_",)  # an empty folder that torch makes for each user


@dataclass(frozen=True)
class Verdict:
    """What a run was, and for failures what was seen."""

    outcome: str
    seen: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is one of `FAILURES`."""
        return self.outcome in FAILURES


def judge(trial: Trial, ran: Ran, folder: Path, before: dict[str, str]) -> Verdict:
    """The verdict on a run.

    Args:
        before: `snapshot` of the folder when the run began.
    """
    if ran.hung:
        return Verdict("hang", f"after {ran.seconds:.0f} s: {_last(ran.err)}")
    stopped = trial.signal is not None
    text = ran.out + ran.err
    if "Traceback (most recent call last)" in text or "This is a bug in PreopReview" in text:
        return Verdict("traceback", _trace(text))
    ended = stopped and ran.code == -trial.signal[0]  # before the command listens to signals, these end it as ever
    killed = ended and trial.signal[0] == signal.SIGKILL
    if ran.code < 0 and not ended:
        return Verdict("crash", f"signal {-ran.code}: {_last(ran.err)}")
    # Where no temporary folder can be written to, Python tries those of the system.
    outside = [p for p in ran.outside if trial.file_limit is None or os.path.dirname(p) not in _TEMPORARY]
    if outside:
        return Verdict("outside its folder", ", ".join(outside[:3]))
    if problem := _left(trial, ran, folder, before, killed):
        return Verdict("partial output", problem)
    if ended:
        return Verdict(REFUSED)
    if ran.code == 0:
        problem = trial.check(ran, folder)
        return Verdict("wrong success", problem) if problem else Verdict(SUCCEEDED)
    asked = {128 + trial.signal[0]} if stopped else set()
    if ran.code not in CODES | asked:
        return Verdict("unclear refusal", f"exit code {ran.code}: {_last(ran.err)}")
    if trial.never_refused and ran.code not in asked:
        return Verdict("unclear refusal", f"sound input refused with {ran.code}: {_last(ran.err)}")
    # A stop before the command has begun needs no words.
    silent = 2 in trial.closed or 2 in trial.full or (ran.code in asked and not text)
    if not silent and ran.code != 2 and not re.search(r"^preop: \S", ran.err, re.MULTILINE):
        return Verdict("unclear refusal", f"exit code {ran.code} without a sentence: {_last(ran.err)}")
    return Verdict(REFUSED)


def snapshot(folder: Path, skipped: Path | None = None) -> dict[str, str]:
    """All that is in a folder by name, with what tells it from anything else; the home of the run is left out.

    Args:
        skipped: a folder inside it that is left out, too.
    """
    digests = {}
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        if inside == ".":
            folders[:] = [f for f in folders if f != ".home"]
            inside = ""
        folders[:] = [f for f in folders if os.path.join(place, f) != str(skipped)]
        for name in (*folders, *files):
            path = os.path.join(place, name)
            digests[os.path.join(inside, name)] = _digest(path)
    return digests


def _digest(path: str) -> str:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return "link " + os.readlink(path)
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    return "folder" if stat.S_ISDIR(mode) else "special"


def _left(trial: Trial, ran: Ran, folder: Path, before: dict[str, str], killed: bool) -> str:
    """What is wrong with what a run has left in its folder, or ""."""
    after = snapshot(folder)
    for name, digest in before.items():
        if not _is_output(name, trial) and after.get(name) != digest:
            return f"{name}, which was there before, has {'changed' if name in after else 'gone'}"
    new = sorted(n for n in set(after) - set(before) if not _is_output(n, trial))
    if killed:  # what is made beside the results is removed by the next run, which `campaign` makes
        new = [n for n in new if not n.split(os.sep)[-1].startswith(".preop-") and "/.preop-" not in f"/{n}"]
    if new:
        return f"left behind: {', '.join(new[:3])}"
    if not killed:
        home = folder / ".home" / "tmp"
        left = sorted(p.name for p in home.iterdir() if not p.name.startswith(_OF_OTHERS)) if home.is_dir() else []
        if left:
            return f"left in the temporary folder: {', '.join(left[:3])}"
    for output in trial.outputs if not trial.grows else ():
        if problem := _not_whole(output, ran, folder, before, after):
            return problem
    return ""


def _not_whole(output: str, ran: Ran, folder: Path, before: dict[str, str], after: dict[str, str]) -> str:
    inside = {n: d for n, d in after.items() if n == output or n.startswith(output + os.sep)}
    earlier = {n: d for n, d in before.items() if n == output or n.startswith(output + os.sep)}
    if inside == earlier or not inside:
        return "" if ran.code or inside or not earlier else f"{output} has gone"
    if ran.code not in (0, -signal.SIGKILL, 129, 130, 143):
        return f"{output} has changed, though the run was refused: {', '.join(sorted(inside)[:3])}"
    place = folder / output
    if place.is_dir() and (place / MARK).is_file():
        listed = set(json.loads((place / MARK).read_text())["files"])
        there = {os.path.relpath(p, place) for p in map(str, place.rglob("*")) if not os.path.isdir(p)} - {MARK}
        if missing := sorted(listed ^ there):
            return f"{output} is not what its list says: {', '.join(missing[:3])}"
    return ""


def _is_output(name: str, trial: Trial) -> bool:
    return any(name == o or name.startswith(o + os.sep) for o in trial.outputs)


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("[")]
    return lines[-1][:200] if lines else "nothing said"


def _trace(text: str) -> str:
    """The last line of ours in a trace, and the error."""
    ours = re.findall(r'File "[^"]*/((?:PreopReviewLib|LiverPlannerLib|RotatorCuffCAMLib)/[^"]+)", line (\d+)', text)
    where = f"{ours[-1][0]}:{ours[-1][1]} " if ours else ""
    bug = re.search(r"This is a bug in PreopReview \((.*)\)\.", text)
    return where + (bug[1] if bug else _last(text))[:200]
