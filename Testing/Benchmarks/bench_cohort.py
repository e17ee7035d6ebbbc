"""Cohorts: two workers against one, overhead against the bare task, killed workers, memory of the driver.

The cases are liver phantoms cut out of one another's size by a seeded crop; the task is `volumetry` (a second or so of
one core each at 192³) and, for 2,000 tiny cases, the same of 12³ voxels. Ratios are of one run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk

from preopreview import cli  # noqa: F401  (the libraries offer their tasks)
from PreopReviewLib import images
from PreopReviewLib.cohort.calling import call
from PreopReviewLib.cohort.cases import CohortCase, read_cases
from PreopReviewLib.cohort.cluster import Size, local_client
from PreopReviewLib.cohort.driving import run_cases
from PreopReviewLib.cohort.folder import CohortFolder
from PreopReviewLib.cohort.tasks import Task, find_task
from PreopReviewLib.cohort.thumbnails import write_thumbnail

RESULT = Path(__file__).resolve().parent / "results" / "cohort.json"
CASES, KILLS, TINY = 20, 10, 2000
TASK = "branches"


def make_cases(folder: Path, count: int, size: int) -> None:
    """Label images of simulated livers, or of cubes where they are tiny."""
    if size < 32:
        for n in range(count):
            array = np.zeros((size,) * 3, np.uint8)
            array[1 : 4 + n % (size - 5), 1:6, 1:6] = 1
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((10, 10, 10))
            images.write_image(image, folder / f"c{n:04d}.nii.gz")
        return
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    made = [make_liver_phantom(seed, "hbp", (size,) * 3, 2.0, slice_mm=0).labels for seed in range(2)]
    for n in range(count):
        images.write_image(made[n % 2], folder / f"c{n:04d}.nii.gz")


def run(task: Task, cases: list[CohortCase], out: Path, workers: int, during=None) -> dict:  # type: ignore[no-untyped-def]
    """One cohort: seconds with and without the start of the workers, and what became of the cases."""
    folder = CohortFolder(out)
    folder.begin(task, {})
    began = time.perf_counter()
    with local_client(Size(workers, 1)) as client:
        ready = time.perf_counter()
        stop = threading.Event()
        thread = threading.Thread(target=during, args=(client, stop)) if during else None
        if thread:
            thread.start()
        tally = run_cases(client, task, cases, folder)
        done = time.perf_counter()
        stop.set()
        if thread:
            thread.join()
    return {"start_s": ready - began, "run_s": done - ready, "done": tally.done, "failed": tally.failed}


def alone(task: Task, cases: list[CohortCase], out: Path) -> float:
    """Seconds of the same task and pictures in a loop of this process."""
    began = time.perf_counter()
    for case in cases:
        place = out / case.name
        call(task, case.values, place)
        write_thumbnail(task, case.values, place)
    return time.perf_counter() - began


def killing(killed: list[int]):  # type: ignore[no-untyped-def]
    """Kills workers at random moments until there have been enough."""

    def during(client, stop) -> None:  # type: ignore[no-untyped-def]
        chance = random.Random(1)
        while len(killed) < KILLS and not stop.wait(chance.uniform(0.5, 3.0)):
            pids = [p for p in client.run(os.getpid, on_error="ignore").values() if isinstance(p, int)]
            if pids:
                killed.append(chance.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    return during


def watching(samples: list[tuple[int, float]], out: Path):  # type: ignore[no-untyped-def]
    """Memory of this process, MB, by how many cases are done."""

    def during(_client, stop) -> None:  # type: ignore[no-untyped-def]
        process = psutil.Process()
        while not stop.wait(2.0):
            samples.append((len(os.listdir(out / "cases")), process.memory_info().rss / 2**20))

    return during


def main() -> None:
    """Prints and writes the figures; topics on the command line choose among speed, kills and memory."""
    wanted = sys.argv[1:] or ["speed", "kills", "memory"]
    task, result = find_task(TASK), json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "in").mkdir()
        make_cases(place / "in", 60, 96)
        cases = read_cases(place / "in", task, {})
        if "speed" in wanted:
            call(task, cases[0].values, place / "warm")
            bare = alone(task, cases[:CASES], place / "alone")
            one = run(task, cases[:CASES], place / "one", 1)
            two = run(task, cases[:CASES], place / "two", 2)
            result["speed"] = {
                "task": TASK,
                "cases": CASES,
                "alone_s": bare,
                "one_worker": one,
                "two_workers": two,
                "two_against_one": one["run_s"] / two["run_s"],
                "overhead": one["run_s"] / bare - 1,
            }
        if "kills" in wanted:
            killed: list[int] = []
            found = run(task, cases, place / "killed", 2, killing(killed))
            records = list((place / "killed" / "cases").glob("*/case.json"))
            result["kills"] = {**found, "cases": len(cases), "killed": len(killed), "results": len(records)}
        if "memory" in wanted:
            (place / "tiny").mkdir()
            make_cases(place / "tiny", TINY, 12)
            tiny = read_cases(place / "tiny", find_task("volumetry"), {})
            samples: list[tuple[int, float]] = []
            found = run(find_task("volumetry"), tiny, place / "many", 2, watching(samples, place / "many"))
            at = {n: min(samples, key=lambda s: abs(s[0] - n)) for n in (200, 1000, TINY)}
            result["memory"] = {
                **found,
                "cases": TINY,
                "mb_by_cases_done": {str(n): round(s[1], 1) for n, s in at.items()},
            }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
