"""What a worker does with one case: runs the command and puts the results in place, with their row and picture."""

from __future__ import annotations

import gc
import json
import socket
import time
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from PreopReviewLib import __version__
from PreopReviewLib.cohort.calling import call
from PreopReviewLib.cohort.cases import RECORD
from PreopReviewLib.cohort.folder import CASE_RECORD, CohortFolder
from PreopReviewLib.cohort.tasks import Task, find_task
from PreopReviewLib.cohort.thumbnails import write_thumbnail
from PreopReviewLib.errors import InputError, OutputExists
from PreopReviewLib.jobs.failure import describe
from PreopReviewLib.output import output_folder

KEPT_NETWORKS = 3


def versions() -> dict[str, str]:
    """What must be the same on all computers."""
    import distributed

    return {"PreopReview": __version__, "distributed": distributed.__version__}


def run_case(task: str, folder: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """One case, from its inputs to its folder; what is done already stays.

    Returns:
        ``state`` (done or failed), ``seconds``; of a failure ``problem``, ``remedy``, ``kind`` and, of one that was not
        foreseen, ``trace``.
    """
    from PreopReviewLib.inference import warm

    warm.keep(KEPT_NETWORKS)
    _load()
    began = time.perf_counter()
    try:
        _require_visible(Path(folder))
        place = CohortFolder(Path(folder)).case_folder(name)
        if not (place / CASE_RECORD).is_file():  # else a worker has died after its work was done
            try:
                _make(find_task(task), place, values, began)
            except OutputExists:
                if not (place / CASE_RECORD).is_file():  # else another worker was faster
                    raise
        return {"state": "done", "seconds": time.perf_counter() - began}
    except Exception as error:
        about = describe(error)
        if about.pop("see_log"):
            about["trace"] = traceback.format_exc()
        return {"state": "failed", "seconds": time.perf_counter() - began, **about}
    finally:
        gc.collect()


@cache
def _load() -> None:
    import_module("preopreview.cli")  # the libraries offer their tasks
    gc.freeze()  # what is there stays; looking through all of it, Dask's included, takes some percent of a case's time
    gc.set_threshold(50_000, 20, 20)  # each case is cleaned up after; looking through it meanwhile takes as much again


def _require_visible(folder: Path) -> None:
    if not (folder / RECORD).is_file():
        raise InputError(
            f"The computer {socket.gethostname()} does not see the folder {folder}",
            "Workers need the cohort's folder and the images under the same paths as here",
        )


def _make(task: Task, place: Path, values: Mapping[str, str], began: float) -> None:
    with output_folder(place, kind=" ".join(task.command)) as work:
        data, log = call(task, values, work / task.file if task.file else work)
        if log.strip():
            (work / "log.txt").write_text(log, encoding="utf-8")
        write_thumbnail(task, values, work)
        record = {
            "preopreview": __version__,
            "task": task.name,
            "values": dict(values),
            "row": task.row(data, work),
            "seconds": round(time.perf_counter() - began, 3),
            "computer": socket.gethostname(),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False, default=_plain)
        (work / CASE_RECORD).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
