"""What `stalls.py` makes of what it has noted; to note it takes the Slicer application."""

from __future__ import annotations

import pytest
from stalls import report, stalls


def test_a_stall_is_divided_into_drawing_and_the_rest_and_says_what_ran() -> None:
    beats = [0.0, 0.005, 0.105, 0.110, 0.180]
    drawn = [(0.02, 0.06), (0.03, 0.05), (0.10, 0.12)]  # the second within the first
    rows = stalls(beats, drawn, [((0.005, 0.045), "plan.py:12"), ((0.11, 0.15), "later")])
    assert [row["ms"] for row in rows] == pytest.approx([100, 70])
    assert [row["drawing_ms"] for row in rows] == pytest.approx([45, 10])
    assert [row["rest_ms"] for row in rows] == pytest.approx([55, 60])
    assert rows[0]["what"] == ["plan.py:12 40 ms"]
    assert "longest but for drawing: 60 ms  later 40 ms" in report([{"seconds": 48.0, "stalls": rows}])
