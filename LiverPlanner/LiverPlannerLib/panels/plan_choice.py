"""Which plan the panel shows: that of the chosen volume, or any other segmentation that is chosen.

Tables, cuts and other results belong to the plan that they were made on: they come and go with it, and are deleted
with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk

from LiverPlannerLib.scene import plan as scene_plan
from LiverPlannerLib.scene import plan_nodes
from LiverPlannerLib.scene.plan_tables import CUT_PLANES, FIELD, KIND, PLAN, VOLUMES, belong
from PreopReviewLib.scene.finding import nodes_of_class, step_back

OWNED = (
    "volumesTable",
    "segmentsTable",
    "remnantTable",
    "marginsTable",
    "branchesTable",
    "radiomicsTable",
    "changesTable",
    "cystsTable",
    "comparisonTable",
    "sidesSegmentation",
    "branchesSegmentation",
    "differencesSegmentation",
    "resectionsSegmentation",
    "resectionsTable",
    "cutSurface",
)
"""Fields of the parameter node whose nodes belong to a plan, beside the list of `CUT_PLANES`."""
STEPPING = (
    CUT_PLANES,
    "sidesSegmentation",
    "branchesSegmentation",
    "resectionsSegmentation",
    "differencesSegmentation",
)


class PlanChoice:
    """Follows volume and plan of the parameter node, and lets what belongs to a plan follow it.

    Args:
        parameters: gives the parameter node, or None.
        moved: called when the plan was put under another transform, or that one was changed.
    """

    def __init__(self, parameters: Callable[[], Any], moved: Callable[[], None] = lambda: None) -> None:
        self._parameters, self._moved = parameters, moved
        self._shown: tuple[str, str] | None = None  # identifiers of volume and plan; None before the first
        self._last: dict[str, str] = {}  # by volume, the plan that was shown last
        self._following = False
        self._leaving = ""  # identifier of a plan that is being deleted
        self._watched: tuple[Any, int] | None = None  # the plan, whose transforms are followed
        scene = slicer.mrmlScene
        self._observer = (scene, scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._on_removed))

    def forget(self) -> None:
        """The scene is closed, or another one is loaded."""
        self._shown, self._leaving = None, ""
        self._last.clear()
        self._watch(None)

    def let_go(self, plan: Any) -> None:
        """A plan is being deleted: nothing is done with it any more; its own views have let go of it already."""
        self._mark(self._parameters(), plan)  # what was made for it goes with it
        self._leaving = _id(plan)

    def cleanup(self) -> None:
        """Releases the scene."""
        self._watch(None)
        scene, tag = self._observer
        scene.RemoveObserver(tag)

    def refresh(self) -> bool:
        """Takes the plan of a volume that was chosen, or the volume and the results of a plan that was.

        Returns:
            Whether another plan is shown now.
        """
        parameters = self._parameters()
        if parameters is None or self._following:
            return False
        before = self._shown
        volume, plan = _id(parameters.inputVolume), _id(parameters.segmentation)
        if plan and plan == self._leaving:
            self._leaving = ""  # it is back, e.g. by an undo
        self._following = True
        try:
            with slicer.util.NodeModify(parameters):
                self._mark(parameters, self._plan_before())  # with what was made since the last refresh
                if self._shown is None:
                    self._begin(parameters)
                elif plan != self._shown[1]:
                    self._take(parameters, parameters.segmentation)
                elif volume != self._shown[0]:
                    self._take(parameters, self._plan_of(parameters.inputVolume))
                self._mark(parameters, parameters.segmentation)
            self._shown = (_id(parameters.inputVolume), _id(parameters.segmentation))
            self._watch(parameters.segmentation)
            if all(self._shown):
                self._last[self._shown[0]] = self._shown[1]
            return bool(self._shown[1]) and (before is None or before[1] != self._shown[1])
        finally:
            self._following = False

    def _begin(self, parameters: Any) -> None:
        """A scene that was loaded or filled before: a saved one goes on where it was, a command's with its plan."""
        if parameters.segmentation is None and parameters.inputVolume is not None:
            plan = self._plan_of(parameters.inputVolume)
            if plan is not None:
                self._take(parameters, plan)

    def _plan_of(self, volume: Any | None) -> Any | None:
        """The plan of a volume that was shown last, else the first in the scene."""
        if volume is None:
            return None
        last = slicer.mrmlScene.GetNodeByID(self._last.get(_id(volume), ""))
        if last is not None and not scene_plan.mismatch_problem(last, volume):
            return last
        return next(iter(scene_plan.plans_of(volume)), None)

    def _take(self, parameters: Any, plan: Any | None) -> None:
        """Shows a plan and what belongs to it, and hides the one before."""
        before = self._plan_before()
        if before is not None and before is not plan:
            owned = _of_plan(before)
            step_back([n for n in owned if _steps_back(n)], True)  # on or off stays as it was
            plan_nodes.show([before, *(n for n in owned if not _steps_back(n))], False)
        parameters.segmentation = plan
        own = {node.GetAttribute(FIELD): node for node in _of_plan(plan)} if plan is not None else {}
        for name in OWNED:
            parameters.setValue(name, own.get(name))
        planes = [n for n in _of_plan(plan) if n.GetAttribute(FIELD) == CUT_PLANES] if plan is not None else []
        parameters.setValue(CUT_PLANES, planes)
        if plan is None:
            parameters.modelOutput = None
            return
        parameters.modelOutput = scene_plan.nodes_of(plan).model_output
        volume = scene_plan.volume_of(plan)
        if volume is not None and volume.GetScene() is not None:
            parameters.inputVolume = volume
        plan_nodes.show([plan], True)

    def _watch(self, plan: Any | None) -> None:
        """Lets model output and Couinaud segments, which are hidden, go where the plan goes."""
        watched = self._watched[0] if self._watched is not None else None
        if watched is plan:
            return
        if self._watched is not None:
            watched.RemoveObserver(self._watched[1])
        self._watched = None
        if plan is not None:
            moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
            self._watched = (plan, plan.AddObserver(moved, lambda *_args: self._on_moved(plan)))

    def _on_moved(self, plan: Any) -> None:
        if plan.GetScene() is None or plan.GetScene().IsClosing():
            return
        nodes = scene_plan.nodes_of(plan)
        plan_nodes.keep_together(plan, [n for n in (nodes.model_output, nodes.couinaud) if n is not None])
        self._moved()

    def _plan_before(self) -> Any | None:
        """The plan that was shown at the last refresh, if it is still there."""
        shown = self._shown[1] if self._shown else ""
        return slicer.mrmlScene.GetNodeByID(shown) if shown and shown != self._leaving else None

    def _mark(self, parameters: Any, plan: Any | None) -> None:
        """Lets nodes that were made for a plan belong to it."""
        if plan is None:
            return
        named = [(name, parameters.getValue(name)) for name in OWNED]
        named += [(CUT_PLANES, node) for node in parameters.cutPlanes]
        for name, node in named:
            if node is None or (node.GetNodeReferenceID(PLAN) or plan.GetID()) != plan.GetID():
                continue
            belong(node, plan, name)
        output = parameters.modelOutput if plan is parameters.segmentation else None
        if output is not None and not plan.GetNodeReferenceID(scene_plan.MODEL_OUTPUT):
            plan.SetNodeReferenceID(scene_plan.MODEL_OUTPUT, output.GetID())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene: Any, _event: Any, node: Any) -> None:
        """A plan that is deleted takes its results with it."""
        if scene.IsClosing() or not node.IsA("vtkMRMLSegmentationNode"):
            return
        gone = [n for n in _of_plan(node) if n is not node]
        if node.GetAttribute(scene_plan.RECORD) and not node.GetAttribute(plan_nodes.READ_ONLY):
            nodes = scene_plan.nodes_of(node)
            gone += [n for n in (nodes.model_output, nodes.couinaud) if n is not None]
        identifiers = [n.GetID() for n in gone]
        if identifiers:
            qt.QTimer.singleShot(0, lambda: _remove(identifiers))


