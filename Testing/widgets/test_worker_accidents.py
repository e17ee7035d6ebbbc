"""Apply when something goes wrong outside of the panel: a killed worker, no packages, no network."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import slicer
from liver_case import scene_content, wait
from segment_section import open_module


@pytest.fixture
def opened(host: Any) -> Any:
    return open_module(host)


def apply(host: Any, widget: Any) -> None:
    host.click(widget.open_section("SegmentSection").ui.applyButton)


def whole_scene() -> list[tuple[str, str, int]]:
    """Every node with its identifier and the time of its last change."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
    return sorted((n.GetID(), n.GetName() or "", n.GetMTime()) for n in nodes if "View" not in n.GetClassName())


def leftovers() -> list[str]:
    """Folders of jobs."""
    return [p.name for p in Path(slicer.app.temporaryPath).glob("preopreview-*")]


@pytest.mark.slow
def test_killing_the_worker_twenty_times_leaves_the_scene_and_the_next_run_works(host: Any, opened: Any) -> None:
    chance = random.Random(11)
    before = whole_scene()
    killed = 0
    while killed < 20:
        apply(host, opened)
        moment = time.monotonic() + chance.uniform(0.0, 1.5)  # a new worker takes longer, even on a quiet machine
        host.wait_until(lambda: time.monotonic() > moment or not opened.context.busy)  # noqa: B023
        pid = opened.context.runner.worker_pid
        if not opened.context.busy or pid is None:
            pytest.fail("the run was over before the worker could be killed")
        os.killpg(pid, signal.SIGKILL)
        wait(host, opened, 10)
        killed += 1
        assert len(host.messages) == killed
        assert "ran out of memory" in host.messages[-1].text
        assert whole_scene() == before
        assert leftovers() == []
    apply(host, opened)
    wait(host, opened)
    assert len(host.messages) == killed
    assert opened.context.parameters.segmentation.GetName() == "CT liver plan"


def test_a_declined_installation_changes_nothing(host: Any, opened: Any, monkeypatch: Any) -> None:
    from PreopReviewLib.panels import dependencies

    monkeypatch.setattr(host.app, "_testing", False)
    monkeypatch.setattr(dependencies, "_ensured", set())
    host.packages.missing = {"monai"}
    before = whole_scene()
    host.dialogs.answer("cancel", "ok")
    apply(host, opened)
    assert not opened.context.busy
    assert "were not installed" in host.messages[-1].text
    assert host.packages.installed == []
    assert whole_scene() == before
    assert leftovers() == []


def test_no_network_for_the_packages_is_said_with_a_way_out(host: Any, opened: Any, monkeypatch: Any) -> None:
    from PreopReviewLib.panels import dependencies

    monkeypatch.setattr(host.app, "_testing", False)
    monkeypatch.setattr(dependencies, "_ensured", set())
    host.packages.missing, host.packages.fails = {"monai"}, True
    before = whole_scene()
    host.dialogs.answer("ok", "ok")
    apply(host, opened)
    assert "offline folder" in host.messages[-1].text
    assert whole_scene() == before


def test_no_network_for_the_model_is_said_with_a_way_out(
    host: Any, opened: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    opened.context.parameters.liverSource = None
    before = scene_content()
    apply(host, opened)
    wait(host, opened)
    assert "pyliverlesionseg" in host.messages[-1].text
    assert "offline folder" in host.messages[-1].text
    assert scene_content() == before
    assert list(tmp_path.iterdir()) == []
