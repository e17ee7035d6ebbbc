"""Full disks, little memory, streams that are closed or full, and the end of the program at any moment."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np

from ..material import Material
from ..trial import Ran, Trial
from .damage import pick

RUNS: dict[str, tuple[list[str], tuple[str, ...], tuple[str, ...]]] = {
    "phantom": (["phantom", "liver", "-o", "out", "--size", "40", "--spacing", "5"], ("out",), ()),
    "volumetry": (["liver", "volumetry", "labels.nii.gz", "-o", "out"], ("out",), ("labels.nii.gz",)),
    "branches": (["liver", "branches", "labels.nii.gz", "-o", "out"], ("out",), ("labels.nii.gz",)),
    "couinaud": (["liver", "couinaud", "labels.nii.gz", "-o", "out", "-q"], ("out",), ("labels.nii.gz",)),
    "cysts": (
        ["liver", "cysts", "ct.nii.gz", "labels.nii.gz", "-o", "out"],
        ("out",),
        ("ct.nii.gz", "labels.nii.gz"),
    ),
    "compare": (["liver", "compare", "labels.nii.gz", "labels.nii.gz", "-o", "out"], ("out",), ("labels.nii.gz",)),
    "territories": (
        ["liver", "territories", "labels.nii.gz", "-o", "out", "--no-segments"],
        ("out",),
        ("labels.nii.gz",),
    ),
    "data import": (["data", "import", "data", "-o", "out", "-q"], ("out",), ("data",)),
    "join": (["models", "join", "package", "package", "-o", "out"], ("out",), ("package",)),
    "cohort": (["liver", "cohort", "cohort", "-o", "out.csv", "-q"], ("out.csv",), ("cohort",)),
    "predict": (
        ["predict", "package", "ct.nii.gz", "-o", "out", "-q", "--device", "cpu"],
        ("out",),
        ("package", "ct.nii.gz"),
    ),
    "truth new": (["liver", "truth", "new", "images", "-o", "made"], ("made",), ("images",)),
    "truth add": (
        ["liver", "truth", "add", "list", "a", "labels.nii.gz", "--annotator", "bob"],
        ("list/bob",),
        ("list", "images", "labels.nii.gz"),
    ),
    "export": (["liver", "truth", "export", "list", "-o", "out", "--from", "ann", "-q"], ("out",), ("list", "images")),
    "study": (["cuff", "study", "cases.csv", "-o", "made"], ("made",), ("cases.csv", "images")),
    "agreement": (["liver", "radiomics-agreement", "first", "second", "-o", "out"], ("out",), ("first", "second")),
    "train": (
        ["train", "--recipe", "recipe.yaml", "--data", "data", "-o", "out", "--workers", "0"],
        ("out",),
        ("recipe.yaml", "data"),
    ),
    "pack": (["models", "pack", "run", "-o", "out", "--checkpoint", "last"], ("out",), ("run",)),
    "evaluate": (
        ["evaluate", "--paper", "oh2023", "--cases", "evaluate.csv", "-o", "out", "--no-figures"],
        ("out",),
        ("evaluate.csv",),
    ),
}
"""Commands that write: their words, outputs and inputs."""
_REPLACING = {
    "phantom",
    "volumetry",
    "branches",
    "compare",
    "territories",
    "couinaud",
    "cysts",
    "cohort",
    "predict",
    "evaluate",
    "pack",
    "export",
}


_GROWING = {"train", "truth add"}


def _trial(rng: np.random.Generator, folder: Path, material: Material) -> tuple[str, Trial]:
    name = pick(rng, RUNS)
    arguments, outputs, inputs = RUNS[name]
    for part in inputs:
        material.put(part, folder)
    trial = Trial(name, list(arguments), _written(outputs), outputs, seconds=300, grows=name in _GROWING)
    if name in _REPLACING and rng.random() < 0.4:
        trial.earlier = list(arguments)
        trial.arguments = [*arguments, "--overwrite"]
        trial.what += " over an earlier result"
    return name, trial


def _written(outputs: tuple[str, ...]):
    def check(_ran: Ran, folder: Path) -> str:
        lacking = [o for o in outputs if not (folder / o).exists()]
        return f"{lacking[0]} was not written" if lacking else ""

    return check


def full_disk(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """No file may have more than some bytes: a disk that is full at some moment."""
    _, trial = _trial(rng, folder, material)
    trial.file_limit = int(pick(rng, [0, 1, 64, 512, 1024, 4096, int(2 ** rng.uniform(5, 17))]))
    trial.what += f", {trial.file_limit} bytes"
    return trial


def little_memory(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """Address space that is used up at some moment."""
    _, trial = _trial(rng, folder, material)
    trial.earlier, trial.arguments = None, [a for a in trial.arguments if a != "--overwrite"]
    trial.memory_mb = int(2 ** rng.uniform(5, 9))
    trial.what += f", {trial.memory_mb} MB more"
    return trial


def streams(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """Streams that are closed or full, or take few characters; the result is there all the same."""
    _, trial = _trial(rng, folder, material)
    what = pick(rng, ["closed", "full", "cp1252", "ascii"])
    chosen = pick(rng, [(1,), (2,), (1, 2)])
    if what in ("closed", "full"):
        setattr(trial, what, chosen)
    else:
        trial.encoding = what
    trial.what += f", {what} {chosen if what in ('closed', 'full') else ''}"
    trial.never_refused = True
    return trial


def stops(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A signal at a moment of the run."""
    _, trial = _trial(rng, folder, material)
    number = pick(rng, [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    trial.signal = (int(number), float(rng.uniform(0, 1.05)))
    trial.what += f", {number.name} at {trial.signal[1]:.2f} of its time"
    return trial
