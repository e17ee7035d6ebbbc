"""Stand-ins for ctk's combo boxes, line edits and text views."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .properties import stored, with_setters


@with_setters
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that can show a text while nothing is chosen, and can ignore the mouse wheel."""

    AlwaysScroll, NeverScroll, ScrollWithFocus, ScrollWithNoFocus = 0, 1, 2, 3
    defaultText = stored(str, "")
    defaultIcon = stored(QtGui.QIcon, QtGui.QIcon())
    forceDefault = stored(bool, False)
    elideMode = stored(int, 3)
    scrollWheelEffect = stored(int, 0)

    def _set_user_data(self, data: str) -> None:
        self.setCurrentIndex(self.findData(data))

    currentUserDataAsString = Property(str, lambda self: str(self.itemData(self.currentIndex) or ""), _set_user_data)


class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box whose items are ticked one by one."""

    checkedIndexesChanged = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.model().rowsInserted.connect(self._make_checkable)
        self.model().itemChanged.connect(self._item_changed)
        self._before: list[int] = []

    def _make_checkable(self, _parent: Any, first: int, last: int) -> None:
        blocked = self.model().blockSignals(True)
        for item in map(self.model().item, range(first, last + 1)):
            item.setFlags(item.flags() | QtCore.Qt.ItemIsUserCheckable)
            if item.data(QtCore.Qt.CheckStateRole) is None:
                item.setCheckState(QtCore.Qt.Unchecked)
        self.model().blockSignals(blocked)

    def _item_changed(self, _item: Any) -> None:
        rows = [i.row() for i in self.checkedIndexes()]
        if rows != self._before:
            self._before = rows
            self.update()
            self.checkedIndexesChanged.emit()

    def checkableModel(self) -> QtGui.QStandardItemModel:
        return self.model()

    def checkedIndexes(self) -> list[QtCore.QModelIndex]:
        indexes = (self.model().index(row, 0) for row in range(self.count))
        return [i for i in indexes if self.checkState(i) == QtCore.Qt.Checked]

    def checkState(self, index: QtCore.QModelIndex) -> QtCore.Qt.CheckState:
        return self.model().itemFromIndex(index).checkState()

    def setCheckState(self, index: QtCore.QModelIndex, state: Any) -> None:
        self.model().itemFromIndex(index).setCheckState(QtCore.Qt.CheckState(state))

    def allChecked(self) -> bool:
        return len(self.checkedIndexes()) == self.count

    def noneChecked(self) -> bool:
        return not self.checkedIndexes()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QtWidgets.QStyle.CC_ComboBox, option)
        names = [i.data() for i in self.checkedIndexes()]
        option.currentText = "All" if self.allChecked() else ", ".join(names) or "None"
        painter.drawControl(QtWidgets.QStyle.CE_ComboBoxLabel, option)


class _PathEdit(QtWidgets.QWidget):
    """An editable line with a button that opens a file dialog."""

    currentPathChanged = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._edit, self._button = QtWidgets.QComboBox(), QtWidgets.QToolButton()
        self._edit.setEditable(True)
        self._edit.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._button.setText("...")
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit, 1)
        layout.addWidget(self._button)
        self._edit.editTextChanged.connect(self.currentPathChanged.emit)
        self._button.clicked.connect(lambda *_: self.browse())

    def setCurrentPath(self, path: str) -> None:
        if path != self._edit.currentText:
            self._edit.setEditText(path)

    def _ask(self, title: str, folder: bool) -> None:
        ask = QtWidgets.QFileDialog.getExistingDirectory if folder else QtWidgets.QFileDialog.getOpenFileName
        chosen = ask(self, title, self._edit.currentText)
        if chosen:
            self.setCurrentPath(chosen)


@with_setters
class ctkPathLineEdit(_PathEdit):
    """A path of a file or a folder, with its history."""

    Dirs, AllDirs, Files, Drives, NoSymLinks = 0x001, 0x400, 0x002, 0x004, 0x008
    Readable, Writable, Executable = 0x010, 0x020, 0x040
    Modified, Hidden, System, NoDot, NoDotDot = 0x080, 0x100, 0x200, 0x2000, 0x4000
    NoDotAndDotDot = 0x6000
    validInputChanged = Signal(bool)

    currentPath = Property(str, lambda self: self._edit.currentText, _PathEdit.setCurrentPath)
    filters = stored(int, 0x003)
    nameFilters = stored("QStringList", [])
    label = stored(str, "")
    settingKey = stored(str, "")
    options = stored(int, 0)
    showBrowseButton = Property(
        bool, lambda self: not self._button.isHidden(), lambda self, on: self._button.setVisible(on)
    )
    showHistoryButton = stored(bool, True)
    sizeAdjustPolicy = stored(int, 0)

    def browse(self) -> None:
        self._ask(self.label or "Select a file", folder=not self.filters & self.Files)

    def addCurrentPathToHistory(self) -> None:
        if self.currentPath and self._edit.findText(self.currentPath) < 0:
            self._edit.addItem(self.currentPath)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._edit

    def clear(self) -> None:
        self._edit.clearEditText()


@with_setters
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._directory = QtCore.QDir.currentPath()
        self._button = QtWidgets.QPushButton(self._directory)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._button.clicked.connect(lambda *_: self.browse())

    def setDirectory(self, path: str) -> None:
        if path != self._directory:
            self._directory = path
            self._button.setText(path)
            self.directoryChanged.emit(path)

    def browse(self) -> None:
        chosen = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if chosen:
            self.setDirectory(chosen)
            self.directorySelected.emit(chosen)

    directory = Property(str, lambda self: self._directory, setDirectory)
    caption = stored(str, "")
    text = stored(str, "")
    displayAbsolutePath = stored(bool, True)
