"""Training on the finished cases of a ground truth list: started here, run by a process of its own, offered back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from LiverPlannerLib.ground_truth import rounds
from LiverPlannerLib.ground_truth.annotation import is_finished, read_progress
from LiverPlannerLib.ground_truth.work_list import CONSENSUS, WorkList
from PreopReviewLib.errors import InputError, ModelError
from PreopReviewLib.models.kinds import fine_tunable, structures_of

LEAST_CASES = 8
HELD_BACK_SHARE = 0.25
MINUTES = 30.0


def ready_cases(work: WorkList, source: str) -> list[str]:
    """Names of the cases that can be trained on: finished, usable, and where there was a review, signed off.

    Raises:
        InputError: there is no such annotator.
    """
    if source != CONSENSUS and source not in work.annotators:
        raise InputError(f"There is no annotator {source!r}", f"There are {', '.join(work.annotators) or 'none yet'}")
    states = read_progress(work, source)[1]
    reviewed = any(state.review for state in states.values())
    return [
        name
        for name, state in states.items()
        if is_finished(state)
        and not state.unusable
        and work.label_path(name, source).is_file()
        and (state.review == "signed off" or not reviewed)
    ]


def start_training(
    work: WorkList,
    source: str,
    model: str | None = None,
    *,
    minutes: float = MINUTES,
    least: int = LEAST_CASES,
    threads: int = 1,
    detached: bool = True,
) -> Path:
    """Starts a round: trains the current model further on the finished cases, and measures it on those held back.

    Args:
        source: an annotator, or "consensus".
        model: name or folder of the package to start from; by default the last round's, where it was better.
        minutes: of training, at most.
        least: how many cases must be ready.
        detached: in a process that goes on when this one ends; False returns when the round has ended.

    Returns:
        the round's folder; `rounds.read_state` says how far it is.

    Raises:
        InputError: too few cases, a round that is running, or no model to start from.
        ModelError: a model that cannot be trained further here.
    """
    ready = ready_cases(work, source)
    if len(ready) < max(3, least):
        raise InputError(
            f"{len(ready)} cases of {source} are ready, and {max(3, least)} are needed to train on",
            "Finish more; where a reviewer has begun, they must be signed off",
        )
    running = [f for f in rounds.rounds(work) if rounds.read_state(f).phase in ("waiting", "running")]
    if running:
        raise InputError(f"{running[-1].name} is still training", "Wait for it, or cancel it")
    start = model or str(rounds.current_model(work) or "")
    if not start:
        raise InputError("This list has no model of its own yet", "Name the model to start from")
    trainable(start)
    _require_common_structure(start, work)
    patients = {name: work.case(name).patient or name for name in ready}
    held = rounds.held_back(work, list(patients.values()), HELD_BACK_SHARE)
    folder = rounds.new_round(work)
    request = {
        "source": source,
        "model": start if not Path(start).exists() else str(Path(start).absolute()),
        "minutes": minutes,
        "threads": threads,
        "cases": [n for n in ready if patients[n] not in held],
        "held_back": [n for n in ready if patients[n] in held],
    }
    rounds.write_request(folder, request)
    launch(folder, detached)
    return folder


def launch(folder: Path, detached: bool = True) -> None:
    """Runs a round, or resumes one that was interrupted."""
    (folder / rounds.CANCEL).unlink(missing_ok=True)
    state = rounds.read_state(folder) if (folder / rounds.STATE).is_file() else rounds.RoundState()
    rounds.write_state(folder, rounds.RoundState("waiting", state.fraction, "Starting"))
    (folder / rounds.ALIVE).touch()
    if not detached:
        from LiverPlannerLib.ground_truth.training_job import run

        run(folder)
        return
    from PreopReviewLib.jobs.python import environment, find_python

    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    command = [find_python(), "-m", "LiverPlannerLib.ground_truth.training_job", str(folder)]
    with (folder / rounds.LOG).open("ab") as log:
        subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **apart
        )


def trainable(model: str | Path) -> None:
    """Raises ModelError for a model that cannot be trained further here, saying why."""
    from PreopReviewLib.models.totalsegmentator import task_of

    if task_of(str(model)):
        raise ModelError("TotalSegmentator cannot be trained further here", "Start from a package of preop train")
    from PreopReviewLib.models.catalog import require_package
    from PreopReviewLib.training.fine_tuning import require_fine_tunable

    require_fine_tunable(require_package(model))


def starts(work: WorkList) -> list[str]:
    """Names of the installed models that can be trained further on a list: they draw a structure of it."""
    from PreopReviewLib.models.overview import installed_metadata

    return [
        name
        for name, data in installed_metadata().items()
        if fine_tunable(data) and set(structures_of(data)) & set(work.structures)
    ]


def _require_common_structure(model: str, work: WorkList) -> None:
    from PreopReviewLib.models.catalog import require_package

    package = require_package(model)
    drawn = structures_of(package.metadata)
    if not set(drawn) & set(work.structures):
        raise InputError(
            f"{package.name} draws {', '.join(drawn)}, and none of them is drawn in this list",
            "Start from a model that shares a structure with it",
        )


def ranking(work: WorkList) -> list[tuple[str, float]]:
    """The open cases by the newest model's uncertainty, the most uncertain first; empty without a round."""
    from PreopReviewLib.tables import read_table

    for folder in reversed(rounds.rounds(work)):
        if (folder / rounds.RANKING).is_file():
            table = read_table(folder / rounds.RANKING, ("case", "uncertainty"))
            return [(row.get("case"), float(row.get("uncertainty"))) for row in table.rows]
    return []


def suggestion(work: WorkList, name: str) -> Path | None:
    """Labels that the newest model has drawn in a case, to be corrected; None if it has not."""
    for folder in reversed(rounds.rounds(work)):
        path = folder / rounds.SUGGESTIONS / f"{name}.nii.gz"
        if path.is_file():
            return path
    return None
