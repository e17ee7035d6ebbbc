"""The page of one reader, in a process of its own: ``python -m PreopReviewLib.review.session``; started by `gate`.

A trame application has one state for everyone who looks at it, so each reader has a process, and no one else reaches
it: every request must carry a secret that only the gate knows. The process is ready before its reader comes; lines on
its stdin say that one is about to come (`PREPARE`), and then who. It ends with the gate (its stdin ends).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from trame.app import TrameApp
from trame_server.core import Server
from trame_slicer.core import LayoutManager, SlicerApp

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.review.annotation import (
    Annotation,
    corrected_file,
    fingerprint,
    read_annotation,
    read_annotations,
    write_annotation,
)
from PreopReviewLib.review.cases import ReviewCase, find_cases
from PreopReviewLib.review.needs import PREPARE, SECRET_HEADER, SECRET_VARIABLE
from PreopReviewLib.review.page import build_page, quiet_gutter
from PreopReviewLib.review.rendering import Attention, SliceViewFactory, ThreeDViewFactory
from PreopReviewLib.review.surfaces import SurfaceQueue
from PreopReviewLib.review.tools import Tool, make_tool, tool_names
from PreopReviewLib.review.view import SceneView

LAYOUT = "Quad View"
TOOLS = "preopreview.review_tools"
"""There the libraries offer their tools."""
FOLLOW_S = 0.1
FIRST_SURFACE_S = 2.0
"""After a case was opened: its slices come first."""


def _before_a_case() -> dict[str, Any]:
    """What the page shows before a case is open."""
    return {
        "trame__title": "PreopReview",
        "reader": "",
        "cases": [],
        "chosen": -1,
        "structures": [],
        "lesions": [],
        "warnings": [],
        "is_ct": True,
        "decision": "undecided",
        "comment": "",
        "said": "",
        "problem": "",
        "window": 1.0,
        "level": 0.0,
        "gray": [0.0, 1.0],
        "tool": "",
        "painting": "",
        "brush": 10,
        "active": "",
        "edited": False,
        "can_undo": False,
        "tool_rows": [],
        "tool_shown": "",
        "tools": tool_names(),
    }


class ReviewSession(TrameApp):
    """Cases, views and what the reader does with them."""

    def __init__(self, folder: Path, server: Server | None = None) -> None:
        """Makes the page and its views, empty until someone comes; see `find_cases` for the folder."""
        super().__init__(server, client_type="vue3")
        from trame_slicer import module

        self.server.enable_module(module)
        self.folder, self.reader = folder, ""
        self.cases: list[ReviewCase] = []
        self.slicer = SlicerApp()
        views, self._attention = self.slicer.view_manager, Attention()
        views.register_factory(SliceViewFactory(self.server, self._attention, populate_view_ui_f=quiet_gutter))
        views.register_factory(ThreeDViewFactory(self.server, self._attention, populate_view_ui_f=None))
        self.layout = LayoutManager(self.slicer.scene, self.slicer.view_manager, self.server)
        self.layout.register_layout_dict({LAYOUT: LayoutManager.default_grid_configuration()[LAYOUT]})
        self.layout.set_layout(LAYOUT)
        self.view = SceneView(self.slicer)
        self.view.on_stroke = self._on_stroke
        self._surfaces = SurfaceQueue(self.view.make_surface, lambda: self._attention.touched, self.view.frame_3d)
        self.state.update(_before_a_case())
        self._dragged: Tool | None = None
        self._follows = False
        self._shown: tuple[Path, tuple[int, ...]] | None = None
        self._untouched = False
        build_page(self)
        self.state.change("window", "level")(self._on_window)
        self.state.change("tool", "active", "brush")(self._on_tool)

    # ---- who comes ----

    def hear(self, line: str) -> None:
        """A word of the gate: that a reader is about to come, or the reader's name."""
        with self.state:
            if line == PREPARE:
                self.prepare()
            elif line and not self.reader:
                self.welcome(line)

    def prepare(self) -> None:
        """Reads the first case while its reader still types a name."""
        if not self.reader and not self._untouched:
            with contextlib.suppress(PreopError):  # said when the case is opened
                self._show(find_cases(self.folder)[0])
                self._untouched = True

    def welcome(self, reader: str) -> None:
        """Opens the first case for a reader."""
        self.reader = self.state.reader = reader
        try:
            self.cases = find_cases(self.folder)
        except PreopError as error:
            self.state.problem = str(error)
            return
        self._refresh_cases()
        self.open_case(0)

    def _show(self, case: ReviewCase) -> None:
        now = (case.scene, _version(case.scene))
        if not (self._untouched and self._shown == now):
            self._shown = None
            self.view.show(case.scene)
            self._shown = now
        self._untouched = False

    # ---- cases ----

    def _refresh_cases(self) -> None:
        listed = []
        for case in self.cases:
            try:
                mine = read_annotation(case, self.reader)
                others = [a for a in read_annotations(case) if a.reader != self.reader]
            except PreopError as error:
                self.state.problem, mine, others = str(error), None, []
            words = ", ".join(f"{a.reader}: {a.decision}" for a in others)
            listed.append({"name": case.name, "decision": mine.decision if mine else "", "others": words})
        self.state.cases = listed

    def open_case(self, index: int) -> None:
        """Shows a case; what was painted on the former and not saved is gone, so the page asks before."""
        case = self.cases[index]
        self.state.update({"chosen": index, "problem": "", "said": "", "tool": ""})
        self._surfaces.clear()
        try:
            mine = read_annotation(case, self.reader)
            about = case.about
            self._show(case)
        except PreopError as error:
            self.state.update({"problem": str(error), "structures": [], "lesions": [], "warnings": []})
            return
        self._show_corrections(case, mine)
        self._dragged = None
        self.state.update(
            {
                "tool_rows": [],
                "tool_shown": "",
                "decision": mine.decision if mine else "undecided",
                "comment": mine.comment if mine else "",
                "said": _said(case, mine),
                "warnings": [str(w) for w in about.get("warnings", ())],
                "is_ct": about.get("modality", "CT") == "CT",
                "lesions": [_lesion(r) for r in about.get("regions", ()) if isinstance(r, dict)],
                "gray": list(self.view.gray_range()),
                "edited": False,
            }
        )
        self.state.window, self.state.level = self.view.window_level()
        self._refresh_structures()
        self.state.active = next((s["id"] for s in self.state.structures), "")
        self._surfaces.ask(self.view.segment_ids(), FIRST_SURFACE_S)

    def _show_corrections(self, case: ReviewCase, mine: Annotation | None) -> None:
        """The structures as the reader left them, if that was of this result."""
        if mine is None or not mine.edited:
            return
        if mine.result_sha256 != fingerprint(case):
            self.state.problem = "Your corrections belong to another version of this result and are not shown."
            return
        try:
            self.view.correct(corrected_file(case, self.reader))
        except PreopError as error:
            self.state.problem = f"Your corrections are not shown. {error}"

    def _refresh_structures(self) -> None:
        self.state.structures = [
            {**vars(row), "ml": round(row.ml, 2), "loaded_ml": round(row.loaded_ml, 2)}
            for row in self.view.structures()
        ]

    # ---- what the page calls ----

    def toggle(self, key: str) -> None:
        """Shows or hides a structure."""
        row = next(s for s in self.state.structures if s["id"] == key)
        self.view.set_visible(key, not row["visible"])
        self._refresh_structures()

    def set_opacity(self, key: str, opacity: float) -> None:
        """Of a structure."""
        self.view.set_opacity(key, float(opacity))
        self._refresh_structures()

    def set_preset(self, window: float, level: float) -> None:
        """Window and level at once."""
        self.state.window, self.state.level = float(window), float(level)

    def go_to(self, ras: list[float]) -> None:
        """All slices to a point."""
        self.view.jump(tuple(float(v) for v in ras))  # type: ignore[arg-type]

    def turn(self, view_id: str, steps: int) -> None:
        """A slice by so many steps."""
        for view in self.slicer.view_manager.get_slice_views():
            if self.server.translator.translate_key(view.get_singleton_tag()) == view_id:
                self._attention.touch(view)
                low, high = view.get_slice_range()
                wanted = view.get_slice_value() - int(steps) * view.get_slice_step()
                view.set_slice_value(min(max(wanted, low), high))

    def undo(self) -> None:
        """Takes the last stroke back."""
        self.view.undo()

    def toggle_tool(self, name: str) -> None:
        """Puts a tool into the scene, or takes it away."""
        if self._dragged is not None:
            self.slicer.scene.RemoveNode(self._dragged.node)
            self._dragged = None
            self.state.update({"tool_rows": [], "tool_shown": ""})
            return
        try:
            self._dragged = make_tool(name, self.slicer.scene, self.view.segmentation)
        except PreopError as error:
            self.state.problem = str(error)
            return
        self.view.keep(self._dragged.node)
        self._dragged.node.AddObserver("ModifiedEvent", lambda *_: self._on_dragged())
        self.state.tool_shown = name
        self._follow()

    def _on_dragged(self) -> None:
        """Figures follow at most ten times a second, however often the node changes."""
        if not self._follows:
            self._follows = True
            asyncio.get_running_loop().call_later(FOLLOW_S, self._follow)

    def _follow(self) -> None:
        self._follows = False
        if self._dragged is None:
            return
        with self.state:
            self.state.tool_rows = [list(row) for row in self._dragged.rows()]

    def save(self, decision: str, comment: str) -> None:
        """Keeps decision, comment and corrections beside the result."""
        self.state.comment = comment or ""
        case = self.cases[self.state.chosen]
        edited = bool(self.state.edited)
        try:
            if self._shown != (case.scene, _version(case.scene)):
                raise InputError(
                    "This result was replaced after you had opened it", "Open the case again and review it"
                )
            if edited:
                self._save_segmentation(case)
            mine = read_annotation(case, self.reader)
            kept = edited or bool(mine and mine.edited)
            volumes = {s["name"]: s["ml"] for s in self.state.structures}
            annotation = write_annotation(case, self.reader, decision, self.state.comment or "", kept, volumes)
        except PreopError as error:
            self.state.problem = str(error)
            return
        self.state.update({"decision": decision, "said": _said(case, annotation), "problem": "", "edited": False})
        self._refresh_cases()

    def _save_segmentation(self, case: ReviewCase) -> None:
        from PreopReviewLib.output import output_file
        from PreopReviewLib.scene.files import write_segmentation

        case.place.mkdir(parents=True, exist_ok=True)
        with output_file(corrected_file(case, self.reader), overwrite=True) as work:
            write_segmentation(self.view.segmentation, work.with_name("file.seg.nrrd"))
            work.with_name("file.seg.nrrd").replace(work)

    # ---- changes ----

    def _on_window(self, window: float, level: float, **_: Any) -> None:
        if self.view.volume is not None:
            self.view.set_window_level(float(window), float(level))

    def _on_tool(self, tool: str, active: str, brush: float, **_: Any) -> None:
        ready = self.view.segmentation is not None and bool(active)
        if ready:
            self.view.set_tool(tool, active, float(brush))
        self.state.painting = tool if ready else ""

    def _on_stroke(self, key: str) -> None:
        self._surfaces.ask([key])
        with self.state:
            self.state.can_undo = bool(self.view.undo_stack.can_undo())
            self._refresh_structures()
            changed = any(s["ml"] != s["loaded_ml"] for s in self.state.structures)
            self.state.edited = self.state.can_undo or changed


