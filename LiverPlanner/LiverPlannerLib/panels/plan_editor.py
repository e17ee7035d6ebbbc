"""The Segment Editor of the panel, and with it Slicer's undo for whatever the panel changes in the plan."""

from __future__ import annotations

from typing import Any

import slicer

from LiverPlannerLib.scene import plan as scene_plan
from PreopReviewLib.panels.context import Context

EDITOR_TAG = "LiverPlanner"
UNDO_STATES = 10
EFFECTS = [
    "Paint",
    "Erase",
    "Draw",
    "Scissors",
    "Level tracing",
    "Threshold",
    "Grow from seeds",
    "Fill between slices",
    "Islands",
    "Smoothing",
    "Margin",
    "Logical operators",
]


def plan_editor_of(context: Context) -> PlanEditor:
    """The module's editor, made on first use."""
    editor = getattr(context, "plan_editor", None)
    if editor is None:
        editor = context.plan_editor = PlanEditor(context)
    return editor


class PlanEditor:
    """One editor for all sections, so that there is one order in which edits are undone.

    It takes longer to build than the rest of the panel, and is built when it is first needed.

    Attributes:
        widget: the qMRMLSegmentEditorWidget, or None before.
        node: its vtkMRMLSegmentEditorNode: one of our own, so that the Segment Editor module keeps its settings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.widget: Any | None = None
        self.node: Any | None = None
        self._asked = False

    def edit(self, segmentation: Any) -> Any:
        """Points the editor at a plan and its volume, and returns its widget."""
        if self.widget is None:
            self._make()
        elif self.node.GetScene() is None:
            self.follow_scene()
        volume = scene_plan.volume_of(segmentation) or self._context.parameters.inputVolume
        if self.node.GetSegmentationNode() is not segmentation:
            self.widget.setSegmentationNode(segmentation)
        if self.node.GetSourceVolumeNode() is not volume:
            self.widget.setSourceVolumeNode(volume)
        return self.widget

    def _make(self) -> None:
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.setMaximumNumberOfUndoStates(UNDO_STATES)
        self.widget.setSegmentationNodeSelectorVisible(False)
        self.widget.setSourceVolumeNodeSelectorVisible(False)
        self.widget.setSwitchToSegmentationsButtonVisible(False)
        self.widget.setEffectNameOrder(EFFECTS)
        self.widget.unorderedEffectsVisible = False
        buttons = (slicer.util.findChild(self.widget, f"{name}Button") for name in ("Undo", "Redo"))
        self._undo_button, self._redo_button = buttons  # found once: it looks through all of the editor
        self._give_node()

    def _give_node(self) -> None:
        """The node, before the scene."""
        self.node = _editor_node()
        self.widget.setMRMLSegmentEditorNode(self.node)
        self.widget.setMRMLScene(slicer.mrmlScene)

    def follow_scene(self) -> None:
        """After a scene was closed the editor gets a node of the new one."""
        if self.widget is None:
            return
        if self.node.GetScene() is None:
            self._give_node()
        _keep_others(self.node)  # a scene that is closed keeps the node, with Slicer's defaults

    def let_go(self) -> None:
        """The plan, or the whole scene, is gone."""
        if self.widget is not None:
            self.widget.setSegmentationNode(None)  # and with it the volume

    def close(self) -> None:
        """Releases the scene."""
        if self.widget is not None:
            self.widget.setMRMLScene(None)

    @property
    def drawing(self) -> bool:
        """Whether an effect is chosen: the next stroke may come at any moment."""
        return self.node is not None and bool(self.node.GetActiveEffectName())

    @property
    def tool(self) -> tuple[str, str]:
        """The effect that is chosen, and the segment that it draws; empty without one."""
        return (
            (self.node.GetActiveEffectName() or "", self.node.GetSelectedSegmentID() or "")
            if self.drawing
            else ("", "")
        )

    def take_up(self, tool: tuple[str, str]) -> None:
        """Goes on with a `tool` in another segmentation: Slicer lays it down when it gets one."""
        effect, segment_id = tool
        if not effect or self.widget is None or self.node.GetSegmentationNode() is None:
            return
        if self.node.GetSegmentationNode().GetSegmentation().GetSegment(segment_id) is not None:
            self.widget.setCurrentSegmentID(segment_id)
        self.widget.setActiveEffectByName(effect)

    # ---- undo ----

    def save_state(self, segmentation: Any) -> None:
        """Before the panel changes a plan: undo returns to what it is now, and to nothing earlier."""
        self.edit(segmentation).saveStateForUndo()
        self._asked = True

    def was_asked(self) -> bool:
        """Whether what has just changed was asked for as it is: by a button of the panel, or by undo; asked once."""
        asked, self._asked = self._asked, False
        return asked or (self.widget is not None and bool(self._redo_button.enabled))

    def can_undo(self, segmentation: Any) -> bool:
        """Whether there is an edit of this plan to take back."""
        if self.widget is None or self.node.GetSegmentationNode() is not segmentation:
            return False
        return bool(self._undo_button.enabled)

    def undo(self) -> None:
        """Takes back the last edit of the plan, whichever section made it."""
        if self.widget is not None:
            self.widget.undo()


def _editor_node() -> Any:
    node = slicer.mrmlScene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(EDITOR_TAG)
        _keep_others(node)
        node = slicer.mrmlScene.AddNode(node)
    return node


def _keep_others(node: Any) -> None:
    """Structures are nested: with Slicer's default an edit of the liver would take all that is inside it."""
    node.SetOverwriteMode(node.OverwriteNone)
