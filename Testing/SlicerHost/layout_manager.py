"""`slicer.app.layoutManager()`: MRML's real layout logic, and the views that it asks for."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QObject, Signal

from .views import BACKGROUND, PlainViewWidget, SliceWidget, ThreeDWidget


class LayoutManager(QObject):
    """qSlicerLayoutManager, with the three standard slice views and one 3D view; more are made when asked for."""

    layoutChanged = Signal(int)

    def __init__(self, scene: Any, app_logic: Any) -> None:
        super().__init__()
        import slicer

        self._scene, self._app_logic, self._paused = scene, app_logic, 0
        self._slices: dict[str, SliceWidget] = {}
        self._three_d: list[ThreeDWidget] = []
        self._plots: list[PlainViewWidget] = []
        self._tables: list[PlainViewWidget] = []
        self._add_three_d("1")
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        node = self._logic.GetLayoutNode()
        node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        for name in ("Red", "Green", "Yellow"):
            self._add_slice(name)
        self._map()
        self._shown = self.layout
        self._tag = node.AddObserver("ModifiedEvent", self._arranged)

    def _add_slice(self, name: str) -> None:
        """The widget of a slice node that the layout logic has put into the scene."""
        import slicer

        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._app_logic)
        self._app_logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(self._scene)
        node = self._scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        logic.SetSliceNode(node)
        node.SetInteractionNode(self._app_logic.GetInteractionNode())
        logic.ResizeSliceNode(500, 400)
        self._slices[name] = SliceWidget(logic, node)

    def _add_three_d(self, name: str) -> None:
        import slicer

        logic = slicer.vtkMRMLViewLogic()
        logic.SetMRMLApplicationLogic(self._app_logic)
        self._app_logic.GetViewLogics().AddItem(logic)
        logic.SetMRMLScene(self._scene)
        # A logic makes its node, but takes none that the layout logic has made; such a view needs no logic here.
        node = self._scene.GetSingletonNode(name, "vtkMRMLViewNode") or logic.AddViewNode(name)
        node.SetInteractionNode(self._app_logic.GetInteractionNode())
        node.SetBackgroundColor(BACKGROUND[0])
        node.SetBackgroundColor2(BACKGROUND[1])
        self._three_d.append(ThreeDWidget(logic, node))

    def _map(self) -> None:
        """Marks the nodes of the views that the layout shows, which the application does, not the logic."""
        shown = self._logic.GetViewNodes()
        wanted = {shown.GetItemAsObject(i).GetID() for i in range(shown.GetNumberOfItems())}
        nodes = self._scene.GetNodesByClass("vtkMRMLAbstractViewNode")
        nodes.UnRegister(None)
        for node in (nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems())):
            node.SetMappedInLayout(node.GetID() in wanted)

    def _arranged(self, *_: Any) -> None:
        self._map()
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
        nodes = self._scene.GetNodesByClass("vtkMRMLSliceNode")
        nodes.UnRegister(None)
        names = [nodes.GetItemAsObject(i).GetLayoutName() for i in range(nodes.GetNumberOfItems())]
        return tuple(name for name in names if self.sliceWidget(name) is not None)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        if name not in self._slices and self._scene.GetSingletonNode(name, "vtkMRMLSliceNode") is not None:
            self._add_slice(name)
        return self._slices.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._app_logic.GetSliceLogics()

    def threeDWidget(self, which: int | str) -> ThreeDWidget | None:
        """By number, or by the name of the view ("View1"); dual layouts have a second one."""
        wanted = which if isinstance(which, int) else int(which.removeprefix("View")) - 1
        while self._scene.GetSingletonNode(str(len(self._three_d) + 1), "vtkMRMLViewNode") is not None:
            self._add_three_d(str(len(self._three_d) + 1))
        return self._three_d[wanted] if 0 <= wanted < len(self._three_d) else None

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
        """As in Slicer a view that was made once stays, also when the layout shows it no longer."""
        self.threeDWidget(0)
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
