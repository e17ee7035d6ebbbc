"""The section Segment, opened and started as a person does, for its tests."""

from __future__ import annotations

from typing import Any

from liver_case import add_liver, add_volume


def open_module(host: Any) -> Any:
    """The panel with the small CT and its liver given, lesions off: only the shipped model runs."""
    volume = add_volume()
    liver = add_liver(volume)
    widget = host.open_module("LiverPlanner")
    widget.context.parameters.liverSource = liver
    widget.context.parameters.lesions = False
    host.process_events(0.1)
    return widget


def section(widget: Any) -> Any:
    return widget.open_section("SegmentSection")


def start(host: Any, widget: Any) -> None:
    host.click(section(widget).ui.applyButton)
    assert widget.context.busy, host.messages
