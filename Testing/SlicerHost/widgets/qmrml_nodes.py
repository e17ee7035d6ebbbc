"""Stand-in for qMRMLNodeComboBox: the nodes of a scene to choose from."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from .observing import Observing
from .properties import stored, with_setters
from .qmrml_basic import check_scene

_NEW, _RENAME, _DELETE = "new:", "rename:", "delete:"


@with_setters
class qMRMLNodeComboBox(Observing, QtWidgets.QWidget):
    """As in Slicer 5.12: where None is not a choice, the first matching node is taken when the scene is set, but none
    that is added later; a node that does not fit leaves the selector without a node. Where the current
    node is removed, `nodeAboutToBeRemoved` tells of it, and then the one before it in the list is chosen, or none."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    currentNodeRenamed = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QComboBox()
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._scene: Any = None
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._current = ""
        self._filling = False
        self._removing: tuple[str, list[str]] = ("", [])
        self._box.currentIndexChanged.connect(self._chosen)
        self._box.activated.connect(self._activated)

    # ---- the scene ----

    def setMRMLScene(self, scene: Any) -> None:
        self._observe_nothing()
        self._scene = check_scene(scene)
        if scene is not None:
            self._observe(scene, scene.NodeAboutToBeRemovedEvent, "_on_removing", with_object=True)
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._observe(scene, event, "_fill")
        self._fill()

    def mrmlScene(self) -> Any:
        return self._scene

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        if len(self._types) == 1:
            nodes: Any = self._scene.GetNodesByClass(self._types[0])
        else:
            nodes = (self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes()))
        return [n for n in nodes if self._fits(n)]

    def _fits(self, node: Any) -> bool:
        if not any(node.IsA(t) if self.showChildNodeTypes else node.GetClassName() == t for t in self._types):
            return False
        if any(node.IsA(t) for t in self.hideChildNodeTypes) or (node.GetHideFromEditors() and not self.showHidden):
            return False
        return all(
            node.GetAttribute(name) is not None if value is None else node.GetAttribute(name) == str(value)
            for type_, name, value in self._attributes
            if node.IsA(type_)
        )

    # ---- the list ----

    def _fill(self, *event: Any) -> None:
        if self._filling:
            return
        self._filling = True
        nodes = self._nodes()
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay, "")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._box.setPlaceholderText(f"Select a {self._tag()}")
        if self._scene is not None:
            self._add_actions()
        known = [n.GetID() for n in nodes]
        keep = self._current if self._current in known else self._before_removed(known)
        if not keep and known and not self.noneEnabled and not event:
            keep = known[0]
        self._filling = False
        self._show(keep)

    def _on_removing(self, _scene: Any, _event: Any, node: Any) -> None:
        known = [n.GetID() for n in self._nodes()]
        if node.GetID() not in known or self._scene.IsClosing():
            return
        self.nodeAboutToBeRemoved.emit(node)
        self._removing = (node.GetID(), known[: known.index(node.GetID())])

    def _before_removed(self, known: list[str]) -> str:
        """The node before one that was current and is removed; none where that was the first."""
        removed, before = self._removing
        self._removing = ("", [])
        if not removed or removed != self._current:
            return ""
        if not before and not self.noneEnabled:
            return known[0] if known else ""
        return before[-1] if before else ""

    def _add_actions(self) -> None:
        for type_ in self._types if self.addEnabled else ():
            self._box.addItem(f"Create new {self._tag(type_)}", _NEW + type_)
        if self.renameEnabled:
            self._box.addItem(f"Rename current {self._tag()}", _RENAME)
        if self.removeEnabled:
            self._box.addItem(f"Delete current {self._tag()}", _DELETE)

    def _tag(self, type_: str | None = None) -> str:
        type_ = type_ or (self._types[0] if self._types else "vtkMRMLNode")
        return type_.removeprefix("vtkMRML").removesuffix("Node")

    def _show(self, node_id: str) -> None:
        """Shows a node or, for an empty text, none, and tells of the change."""
        blocked = self._box.blockSignals(True)
        self._box.setCurrentIndex(self._box.findData(node_id))
        self._box.blockSignals(blocked)
        if node_id != self._current:
            self._current = node_id
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id)

    def _chosen(self, index: int) -> None:
        data = self._box.itemData(index) or ""
        if not self._filling and not data.startswith((_NEW, _RENAME, _DELETE)):
            self._show(data)

    def _activated(self, index: int) -> None:
        data = self._box.itemData(index) or ""
        if data.startswith(_NEW):
            self._show(self._current)
            self.addNode(data.removeprefix(_NEW))
        elif data == _DELETE:
            self.removeCurrentNode()
        elif data == _RENAME:
            self.renameCurrentNode()
        self.nodeActivated.emit(self.currentNode())

    # ---- what modules call ----

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else (node.GetID() if node is not None else "") or "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        """A node that does not fit leaves the selector without one, as in Slicer."""
        node_id = node_id or ""
        node = self._scene.GetNodeByID(node_id) if self._scene is not None and node_id else None
        fits = node is not None and self._fits(node)
        if fits and self._box.findData(node_id) < 0:
            self._fill(None)
        self._show(node_id if fits else "")

    def setCurrentNodeIndex(self, index: int) -> None:
        nodes = self._nodes()
        self._show(nodes[index].GetID() if 0 <= index < len(nodes) else "")

    def addNode(self, type_: str | None = None) -> Any:
        """A new node, as by "Create new": it becomes the current one, unless `selectNodeUponCreation` is off."""
        type_ = type_ or self._types[0]
        if self._scene is None:
            raise RuntimeError(f"{self.objectName} has no scene: its .ui file does not connect it")
        name = self._scene.GenerateUniqueName(self.baseName or self._tag(type_))
        self._filling = True  # the attributes by which a node fits come after it is in the scene
        node = self._scene.AddNewNodeByClass(type_, name)
        for fitting, attribute, value in self._attributes:
            if node.IsA(fitting):
                node.SetAttribute(attribute, str(value) if value is not None else "")
        self._filling = False
        self._fill()
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAdded.emit(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        node = self.currentNode()
        if node is not None:
            self._scene.RemoveNode(node)

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is not None:
            name = QtWidgets.QInputDialog.getText(self, "Rename", "New name:")
            if name:
                node.SetName(name)
                self._fill()
                self.currentNodeRenamed.emit(name)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def addAttribute(self, type_: str, name: str, value: Any = None) -> None:
        self._attributes.append((type_, name, value))
        self._fill()

    def removeAttribute(self, type_: str, name: str) -> None:
        self._attributes = [a for a in self._attributes if a[:2] != (type_, name)]
        self._fill()

    def _set_types(self, types: Any) -> None:
        self._types = list(types)
        self._fill()

    # A tuple, as PythonQt gives for a QStringList.
    nodeTypes = Property("QStringList", lambda self: tuple(self._types), _set_types)
    currentNodeID = Property(str, lambda self: self._current, setCurrentNodeID)
    noneEnabled = stored(bool, False, after="_fill")
    noneDisplay = stored(str, "None", after="_fill")
    addEnabled = stored(bool, True, after="_fill")
    removeEnabled = stored(bool, True, after="_fill")
    renameEnabled = stored(bool, False, after="_fill")
    editEnabled = stored(bool, False)
    showHidden = stored(bool, False, after="_fill")
    showChildNodeTypes = stored(bool, True, after="_fill")
    hideChildNodeTypes = stored("QStringList", [], after="_fill")
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    interactionNodeSingletonTag = stored(str, "")
    sizeAdjustPolicy = stored(int, 0)
