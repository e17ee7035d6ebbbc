"""`preop cohort run` on real worker processes: failing cases, resuming, dying workers, clusters of others."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("distributed")

from distributed import Client, LocalCluster

from preopreview import cli  # noqa: F401  (the libraries offer their tasks)
from PreopReviewLib import images
from PreopReviewLib.cohort.cases import read_cases
from PreopReviewLib.cohort.cluster import Size, local_client, size_here
from PreopReviewLib.cohort.driving import Tally, duration, run_cases
from PreopReviewLib.cohort.folder import CohortFolder
from PreopReviewLib.cohort.tasks import find_task
from PreopReviewLib.errors import InputError


def block(path, edge, value=1):
    """A cube of liver, of `edge` voxels of 10 mm."""
    array = np.zeros((12, 12, 12), np.uint8)
    array[1 : edge + 1, 1 : edge + 1, 1 : edge + 1] = value
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((10, 10, 10))
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(image, path)


def rows(folder):
    with (folder / "cohort.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of somebody else's, as `dask scheduler` and `dask worker` make it."""
    own = {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with LocalCluster(2, threads_per_worker=1, processes=True, silence_logs="CRITICAL", **own) as local:
        yield local


@pytest.fixture
def joined(preop, cluster):
    """The command, on the workers that run already."""
    return lambda *words: preop("cohort", "run", *words, "--scheduler", cluster.scheduler_address)


def test_a_cohort_of_the_command_has_a_row_for_every_case_and_goes_on_after_a_failure(preop, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for edge in (5, 6):
        block(tmp_path / "in" / f"c{edge}" / "labels.nii.gz", edge)
    (tmp_path / "in" / "bad").mkdir()
    (tmp_path / "in" / "bad" / "labels.nii.gz").write_bytes(b"junk")
    ran = preop("cohort", "run", "volumetry", tmp_path / "in", "-o", tmp_path / "out", "--workers", 2, "--json")
    assert ran.code == 0, ran.err
    data = json.loads(ran.out)
    assert (data["cases"], data["done"], data["failed"]) == (3, 2, 1)
    assert "3 of 3 cases, 1 failed" in ran.err
    table = rows(tmp_path / "out")
    assert list(table) == ["bad", "c5", "c6"]
    assert "truncated" in table["bad"]["failed"]
    assert float(table["c6"]["total_liver_volume_tlv_ml"]) == 216
    assert (tmp_path / "out" / "cases" / "c5" / "thumbnail.png").is_file()
    assert not list((tmp_path / "out" / "cases").glob(".preop*"))
    assert not list((tmp_path / "temporary").iterdir())


def test_resuming_leaves_what_is_done_and_makes_what_failed(joined, tmp_path):
    block(tmp_path / "in" / "a.nii.gz", 5)
    (tmp_path / "cases.csv").write_text("case,labels,age\na,in/a.nii.gz,61\nb,in/b.nii.gz,59\n", encoding="utf-8")
    assert joined("volumetry", tmp_path / "cases.csv", "-o", tmp_path / "out").code == 0
    before = (tmp_path / "out" / "cases" / "a" / "case.json").stat().st_mtime_ns
    assert "no file" in rows(tmp_path / "out")["b"]["failed"]
    again = joined("volumetry", tmp_path / "cases.csv", "-o", tmp_path / "out")
    assert again.code == 21
    assert "already been started" in again.err
    block(tmp_path / "in" / "b.nii.gz", 4)
    resumed = joined("volumetry", tmp_path / "cases.csv", "-o", tmp_path / "out", "--resume")
    assert "2 of 2 cases done (1 of them before), 0 failed" in resumed.out
    assert (tmp_path / "out" / "cases" / "a" / "case.json").stat().st_mtime_ns == before
    table = rows(tmp_path / "out")
    assert (table["b"]["failed"], table["b"]["age"]) == ("", "59")
    assert not list((tmp_path / "out" / "failed").iterdir())


@pytest.mark.parametrize(
    ("text", "words", "problem"),
    [
        ("case,labels\na,other.nii.gz\n", (), "made from other inputs"),
        (
            "case,labels\na,in/a.nii.gz\n",
            ("--set", "bsa=dubois"),
            "is a cohort with the settings",
        ),
    ],
    ids=["another file", "other settings"],
)
def test_a_cohort_is_not_gone_on_with_from_other_inputs(joined, tmp_path, text, words, problem):
    block(tmp_path / "in" / "a.nii.gz", 5)
    table = tmp_path / "cases.csv"
    table.write_text("case,labels\na,in/a.nii.gz\n", encoding="utf-8")
    assert joined("volumetry", table, "-o", tmp_path / "out").code == 0
    table.write_text(text, encoding="utf-8")
    ran = joined("volumetry", table, "-o", tmp_path / "out", "--resume", *words)
    assert ran.code == 10
    assert problem in ran.err


def test_nobody_elses_folder_becomes_a_cohort(preop, tmp_path):
    block(tmp_path / "in" / "a.nii.gz", 5)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine", encoding="utf-8")
    ran = preop("cohort", "run", "volumetry", tmp_path / "in", "-o", tmp_path / "out", "--resume")
    assert ran.code == 21
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_comparisons_of_a_cohort_fill_the_papers_tables_and_the_worst_comes_first_on_the_page(joined, tmp_path):
    for name, edge in (("good", 6), ("poor", 4), ("fair", 5)):
        block(tmp_path / "in" / name / "predicted.nii.gz", edge)
        block(tmp_path / "in" / name / "manual.nii.gz", 6)
    ran = joined("compare", tmp_path / "in", "-o", tmp_path / "out", "--set", "branches=no")
    assert ran.code == 0, ran.err
    assert float(rows(tmp_path / "out")["good"]["liver_dsc"]) == 1
    page = (tmp_path / "out" / "cohort.html").read_text(encoding="utf-8")
    places = [page.index(f">{name}</a>") for name in ("poor", "fair", "good")]
    assert places == sorted(places)
    assert page.count("thumbnail.png") == 3
    assert (tmp_path / "out" / "papers" / "gross2024" / "summary.md").is_file()
    assert "No tables of lin2024" in ran.err


def test_a_cohort_whose_cases_all_fail_ends_with_3(joined, tmp_path):
    (tmp_path / "cases.csv").write_text("case,labels\na,none.nii.gz\n", encoding="utf-8")
    ran = joined("volumetry", tmp_path / "cases.csv", "-o", tmp_path / "out")
    assert ran.code == 3
    assert "None of the 1 cases has a result" in ran.err


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_starts_and_comes_back_slowly_is_not_given_up():
    dask = pytest.importorskip("dask")
    psutil = pytest.importorskip("psutil")

    def processes() -> set[int]:
        pids = set()
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                if "spawn_main" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    pids.add(process.pid)
        return pids

    others = processes()
    quickly = dask.config.set({"distributed.deploy.lost-worker-timeout": "0.1s"})  # as if the computer were busy
    with quickly, local_client(Size(1, 1)) as client:
        for _ in range(2):  # the worker at work, then the one that is just starting
            while not (pids := processes() - others):
                time.sleep(0.01)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            while pids & processes():
                time.sleep(0.01)
        assert client.submit(sum, [1, 2]).result(timeout=120) == 3


@pytest.mark.slow
def test_workers_that_are_killed_at_random_lose_no_case_and_do_none_twice(tmp_path):
    for n in range(14):
        block(tmp_path / "in" / f"c{n:02d}.nii.gz", 3 + n % 6)
    cases = read_cases(tmp_path / "in", find_task("volumetry"), {})
    folder = CohortFolder(tmp_path / "out")
    folder.begin(find_task("volumetry"), {})
    kills: list[str] = []
    with local_client(Size(2, 1)) as client:
        stop = threading.Event()

        def kill() -> None:
            chance = random.Random(5)
            for _ in range(2):
                if stop.wait(chance.uniform(0.3, 1.5)):
                    return
                pids = [w["pid"] for w in client.run(lambda: {"pid": os.getpid()}, on_error="ignore").values()]
                if pids:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    kills.append("killed")

        killer = threading.Thread(target=kill)
        killer.start()
        tally = run_cases(client, find_task("volumetry"), cases, folder)
        stop.set()
        killer.join()
    assert kills
    assert (tally.done, tally.failed) == (14, 0)
    folder.write_table(cases)
    assert len(rows(tmp_path / "out")) == 14
    assert {p.name for p in (tmp_path / "out" / "cases").iterdir() if not p.name.startswith(".")} == {
        c.name for c in cases
    }


def test_the_workers_of_this_computer_listen_to_it_alone_and_to_nobody_without_the_runs_own_certificate():
    psutil = pytest.importorskip("psutil")
    with local_client(Size(1, 1)) as client:
        inner = [psutil.Process(), *psutil.Process().children(recursive=True)]
        addresses = {c.laddr.ip for p in inner for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        with pytest.raises(OSError):
            Client(client.scheduler.address.replace("tls://", "tcp://"), timeout=3, set_as_default=False)
    assert addresses == {"127.0.0.1"}


def test_nothing_at_an_address_is_said_with_what_to_do(preop, tmp_path, monkeypatch):
    monkeypatch.setattr("PreopReviewLib.cohort.cluster.CONNECTION_SECONDS", 1)
    block(tmp_path / "in" / "a.nii.gz", 5)
    ran = preop("cohort", "run", "volumetry", tmp_path / "in", "-o", tmp_path / "out", "--scheduler", "127.0.0.1:9")
    assert ran.code == 10
    assert "No Dask scheduler" in ran.err
    assert not (tmp_path / "out").exists()


OLD_SCHEDULER = """
import asyncio, importlib.metadata
real = importlib.metadata.version
importlib.metadata.version = lambda name: "2021.1.0" if name == "distributed" else real(name)
import distributed
async def main():
    async with distributed.Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()
asyncio.run(main())
"""


def test_a_scheduler_of_another_version_is_refused_with_both_versions(preop, tmp_path):
    block(tmp_path / "in" / "a.nii.gz", 5)
    server = subprocess.Popen(
        [sys.executable, "-c", OLD_SCHEDULER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = server.stdout.readline().strip()
        ran = preop("cohort", "run", "volumetry", tmp_path / "in", "-o", tmp_path / "out", "--scheduler", address)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    assert ran.code == 10
    assert "has distributed 2021.1.0, but" in ran.err
    assert not (tmp_path / "out").exists()


def test_workers_are_sized_by_memory_and_cores_and_at_least_one():
    assert size_here(1e6).workers == 1
    assert size_here(0.001, threads=1).workers >= 1
    with pytest.raises(InputError, match="must be at least 1, got 0"):
        size_here(1.0, workers=0)


def test_time_left_is_told_from_what_this_run_has_done():
    tally = Tally(10, done_before=4, done=1, failed=1, began=100.0)
    assert tally.words(120.0) == "6 of 10 cases, 1 failed, about 40 s left"
    assert Tally(10, began=0.0).words(5.0) == "0 of 10 cases"
    assert (duration(600), duration(7200)) == ("about 10 min", "about 2.0 h")
