"""The page of one reader, in a process of its own: ``python -m PreopReviewLib.review.session``; started by `gate`.

A trame application has one state for everybody who looks at it, so each reader has a process, and nobody else reaches
it: every request must carry a secret that only the gate knows. The process ends with the gate (its stdin ends).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from trame.app import TrameApp
from trame_server.core import Server
from trame_slicer.core import LayoutManager, SlicerApp
from trame_slicer.rca_view import register_rca_factories

from PreopReviewLib.errors import PreopError
from PreopReviewLib.review.annotation import (
    Annotation,
    corrected_file,
    fingerprint,
    read_annotation,
    read_annotations,
    write_annotation,
)
from PreopReviewLib.review.cases import ReviewCase, find_cases
from PreopReviewLib.review.needs import SECRET_HEADER, SECRET_VARIABLE
from PreopReviewLib.review.page import build_page, quiet_gutter
from PreopReviewLib.review.tools import Tool, make_tool, tool_names
from PreopReviewLib.review.view import SceneView

LAYOUT = "Quad View"
FOLLOW_S = 0.1
JPEG_QUALITY = 60
"""While something moves; a still picture is sent in full."""


class ReviewSession(TrameApp):
    """Cases, views and what the reader does with them."""

    def __init__(
        self, cases: list[ReviewCase], reader: str, slicer: SlicerApp | None = None, server: Server | None = None
    ) -> None:
        super().__init__(server, client_type="vue3")
        from trame_slicer import module

        self.server.enable_module(module)
        self.cases, self.reader = cases, reader
        self.slicer = slicer or SlicerApp()
        register_rca_factories(
            self.slicer.view_manager,
            self.server,
            slice_view_ui_f=quiet_gutter,
            three_d_view_ui_f=lambda *_: None,
            interactive_quality=JPEG_QUALITY,
        )
        self.layout = LayoutManager(self.slicer.scene, self.slicer.view_manager, self.server)
        self.layout.register_layout_dict({LAYOUT: LayoutManager.default_grid_configuration()[LAYOUT]})
        self.layout.set_layout(LAYOUT)
        self.view = SceneView(self.slicer)
        self.state.update(
            {
                "trame__title": "PreopReview",
                "reader": reader,
                "cases": [],
                "chosen": -1,
                "structures": [],
                "lesions": [],
                "warnings": [],
                "decision": "undecided",
                "comment": "",
                "said": "",
                "problem": "",
                "window": 1.0,
                "level": 0.0,
                "gray": [0.0, 1.0],
                "tool": "",
                "brush": 10,
                "active": "",
                "edited": False,
                "can_undo": False,
                "tools": tool_names(),
                "tool_rows": [],
                "tool_shown": "",
            }
        )
        self._dragged: Tool | None = None
        self._follows = False
        self._undo = self._undo_stack()
        self.slicer.segmentation_editor.segmentation_modified.connect(self._on_edited)
        build_page(self)
        self.state.change("window", "level")(self._on_window)
        self.state.change("tool", "active", "brush")(self._on_tool)
        self._refresh_cases()
        self.open_case(0)

    def _undo_stack(self) -> Any:
        from undo_stack import UndoStack

        stack = UndoStack(undo_limit=20)
        self.slicer.segmentation_editor.set_undo_stack(stack)
        return stack

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
        try:
            mine = read_annotation(case, self.reader)
            self.view.show(case.scene)
            about = case.about
        except PreopError as error:
            self.state.update({"problem": str(error), "structures": [], "lesions": [], "warnings": []})
            return
        self._show_corrections(case, mine)
        self._undo.clear()
        self._dragged = None
        self.state.update(
            {
                "tool_rows": [],
                "tool_shown": "",
                "decision": mine.decision if mine else "undecided",
                "comment": mine.comment if mine else "",
                "said": _said(case, mine),
                "warnings": [str(w) for w in about.get("warnings", ())],
                "lesions": [_lesion(r) for r in about.get("regions", ()) if isinstance(r, dict)],
                "gray": list(self.view.gray_range()),
                "edited": False,
            }
        )
        self.state.window, self.state.level = self.view.window_level()
        self._refresh_structures()
        self.state.active = next((s["id"] for s in self.state.structures), "")

    def _show_corrections(self, case: ReviewCase, mine: Annotation | None) -> None:
        """The structures as the reader left them, if that was of this result."""
        if mine is None or not mine.edited:
            return
        if mine.result_sha256 != fingerprint(case):
            self.state.problem = "Your corrections were of another version of this result, and are not shown."
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

    def undo(self) -> None:
        """Takes the last stroke back."""
        if self._undo.can_undo():
            self._undo.undo()
        self._on_edited()

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
            if edited:
                self._save_segmentation(case)
            mine = read_annotation(case, self.reader)
            kept = edited or bool(mine and mine.edited)
            volumes = {s["name"]: s["ml"] for s in self.state.structures}
            made = write_annotation(case, self.reader, decision, self.state.comment or "", kept, volumes)
        except PreopError as error:
            self.state.problem = str(error)
            return
        self.state.update({"decision": decision, "said": _said(case, made), "problem": "", "edited": False})
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
        if self.view.segmentation is not None and active:
            self.view.set_tool(tool, active, float(brush))

    def _on_edited(self, *_: Any) -> None:
        if self.view.segmentation is None:
            return
        with self.state:
            self.state.can_undo = bool(self._undo.can_undo())
            self._refresh_structures()
            changed = any(s["ml"] != s["loaded_ml"] for s in self.state.structures)
            self.state.edited = self.state.can_undo or changed


def _said(case: ReviewCase, mine: Annotation | None) -> str:
    if mine is None:
        return ""
    kept = f"; your corrections are kept in {corrected_file(case, mine.reader).name}" if mine.edited else ""
    return f"Saved {mine.time}{kept}"


def _lesion(region: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{region.get('structure', 'lesion')} {region.get('number', '')}".strip(),
        "ml": round(float(region.get("ml") or 0), 2),
        "mm": round(float(region.get("diameter_mm") or 0)),
        "ras": [float(v) for v in region.get("centroid_ras") or (0, 0, 0)],
    }


def _guard(secret: str) -> Any:
    """A middleware that answers nobody but the gate."""
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
    import_module("preopreview.cli")  # the libraries offer their tools
    slicer = SlicerApp()
    reader = sys.stdin.readline().strip()  # comes when somebody does; the libraries are loaded by then
    if not reader:
        return 0
    threading.Thread(target=_end_with_the_gate, daemon=True).start()
    session = ReviewSession(find_cases(options.folder), reader, slicer)
    controller = session.server.controller
    controller.on_server_bind.add(lambda server: server.app.middlewares.append(_guard(secret)))
    controller.on_server_ready.add(lambda **_: print(f"READY {session.server.port}", flush=True))
    session.server.start(port=0, host="127.0.0.1", open_browser=False, show_connection_info=False, timeout=0)
    return 0


def _end_with_the_gate() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
