"""Cohorts: two workers against one, overhead against the bare task, killed workers, memory of the driver.

The overhead is that of one worker against a fresh process that calls the task for one case after the other, both with
one thread and with what they import on the way; starting the workers is counted apart. It is given in seconds and,
for a machine on which others work too, in seconds of processor time.

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
        ready, busy = time.perf_counter(), busy_seconds(client)
        stop = threading.Event()
        thread = threading.Thread(target=during, args=(client, stop)) if during else None
        if thread:
            thread.start()
        tally = run_cases(client, task, cases, folder)
        done = time.perf_counter()
        busy = busy_seconds(client) - busy
        stop.set()
        if thread:
            thread.join()
    times = {"start_s": ready - began, "run_s": done - ready, "cpu_s": busy}
    return {**times, "done": tally.done, "failed": tally.failed}


def busy_seconds(client) -> float:  # type: ignore[no-untyped-def]
    """Processor time of all workers that are there."""
    return sum(s for s in client.run(time.process_time, on_error="ignore").values() if isinstance(s, float))


ALONE = """
import sys, time
began = time.perf_counter()
from Testing.Benchmarks.bench_cohort import loop
loop(*sys.argv[1:])
print(time.perf_counter() - began, time.process_time())
"""


def alone(cases: Path, out: Path) -> tuple[float, float]:
    """Seconds of the same task and pictures in a loop of a process of its own, and of its processor time."""
    environment = {**os.environ, **dict.fromkeys((*THREAD_VARIABLES, ITK_VARIABLE), "1")}
    words = [sys.executable, "-c", ALONE, str(cases), str(out)]
    ran = subprocess.run(words, env=environment, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    seconds, busy = map(float, ran.stdout.split()[-2:])
    return seconds, busy


def loop(cases: str, out: str) -> None:
    """Calls the task for one case after the other."""
    task = find_task(TASK)
    for case in read_cases(Path(cases), task, {})[:CASES]:
        place = Path(out) / case.name
        call(task, case.values, place)
        write_thumbnail(task, case.values, place)


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
    bare, busy = alone(place / "in", place / "alone")
    one = run(task, cases[:CASES], place / "one", 1)
    two = run(task, cases[:CASES], place / "two", 2)
    return {
        "task": TASK,
        "cases": CASES,
        "alone_s": bare,
        "alone_cpu_s": busy,
        "one_worker": one,
        "two_workers": two,
        "two_against_one": one["run_s"] / two["run_s"],
        "overhead": one["run_s"] / bare - 1,
        "overhead_cpu": one["cpu_s"] / busy - 1,
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
    "speed": (speed, TASK, CASES, 80),
    "kills": (kills, TASK, 40, 64),
    "memory": (memory, "volumetry", TINY, 12),
}


if __name__ == "__main__":
    main()
