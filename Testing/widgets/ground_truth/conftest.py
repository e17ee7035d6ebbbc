"""The section Ground truth, with a folder of two cases and a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_case import as_annotator, gray

from PreopReviewLib import images


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    for name in ("one", "two"):
        images.write_image(gray(), place / f"{name}.nii.gz")
    return place


@pytest.fixture
def widget(host) -> Any:
    opened = host.open_module("LiverPlanner")
    for section in opened.sections:
        section.button.collapsed = type(section).__name__ != "GroundTruthSection"
    return opened


@pytest.fixture
def truth(widget) -> Any:
    return next(s for s in widget.sections if type(s).__name__ == "GroundTruthSection")


@pytest.fixture
def listed(host, widget, truth, folder, tmp_path) -> Any:
    """A list of two cases, open as ab."""
    from LiverPlannerLib.ground_truth.cases import find_cases
    from LiverPlannerLib.ground_truth.work_list import create_list

    create_list(tmp_path / "list", find_cases(folder, tmp_path / "list"), ("liver", "tumor"))
    as_annotator(host, truth)
    host.dialogs.answer(str(tmp_path / "list"))
    host.click(truth.ui.openListButton)
    return truth
