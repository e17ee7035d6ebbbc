"""The panel of a module that is made of sections: builds them, binds them to the scene, closes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin
from vtkmodules.vtkCommonCore import vtkCommand

from PreopReviewLib.panels import timers
from PreopReviewLib.panels.imports_ahead import ImportsAhead

WIDTH, SHARE = 86, 0.38
"""A panel is so many letters wide, which holds every section and effect of the Segment Editor, but at most this share
of the screen: a panel as narrow as the section that happens to be open would move the views below the mouse."""


@dataclass(frozen=True)
class LaterSection:
    """A section that is made when it is opened, so that a panel of many sections opens at once.

    Attributes:
        title: on the collapsible button; give it through `_()`.
        module, name: where its class is.
    """

    title: str
    module: str
    name: str

    def load(self) -> type:
        """The class."""
        return getattr(import_module(self.module), self.name)


SETTLED_MS = 50
"""After so long a panel has taken its new shape."""


def scroll_soon(widget: Any) -> None:
    """`scroll_to` when the panel has taken its new shape; not where the widget is gone, or collapsed again, by then."""
    timers.single_shot(SETTLED_MS, lambda: getattr(widget, "collapsed", False) or scroll_to(widget), widget).start()


def scroll_to(widget: Any) -> None:
    """Scrolls the panel so that as much of a widget is seen as there is room for, its top in any case."""
    area = widget.parent()
    while area is not None and not area.inherits("QScrollArea"):
        area = area.parent()
    if area is None:
        return
    bar, top = area.verticalScrollBar(), widget.mapTo(area.widget(), qt.QPoint(0, 0)).y()
    lowest = top + widget.height - area.viewport().height
    if not lowest <= bar.value <= top:
        bar.setValue(top if bar.value > top else min(top, lowest))


class SectionsWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Base of our modules' widgets. What a section does is in its own class.

    Attributes:
        shell: name of the .ui file with `sectionsLayoutWidget`.
        imports_ahead: modules that the first job needs (`ImportsAhead`).
        context: what the sections share.
        built: the sections that have been built so far, in that order.
    """

    shell = ""
    imports_ahead: tuple[str, ...] = ()

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self.context: Any = None
        self.built: list[Any] = []
        self._later: dict[str, tuple[Any, LaterSection]] = {}  # by name of the button; the button, and its section
        self._observed: tuple[Any, int] | None = None
        self._refreshing = False
        self._awaiting = False

    def make_logic(self) -> Any:
        """The module's logic; it has `getParameterNode`."""
        raise NotImplementedError

    def section_classes(self) -> Sequence[type | LaterSection]:
        """The sections but the last, "About and limits", from top to bottom; a `LaterSection` is collapsed first."""
        raise NotImplementedError

    def setup(self) -> None:
        """Builds the panel; called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from PreopReviewLib.panels.context import Context

        shell = slicer.util.loadUI(self.resourcePath(f"UI/{self.shell}"))
        self.layout.addWidget(shell)
        self.ui = slicer.util.childWidgetVariables(shell)
        shell.setMRMLScene(slicer.mrmlScene)
        self._keep_width()
        self.logic = self.make_logic()
        self.context = Context(self.resourcePath)
        self.context.open_section = self.open_section
        self.context.observers.append(lambda _topic: self.refresh())
        about = LaterSection(_("About and limits"), "PreopReviewLib.panels.about", "AboutSection")
        for kind in (*self.section_classes(), about):
            self._add_section(kind)
        self.layout.addStretch(1)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        self.initializeParameterNode()
        self._ahead = ImportsAhead(shell, self.imports_ahead)
        self._ahead.start()

    def _keep_width(self) -> None:
        """One width for all sections."""
        place = self.ui.sectionsLayoutWidget
        letters = WIDTH * qt.QFontMetrics(place.font).averageCharWidth()
        place.setMinimumWidth(min(letters, int(SHARE * place.screen().size.width())))

    def _add_section(self, kind: type | LaterSection) -> None:
        button = ctk.ctkCollapsibleButton()
        button.text = kind.title
        button.name = (kind.name if isinstance(kind, LaterSection) else kind.__name__) + "Button"
        qt.QVBoxLayout(button).setContentsMargins(0, 0, 0, 0)  # margins here would stay when it is collapsed
        button.collapsedHeight = 0
        self.ui.sectionsLayoutWidget.layout().addWidget(button)
        button.connect("contentsCollapsed(bool)", lambda collapsed: collapsed or self._show_later(button))
        if isinstance(kind, LaterSection):
            button.collapsed = True
            self._later[button.name] = (button, kind)
            button.connect("contentsCollapsed(bool)", lambda collapsed, n=button.name: collapsed or self._make_later(n))
            return
        button.collapsed = kind.collapsed
        self._fill(button, kind)

    def _fill(self, button: Any, kind: type) -> Any:
        section = kind(self.context)
        section.widget.setContentsMargins(6, 4, 6, 6)
        button.layout().addWidget(section.widget)
        section.button = button
        section.connect()
        self.built.append(section)
        return section

    def _make_later(self, name: str) -> None:
        if name not in self._later:
            return
        button, later = self._later.pop(name)
        section = self._fill(button, later.load())
        section.bind(self.context.parameters)
        section.enter()

    def _show_later(self, button: Any) -> None:
        """Scrolls to a section that was opened below what is seen, once it has its size."""
        scroll_soon(button)

    @property
    def sections(self) -> list[Any]:
        """All sections in the order of the panel; those not opened yet are made now."""
        for name in list(self._later):
            self._make_later(name)
        box = self.ui.sectionsLayoutWidget.layout()
        return sorted(self.built, key=lambda section: box.indexOf(section.button))

    def open_section(self, name: str) -> Any:
        """Opens a section by the name of its class, as a click on its title does, and returns it."""
        buttons = [button for button, _later in self._later.values()] + [section.button for section in self.built]
        next(b for b in buttons if b.name == f"{name}Button").collapsed = False
        return next(s for s in self.built if type(s).__name__ == name)

    def cleanup(self) -> None:
        """Releases everything; called when the module is unloaded or reloaded."""
        self.removeObservers()
        self.setParameterNode(None)
        for section in self.built:
            section.cleanup()
        if self.context is not None:
            self.context.close()

    def enter(self) -> None:
        """The module is opened."""
        self.initializeParameterNode()
        for section in self.built:
            section.enter()

    def exit(self) -> None:
        """The module is left; a running job goes on."""
        for section in self.built:
            section.exit()

    def onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        """The scene is being closed: a job that runs for it is obsolete."""
        self.context.abandon_job()
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        """The scene is empty, or another one has been loaded."""
        self.initializeParameterNode()

    def onNodeAdded(self, _caller: Any, _event: Any) -> None:
        """Where no volume is chosen, the first one that is loaded is taken, once it has its image."""
        if self._awaiting or self.context.parameters is None or self.context.parameters.inputVolume is not None:
            return
        self._awaiting = True
        qt.QTimer.singleShot(0, self._take_volume)

    def _take_volume(self) -> None:
        self._awaiting = False
        if self.context.parameters is not None and not slicer.mrmlScene.IsImporting():
            self._choose_first_volume()

    def initializeParameterNode(self) -> None:
        """Takes the scene's parameter node, and the first volume where none is chosen."""
        if self.logic is None or slicer.mrmlScene.IsClosing() or slicer.mrmlScene.IsImporting():
            return
        self.setParameterNode(self.logic.getParameterNode())
        self._choose_first_volume()

    def _choose_first_volume(self) -> None:
        parameters = self.context.parameters
        if parameters.inputVolume is None:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            plain = first is not None and first.GetClassName() == "vtkMRMLScalarVolumeNode"
            if plain and not first.GetHideFromEditors():  # a reader's case is hidden
                parameters.inputVolume = first

    def setParameterNode(self, node: Any | None) -> None:
        """Makes the panel follow a parameter node, or none."""
        if self._observed is not None:
            observed, tag = self._observed
            observed.RemoveObserver(tag)
            self._observed = None
        self.context.parameters = node
        self._refreshing = True  # binding writes into widgets; one refresh at the end is enough
        try:
            for section in self.built:
                section.bind(node)
        finally:
            self._refreshing = False
        if node is not None:
            self._observed = (node, node.AddObserver(vtkCommand.ModifiedEvent, lambda *_args: self.refresh()))
            self.refresh()

    def refresh(self) -> None:
        """Lets every section show what the scene holds now."""
        if self._refreshing or self.context.parameters is None:
            return
        self._refreshing = True
        try:
            from PreopReviewLib.panels.resting_views import resting_views

            with resting_views():  # all views would draw each change of a node by itself
                for section in self.built:
                    section.refresh()
        finally:
            self._refreshing = False
