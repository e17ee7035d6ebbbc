"""The module's self-test, the same file that Slicer runs, in the host."""

from __future__ import annotations

from typing import Any

import slicer


def test_the_self_test_passes(host: Any) -> None:
    host.load_module("LiverPlanner")
    host.start_up()
    slicer.selfTests["LiverPlanner"](msec=1)
    host.process_events()
    assert host.messages == []