def _remove(identifiers: list[str]) -> None:
    for identifier in identifiers:
        node = slicer.mrmlScene.GetNodeByID(identifier)
        if node is not None and not slicer.mrmlScene.IsClosing():
            slicer.mrmlScene.RemoveNode(node)


def _of_plan(plan: Any) -> list[Any]:
    """The nodes in the scene that belong to a plan."""
    results = []
    for node in nodes_of_class(slicer.mrmlScene, "vtkMRMLNode"):
        if node.GetNodeReferenceID(PLAN) == plan.GetID() and node is not plan:
            if not node.GetAttribute(FIELD) and node.GetAttribute(KIND) == VOLUMES:  # of the command
                node.SetAttribute(FIELD, "volumesTable")
            results.append(node)
    return results


def curves_of(plan: Any | None) -> list[Any]:
    """The curves that have been chosen to cut a plan."""
    curves = nodes_of_class(slicer.mrmlScene, "vtkMRMLMarkupsCurveNode") if plan is not None else []
    return [n for n in curves if n.GetNodeReferenceID(PLAN) == plan.GetID() and n.GetAttribute(FIELD)]


def _steps_back(node: Any) -> bool:
    """Whether the section that shows it takes it out of the views and brings it back."""
    field = node.GetAttribute(FIELD)
    return field in STEPPING or (field == "cutSurface" and node.IsA("vtkMRMLMarkupsNode"))


def _id(node: Any | None) -> str:
    return (node.GetID() or "") if node is not None else ""
