"""Stand-ins for qMRMLTableView, qMRMLPlotView and qSlicerMarkupsPlaceWidget, over the real nodes."""

from __future__ import annotations

from typing import Any

from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .observing import Observing
from .properties import stored, with_setters
from .qmrml_basic import check_scene, qMRMLWidget


class qMRMLTableView(Observing, QtWidgets.QTableView):
    """A table node's columns and rows; a cell that is edited is written to the node, unless that is locked."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._filling = False
        self._model = QtGui.QStandardItemModel(self)
        self.setModel(self._model)
        self._model.itemChanged.connect(self._edited)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = check_scene(scene)
        if scene is None:
            self.setMRMLTableNode(None)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLTableNode(self, node: Any) -> None:
        if node is not None and not node.IsA("vtkMRMLTableNode"):
            raise TypeError(f"setMRMLTableNode takes a vtkMRMLTableNode, not a {node.GetClassName()}")
        self._observe_nothing()
        self._node = node
        if node is not None:
            self._observe(node, "ModifiedEvent", "_fill")
        self._fill()

    def mrmlTableNode(self) -> Any:
        return self._node

    def _fill(self, *_: Any) -> None:
        self._filling = True
        self._model.clear()
        table = self._node.GetTable() if self._node is not None else None
        columns = range(table.GetNumberOfColumns()) if table is not None else ()
        titles = [self._node.GetColumnTitle(table.GetColumnName(c)) or table.GetColumnName(c) for c in columns]
        self._model.setHorizontalHeaderLabels(titles)
        for row in range(table.GetNumberOfRows() if table is not None else 0):
            items = [QtGui.QStandardItem(table.GetValue(row, c).ToString()) for c in columns]
            for item in items:
                item.setEditable(not self._node.GetLocked())
            self._model.appendRow(items)
        self._filling = False

    def _edited(self, item: QtGui.QStandardItem) -> None:
        if not self._filling:
            self._node.SetCellText(item.row(), item.column(), item.text())

    def copySelection(self) -> None:
        """Puts the chosen cells on the clipboard, with tabs between them."""
        rows: dict[int, list[str]] = {}
        for index in sorted(self.selectedIndexes(), key=lambda i: (i.row(), i.column())):
            rows.setdefault(index.row(), []).append(index.data())
        text = "\n".join("\t".join(cells) for cells in rows.values())
        QtWidgets.QApplication.clipboard().setText(text)

    def _flag(name: str) -> Property:
        get = f"GetUse{name}"
        return Property(bool, lambda self: bool(self._node is not None and getattr(self._node, get)()))

    transposed = stored(bool, False)
    firstRowLocked = stored(bool, False)
    firstColumnLocked = _flag("FirstColumnAsRowHeader")
    del _flag


class qMRMLPlotView(Observing, QtWidgets.QWidget):
    """The chart of a plot view node, drawn by VTK's charts."""

    mrmlSceneChanged = Signal(object)
    dataSelected = Signal(object, object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._follows = False
        self.setMinimumSize(120, 80)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = check_scene(scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLPlotViewNode(self, node: Any) -> None:
        if node is not None and not node.IsA("vtkMRMLPlotViewNode"):
            raise TypeError(f"setMRMLPlotViewNode takes a vtkMRMLPlotViewNode, not a {node.GetClassName()}")
        self._observe_nothing()
        self._node = node
        if node is not None:
            self._observe(node, "ModifiedEvent", "_changed")
        self.update()

    def mrmlPlotViewNode(self) -> Any:
        if self._node is None and self._follows:
            self.setMRMLPlotViewNode(self._scene.GetFirstNodeByClass("vtkMRMLPlotViewNode"))
        return self._node

    def follow_scene(self, scene: Any) -> None:
        """Of the host: shows the plot view node of the layout, once there is one."""
        self._follows = True
        self.setMRMLScene(scene)

    def fitToContent(self) -> None:
        """The axes always fit."""

    def _changed(self, *_: Any) -> None:
        self.update()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        from ..charts import draw

        node = self.mrmlPlotViewNode()
        chart = node.GetPlotChartNode() if node is not None else None
        # Drawn first: an error while a painter is open ends the process when Qt next paints.
        picture = draw(chart, (self.width, self.height)) if chart is not None else None
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect, QtGui.QColor("white"))
        if picture is not None:
            painter.drawImage(0, 0, picture)
        painter.end()


@with_setters
class qSlicerMarkupsPlaceWidget(Observing, qMRMLWidget):
    """Turns the mouse's place mode on and off for one markups node, by the real interaction and selection nodes."""

    ForcePlaceSingleMarkup, ForcePlaceMultipleMarkups, HidePlaceMultipleMarkupsOption = 0, 1, 2
    ShowPlaceMultipleMarkupsOption = 3
    activeMarkupsPlaceModeChanged = Signal(bool)
    activeMarkupsFiducialPlaceModeChanged = Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._was = False
        self._place, self._delete = QtWidgets.QToolButton(), QtWidgets.QToolButton()
        self._place.setText("Place")
        self._place.setCheckable(True)
        self._delete.setText("Delete")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._place)
        layout.addWidget(self._delete)
        self._place.clicked.connect(self.setPlaceModeEnabled)
        self._delete.clicked.connect(lambda *_: self.deleteLastPoint())
        self._show()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._observe_nothing()
        for node in (self.interactionNode(), self.selectionNode()):
            if node is not None:
                self._observe(node, "ModifiedEvent", "_show")
        self._show()

    def interactionNode(self) -> Any:
        scene = self.mrmlScene()
        return scene.GetSingletonNode("Singleton", "vtkMRMLInteractionNode") if scene is not None else None

    def selectionNode(self) -> Any:
        scene = self.mrmlScene()
        return scene.GetSingletonNode("Singleton", "vtkMRMLSelectionNode") if scene is not None else None

    def setCurrentNode(self, node: Any) -> None:
        if node is not None and not node.IsA("vtkMRMLMarkupsNode"):
            raise TypeError(f"setCurrentNode takes a vtkMRMLMarkupsNode, not a {node.GetClassName()}")
        self._node = node
        self._show()

    def currentNode(self) -> Any:
        return self._node

    currentMarkupsNode = currentNode

    def _active(self) -> bool:
        selection = self.selectionNode()
        if self._node is None or selection is None:
            return False
        return selection.GetActivePlaceNodeID() == self._node.GetID()

    def setCurrentNodeActive(self, active: bool) -> None:
        if active and self._node is not None:
            self.selectionNode().SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            self.selectionNode().SetActivePlaceNodeID(self._node.GetID())

    def _placing(self) -> bool:
        interaction = self.interactionNode()
        return self._active() and interaction.GetCurrentInteractionMode() == interaction.Place

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        if self._node is None or self.mrmlScene() is None:
            if enabled:
                raise RuntimeError("setPlaceModeEnabled: the widget has no markups node or no scene")
            return
        interaction = self.interactionNode()
        if enabled:
            self.setCurrentNodeActive(True)
            interaction.SetPlaceModePersistence(self.placeMultipleMarkups == self.ForcePlaceMultipleMarkups)
            interaction.SetCurrentInteractionMode(interaction.Place)
        elif self._placing():
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._show()

    def _show(self, *_: Any) -> None:
        placing = self._placing()
        self._place.setChecked(placing)
        for button in (self._place, self._delete):
            button.setEnabled(self._node is not None)
        if placing != self._was:
            self._was = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)
            self.activeMarkupsFiducialPlaceModeChanged.emit(placing)

    def placeButton(self) -> QtWidgets.QToolButton:
        return self._place

    def deleteButton(self) -> QtWidgets.QToolButton:
        return self._delete

    def deleteLastPoint(self) -> None:
        if self._node is not None and self._node.GetNumberOfControlPoints() > 0:
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def deleteAllPoints(self) -> None:
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    def _show_buttons(self) -> None:
        for button in (self._place, self._delete):
            button.setVisible(self.buttonsVisible)

    placeModeEnabled = Property(bool, _placing, setPlaceModeEnabled)
    currentNodeActive = Property(bool, _active, setCurrentNodeActive)
    placeMultipleMarkups = stored(int, ShowPlaceMultipleMarkupsOption)
    placeModePersistency = stored(bool, False)
    buttonsVisible = stored(bool, True, after="_show_buttons")
    deleteAllControlPointsOptionVisible = stored(bool, True)
    unsetLastControlPointOptionVisible = stored(bool, False)
    unsetAllControlPointsOptionVisible = stored(bool, False)
    defaultNodeColor = stored(QtGui.QColor, QtGui.QColor(0, 255, 0))
    nodeColor = stored(QtGui.QColor, QtGui.QColor(0, 255, 0))
