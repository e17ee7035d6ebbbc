"""The plan's measures, kept up to date while someone edits it; shared by the sections Correct and Measure."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import slicer
import vtk

from LiverPlannerLib.liver_extent import inside_liver
from LiverPlannerLib.panels.plan_editor import plan_editor_of
from LiverPlannerLib.scene.couinaud import read_couinaud, segments_node
from LiverPlannerLib.scene.editing import Taken, code_by_name, forget_copied_code, taken_by_edit
from LiverPlannerLib.scene.measures import LiveMeasures, fill_liver
from LiverPlannerLib.scene.plan import RECORD
from LiverPlannerLib.scene.segments import SegmentVoxels
from LiverPlannerLib.voxel_boxes import union
from PreopReviewLib.errors import PreopError
from PreopReviewLib.panels import timers
from PreopReviewLib.panels.context import Context
from PreopReviewLib.panels.resting_views import resting_views
from PreopReviewLib.progress import at_once
from PreopReviewLib.scene import nodes

QUIET_MS = 250
"""After the last stroke of an edit this long, measures are computed; with them, well within a second."""
LARGE_ML, IDLE_MS = 100.0, 1000
"""The surface of a liver takes seconds on a large CT: while an effect is chosen, Slicer's own stays; whether one still
is, is asked again after so long."""
_EVENTS = ("SourceRepresentationModified", "SegmentAdded", "SegmentRemoved", "SegmentModified")


def live_plan_of(context: Context) -> LivePlan:
    """The module's live plan, made on first use."""
    live = getattr(context, "live_plan", None)
    if live is None:
        live = context.live_plan = LivePlan(context)
    return live


def is_loaded(plan: Any | None) -> bool:
    """Whether a plan of ours has Slicer's surfaces, as after a scene was loaded: vessels are thinned away in them."""
    return plan is not None and bool(plan.GetAttribute(RECORD)) and nodes.has_other_surfaces(plan)


