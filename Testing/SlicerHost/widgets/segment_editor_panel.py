"""The look of the Segment Editor's stand-in, and its effects, which have a name and parameters but do nothing."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import QObject

from .qmrml_nodes import qMRMLNodeComboBox
from .segment_selectors import qMRMLSegmentationShow3DButton
from .segments_table import qMRMLSegmentsTableView

EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices", "Margin",
    "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
)  # fmt: skip
COLUMNS = 3


class Effect(QObject):
    """A segment editor effect: its name, and its parameters in the editor's node under `<effect>.<name>`."""

    def __init__(self, name: str, editor: Any) -> None:
        super().__init__(editor)
        self._effect_name, self._editor = name, editor

    def parameterSetNode(self) -> Any:
        return self._editor.mrmlSegmentEditorNode()

    def setParameter(self, name: str, value: Any) -> None:
        self.parameterSetNode().SetAttribute(f"{self._effect_name}.{name}", str(value))

    def parameter(self, name: str) -> str:
        return self.parameterSetNode().GetAttribute(f"{self._effect_name}.{name}") or ""

    def integerParameter(self, name: str) -> int:
        return int(self.parameter(name) or 0)

    def doubleParameter(self, name: str) -> float:
        return float(self.parameter(name) or 0)

    def setCommonParameter(self, name: str, value: Any) -> None:
        self.parameterSetNode().SetAttribute(name, str(value))

    def self(self) -> Any:
        """The Python object of a scripted effect, which only the application has."""
        raise NotImplementedError(f"The effect {self._effect_name} is a plugin of the application; the host has none")

    name = property(lambda self: self._effect_name)
    title = name


class EditorPanel:
    """Mixed into the editor: makes its parts and shows those that its properties say."""

    def _build(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._segmentations, self._volumes = qMRMLNodeComboBox(), qMRMLNodeComboBox()
        self._segmentations.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._volumes.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        form = QtWidgets.QFormLayout()
        self._labels = [QtWidgets.QLabel("Segmentation:"), QtWidgets.QLabel("Source volume:")]
        for label, box in zip(self._labels, (self._segmentations, self._volumes), strict=True):
            box.noneEnabled, box.addEnabled = True, False
            form.addRow(label, box)
        layout.addLayout(form)
        self._segmentations.currentNodeChanged.connect(lambda node: self.setSegmentationNode(node))
        self._volumes.currentNodeChanged.connect(lambda node: self._choose_volume(node))
        layout.addLayout(self._segment_row())
        self._table = qMRMLSegmentsTableView()
        self._table.opacityColumnVisible = False
        self._table.selectionChanged.connect(self._row_chosen)
        layout.addWidget(self._table)
        self._effect_grid = QtWidgets.QGridLayout()
        self._buttons = {name: self._effect_button(name) for name in EFFECTS}
        layout.addWidget(QtWidgets.QLabel("Effects"))
        layout.addLayout(self._effect_grid)
        self._place_effects()
        layout.addLayout(self._undo_row())

    def _segment_row(self) -> QtWidgets.QHBoxLayout:
        row = QtWidgets.QHBoxLayout()
        self._add, self._remove = QtWidgets.QPushButton("Add"), QtWidgets.QPushButton("Remove")
        self._show_3d = qMRMLSegmentationShow3DButton()
        self._add.clicked.connect(lambda *_: self._logic.AddEmptySegment("", 0))
        self._remove.clicked.connect(lambda *_: self._logic.RemoveSelectedSegment())
        for button in (self._add, self._remove, self._show_3d):
            row.addWidget(button)
        return row

    def _undo_row(self) -> QtWidgets.QHBoxLayout:
        row = QtWidgets.QHBoxLayout()
        self._undo, self._redo = QtWidgets.QPushButton("Undo"), QtWidgets.QPushButton("Redo")
        self._undo.setObjectName("UndoButton")  # as in Slicer
        self._redo.setObjectName("RedoButton")
        self._undo.clicked.connect(lambda *_: self.undo())
        self._redo.clicked.connect(lambda *_: self.redo())
        row.addWidget(self._undo)
        row.addWidget(self._redo)
        return row

    def _effect_button(self, name: str) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(name)
        button.setCheckable(True)
        button.clicked.connect(lambda on: self.setActiveEffectByName(name if on else ""))
        return button

    def _place_effects(self) -> None:
        ordered = [n for n in self._order if n in self._buttons]
        others = [n for n in EFFECTS if n not in ordered] if self.unorderedEffectsVisible else []
        for name, button in self._buttons.items():
            self._effect_grid.removeWidget(button)
            button.setVisible(name in ordered + others)
        for place, name in enumerate(ordered + others):
            self._effect_grid.addWidget(self._buttons[name], place // COLUMNS, place % COLUMNS)

    def _show_parts(self) -> None:
        for number, (box, visible) in enumerate(
            ((self._segmentations, self.segmentationNodeSelectorVisible),
             (self._volumes, self.sourceVolumeNodeSelectorVisible))
        ):  # fmt: skip
            box.setVisible(visible)
            self._labels[number].setVisible(visible)
        for button in (self._add, self._remove):
            button.setVisible(self.addRemoveSegmentButtonsVisible)
        self._show_3d.setVisible(self.show3DButtonVisible)
        for button in (self._undo, self._redo):
            button.setVisible(self.undoEnabled)
