"""The end of jobs and workers: cancelled, killed, crashed, idle, closed, orphaned; nothing is left behind."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from PreopReviewLib import jobs
from PreopReviewLib.jobs.python import environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks at processes as POSIX has them")


def is_running(pid: int) -> bool:
    """Whether there is such a process that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def poll_until(runner: jobs.JobRunner, condition, seconds: float = 30.0) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it never came"
        runner.poll()
        time.sleep(0.005)


def test_a_task_that_looks_at_the_token_stops_and_the_worker_is_kept(runner, folder):
    pid = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    seen = []
    job = runner.start(
        "job_samples:count",
        {"steps": 10_000, "pause": 0.02},
        folder,
        on_cancelled=lambda: seen.append("cancelled"),
        on_finished=seen.append,
        on_failed=seen.append,
    )
    poll_until(runner, lambda: job.words != "")
    job.cancel()
    poll_until(runner, lambda: not job.running)
    assert (job.state, seen) == ("cancelled", ["cancelled"])
    assert not (folder / "written.txt").exists()
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"] == pid


@pytest.mark.parametrize("how", [{}, {"hold": True}, {"child": True}], ids=["asleep", "holding the lock", "child"])
def test_a_deaf_task_and_its_children_are_ended(runner, folder, how):
    job = runner.start("job_samples:deaf", how, folder)
    poll_until(runner, lambda: (folder / "pid").exists())
    pids = [int(p.read_text()) for p in folder.glob("*pid")]
    job.cancel()
    job.cancel()
    poll_until(runner, lambda: not job.running)
    assert job.state == "cancelled"
    assert all(is_gone(pid) for pid in pids)
    time.sleep(0.1)
    assert not (folder / ".tmp").exists()
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"


def test_a_job_that_is_cancelled_at_once_never_writes(runner, folder):
    job = runner.start("job_samples:count", {"steps": 1}, folder)
    job.cancel()
    poll_until(runner, lambda: not job.running)
    assert job.state == "cancelled"
    assert not (folder / "written.txt").exists()


def test_cancelling_what_has_ended_does_nothing(runner, folder):
    job = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    job.cancel()
    assert job.state == "finished"
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"


def test_a_worker_killed_twenty_times_at_random_costs_nothing_but_the_run(runner, folder):
    chance = random.Random(5)
    for _ in range(20):
        job = runner.start("job_samples:count", {"steps": 100, "pause": 0.01}, folder)
        pid = runner.worker_pid
        moment = time.monotonic() + chance.uniform(0.0, 0.5)
        poll_until(runner, lambda: time.monotonic() > moment)  # noqa: B023
        os.killpg(pid, signal.SIGKILL)
        poll_until(runner, lambda: not job.running)  # noqa: B023
        assert job.state == "failed"
        assert "memory" in job.error.problem
        assert not (folder / "written.txt").exists()
        assert is_gone(pid)
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"


def test_a_worker_killed_between_two_jobs_is_replaced_unnoticed(runner, folder):
    for _ in range(5):
        job = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
        assert job.state == "finished"
        os.kill(job.result["pid"], signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "words"), [({"signal": signal.SIGSEGV}, "SIGSEGV"), ({}, "exit code 7"), ({"signal": 9}, "out of memory")]
)
def test_a_crash_becomes_a_sentence(runner, folder, how, words):
    job = runner.wait(runner.start("job_samples:leave", how, folder), 30)
    assert words in job.error.problem
    assert job.error.remedy
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"


def test_an_idle_worker_ends_and_leaves_no_zombie(runner, folder):
    runner._idle = 0.3
    pid = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    assert is_gone(pid), "reaped although nobody polls"
    end = time.monotonic() + 5  # whoever reaps it learns of it a moment later
    while runner.worker_pid is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert runner.worker_pid is None
    again = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    assert again.state == "finished"


def test_jobs_started_while_the_worker_goes_idle_all_finish(runner, folder):
    runner._idle = 0.05
    for i in range(10):
        job = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
        assert job.state == "finished", job.error
        time.sleep(0.04 + 0.003 * i)