class LivePlan:
    """Observes the plan's segmentation, and measures again what was edited.

    Attributes:
        measures: None where there is no plan, or one that cannot be measured; `problem` says why then.
        taken: what the last edit has taken from other segments without being asked to.
        revision: grows with each change; what was computed from an earlier one is out of date.
        observers: called with the keys of the structures that changed.
        users: who needs the measures; nothing is computed while none says so (a collapsed section does not).
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.measures: LiveMeasures | None = None
        self.problem = ""
        self.revision = 0
        self.taken: list[Taken] = []
        self.observers: list[Callable[[set[str]], None]] = []
        self.users: list[Callable[[], bool]] = []
        self._observed: list[tuple[Any, int]] = []
        self._followed: tuple[Any, Any, Any, Any] = (None, None, None, None)
        self._labels: tuple[int, Any, Any] | None = None
        self._inside: tuple[Any, np.ndarray] | None = None  # the labels, and what of them is liver
        self._segments: SegmentVoxels | None = None
        self._updating = False
        self._added: list[str] = []
        self._timer = timers.single_shot(QUIET_MS, self.update)
        self._unmade: set[str] = set()  # structures whose surfaces are those of before an edit
        self._making: Generator[None, None, Callable[[], None]] | None = None
        self._later = timers.single_shot(0, self._next_surface)
        self._idle = timers.single_shot(IDLE_MS, self._next_surface)

    # ---- following ----

    def refresh(self) -> None:
        """Follows the segmentation that the parameter node names now."""
        parameters = self._context.parameters
        plan = parameters.segmentation if parameters is not None else None
        model = parameters.modelOutput if parameters is not None else None
        loaded = is_loaded(plan)
        if not loaded and not any(wanted() for wanted in self.users):
            return
        content = plan.GetSegmentation() if plan is not None else None
        segments = segments_node(plan)
        segments = segments.GetSegmentation() if segments is not None else None
        if self._followed == (plan, model, content, segments):
            return
        self.forget()
        self._followed = (plan, model, content, segments)
        if plan is None:
            return
        for name in _EVENTS:
            event = getattr(slicer.vtkSegmentation, name)
            for observed in (content, segments):
                if observed is not None:
                    self._observed.append((observed, observed.AddObserver(event, self._on_edited)))
        added = content.AddObserver(slicer.vtkSegmentation.SegmentAdded, self._on_added)
        self._observed.append((content, added))
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._observed.append((plan, plan.AddObserver(moved, self._on_edited)))
        self._measure_all(plan, model)
        if loaded and self.measures is not None:
            self._begin_surfaces({c.key for c in self.measures.changes})

    def forget(self) -> None:
        """Releases the segmentation."""
        self._timer.stop()
        self._stop_surfaces()
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed.clear()
        self._followed = (None, None, None, None)
        self._segments = None
        self.measures, self.problem, self._labels, self._inside = None, "", None, None
        self.taken = []
        self._added.clear()
        self.revision += 1

    def _measure_all(self, plan: Any, model: Any | None) -> None:
        try:
            self.measures, self.problem = LiveMeasures(plan, model), ""
        except PreopError as error:
            self.problem = str(error)
            self.measures = self._without_model(plan) if model is not None else None

    def _without_model(self, plan: Any) -> LiveMeasures | None:
        """The plan alone, where it is the model output that cannot be measured."""
        try:
            return LiveMeasures(plan)
        except PreopError:
            return None

    @vtk.calldata_type(vtk.VTK_STRING)
    def _on_added(self, _content: Any, _event: Any, segment_id: str) -> None:
        """Add in the Segment Editor copies the code of the segment before: a new one belongs to no other."""
        if not self._updating:
            self._added.append(segment_id)  # Slicer gives it its code in a moment

    def _on_edited(self, *_args: Any) -> None:
        if not self._updating:
            self._timer.start()

    # ---- measuring ----

    def update(self) -> set[str]:
        """Measures now what has changed, tells the observers, and returns the keys."""
        self._timer.stop()
        plan, model = self._followed[:2]
        if plan is None or plan.GetScene() is None:
            return set()
        with resting_views():  # all that follows from an edit is drawn once
            if self.measures is None:
                self._measure_all(plan, model)
                changed = {c.key for c in self.measures.changes} if self.measures is not None else set()
            else:
                changed = self._update_measures(self.measures)
            if self.measures is None and model is not None:  # it may be the model output alone that does not fit now
                self._measure_all(plan, model)
            self.revision += 1
            for observer in list(self.observers):
                observer(changed)
        return changed

    def _update_measures(self, measures: LiveMeasures) -> set[str]:
        self._updating = True  # what changes here is not a brush stroke
        liver = union(measures.plan.of("liver"))
        before = dict(measures.plan.masks)
        try:
            for segment_id in self._added:
                forget_copied_code(measures.node.GetSegmentation(), segment_id)
            self._added.clear()
            code_by_name(measures.node)
            changed = measures.update()
            if changed:
                asked = plan_editor_of(self._context).was_asked()
                self.taken = [] if asked else taken_by_edit(before, measures.plan)
            if changed and fill_liver(measures.plan, liver):
                changed |= measures.update()
            self._begin_surfaces(changed)
        except PreopError as error:
            self.measures, self.problem = None, str(error)
            return set()
        finally:
            self._updating = False
        return changed

    # ---- surfaces: numbers, slices and the next stroke do not wait for them ----

    @property
    def surfaces_awaited(self) -> bool:
        """Whether 3D still shows something as it was before the last edit, or Slicer's surface of it."""
        return bool(self._unmade)

    def finish_surfaces(self) -> None:
        """Makes those that are awaited now, and measures first what was edited a moment ago: for files of surfaces."""
        if self._timer.isActive():
            self.update()
        while self._unmade:
            self._making = self._making or self._begin_next()
            if self._making is not None:
                self._put(at_once(self._making))

    def _begin_surfaces(self, changed: set[str]) -> None:
        self._unmade |= changed
        self._making = None  # what is being made may be outdated
        if self._unmade:
            self._later.start()

    def _stop_surfaces(self) -> None:
        self._later.stop()
        self._idle.stop()
        self._unmade, self._making = set(), None

    def _next_surface(self) -> None:
        plan, measures = self._followed[0], self.measures
        if measures is None or plan is None or plan.GetScene() is None:
            self._stop_surfaces()
            return
        stale = measures.stale_surfaces(self._unmade)
        large = stale and measures.plan.masks[stale[0]].count * measures.plan.grid.voxel_ml > LARGE_ML
        if large and plan_editor_of(self._context).drawing:
            self._idle.start()
            return
        self._making = self._making or self._begin_next()
        if self._making is None:
            return
        try:
            next(self._making)
        except StopIteration as made:
            self._put(made.value)
        self._later.start()

    def _begin_next(self) -> Generator[None, None, Callable[[], None]] | None:
        stale = self.measures.stale_surfaces(self._unmade) if self.measures is not None else []
        if not stale or self.measures is None:
            self._stop_surfaces()
            return None
        return self.measures.surface_steps(stale[0])

    def _put(self, surface: Callable[[], None]) -> None:
        self._making, self._updating = None, True
        try:
            with resting_views():
                surface()
        finally:
            self._updating = False

    # ---- what is computed once for each revision ----

    def labels(self) -> Any:
        """The label image of the plan around all structures, made once for each revision.

        Raises:
            PreopError: there is no plan, or it is empty.
        """
        if self.measures is None:
            from PreopReviewLib.errors import InputError

            raise InputError(self.problem.rstrip(".") or "There is no plan yet", "")
        if self._labels is None or self._labels[0] != self.revision:
            labels = self.measures.plan.labels()
            self._labels = (self.revision, labels, self.measures.plan.lesions_on(labels))
        return self._labels[1]

    def inside(self) -> np.ndarray:
        """`inside_liver` of `labels`, found once for each revision; no one may write into it.

        Raises:
            PreopError: as `labels`.
        """
        labels = self.labels()
        if self._inside is None or self._inside[0] is not labels:
            self._inside = (labels, inside_liver(labels))
            self._inside[1].flags.writeable = False
        return self._inside[1]

    def drawn_lesions(self) -> Any | None:
        """Which lesions the plan holds as segments of their own, on the grid of `labels`; None without such.

        Raises:
            PreopError: as `labels`.
        """
        self.labels()
        assert self._labels is not None
        return self._labels[2]

    def couinaud(self) -> Any | None:
        """The plan's Couinaud segments as they are now (sitk.Image, 1 to 8); None where it has none.

        Raises:
            PreopError: their segmentation cannot be read.
        """
        node = segments_node(self._followed[0])
        if node is None:
            return None
        if self._segments is None or self._segments.node is not node:
            self._segments = SegmentVoxels(node)
        else:
            self._segments.update()
        return read_couinaud(node, self._segments)

    def disabled_reason(self) -> str:
        """Why there is nothing to measure, a sentence; empty if there is."""
        if self.measures is None:
            return self.problem
        try:
            self.measures.plan.require()
        except PreopError as error:
            return str(error)
        return ""
