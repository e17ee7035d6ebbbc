"""Stand-ins for the choice of segments and the button that makes surfaces of them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_buttons import ctkMenuButton
from .ctk_choices import ctkCheckableComboBox
from .observing import Observing
from .properties import stored, with_setters
from .qmrml_basic import qMRMLWidget
from .qmrml_nodes import qMRMLNodeComboBox
from .segments_table import check_segmentation, segment_ids


@with_setters
class qMRMLSegmentSelectorWidget(Observing, qMRMLWidget):
    """A segmentation, and a segment (or several) of it."""

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)
    segmentSelectionChanged = Signal("QStringList")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodes, self._one, self._many = qMRMLNodeComboBox(), QtWidgets.QComboBox(), ctkCheckableComboBox()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = False
        self._layout = QtWidgets.QBoxLayout(QtWidgets.QBoxLayout.TopToBottom, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._nodes, self._one, self._many):
            self._layout.addWidget(part)
        self._many.hide()
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._one.currentIndexChanged.connect(lambda *_: self.currentSegmentChanged.emit(self.currentSegmentID()))
        self._many.checkedIndexesChanged.connect(
            lambda *_: self.segmentSelectionChanged.emit(self.selectedSegmentIDs())
        )

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._nodes.setMRMLScene(scene)

    def _node_changed(self, node: Any) -> None:
        self._observe_nothing()
        if node is not None:
            import slicer

            events = slicer.vtkSegmentation
            for event in (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified):
                self._observe(node, event, "_fill")
        self._fill()
        self.currentNodeChanged.emit(node)

    def _fill(self, *_: Any) -> None:
        chosen, ticked = self.currentSegmentID(), self.selectedSegmentIDs()
        node = self._nodes.currentNode()
        blocked = [(box, box.blockSignals(True)) for box in (self._one, self._many)]
        self._one.clear()
        self._many.clear()
        if self.noneEnabled:
            self._one.addItem("None", "")
        for segment_id in segment_ids(node):
            for box in (self._one, self._many):
                box.addItem(node.GetSegmentation().GetSegment(segment_id).GetName(), segment_id)
        for box, before in blocked:
            box.blockSignals(before)
        self._one.setCurrentIndex(max(self._one.findData(chosen), 0 if self._one.count else -1))
        self.setSelectedSegmentIDs(ticked)
        if self.currentSegmentID() != chosen:
            self.currentSegmentChanged.emit(self.currentSegmentID())

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._nodes.setCurrentNodeID(node_id)

    def currentSegmentID(self) -> str:
        return self._one.currentData or ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._one.setCurrentIndex(self._one.findData(segment_id))

    def segmentIDs(self) -> list[str]:
        return segment_ids(self.currentNode())

    def selectedSegmentIDs(self) -> list[str]:
        return [self._many.itemData(i.row()) for i in self._many.checkedIndexes()]

    def setSelectedSegmentIDs(self, ids: Any) -> None:
        for row in range(self._many.count):
            on = self._many.itemData(row) in ids
            state = QtCore.Qt.Checked if on else QtCore.Qt.Unchecked
            self._many.setCheckState(self._many.model().index(row, 0), state)

    def _set_multiple(self) -> None:
        self._one.setVisible(not self.multiSelection)
        self._many.setVisible(self.multiSelection)

    def _turn(self) -> None:
        directions = QtWidgets.QBoxLayout
        self._layout.setDirection(directions.LeftToRight if self.horizontalLayout else directions.TopToBottom)

    def _show_nodes(self, on: bool) -> None:
        self._nodes.setVisible(on)

    noneEnabled = stored(bool, False, after="_fill")
    editEnabled = stored(bool, False)
    multiSelection = stored(bool, False, after="_set_multiple")
    horizontalLayout = stored(bool, False, after="_turn")
    selectNodeUponCreation = stored(bool, True)
    segmentationNodeSelectorVisible = Property(bool, lambda self: not self._nodes.isHidden(), _show_nodes)


@with_setters
class qMRMLSegmentationShow3DButton(Observing, ctkMenuButton):
    """Makes the closed surfaces of a segmentation and shows them, or takes them away."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self.setText("Show 3D")
        self.setCheckable(True)
        self.setEnabled(False)
        self.toggled.connect(self._toggle)

    def setMRMLScene(self, scene: Any) -> None:
        if scene is None:
            self.setSegmentationNode(None)

    def setSegmentationNode(self, node: Any) -> None:
        self._observe_nothing()
        self._node = check_segmentation(node)
        if node is not None:
            import slicer

            self._observe(node, slicer.vtkSegmentation.ContainedRepresentationNamesModified, "_show")
            self._observe(node, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, "_show")
        self._show()

    def segmentationNode(self) -> Any:
        return self._node

    def _show(self, *_: Any) -> None:
        blocked = self.blockSignals(True)
        node = self._node
        self.setEnabled(node is not None and bool(segment_ids(node)))
        shown = node is not None and node.GetSegmentation().ContainsRepresentation("Closed surface")
        display = node.GetDisplayNode() if node is not None else None
        self.setChecked(bool(shown and display is not None and display.GetVisibility3D()))
        self.blockSignals(blocked)

    def _toggle(self, on: bool) -> None:
        if not on:
            self._node.RemoveClosedSurfaceRepresentation()
        elif self._node.CreateClosedSurfaceRepresentation():
            self._node.GetDisplayNode().SetPreferredDisplayRepresentationName3D("Closed surface")
            self._node.GetDisplayNode().SetVisibility3D(True)

    locked = stored(bool, False)
