"""The section Measure, opened and used as a person does, for its tests."""

from __future__ import annotations

from typing import Any

from measured_case import cells, open_plan

TABS = {name: n for n, name in enumerate(("volumes", "remnant", "margins", "branches", "radiomics", "segments"))}


def open_measures(host: Any) -> tuple[Any, Any]:
    """LiverPlanner's parameters and its section Measure, with a plan to measure."""
    widget, sections = open_plan(host, "MeasureSection")
    return widget.context.parameters, sections["MeasureSection"]


def go_to(host: Any, section: Any, tab: str) -> None:
    section.tabs.setCurrentIndex(TABS[tab])
    host.process_events()


def run(host: Any, section: Any, button: Any) -> None:
    """Clicks and waits for the job."""
    host.click(button)
    host.wait_until(lambda: not section.context.busy, 120)
    host.process_events()


def shown(table: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in cells(table)}