def test_closing_leaves_no_process_even_in_the_middle_of_a_run(runner, folder):
    seen = []
    job = runner.start("job_samples:deaf", {"child": True}, folder, on_cancelled=lambda: seen.append("cancelled"))
    poll_until(runner, lambda: (folder / "pid").exists())
    pids = [int(p.read_text()) for p in folder.glob("*pid")]
    runner.close()
    runner.close()
    assert pids
    end = time.monotonic() + 5.0  # a killed grandchild takes a moment to leave a busy machine
    while any(is_running(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in pids)
    runner.poll()
    assert (job.state, seen) == ("cancelled", [])
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished", "may be used again"


def test_a_runner_that_is_dropped_takes_its_worker_along(tmp_path, folder):
    extra = {"PYTHONPATH": str(Path(__file__).parent)}
    runner = jobs.JobRunner(extra_environment=extra, logs=tmp_path / "logs")
    pid = runner.wait(runner.start("job_samples:echo", {}, folder), 30).result["pid"]
    del runner
    gc.collect()
    assert is_gone(pid)


PARENT = """
import sys, time
from pathlib import Path
from PreopReviewLib import jobs
folder = Path(sys.argv[1])
runner = jobs.JobRunner(logs=folder / "logs")
runner.start("job_samples:deaf", {"child": True}, folder)
while not (folder / "pid").exists():
    runner.poll()
    time.sleep(0.01)
if sys.argv[2] == "wait":
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["wait", "leave"])
def test_no_orphan_when_the_parent_is_killed_or_leaves(folder, end):
    variables = environment({"PYTHONPATH": str(Path(__file__).parent)})
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder), end], env=variables)
    deadline = time.monotonic() + 30
    while not (folder / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pids = [int(p.read_text()) for p in folder.glob("*pid")]
    if end == "wait":
        parent.kill()
    parent.wait(30)
    time.sleep(1.0)
    assert not any(is_running(pid) for pid in pids)


def test_a_python_that_is_not_there_fails_in_poll(tmp_path, folder):
    runner = jobs.JobRunner(str(tmp_path / "no-python"), logs=tmp_path / "logs")
    seen = []
    job = runner.start("job_samples:echo", {}, folder, on_failed=seen.append)
    assert seen == []
    runner.poll()
    assert job.state == "failed"
    assert "no-python" in seen[0].problem
    assert "No such file" in seen[0].problem


def test_an_import_error_at_start_is_told(tmp_path, folder):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "argparse.py").write_text("import no_such_library\n")
    runner = jobs.JobRunner(extra_environment={"PYTHONPATH": str(tmp_path / "bad")}, logs=tmp_path / "logs")
    job = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    assert "no_such_library" in job.error.problem
    assert job.error.log.is_file()


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "python-shim"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_launcher_that_prints_garbage_is_passed_by(tmp_path, folder):
    garbage = 'Welcome\\n{"type": 1}\\n\\036[]\\n\\377 no end'
    shim = script(tmp_path, f"printf '{garbage}'; exec {sys.executable} \"$@\"")
    extra = {"PYTHONPATH": str(Path(__file__).parent)}
    runner = jobs.JobRunner(shim, extra_environment=extra, logs=tmp_path / "logs")
    assert runner.wait(runner.start("job_samples:echo", {}, folder), 30).state == "finished"
    runner.close()


def test_a_launcher_that_stays_as_parent_is_ended_with_its_child(tmp_path, folder):
    shim = script(tmp_path, f'{sys.executable} "$@"')  # Slicer's launcher does so
    extra = {"PYTHONPATH": str(Path(__file__).parent)}
    runner = jobs.JobRunner(shim, extra_environment=extra, logs=tmp_path / "logs")
    job = runner.start("job_samples:deaf", {}, folder)
    poll_until(runner, lambda: (folder / "pid").exists())
    assert int((folder / "pid").read_text()) != runner.worker_pid
    job.cancel()
    poll_until(runner, lambda: not job.running)
    assert is_gone(int((folder / "pid").read_text()))


def test_a_worker_that_never_answers_is_given_up(tmp_path, folder):
    runner = jobs.JobRunner(script(tmp_path, "sleep 600"), logs=tmp_path / "logs")
    runner.startup_seconds = 0.3
    job = runner.wait(runner.start("job_samples:echo", {}, folder), 30)
    assert "no answer within" in job.error.problem


def test_only_the_latest_logs_are_kept(tmp_path, folder):
    runner = jobs.JobRunner(script(tmp_path, "exit 3"), logs=tmp_path / "logs")
    for _ in range(12):
        error = runner.wait(runner.start("job_samples:echo", {}, folder), 30).error
        assert "exit code 3" in error.problem
    assert len(list((tmp_path / "logs").iterdir())) == 8


def test_a_log_folder_that_cannot_be_written_is_no_obstacle(tmp_path, folder):
    (tmp_path / "file").write_text("")
    extra = {"PYTHONPATH": str(Path(__file__).parent)}
    runner = jobs.JobRunner(extra_environment=extra, logs=tmp_path / "file")
    job = runner.wait(runner.start("job_samples:fail", {}, folder), 30)
    assert job.error.log is None
    assert "log" not in job.error.remedy
    runner.close()


class TestFindingPython:
    def test_it_is_this_one_outside_of_slicer(self, monkeypatch):
        monkeypatch.delenv("PREOP_PYTHON", raising=False)
        assert jobs.find_python() == sys.executable

    def test_it_is_pythonslicer_on_the_path_in_slicer(self, monkeypatch, tmp_path):
        monkeypatch.delenv("PREOP_PYTHON", raising=False)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "lib" / "SlicerApp-real"))
        script(tmp_path, "exit")
        (tmp_path / "python-shim").rename(tmp_path / "PythonSlicer")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert jobs.find_python() == str(tmp_path / "PythonSlicer")

    def test_it_is_pythonslicer_beside_the_application_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("PREOP_PYTHON", raising=False)
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "SlicerApp-real"))
        assert jobs.find_python() == "PythonSlicer"
        (tmp_path / "PythonSlicer").touch()
        assert jobs.find_python() == str(tmp_path / "PythonSlicer")
