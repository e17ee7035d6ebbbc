"""Every section is as wide as the panel at 1366 × 768 and no wider: nothing is cut off, nothing has to be scrolled."""

from __future__ import annotations

from typing import Any

import pytest

PANEL = 420
"""Pixels that Slicer's module panel has beside views of useful size on such a screen; the host's fonts are no narrower
than the application's."""


@pytest.mark.parametrize("module", ["LiverPlanner", "RotatorCuffCAM"])
def test_no_section_needs_more_than_the_panel_has(host: Any, module: str) -> None:
    widget = host.open_module(module)
    wide = {}
    for section in widget.sections:
        section.button.collapsed = False
        host.process_events()
        wide[type(section).__name__] = section.widget.minimumSizeHint().width()
    assert {name: width for name, width in wide.items() if width > PANEL} == {}
