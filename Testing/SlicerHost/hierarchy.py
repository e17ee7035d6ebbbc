"""Items of the subject hierarchy, which the application's plugins make for every node that a user can see.

Without them `GetItemByDataNode` gives nothing for a volume that was just loaded, which never happens in Slicer.
"""

from __future__ import annotations

from typing import Any

_SHOWN = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLTransformNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLSequenceNode",
)


class HierarchyKeeper:
    """Adds an item with a node, and removes it with the node."""

    def __init__(self, scene: Any) -> None:
        import vtk

        self._scene = scene

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_scene: Any, _event: str, node: Any) -> None:
            if not scene.IsImporting() and not scene.IsClosing():
                self._add(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removed(_scene: Any, _event: str, node: Any) -> None:
            if not scene.IsClosing():
                self._remove(node)

        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, added),
            scene.AddObserver(scene.NodeAboutToBeRemovedEvent, removed),
            scene.AddObserver(scene.EndImportEvent, self._add_all),
        ]

    def _add(self, node: Any) -> None:
        temporary = (node.GetName() or "").startswith("__")
        if node.GetHideFromEditors() or temporary or not any(node.IsA(c) for c in _SHOWN):
            return
        hierarchy = self._scene.GetSubjectHierarchyNode()
        if hierarchy is not None and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _remove(self, node: Any) -> None:
        hierarchy = self._scene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByDataNode(node) if hierarchy is not None and hierarchy is not node else 0
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _add_all(self, *_: Any) -> None:
        for index in range(self._scene.GetNumberOfNodes()):
            self._add(self._scene.GetNthNode(index))

    def stop(self) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
