"""What the tabs of the section Measure have in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import slicer
from slicer.i18n import tr as _

from LiverPlannerLib.panels.live_plan import LivePlan
from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.scene.plan_tables import PLAN, put_table
from LiverPlannerLib.scene.tables import Column, Row, read_table
from PreopReviewLib.errors import InputError
from PreopReviewLib.panels.context import Context
from PreopReviewLib.worker_io import save_steps


class Tabs(Protocol):
    """What a tab knows of its section: widgets, the plan's measures, and the other tabs."""

    ui: Any
    context: Context
    live: LivePlan
    volumes: Any
    remnant: Any
    branches: Any

    def refresh(self) -> None:
        """Measures what is out of date in the tab that is shown."""

    def show_state(self, reason: str) -> None:
        """Says why nothing can be measured; empty if it can."""

    def show_overlays(self) -> None:
        """Shows what belongs to the tab that is open, and nothing of others."""

    def show_export(self) -> None:
        """Shows notes and export of the tab that is shown."""


class Page:
    """One tab.

    Attributes:
        name: of its table, in the scene and as a file.
        parameter: field of the parameter node that names the table node.
        columns, rows, notes: what it shows now.
        revision: of the plan that the rows were measured on.
    """

    name: str = ""
    parameter: str = ""

    def __init__(self, section: Tabs) -> None:
        self.section = section
        self.ui: Any = section.ui
        self.context: Context = section.context
        self.live: LivePlan = section.live
        self.columns: Sequence[Column] = ()
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.revision = -1

    @property
    def parameters(self) -> Any:
        return self.context.parameters

    @property
    def stale(self) -> bool:
        """Whether the plan was edited since the rows were measured."""
        return bool(self.rows) and self.revision != self.live.revision

    def connect(self) -> None:
        """Connects the signals; called once."""

    def refresh(self, reason: str) -> None:
        """Shows the state.

        Args:
            reason: why nothing can be measured, a sentence; empty if it can.
        """

    def forget(self) -> None:
        """The plan was replaced or removed."""
        self.rows, self.notes, self.revision = [], [], -1

    def start(
        self, task: str, request: dict[str, Any], folder: Path, show: Callable[[dict[str, Any]], Any], title: str
    ) -> None:
        """Runs a task of `measure_tasks`, or of another module that it names, in the worker.

        Args:
            request: plain values for the task, and images as `worker_io.Unsaved`.
            show: called with the result, if the panel still shows the plan that it was computed for; it may return
                a generator that does its work in pieces, as in `Context.run_job`.

        Raises:
            JobBusy: another job runs.
        """
        plan = self.parameters.segmentation

        def require_plan() -> None:
            if self.parameters is None or self.parameters.segmentation is not plan:
                raise InputError(
                    _("The plan was removed or replaced while it was being measured"), _("Press the button again")
                )

        def finished(result: dict[str, Any]) -> Iterator[None] | None:
            require_plan()
            pieces = show(result)
            return checked(pieces) if isinstance(pieces, Generator) else None

        def checked(pieces: Generator[None, None, None]) -> Iterator[None]:
            for _piece in pieces:
                yield
                require_plan()

        self.context.run_job(
            task if ":" in task else f"LiverPlannerLib.measure_tasks:{task}",
            save_steps(request, folder),
            folder,
            on_finished=finished,
            title=title,
        )

    def write_node(self) -> None:
        """Puts the rows into the page's table node, beside the plan."""
        parameters = self.parameters
        plan = parameters.segmentation
        if plan is None or not self.rows:
            return
        before = parameters.getValue(self.parameter)
        node = put_table(plan, before, self.name, self.columns, self.rows)
        if node is not before:
            parameters.setValue(self.parameter, node)

    def saved_table(self) -> Any | None:
        """The table node of this plan, e.g. of a loaded scene; None where there is none, or it is another plan's."""
        node = self.parameters.getValue(self.parameter)
        plan = self.parameters.segmentation
        return node if node is not None and plan is not None and node.GetNodeReference(PLAN) is plan else None

    def show_saved(self, columns: Sequence[Column], note: str = "") -> None:
        """Shows the rows that were saved with the scene, where nothing was measured since."""
        node = self.saved_table()
        if self.rows or node is None:
            return
        self.columns, self.rows = columns, read_table(node, columns)
        self.notes = [note or _("These numbers were saved with the scene.")]
        self.revision = self.live.revision


class CutPage(Protocol):
    """What the ways to cut know of their tab."""

    ui: Any
    context: Context
    live: LivePlan
    section: Tabs
    cut: Resection | None
    stale: bool

    @property
    def parameters(self) -> Any:
        """The parameter node, or None."""

    def say(self, text: str) -> None:
        """Shows a line below the ways to cut."""

    def no_cut(self, reason: str) -> None:
        """Nothing is cut, with the reason."""

    def show_cut(self, cut: Resection, revision: int) -> None:
        """Shows what a cut takes."""

    def start_cut(self) -> None:
        """Cuts in the worker."""


def jump_to(point_ras: Sequence[float]) -> None:
    """Centers all slice views on a point, RAS mm."""
    node = slicer.vtkMRMLSliceNode
    node.JumpAllSlices(slicer.mrmlScene, *map(float, point_ras), node.CenteredJumpSlice)


def is_shown(node: Any | None) -> bool:
    """Whether a node is in the scene and visible."""
    return node is not None and node.GetDisplayNode() is not None and bool(node.GetDisplayNode().GetVisibility())


def set_quietly(box: Any, checked: bool) -> None:
    """Ticks a box without notifying anyone."""
    blocked = box.blockSignals(True)
    box.checked = checked
    box.blockSignals(blocked)


NO_PLAN = _("Segment the liver, or choose a segmentation, first.")
