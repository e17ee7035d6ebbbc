"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other: threads that wait would take their cores
REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, at most four: tests of panels and commands wait much for other processes."""
    return min((os.cpu_count() or 1) + 1, 4)


LONGEST_FILES = (
    "test_cohort_command",
    "test_every_reader",
    "test_plan_command",
    "test_liver_segment_run",
    "test_cuff_command",
    "test_scene_pictures",
    "test_hidden_module",
    "test_scene_cuff",
    "test_report_panel",
    "test_cuff_several",
    "test_five_structures",
    "test_campaign",
    "test_report_command",
    "test_liver_own_models",
    "test_cuff_panel",
    "test_jobs_cancel",
)
"""They take 10 to 30 s each, and come first: else the last one would keep one process busy and the others idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the longest files to the front; files beside each other stay in order."""
    place = {name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """What is imported stays: a search for garbage need not look through it (many a command and window searches)."""
    _keep_what_is_there()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """The same for what the tests of a file have imported on their way."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        _keep_what_is_there()


def _keep_what_is_there() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, which is not part of the repository."""
    folder = Path(os.environ.get("PREOP_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the folder of real images (shared/data beside the checkout) is not on this machine")
    return folder


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def preop(capsys, monkeypatch):
    """Calls the command `preop` in this process: `preop("image", "info", path)` gives code, out and err."""

    def call(*arguments: object) -> Ran:
        from preopreview.cli import main

        monkeypatch.setattr(sys, "argv", ["preop", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return Ran(int(code), out, err)

    return call
