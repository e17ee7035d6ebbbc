"""A folder of images and a list of work on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_livers import gray

from LiverPlannerLib.ground_truth.cases import find_cases
from LiverPlannerLib.ground_truth.work_list import create_list
from PreopReviewLib import images


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three images."""
    place = tmp_path / "images"
    place.mkdir()
    for name in ("a", "b", "c"):
        images.write_image(gray(), place / f"{name}.nii.gz")
    return place


@pytest.fixture
def work(folder, tmp_path):
    return create_list(tmp_path / "list", find_cases(folder, tmp_path / "list"), ("liver", "tumor", "portal_vein"))
