"""Every .ui file of the modules loads as Slicer loads it, and connects the scene to every widget that wants one."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(p for m in ("LiverPlanner", "RotatorCuffCAM", "PreopReview") for p in (REPOSITORY / m).rglob("*.ui"))
WITH_SCENE = ("qMRML", "qSlicer")


def test_there_are_ui_files() -> None:
    assert len(FILES) > 5


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_ui_file_loads(host: Any, path: Path) -> None:
    import slicer

    widget = slicer.util.loadUI(str(path))
    names = slicer.util.childWidgetVariables(widget).__dict__
    assert names, "no child has a name, so no code can reach one"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_widget_that_needs_a_scene_gets_it_in_the_file(path: Path) -> None:
    tree = ET.parse(path).getroot()
    root = tree.find("widget")
    assert root is not None
    wanting = [w.get("name") for w in root.iter("widget") if (w.get("class") or "").startswith(WITH_SCENE)]
    connected = [
        c.findtext("receiver")
        for c in tree.iter("connection")
        if c.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and c.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
        and c.findtext("sender") == root.get("name")
    ]
    assert set(wanting) - {root.get("name")} == set(connected)
