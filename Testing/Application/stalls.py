"""How long the panel does not answer during Apply on the sample CT, and why: our own work, or VTK's drawing.

    SLICER=/path/to/Slicer xvfb-run -a --server-args "-screen 0 1366x768x24" python -m Testing.Application.stalls

A timer of 5 ms notes when the event loop comes round; what lies between two of its turns is a stall. Other programs
that use the processor lengthen all of them. A measurement, no test: it has no limit.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

BEAT_MS, APPLIES, LONGEST, SECONDS = 5, 2, 8, 1800
LEAST_MS = 10.0
"""Shorter pieces of work are not named."""
SETTLED = 4.0
"""After so many seconds a panel that was opened has imported what it imports ahead, and a result is drawn."""

Interval = tuple[float, float]


def overlap(one: Interval, other: Interval) -> float:
    """How long two intervals have in common."""
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def stalls(beats: list[float], drawn: list[Interval], worked: list[tuple[Interval, str]]) -> list[dict[str, Any]]:
    """The times between two beats, the longest first; those that are about as long as they should be are left out.

    Args:
        beats: when the event loop came round, s.
        drawn: when a view was being drawn; intervals may be nested.
        worked: when a piece of our own work ran, and its name.

    Returns:
        `ms`, of these `drawing_ms` and `rest_ms`, `at` (s after the first beat), `what` ran.
    """
    rows = []
    for gap in pairwise(beats):
        ms = 1000 * (gap[1] - gap[0])
        if ms < 2 * BEAT_MS:
            continue
        drawing, end = 0.0, gap[0]
        for interval in sorted(one for one in drawn if overlap(one, gap)):
            drawing += overlap((max(interval[0], end), max(interval[1], end)), gap)
            end = max(end, interval[1])
        what = [f"{name} {1000 * (one[1] - one[0]):.0f} ms" for one, name in worked if overlap(one, gap)]
        row = {"ms": ms, "drawing_ms": 1000 * drawing, "rest_ms": ms - 1000 * drawing}
        rows.append(row | {"at": gap[0] - beats[0], "what": what})
    return sorted(rows, key=lambda row: -row["ms"])


class Watch:
    """Beats of the event loop, drawing of the views, and pieces of our own work, in Slicer's process."""

    def __init__(self) -> None:
        import qt

        self.beats: list[float] = []
        self.drawn: list[Interval] = []
        self.worked: list[tuple[Interval, str]] = []
        self._began: list[float] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(BEAT_MS)
        self._timer.connect("timeout()", lambda: self.beats.append(time.perf_counter()))
        self._timer.start()
        self._watch_views()
        self._watch_work()

    def clear(self) -> None:
        """Forgets what was."""
        for noted in (self.beats, self.drawn, self.worked):
            noted.clear()

    def _watch_views(self) -> None:
        import slicer

        manager = slicer.app.layoutManager()
        views = [manager.threeDWidget(n).threeDView() for n in range(manager.threeDViewCount)]
        views += [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
        for view in views:
            window = view.renderWindow()
            window.AddObserver("StartEvent", lambda *_args: self._began.append(time.perf_counter()))
            window.AddObserver("EndEvent", self._on_drawn)

    def _on_drawn(self, *_args: Any) -> None:
        if self._began:
            self.drawn.append((self._began.pop(), time.perf_counter()))

    def _watch_work(self) -> None:
        from PreopReviewLib.panels.context import Context
        from PreopReviewLib.panels.imports_ahead import ImportsAhead

        for owner, name in ((Context, "_next_piece"), (Context, "_finished"), (ImportsAhead, "_next")):
            setattr(owner, name, self._noted(getattr(owner, name), name.strip("_")))

    def _noted(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(owner: Any, *args: Any, **kwargs: Any) -> Any:
            words = piece_of(owner) or name
            began = time.perf_counter()
            try:
                return function(owner, *args, **kwargs)
            finally:
                ended = time.perf_counter()
                if 1000 * (ended - began) >= LEAST_MS:
                    self.worked.append(((began, ended), words))

        return call


def piece_of(context: Any) -> str:
    """File and line of the generator that a context works through, e.g. "plan.py:120"; empty without one."""
    pieces = getattr(context, "_pieces", None)
    if not pieces:
        return ""
    generator = pieces[0]
    while getattr(getattr(generator, "gi_yieldfrom", None), "gi_frame", None) is not None:
        generator = generator.gi_yieldfrom
    frame = generator.gi_frame
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame is not None else ""


def measure(results: Path) -> None:
    """Presses Apply on the sample CT; in Slicer's process."""
    import slicer
    from mouse import click, wait, work

    slicer.util.mainWindow().resize(1366, 768)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.selectModule("LiverPlanner")
    from LiverPlannerLib.panels.samples import add_contrast_ct

    slicer.util.setSliceViewerLayers(background=add_contrast_ct(), fit=True)
    work(SETTLED)
    widget = slicer.modules.liverplanner.widgetRepresentation().self()
    button, watch, runs = widget.built[0].ui.applyButton, Watch(), []
    for _run in range(APPLIES):
        watch.clear()
        began = time.perf_counter()
        click(button)
        wait(lambda: not widget.context.busy, SECONDS)
        took = time.perf_counter() - began
        work(SETTLED)
        runs.append({"seconds": took, "stalls": stalls(watch.beats, watch.drawn, watch.worked)})
        results.write_text(json.dumps(runs), encoding="utf-8")


def report(runs: list[dict[str, Any]]) -> str:
    """The longest stalls of each Apply, as a table."""
    lines = []
    for number, run in enumerate(runs, 1):
        lines += [f"Apply {number}: {run['seconds']:.0f} s", "  stall ms  drawing ms  rest ms  after s  our work"]
        for row in run["stalls"][:LONGEST]:
            numbers = f"  {row['ms']:8.0f}  {row['drawing_ms']:10.0f}  {row['rest_ms']:7.0f}  {row['at']:7.1f}"
            lines.append(f"{numbers}  {', '.join(row['what'])}")
        worst = max(run["stalls"], key=lambda row: row["rest_ms"])
        lines.append(f"  longest but for drawing: {worst['rest_ms']:.0f} ms  {', '.join(worst['what'])}")
    return "\n".join(lines)


def main() -> None:
    """Starts Slicer, and prints what was measured."""
    from application import run

    if not os.environ.get("SLICER"):
        raise SystemExit("SLICER does not name a Slicer application")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "stalls.json"
        done = run(Path(__file__).resolve(), str(results), seconds=SECONDS)
        if not results.is_file():
            raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
        print(report(json.loads(results.read_text(encoding="utf-8"))))


def in_slicer() -> bool:
    """Whether this is the script in the application."""
    return len(sys.argv) > 1


if __name__ == "__main__":
    if not in_slicer():
        main()
    else:
        import slicer

        try:
            measure(Path(sys.argv[1]))
        finally:
            slicer.util.exit(0)
