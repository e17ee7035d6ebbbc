"""Cohorts: two workers against one, overhead against the bare task, killed workers, memory of the driver.

The overhead is that of one worker against a process that calls the task and nothing else, both with one thread and both
warm: they take the same five cases in turn, four times, so that what else the machine does meets both alike. Starting
is counted apart.

The task is `branches` of liver phantoms (seconds of one core each), and `volumetry` of 2,000 tiny cases of 12³ voxels.
Ratios are of one run. Topics on the command line (speed, kills, memory) choose among them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
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
from PreopReviewLib.cohort.cluster import ITK_VARIABLE, THREAD_VARIABLES, Size, local_client
from PreopReviewLib.cohort.driving import run_cases
from PreopReviewLib.cohort.folder import CohortFolder
from PreopReviewLib.cohort.tasks import Task, find_task
from PreopReviewLib.cohort.thumbnails import write_thumbnail

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).resolve().parent / "results" / "cohort.json"
CASES, BLOCK, KILLS, TINY = 20, 5, 10, 2000
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


SERVE = "from Testing.Benchmarks.bench_cohort import serve; serve()"


def serve() -> None:
    """Calls the task for each list of cases that a line of stdin gives with its folder, and says the seconds."""
    task = find_task(TASK)
    for line in sys.stdin:
        began = time.perf_counter()
        for labels, place in json.loads(line):
            call(task, {"labels": labels}, Path(place))
            write_thumbnail(task, {"labels": labels}, Path(place))
        print("SECONDS", time.perf_counter() - began, flush=True)


def overhead(task: Task, cases: list[CohortCase], place: Path) -> dict:
    """Seconds of the same cases, alone and by one worker in turn; the first case of each warms it and is left out."""
    environment = {**os.environ, **dict.fromkeys((*THREAD_VARIABLES, ITK_VARIABLE), "1")}
    words, pipe = [sys.executable, "-c", SERVE], subprocess.PIPE
    bare = subprocess.Popen(words, env=environment, cwd=REPOSITORY, text=True, stdin=pipe, stdout=pipe)
    folder = CohortFolder(place / "in_turn")
    folder.begin(task, {})
    blocks = [cases[:1], *(cases[n : n + BLOCK] for n in range(1, len(cases), BLOCK))]
    alone_s, worker_s = [], []
    try:
        with local_client(Size(1, 1)) as client:
            for block in blocks:
                asked = [(case.values["labels"], str(place / "alone" / case.name)) for case in block]
                print(json.dumps(asked), file=bare.stdin, flush=True)
                said = next(line for line in bare.stdout if line.startswith("SECONDS"))  # type: ignore[union-attr]
                alone_s.append(float(said.split()[1]))
                began = time.perf_counter()
                run_cases(client, task, block, folder)
                worker_s.append(time.perf_counter() - began)
    finally:
        bare.kill()
        bare.wait()
    alone, worker = sum(alone_s[1:]), sum(worker_s[1:])
    return {"alone_s": alone, "in_turn_worker_s": worker, "overhead": worker / alone - 1}


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


def speed(place: Path, cases: list[CohortCase]) -> dict:
    """One worker against the bare task, two against one."""
    task = find_task(TASK)
    found = overhead(task, cases[: CASES + 1], place)
    one = run(task, cases[:CASES], place / "one", 1)
    two = run(task, cases[:CASES], place / "two", 2)
    return {
        "task": TASK,
        "cases": CASES,
        **found,
        "one_worker": one,
        "two_workers": two,
        "two_against_one": one["run_s"] / two["run_s"],
    }


def kills(place: Path, cases: list[CohortCase]) -> dict:
    """Workers killed at random moments, and what became of the cases."""
    killed: list[int] = []
    found = run(find_task(TASK), cases, place / "killed", 2, killing(killed))
    records = list((place / "killed" / "cases").glob("*/case.json"))
    return {**found, "cases": len(cases), "killed": len(killed), "results": len(records)}


def memory(place: Path, cases: list[CohortCase]) -> dict:
    """Of the driver, MB, after 10, 50 and 100 % of the cases."""
    samples: list[tuple[int, float]] = []
    found = run(find_task("volumetry"), cases, place / "many", 2, watching(samples, place / "many"))
    at = {n: min(samples, key=lambda s: abs(s[0] - n))[1] for n in (len(cases) // 10, len(cases) // 2, len(cases))}
    return {**found, "cases": len(cases), "mb_by_cases_done": {str(n): round(mb, 1) for n, mb in at.items()}}


def main() -> None:
    """Prints and writes the figures, each topic's when it is there."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    for topic in sys.argv[1:] or TOPICS:
        measure, task, count, size = TOPICS[topic]
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            (place / "in").mkdir()
            make_cases(place / "in", count, size)
            result[topic] = measure(place, read_cases(place / "in", find_task(task), {}))
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(topic, json.dumps(result[topic], indent=2), flush=True)


TOPICS = {
    "speed": (speed, TASK, CASES + 1, 80),
    "kills": (kills, TASK, 40, 64),
    "memory": (memory, "volumetry", TINY, 12),
}


if __name__ == "__main__":
    main()
