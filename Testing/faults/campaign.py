"""Trials one after the other: each made from its seed, run, judged, and counted by kind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import forked, material
from .fence import fenced, own_of, strays
from .generators import KINDS, WEIGHTS, WITHOUT_NETWORKS
from .generators.names import MATERIAL
from .generators.packages import INSTALL
from .generators.surfaces import volumetry
from .generators.tables import COMMANDS, FEATURES
from .generators.texts import DOCUMENTS
from .judge import Verdict, judge, snapshot
from .ledger import Campaign, Entry, read
from .trial import Ran, Trial


@dataclass(frozen=True)
class Wanted:
    """Which trials to run.

    Attributes:
        ledger: folder of what came of each; what it holds is not run again.
        kinds: of `KINDS`; all, if empty.
        number: only this trial of each kind.
        minutes: after which no other is begun.
        keep: leaves the folders of failures.
    """

    runs: int
    ledger: Path
    seed: int = 1
    kinds: Sequence[str] = ()
    number: int | None = None
    minutes: float | None = None
    keep: bool = False

    def trials(self) -> Iterator[tuple[str, int]]:
        """Kind and number of each, the kinds in turn."""
        if self.number is not None:
            yield from ((kind, self.number) for kind in self.kinds or KINDS)
            return
        chosen = [k for k in self.kinds or KINDS for _ in range(WEIGHTS.get(k, 1))]
        turns: Counter[str] = Counter()
        for index in range(self.runs):
            kind = chosen[index % len(chosen)]
            yield kind, turns[kind]
            turns[kind] += 1

    def campaign(self) -> Campaign:
        """What the ledger holds of these trials.

        Raises:
            ValueError: it is that of another seed.
        """
        content = read(sorted(self.ledger.glob("job-*.jsonl")))
        if others := {e.seed for e in content} - {self.seed}:
            raise ValueError(f"{self.ledger} holds runs of seed {min(others)}, not of {self.seed}: give another folder")
        trials = set(self.trials())
        return Campaign(self.seed, list(KINDS), list({e.key: e for e in content if e.key in trials}.values()))

    def left(self) -> list[tuple[str, int]]:
        """The trials that the ledger does not hold."""
        done = {e.key for e in self.campaign().entries}
        return [trial for trial in self.trials() if trial not in done]


def run_campaign(place: Path, wanted: Wanted, jobs: int = 1, tell: Callable[[str], None] = print) -> Campaign:
    """Runs trials in processes beside each other, each with sound inputs of its own in a folder of `place`.

    Raises:
        ValueError: the ledger is that of another seed.
    """
    wanted.ledger.mkdir(parents=True, exist_ok=True)
    left = wanted.left()
    forked.preload(networks=any(kind not in WITHOUT_NETWORKS for kind, _turn in left))
    children = []
    for job in range(jobs):
        if child := os.fork():
            children.append(child)
            continue
        code = 1
        try:
            _run_share(place / str(job), wanted, left[job::jobs], tell)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    failed = [child for child in children if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
    if failed:
        raise RuntimeError("a part of the campaign broke off; see above")
    return wanted.campaign()


def _run_share(place: Path, wanted: Wanted, trials: Sequence[tuple[str, int]], tell: Callable[[str], None]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place / "material", ignore_errors=True)  # an interruption may have left half of it
    file = wanted.ledger / f"job-{place.name}-{os.getpid()}.jsonl"
    began, sound = time.monotonic(), prepare(place)
    for kind, turn in trials:
        if wanted.minutes is not None and time.monotonic() - began > 60 * wanted.minutes:
            break
        number = list(KINDS).index(kind)
        own = place / "trials" / f"{number:02d}-{turn:05d}"
        shutil.rmtree(own, ignore_errors=True)
        trial, verdict = _one(kind, [wanted.seed, number, turn], fenced(own), sound)
        Entry.of(wanted.seed, kind, turn, trial, verdict).write(file)
        if verdict.failed:
            tell(f"{verdict.outcome}: {kind} {turn} ({trial.what}): {verdict.seen}")
        if not (wanted.keep and verdict.failed):
            shutil.rmtree(own)


def _one(kind: str, seed: Sequence[int], folder: Path, sound: material.Material) -> tuple[Trial, Verdict]:
    trial = KINDS[kind](np.random.default_rng(list(seed)), folder, sound)
    if out := strays(trial, folder):
        return trial, Verdict("outside its folder", f"not run, since it names {', '.join(out[:3])}")
    after = None
    if trial.earlier:
        first = forked.run(Trial(trial.what, trial.earlier), folder)
        if first.code:
            return trial, Verdict("unclear refusal", f"the earlier run failed: {first.err[-200:]}")
    if trial.signal:
        after = trial.signal[1] * sound.results.took(_plain(trial))
    before, around = snapshot(folder), _around(folder)
    ran = forked.run(trial, folder, after=after)
    verdict = judge(trial, ran, folder, before)
    if not verdict.failed and (changed := sorted(set(_around(folder)) ^ set(around))):
        verdict = Verdict("outside its folder", ", ".join(name for name, _ in changed[:3]))
    if verdict.failed:
        (folder / "said.txt").write_text(f"{ran.out}\n{ran.err}\n{ran.code}\n", errors="replace")
    if not verdict.failed and trial.signal and trial.signal[0] == signal.SIGKILL:
        verdict = _after_a_kill(trial, folder, verdict)
    return trial, verdict


def _around(work: Path) -> list[tuple[str, str]]:
    """What the trial owns and does not work in."""
    return sorted(snapshot(own_of(work), skipped=work).items())


def _plain(trial: Trial) -> list[str]:
    return [a for a in trial.arguments if a != "--overwrite"]


def _after_a_kill(trial: Trial, folder: Path, verdict: Verdict) -> Verdict:
    """The same run again must find its way, and leave nothing of the killed one."""
    there = all((folder / o).exists() for o in trial.outputs)
    if there and "--overwrite" not in trial.arguments and not trial.grows:
        return verdict  # it had come to its end
    arguments = trial.arguments + (["--resume"] if trial.arguments[0] == "train" and there else [])
    if trial.arguments[0] == "train" and there and not any((folder / "out").glob("*.pt")):
        shutil.rmtree(folder / "out")
        arguments = trial.arguments
    again = Trial(trial.what, arguments, trial.check, trial.outputs, seconds=trial.seconds, grows=trial.grows)
    ran = forked.run(again, folder)
    second = judge(again, ran, folder, snapshot(folder))
    if second.failed or ran.code:
        return Verdict("partial output", f"after the kill: {second.outcome} {second.seen} {ran.err[-200:]}")
    left = [n for n in snapshot(folder) if any(p.startswith(".preop-") for p in Path(n).parts[:-1])]
    return Verdict("partial output", f"left by the kill: {left[0]}") if left else verdict


class References(dict[str, Any]):
    """What undamaged runs said, each made when it is first asked for, and kept in a file."""

    made: material.Material

    def __init__(self, place: Path) -> None:
        self.place, self.file = place, place / "results.json"
        self.seconds: dict[str, float] = {}
        if self.file.is_file():
            held, self.seconds = json.loads(self.file.read_text())
            super().__init__(held)

    def __missing__(self, name: str) -> Any:
        ran, folder = self._run(name, references()[name])
        # What prints no JSON is known by its file.
        self[name] = (
            (folder / "out").read_text() if name == FEATURES else json.loads(ran.out) if ran.out[:1] == "{" else None
        )
        shutil.rmtree(folder)
        self._keep()
        return self[name]

    def took(self, arguments: list[str]) -> float:
        """Seconds that the undamaged run needs."""
        words = " ".join(arguments)
        if words not in self.seconds:
            shutil.rmtree(self._run(words, arguments)[1])
            self._keep()
        return self.seconds[words]

    def _run(self, name: str, arguments: list[str]) -> tuple[Ran, Path]:
        folder = self.place / "references" / re.sub(r"\W", "_", name)
        named = {a.split("/")[0] for a in arguments} | {"images"}  # lists and tables name images
        for part in named & {*MATERIAL, "dicom", "box.ply", "cohort", "study"}:
            self.made.put(part, folder)
        ran = _sound(arguments, folder)
        self.seconds[" ".join(arguments)] = ran.seconds
        return ran, folder

    def _keep(self) -> None:
        self.file.write_text(json.dumps([self, self.seconds]))


def references() -> dict[str, list[str]]:
    """The undamaged runs by the names that the generators have for them."""
    info = ["image", "info", "--json"]
    return {
        "info": [*info, "ct.nii.gz"],
        "dicom": [*info, "dicom"],
        "surface": volumetry("box.ply"),
        "volumetry": ["liver", "volumetry", "labels.nii.gz", "--json", "-o", "out"],
        **COMMANDS,
        **{k: v[1] for k, v in DOCUMENTS.items()},
        "package": INSTALL,
    }


def prepare(place: Path) -> material.Material:
    """The sound inputs in ``place/material``, made unless they are there."""
    results = References(place)
    sound = material.Material(place / "material", results, lambda name: _prepare(name, sound))
    results.made = sound
    if sound.folder.is_dir():
        return sound
    if os.fork() == 0:
        code = 1
        try:
            material.make(sound.folder)
            code = 0
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.wait()[1]):
        raise RuntimeError("the sound inputs could not be made")
    return sound


def _prepare(name: str, sound: material.Material) -> None:
    if name == "package" and not (sound.folder / "run").exists():
        _prepare("run", sound)
    for arguments in material.PREPARED[name]:
        _sound(arguments, sound.folder)
    if name == "study":
        material.answer_study(sound.folder)
    shutil.rmtree(sound.folder / ".home")


def _sound(arguments: list[str], folder: Path) -> Ran:
    ran = forked.run(Trial("sound", arguments, seconds=600), folder)
    if ran.code:
        raise RuntimeError(f"preop {' '.join(arguments)} ended with {ran.code}: {ran.err[-500:]}")
    return ran
