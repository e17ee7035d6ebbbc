"""Stand-in for the button that makes surfaces of them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from .ctk_buttons import ctkMenuButton
from .observing import Observing
from .properties import stored, with_setters
from .segments_table import check_segmentation, segment_ids


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
