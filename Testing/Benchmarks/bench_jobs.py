"""The worker: a kept one against a process of its own for every run; cancelling; what polling costs the caller.

A user's other choice is `PythonSlicer -m …` anew for every run. The plan is of a small phantom with a given liver, so
that starting is most of it, as with a second try of the same image.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = Path(__file__).resolve().parent / "results" / "jobs.json"
TASKS = REPOSITORY / "Testing" / "unit"
RUNS = 3


def new_runner() -> object:
    """A runner whose worker also finds the tasks of the tests."""
    from PreopReviewLib import jobs

    return jobs.JobRunner(extra_environment={"PYTHONPATH": str(TASKS), "OMP_NUM_THREADS": "2"})


def phantom_plan(folder: Path) -> dict:
    """Parameters of a plan whose files are in the folder."""
    import numpy as np

    from PreopReviewLib import images, worker_io
    from PreopReviewLib.phantoms.liver import make_liver_phantom

    phantom = make_liver_phantom(21, "ct", (80, 72, 64), 3.2)
    liver = images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)
    return {
        "image": worker_io.save_image(phantom.image, folder, "image"),
        "liver": worker_io.save_image(liver, folder, "given"),
        "source": "the phantom",
        "options": {"modality": "CT", "lesions": False, "structures": True, "device": "cpu"},
    }


def run(runner: object, task: str, parameters: dict, folder: Path) -> tuple[float, float]:
    """Seconds of a whole run, and of processor time that polling took."""
    began, spent = time.perf_counter(), 0.0
    job = runner.start(task, parameters, folder)
    while job.running:
        before = time.thread_time()
        runner.poll()
        spent += time.thread_time() - before
        time.sleep(0.01)
    if job.state != "finished":
        raise SystemExit(str(job.error))
    return time.perf_counter() - began, spent


def compare(task: str, parameters: dict, folder: Path) -> dict[str, float]:
    """Medians of runs in a kept worker and in one of their own, by turns."""
    kept, fresh = [], []
    warm = new_runner()
    run(warm, task, parameters, folder)
    for _ in range(RUNS):
        kept.append(run(warm, task, parameters, folder)[0])
        cold = new_runner()
        fresh.append(run(cold, task, parameters, folder)[0])
        cold.close()
    warm.close()
    a, b = statistics.median(kept), statistics.median(fresh)
    return {"kept_seconds": round(a, 3), "fresh_seconds": round(b, 3), "ratio": round(b / a, 1)}


def cancelling(folder: Path) -> dict[str, float]:
    """Seconds from the click to `on_cancelled`, for a task that looks and one that does not."""
    worst = {}
    for name, task, parameters in (
        ("looking", "job_samples:count", {"steps": 100_000, "pause": 0.02}),
        ("deaf", "job_samples:deaf", {}),
    ):
        times = []
        runner = new_runner()
        for _ in range(RUNS):
            job = runner.start(task, parameters, folder)
            while not job.words:
                runner.poll()
                time.sleep(0.01)
            began = time.perf_counter()
            job.cancel()
            runner.wait(job, 10)
            times.append(time.perf_counter() - began)
        runner.close()
        worst[name] = round(max(times), 3)
    return worst


def polling(folder: Path) -> dict[str, float]:
    """What following a chatty task costs: the longest poll, and the share of a second."""
    runner, longest, spent = new_runner(), 0.0, 0.0
    job = runner.start("job_samples:count", {"steps": 2000, "pause": 0.001}, folder)
    began = time.perf_counter()
    while job.running:
        before = time.thread_time()
        runner.poll()
        took = time.thread_time() - before
        longest, spent = max(longest, took), spent + took
        time.sleep(0.05)
    runner.close()
    return {"longest_ms": round(1e3 * longest, 2), "share": round(spent / (time.perf_counter() - began), 5)}


def main() -> None:
    """Prints and writes the figures."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sys.path.insert(0, str(TASKS))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result = {
            "nothing_to_do": compare("job_samples:echo", {}, folder),
            "small_plan": compare("LiverPlannerLib.tasks:plan", phantom_plan(folder), folder),
            "cancel_seconds": cancelling(folder),
            "poll": polling(folder),
        }
    for name, values in result.items():
        print(f"{name:16}" + "  ".join(f"{k} {v:g}" for k, v in values.items()))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