def _version(path: Path) -> tuple[int, ...]:
    """Another one when a file was written anew; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _said(case: ReviewCase, mine: Annotation | None) -> str:
    if mine is None:
        return ""
    kept = f"; your corrections are kept in {corrected_file(case, mine.reader).name}" if mine.edited else ""
    when = datetime.datetime.fromisoformat(mine.time).strftime("%Y-%m-%d %H:%M")
    return f"Saved {when}{kept}"


def _lesion(region: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{region.get('structure', 'lesion')} {region.get('number', '')}".strip(),
        "ml": round(float(region.get("ml") or 0), 2),
        "mm": round(float(region.get("diameter_mm") or 0)),
        "ras": [float(v) for v in region.get("centroid_ras") or (0, 0, 0)],
    }


def _guard(secret: str) -> Any:
    """A middleware that answers no one but the gate."""
    import hmac

    from aiohttp import web

    @web.middleware
    async def only_the_gate(request: web.Request, handler: Any) -> Any:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
            raise web.HTTPForbidden(text="Use the address that preop review has printed.")
        return await handler(request)

    return only_the_gate


def main() -> int:
    """Serves the page on a free port of this computer, and prints the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    secret = os.environ.pop(SECRET_VARIABLE)
    sys.argv = sys.argv[:1]  # trame reads it, too
    import_module(TOOLS)
    session = ReviewSession(options.folder)
    controller = session.server.controller
    controller.on_server_bind.add(lambda server: server.app.middlewares.append(_guard(secret)))

    def ready(**_: Any) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_listen, args=(loop, session.hear), daemon=True).start()
        print(f"READY {session.server.port}", flush=True)

    controller.on_server_ready.add(ready)
    session.server.start(port=0, host="127.0.0.1", open_browser=False, show_connection_info=False, timeout=0)
    return 0


def _listen(loop: asyncio.AbstractEventLoop, hear: Callable[[str], None]) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(hear, line.strip())
    os._exit(0)  # the gate has gone


if __name__ == "__main__":
    sys.exit(main())
