"""Stand-in for the table of segments; what it shows is the segmentation node itself."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .observing import Observing
from .properties import stored, with_setters
from .qmrml_basic import qMRMLWidget

_EYE, _COLOR, _OPACITY, _NAME = range(4)


def segment_ids(node: Any) -> list[str]:
    """The identifiers of a segmentation node's segments, in order."""
    if node is None:
        return []
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())]


def check_segmentation(node: Any) -> Any:
    """A segmentation node or None, or the TypeError of PythonQt."""
    if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
        raise TypeError(f"setSegmentationNode takes a vtkMRMLSegmentationNode, not a {node.GetClassName()}")
    return node


@with_setters
class qMRMLSegmentsTableView(Observing, qMRMLWidget):
    """Eye, color, opacity and name of each segment. The eye and the name can be clicked."""

    selectionChanged = Signal(QtCore.QItemSelection, QtCore.QItemSelection)
    segmentAboutToBeModified = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._hidden: list[str] = []
        self._filling = False
        self._table = QtWidgets.QTableWidget(0, 4, self)
        self._table.setHorizontalHeaderLabels(["", "", "Opacity", "Name"])
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        for column, width in ((_EYE, 28), (_COLOR, 28), (_OPACITY, 60)):
            self._table.setColumnWidth(column, width)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._table.itemChanged.connect(self._edited)
        self._table.selectionModel().selectionChanged.connect(self.selectionChanged.emit)

    def setSegmentationNode(self, node: Any) -> None:
        self._observe_nothing()
        self._node = check_segmentation(node)
        if node is not None:
            import slicer

            events = slicer.vtkSegmentation
            for event in (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified):
                self._observe(node, event, "_fill")
            self._observe(node, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, "_fill")
        self._fill()

    def segmentationNode(self) -> Any:
        return self._node

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        if scene is None or (self._node is not None and self._node.GetScene() is not scene):
            self.setSegmentationNode(None)

    def tableWidget(self) -> QtWidgets.QTableWidget:
        return self._table

    # ---- the rows ----

    def _fill(self, *_: Any) -> None:
        chosen = self.selectedSegmentIDs()
        self._filling = True
        ids = [i for i in segment_ids(self._node) if i not in self._hidden and self._passes(i)]
        self._table.setRowCount(len(ids))
        for row, segment_id in enumerate(ids):
            self._fill_row(row, segment_id)
        self._filling = False
        blocked = self._table.selectionModel().blockSignals(True)
        self.setSelectedSegmentIDs(chosen)
        self._table.selectionModel().blockSignals(blocked)
        self._set_columns()

    def _passes(self, segment_id: str) -> bool:
        return self.textFilter.lower() in self._node.GetSegmentation().GetSegment(segment_id).GetName().lower()

    def _fill_row(self, row: int, segment_id: str) -> None:
        segment = self._node.GetSegmentation().GetSegment(segment_id)
        display = self._node.GetDisplayNode()
        eye, color = QtWidgets.QTableWidgetItem(), QtWidgets.QTableWidgetItem()
        eye.setFlags(QtCore.Qt.ItemIsEnabled | QtCore.Qt.ItemIsSelectable | QtCore.Qt.ItemIsUserCheckable)
        visible = display is None or display.GetSegmentVisibility(segment_id)
        eye.setCheckState(QtCore.Qt.Checked if visible else QtCore.Qt.Unchecked)
        eye.setData(QtCore.Qt.UserRole, segment_id)
        color.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
        opacity = QtWidgets.QTableWidgetItem(
            "" if display is None else f"{display.GetSegmentOpacity3D(segment_id):.2f}"
        )
        name = QtWidgets.QTableWidgetItem(segment.GetName())
        for item in (color, opacity) + ((name,) if self.readOnly else ()):
            item.setFlags(QtCore.Qt.ItemIsEnabled | QtCore.Qt.ItemIsSelectable)
        for column, item in enumerate((eye, color, opacity, name)):
            self._table.setItem(row, column, item)

    def _edited(self, item: QtWidgets.QTableWidgetItem) -> None:
        if self._filling:
            return
        segment_id = self.segmentIDForRow(item.row())
        self.segmentAboutToBeModified.emit(segment_id)
        if item.column() == _EYE:
            visible = item.checkState() == QtCore.Qt.Checked
            self._node.GetDisplayNode().SetSegmentVisibility(segment_id, visible)
        elif item.column() == _NAME:
            self._node.GetSegmentation().GetSegment(segment_id).SetName(item.text())

    def _set_columns(self) -> None:
        shown = (self.visibilityColumnVisible, self.colorColumnVisible, self.opacityColumnVisible, True)
        for column, visible in enumerate(shown):
            self._table.setColumnHidden(column, not visible)
        self._table.horizontalHeader().setVisible(self.headerVisible)

    # ---- the choice ----

    def segmentIDForRow(self, row: int) -> str:
        item = self._table.item(row, _EYE)
        return item.data(QtCore.Qt.UserRole) if item is not None else ""

    def rowForSegmentID(self, segment_id: str) -> int:
        rows = range(self._table.rowCount)
        return next((r for r in rows if self.segmentIDForRow(r) == segment_id), -1)

    def displayedSegmentIDs(self) -> list[str]:
        return [self.segmentIDForRow(r) for r in range(self._table.rowCount)]

    def selectedSegmentIDs(self) -> list[str]:
        rows = sorted({i.row() for i in self._table.selectionModel().selectedRows()})
        return [self.segmentIDForRow(r) for r in rows]

    def setSelectedSegmentIDs(self, ids: Any) -> None:
        self._table.clearSelection()
        flags = QtCore.QItemSelectionModel.SelectionFlag
        for row in (self.rowForSegmentID(i) for i in ids):
            if row >= 0:
                index = self._table.model().index(row, 0)
                self._table.selectionModel().select(index, flags.Select | flags.Rows)

    def clearSelection(self) -> None:
        self._table.clearSelection()

    def setHideSegments(self, ids: Any) -> None:
        self._hidden = list(ids)
        self._fill()

    def hideSegments(self) -> list[str]:
        return list(self._hidden)

    def showOnlySelectedSegments(self) -> None:
        chosen = self.selectedSegmentIDs()
        for segment_id in segment_ids(self._node):
            self._node.GetDisplayNode().SetSegmentVisibility(segment_id, segment_id in chosen)

    def _set_mode(self, mode: Any) -> None:
        self._table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode(mode))

    selectionMode = Property(int, lambda self: self._table.selectionMode.value, _set_mode)
    segmentCount = Property(int, lambda self: len(segment_ids(self._node)))
    headerVisible = stored(bool, True, after="_set_columns")
    visibilityColumnVisible = stored(bool, True, after="_set_columns")
    colorColumnVisible = stored(bool, True, after="_set_columns")
    opacityColumnVisible = stored(bool, True, after="_set_columns")
    statusColumnVisible = stored(bool, False)
    layerColumnVisible = stored(bool, False)
    readOnly = stored(bool, False, after="_fill")
    filterBarVisible = stored(bool, False)
    textFilter = stored(str, "", after="_fill")
    jumpToSelectedSegmentEnabled = stored(bool, False)
    useTerminologySelector = stored(bool, True)
    useTerminologySelectorSettingsKey = stored(str, "")
