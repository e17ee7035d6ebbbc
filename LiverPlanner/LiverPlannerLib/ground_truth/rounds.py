"""Rounds of training on a ground truth list: their state on disk, so that any process can see their progress.

LIST/training/held_back.json       patients that no round ever trains on
LIST/training/curve.csv, .png      what each round has gained
LIST/training/round_001/           request.json, state.json, log.txt, alive, model/, suggestions/, ranking.csv
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from LiverPlannerLib.ground_truth.work_list import WorkList
from PreopReviewLib.csv_text import csv_of_dicts
from PreopReviewLib.errors import FileMissing, InputError, UnreadableImage
from PreopReviewLib.output import whole_file
from PreopReviewLib.structured import read_json, record

FOLDER, HELD_BACK, CURVE, PICTURE = "training", "held_back.json", "curve.csv", "curve.png"
REQUEST, STATE, ALIVE, CANCEL, LOG = "request.json", "state.json", "alive", "cancel", "log.txt"
MODEL, SUGGESTIONS, RANKING = "model", "suggestions", "ranking.csv"
SILENT_SECONDS = 90.0
"""A round that has not touched its sign of life for so long is dead; it touches it every few seconds."""
Phase = Literal["waiting", "running", "done", "failed", "cancelled", "broken off"]
COLUMNS = ("round", "training_cases", "held_back_cases", "structure", "dice_before", "dice_after", "minutes")


@dataclass
class RoundState:
    """The progress of a round.

    Attributes:
        fraction, words: as `Progress` has them.
        problem: why it failed.
        gain: by structure, mean Dice on the held-out cases, before and after.
        offered: whether the new model is better on them and thus the current one now.
    """

    phase: Phase = "waiting"
    fraction: float = 0.0
    words: str = ""
    problem: str = ""
    gain: dict[str, list[float]] = field(default_factory=dict)
    offered: bool = False


def rounds(work: WorkList) -> list[Path]:
    """The folders of a list's rounds, oldest first."""
    return sorted(p for p in (work.folder / FOLDER).glob("round_*") if (p / REQUEST).is_file())


def last_round(work: WorkList) -> Path:
    """The newest round.

    Raises:
        FileMissing: there has been none.
    """
    folders = rounds(work)
    if not folders:
        raise FileMissing(f"{work.folder} has no round of training yet", "Finish cases, then train on them")
    return folders[-1]


def new_round(work: WorkList) -> Path:
    """The folder of the next round; it does not exist yet."""
    numbers = [int(p.name.removeprefix("round_")) for p in rounds(work)]
    return work.folder / FOLDER / f"round_{max(numbers, default=0) + 1:03d}"


def read_state(folder: Path) -> RoundState:
    """How far a round is; "broken off" where its process no longer reports.

    Raises:
        UnreadableImage: its state is damaged.
    """
    content = read_json(folder / STATE)
    try:
        state = record(RoundState, content)
    except TypeError as error:
        raise UnreadableImage(f"{folder / STATE} is damaged ({error})", "Start a new round") from error
    if state.phase in ("waiting", "running") and not is_alive(folder):
        state.phase = "broken off"
    return state


def write_state(folder: Path, state: RoundState) -> None:
    """Writes it whole."""
    _write(folder / STATE, asdict(state))


def is_alive(folder: Path) -> bool:
    """Whether the process of a round has reported lately."""
    try:
        return time.time() - (folder / ALIVE).stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


def ask_to_cancel(folder: Path) -> None:
    """Asks a round's process to stop; it does within seconds, from wherever it runs."""
    (folder / CANCEL).touch()


def _patients_in(file: Path) -> list[str]:
    content = read_json(file)
    patients = content.get("patients") if isinstance(content, dict) else None
    if not isinstance(patients, list):
        raise UnreadableImage(f"{file} is damaged: it lists no patients", "Restore it from a copy")
    return [str(p) for p in patients]


def held_back(work: WorkList, patients: Sequence[str], share: float) -> list[str]:
    """Patients that are measured on and never trained on: those of earlier rounds, and a share of new ones.

    Chosen by the order of a hash of their names, so that neither order nor number of the cases matters; kept in a file,
    so that all points of the curve are of the same patients and more, never of fewer.

    Raises:
        InputError: too few patients for both.
    """
    import hashlib

    file = work.folder / FOLDER / HELD_BACK
    before = _patients_in(file) if file.is_file() else []
    here = sorted(set(patients))
    kept = [p for p in before if p in here]
    wanted = max(2, round(len(here) * share)) if len(here) >= 6 else 1
    others = sorted(set(here) - set(kept), key=lambda p: hashlib.sha256(p.encode()).hexdigest())
    chosen = kept + others[: max(0, wanted - len(kept))]
    if len(here) - len(chosen) < 2:
        raise InputError(
            f"{len(here)} patients with finished cases are too few to train on some and measure on others",
            "Finish cases of at least three patients",
        )
    file.parent.mkdir(exist_ok=True)
    _write(file, {"patients": [*before, *(p for p in chosen if p not in before)]})
    return chosen


def current_model(work: WorkList) -> Path | None:
    """The model of the newest round whose model was better than the one before; None if there is none."""
    for folder in reversed(rounds(work)):
        if (folder / STATE).is_file() and read_state(folder).offered:
            return folder / MODEL
    return None


def curve(work: WorkList) -> list[dict[str, Any]]:
    """A row for each structure of each round that has ended."""
    rows = []
    for number, folder in enumerate(rounds(work), 1):
        state, request = read_state(folder), read_json(folder / REQUEST)
        for structure, (before, after) in state.gain.items():
            counts = (len(request["cases"]), len(request["held_back"]))
            rows.append(
                dict(zip(COLUMNS, (number, *counts, structure, before, after, request["minutes"]), strict=True))
            )
    return rows


def write_curve(work: WorkList) -> None:
    """The gain of all rounds as a table and a picture."""
    rows = curve(work)
    if not rows:
        return
    place = work.folder / FOLDER
    with whole_file(place / CURVE) as file:
        file.write_text(csv_of_dicts(rows, list(COLUMNS)), encoding="utf-8", newline="")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8), layout="constrained")  # in a panel as wide as that its words are read
    axes = figure.add_subplot()
    for structure in dict.fromkeys(r["structure"] for r in rows):
        own = [r for r in rows if r["structure"] == structure]
        at = [0, *(r["training_cases"] for r in own)]
        reached = [own[0]["dice_before"], *(r["dice_after"] for r in own)]
        axes.plot(at, reached, "o-", label=structure.replace("_", " "), clip_on=False)
    axes.set_xlabel("cases trained on")
    axes.set_ylabel(f"mean Dice of {rows[-1]['held_back_cases']} held-out cases")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8)
    with whole_file(place / PICTURE) as file:
        figure.savefig(file, dpi=160, format="png")


def write_request(folder: Path, request: Mapping[str, Any]) -> None:
    """What a round is to do, for its process."""
    folder.mkdir(parents=True)
    _write(folder / REQUEST, dict(request))


def _write(file: Path, content: dict[str, Any]) -> None:
    with whole_file(file) as work:
        work.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
