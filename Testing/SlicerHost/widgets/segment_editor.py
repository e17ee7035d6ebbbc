"""Stand-in for qMRMLSegmentEditorWidget: MRML's real segment editor logic under a simple panel.

Segmentation, volume, segment, masking, modification and undo are the logic's. Effects are C++ and Python plugins of
the application, which are not here: an effect has its name and its parameters only, and a test edits in its place by
`SlicerHost.edit_segment`.
"""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .observing import Observing
from .properties import stored, with_setters
from .qmrml_basic import qMRMLWidget
from .segment_editor_panel import COLUMNS, EFFECTS, EditorPanel, Effect
from .segments_table import segment_ids


@with_setters
class qMRMLSegmentEditorWidget(Observing, EditorPanel, qMRMLWidget):
    """As Slicer's, without effects that do anything. It does not create an editor node by itself either."""

    currentSegmentIDChanged = Signal(str)
    sourceVolumeNodeChanged = Signal(object)
    segmentationNodeChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        import slicer

        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._node: Any = None
        self._shown: tuple[Any, Any, str] = (None, None, "")
        self._effects = {name: Effect(name, self) for name in EFFECTS}
        self._order: list[str] = []
        self._shortcuts: list[QtGui.QShortcut] = []
        self._views_observed = False
        self._build()
        self._observe_logic()

    def _observe_logic(self) -> None:
        self._observe(self._logic, self._logic.SegmentationHistoryChangedEvent, "_show_undo")

    # ---- scene and nodes ----

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._logic.SetMRMLScene(scene)
        for part in (self._segmentations, self._volumes, self._table):
            part.setMRMLScene(scene)
        if scene is not None:
            self._observe(scene, scene.EndCloseEvent, "updateWidgetFromMRML")
        self.updateWidgetFromMRML()

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is not None and not node.IsA("vtkMRMLSegmentEditorNode"):
            raise TypeError(f"setMRMLSegmentEditorNode takes a vtkMRMLSegmentEditorNode, not {node.GetClassName()}")
        if node is self._node:
            return
        self._observe_nothing()
        self._observe_logic()
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        if node is not None:
            self._observe(node, "ModifiedEvent", "updateWidgetFromMRML")
        if self.mrmlScene() is not None:
            self._observe(self.mrmlScene(), self.mrmlScene().EndCloseEvent, "updateWidgetFromMRML")
        self.updateWidgetFromMRML()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def _require_node(self, what: str) -> None:
        if self._node is None:
            raise RuntimeError(f"{what}: give the editor a segment editor node first; Slicer only logs this")

    def setSegmentationNode(self, node: Any) -> None:
        if node is None and self._node is None:
            return
        self._require_node("setSegmentationNode")
        if node is self._logic.GetSegmentationNode():
            return
        self._logic.SetSegmentationNode(node)
        self.setActiveEffect(None)
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._logic.GetSegmentationNode()

    def setSegmentationNodeID(self, node_id: str) -> None:
        self.setSegmentationNode(self.mrmlScene().GetNodeByID(node_id))

    def segmentationNodeID(self) -> str:
        node = self.segmentationNode()
        return node.GetID() if node is not None else ""

    def _choose_volume(self, node: Any) -> None:
        if self._node is not None and self.segmentationNode() is not None:
            self.setSourceVolumeNode(node)

    def setSourceVolumeNode(self, node: Any) -> None:
        if node is None and self._node is None:
            return
        self._require_node("setSourceVolumeNode")
        if node is not None and self.segmentationNode() is None:
            raise RuntimeError("setSourceVolumeNode: set the segmentation node first; Slicer only logs this")
        self._logic.SetSourceVolumeNode(node)
        self.updateWidgetFromMRML()

    def sourceVolumeNode(self) -> Any:
        return self._logic.GetSourceVolumeNode()

    def setSourceVolumeNodeID(self, node_id: str) -> None:
        self.setSourceVolumeNode(self.mrmlScene().GetNodeByID(node_id))

    def sourceVolumeNodeID(self) -> str:
        node = self.sourceVolumeNode()
        return node.GetID() if node is not None else ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment_id)

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node is not None else ""

    def _row_chosen(self, *_: Any) -> None:
        chosen = self._table.selectedSegmentIDs()
        if chosen and chosen[0] != self.currentSegmentID():
            self.setCurrentSegmentID(chosen[0])

    def updateWidgetFromMRML(self, *_: Any) -> None:
        """Shows the editor node; a segmentation's first segment is chosen where none is."""
        segmentation, volume = self.segmentationNode(), self.sourceVolumeNode()
        ids = segment_ids(segmentation)
        if self._node is not None and ids and self.currentSegmentID() not in ids:
            self._node.SetSelectedSegmentID(ids[0])
        for box, node in ((self._segmentations, segmentation), (self._volumes, volume)):
            blocked = box.blockSignals(True)
            box.setCurrentNode(node)
            box.blockSignals(blocked)
        if self._table.segmentationNode() is not segmentation:
            self._table.setSegmentationNode(segmentation)
            self._show_3d.setSegmentationNode(segmentation)
        self._table.setSelectedSegmentIDs([self.currentSegmentID()])
        for name, button in self._buttons.items():
            button.setChecked(self._node is not None and self._node.GetActiveEffectName() == name)
            button.setEnabled(segmentation is not None and volume is not None and not self.readOnly)
        self._show_undo()
        self._tell(segmentation, volume)

    def _tell(self, segmentation: Any, volume: Any) -> None:
        before, self._shown = self._shown, (segmentation, volume, self.currentSegmentID())
        if before[0] is not segmentation:
            self.segmentationNodeChanged.emit(segmentation)
        if before[1] is not volume:
            self.sourceVolumeNodeChanged.emit(volume)
        if before[2] != self._shown[2]:
            self.currentSegmentIDChanged.emit(self._shown[2])

    # ---- effects ----

    def effectByName(self, name: str) -> Effect | None:
        return self._effects.get(name)

    def effectByIndex(self, index: int) -> Effect | None:
        return self._effects.get(self.availableEffectNames()[index])

    def effectCount(self) -> int:
        return len(self._effects)

    def availableEffectNames(self) -> list[str]:
        return list(self._effects)

    def setEffectNameOrder(self, names: Any) -> None:
        """Slicer ignores names that it does not know; here they are an error, so that a typing error is seen."""
        unknown = [n for n in names if n not in self._effects]
        if unknown:
            raise ValueError(f"There is no effect {', '.join(unknown)}")
        self._order = list(names)
        self._place_effects()

    def effectNameOrder(self) -> list[str]:
        return list(self._order)

    def activeEffect(self) -> Effect | None:
        return self._effects.get(self._node.GetActiveEffectName() or "") if self._node is not None else None

    def setActiveEffect(self, effect: Effect | None) -> None:
        if self._node is None and effect is None:
            return
        self._require_node("setActiveEffect")
        self._node.SetActiveEffectName(effect.name if effect is not None else "")

    def setActiveEffectByName(self, name: str) -> None:
        if name and name not in self._effects:
            raise ValueError(f"There is no effect {name!r}")
        self.setActiveEffect(self._effects.get(name))

    def updateEffectList(self) -> None:
        self._place_effects()

    # ---- undo ----

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()

    def redo(self) -> None:
        self._logic.Redo()

    def _show_undo(self, *_: Any) -> None:
        self._undo.setEnabled(self._logic.CanUndo())
        self._redo.setEnabled(self._logic.CanRedo())

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        self._logic.SetMaximumNumberOfUndoStates(count)

    maximumNumberOfUndoStates = Property(
        int, lambda self: self._logic.GetMaximumNumberOfUndoStates(), setMaximumNumberOfUndoStates
    )

    # ---- views and keys: only whether they are taken ----

    def setupViewObservations(self) -> None:
        self._views_observed = True

    def removeViewObservations(self) -> None:
        self._views_observed = False

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        import slicer

        self.uninstallKeyboardShortcuts()
        for key, slot in (("Z", self.undo), ("Y", self.redo)):
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), parent or slicer.util.mainWindow())
            shortcut.activated.connect(slot)
            self._shortcuts.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        while self._shortcuts:
            self._shortcuts.pop().deleteLater()

    def rotateSliceViewsToSegmentation(self) -> None:
        """Slice views are not turned here."""

    segmentationNodeSelectorVisible = stored(bool, True, after="_show_parts")
    sourceVolumeNodeSelectorVisible = stored(bool, True, after="_show_parts")
    addRemoveSegmentButtonsVisible = stored(bool, True, after="_show_parts")
    show3DButtonVisible = stored(bool, True, after="_show_parts")
    undoEnabled = stored(bool, True, after="_show_parts")
    maskingSectionVisible = stored(bool, True)
    specifyGeometryButtonVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    readOnly = stored(bool, False, after="updateWidgetFromMRML")
    effectButtonStyle = stored(object, QtCore.Qt.ToolButtonTextUnderIcon)
    effectColumnCount = stored(int, COLUMNS)
    unorderedEffectsVisible = stored(bool, True, after="_place_effects")
    defaultTerminologyEntry = stored(str, "")
    defaultTerminologyEntrySettingsKey = stored(str, "")
    jumpToSelectedSegmentEnabled = stored(bool, False)
