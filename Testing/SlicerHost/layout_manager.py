"""`slicer.app.layoutManager()`: MRML's real layout logic, and the views that it asks for."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QObject, Signal

from .views import BACKGROUND, PlainViewWidget, SliceWidget, ThreeDWidget

_SLICES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
_COLORS = {"Red": (0.952, 0.290, 0.2), "Green": (0.431, 0.690, 0.294), "Yellow": (0.929, 0.835, 0.298)}


class LayoutManager(QObject):
    """qSlicerLayoutManager, with the three standard slice views and one 3D view; more are made when asked for."""

    layoutChanged = Signal(int)

    def __init__(self, scene: Any, app_logic: Any) -> None:
        super().__init__()
        import slicer

        self._scene, self._app_logic, self._paused = scene, app_logic, 0
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self._slices: dict[str, SliceWidget] = {}
        self._three_d: list[ThreeDWidget] = []
        self._plots: list[PlainViewWidget] = []
        self._tables: list[PlainViewWidget] = []
        for name, orientation in _SLICES.items():
            self._add_slice(name, orientation)
        self._add_three_d()
        node = self._logic.GetLayoutNode()
        node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._shown = self.layout
        self._tag = node.AddObserver("ModifiedEvent", self._arranged)

    def _add_slice(self, name: str, orientation: str) -> None:
        import slicer

        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._app_logic)
        self._app_logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(self._scene)
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetLayoutLabel(name[0])
        node.SetLayoutColor(*_COLORS.get(name, (0.5, 0.5, 0.5)))
        self._place(node)
        logic.ResizeSliceNode(500, 400)
        self._slices[name] = SliceWidget(logic, node)

    def _add_three_d(self) -> None:
        import slicer

        logic = slicer.vtkMRMLViewLogic()
        logic.SetMRMLApplicationLogic(self._app_logic)
        self._app_logic.GetViewLogics().AddItem(logic)
        logic.SetMRMLScene(self._scene)
        node = logic.AddViewNode(str(len(self._three_d) + 1))
        node.SetBackgroundColor(BACKGROUND[0])
        node.SetBackgroundColor2(BACKGROUND[1])
        self._place(node)
        self._three_d.append(ThreeDWidget(logic, node))

    def _place(self, node: Any) -> None:
        node.SetMappedInLayout(1)
        node.SetInteractionNode(self._app_logic.GetInteractionNode())

    def _arranged(self, *_: Any) -> None:
        if self.layout != self._shown:
            self._shown = self.layout
            self.layoutChanged.emit(self._shown)

    # ---- the arrangement ----

    def setLayout(self, number: int) -> None:
        """Raises ValueError for a layout that nobody described; Slicer shows nothing then."""
        if not self._logic.GetLayoutNode().IsLayoutDescription(int(number)):
            raise ValueError(f"There is no layout {number}")
        self._logic.GetLayoutNode().SetViewArrangement(int(number))

    layout = Property(int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), setLayout)

    def layoutLogic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return self._scene

    # ---- the views ----

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._slices.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._app_logic.GetSliceLogics()

    def threeDWidget(self, which: int | str) -> ThreeDWidget | None:
        """By number, or by the name of the view ("View1"); dual layouts have a second one."""
        wanted = which if isinstance(which, int) else int(which.removeprefix("View")) - 1
        while 0 <= wanted < 2 and wanted >= len(self._three_d) and self._needs_second():
            self._add_three_d()
        return self._three_d[wanted] if 0 <= wanted < len(self._three_d) else None

    def _needs_second(self) -> bool:
        description = self._logic.GetLayoutNode().GetCurrentLayoutDescription() or ""
        return description.count('class="vtkMRMLViewNode"') > 1

    def plotWidget(self, index: int) -> PlainViewWidget | None:
        from .widgets.tables_plots import qMRMLPlotView

        if index == 0 and not self._plots:
            self._plots.append(PlainViewWidget(qMRMLPlotView()))
            self._plots[0]._get().follow_scene(self._scene)
        return self._plots[index] if index < len(self._plots) else None

    def tableWidget(self, index: int) -> PlainViewWidget | None:
        from .widgets.tables_plots import qMRMLTableView

        if index == 0 and not self._tables:
            self._tables.append(PlainViewWidget(qMRMLTableView()))
        return self._tables[index] if index < len(self._tables) else None

    def _three_d_count(self) -> int:
        self.threeDWidget(1)
        return len(self._three_d)

    threeDViewCount = Property(int, _three_d_count)
    sliceViewCount = Property(int, lambda self: len(self._slices))
    plotViewCount = Property(int, lambda self: int(self.plotWidget(0) is not None))
    tableViewCount = Property(int, lambda self: int(self.tableWidget(0) is not None))

    def resetThreeDViews(self) -> None:
        for widget in self._three_d:
            widget.threeDView().resetFocalPoint()

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def pause(self, by: int) -> int:
        """Counts pauses of rendering."""
        self._paused += by
        return self._paused

    def shut_down(self) -> None:
        """Frees the windows that pictures needed, and takes the logics from the scene before it is emptied."""
        for view in [w.sliceView() for w in self._slices.values()] + [w.threeDView() for w in self._three_d]:
            view.close_window()
        self._logic.GetLayoutNode().RemoveObserver(self._tag)
        for logics in (self._app_logic.GetSliceLogics(), self._app_logic.GetViewLogics()):
            for logic in [logics.GetItemAsObject(i) for i in range(logics.GetNumberOfItems())]:
                logic.SetMRMLScene(None)
            logics.RemoveAllItems()
        self._logic.SetMRMLScene(None)
