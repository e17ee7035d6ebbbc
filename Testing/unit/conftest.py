"""Fixtures of several unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from PreopReviewLib import jobs


@pytest.fixture
def folder(tmp_path) -> Path:
    """A job's folder."""
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def runner(tmp_path):
    """A runner whose worker finds the tasks of `job_samples`."""
    found = jobs.JobRunner(extra_environment={"PYTHONPATH": str(Path(__file__).parent)}, logs=tmp_path / "logs")
    yield found
    found.close()
