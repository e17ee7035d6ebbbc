"""One collapsible section of a module's panel: a class, a .ui file, and what it shows of the scene."""

from __future__ import annotations

from typing import Any

from PreopReviewLib.panels.context import Context


class Section:
    """Base of the sections.

    A section is made with its module's context, then `connect` is called once, then `bind` with every new
    parameter node. Sections show the scene and never keep a copy of it: `refresh` is called whenever the
    parameter node changes or someone calls `Context.notify`.

    Attributes:
        title: on the collapsible button; give it through `_()`.
        ui_file: name of the .ui file in Resources/UI; its root is a qMRMLWidget.
        collapsed: whether the section is closed when the module is opened first.
        widget: the root widget; `ui` has its named children as attributes.
    """

    title: str = ""
    ui_file: str = ""
    collapsed: bool = True

    def __init__(self, context: Context) -> None:
        import slicer

        self.context = context
        self.widget = slicer.util.loadUI(context.resource_path(f"UI/{self.ui_file}"))
        self.ui: Any = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._bound: tuple[Any, int] | None = None

    @property
    def parameters(self) -> Any:
        """The module's parameter node wrapper, or None while the scene closes."""
        return self.context.parameters

    def connect(self) -> None:
        """Connects the signals; called once."""

    def bind(self, node: Any | None) -> None:
        """Follows another parameter node, or none: connects the widgets that name a parameter in the .ui."""
        if self._bound is not None:
            bound, tag = self._bound
            bound.disconnectGui(tag)
            self._bound = None
        if node is not None:
            self._bound = (node, node.connectGui(self.ui))
        self.refresh()

    def refresh(self) -> None:
        """Shows what the scene holds now; decides which buttons are on and says in tooltips why one is off."""

    def enter(self) -> None:
        """The module is opened."""

    def exit(self) -> None:
        """The module is left."""

    def cleanup(self) -> None:
        """The module is unloaded: let go of observers and widgets."""


def enable(widget: Any, reason: str, tooltip: str) -> None:
    """Turns a widget on, or off with the reason as its tooltip.

    Args:
        reason: why it is off, a sentence; empty turns it on.
        tooltip: what it does, shown while it is on.
    """
    widget.enabled = not reason
    widget.toolTip = reason or tooltip
