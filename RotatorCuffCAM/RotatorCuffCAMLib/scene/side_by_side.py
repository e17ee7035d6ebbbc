"""A layout of the maps of all classes: a column each, the shoulder in 3D above its slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PreopReviewLib.scene.finding import nodes_of_class
from RotatorCuffCAMLib.scene import shoulder
from RotatorCuffCAMLib.scene.answer import look_at

LAYOUT, KEPT = 7731, "RotatorCuffCAM.LayoutBefore"
"""Number of the layout, and the attribute of the layout node that keeps the one before it."""


def tag_of(key: str) -> str:
    """The name of the two views of a class."""
    return f"Cuff{key.capitalize()}"


def layout_description(keys: Sequence[str], names: Sequence[str]) -> str:
    """What Slicer's layout logic reads."""
    from xml.sax.saxutils import escape

    def row(kind: str, more: str) -> str:
        items = "".join(
            f'<item><view class="{kind}" singletontag="{tag_of(key)}">'
            f'<property name="viewlabel" action="default">{escape(name)}</property>{more}</view></item>'
            for key, name in zip(keys, names, strict=True)
        )
        return f'<item><layout type="horizontal">{items}</layout></item>'

    slices = (
        '<property name="orientation" action="default">Coronal</property>'
        '<property name="viewcolor" action="default">#6EB04B</property>'
    )
    return f'<layout type="vertical">{row("vtkMRMLViewNode", "")}{row("vtkMRMLSliceNode", slices)}</layout>'


def show_side_by_side(activation: Any, maps: Sequence[Any], keys: Sequence[str], names: Sequence[str]) -> None:
    """Shows every map in a column of its own.

    Args:
        activation: the map that is examined; it steps back into its own 3D view.
        maps: of `classes.add_class_maps`.
        keys, names: of their classes.
    """
    scene = activation.GetScene()
    layout = _layout_node(scene)
    text = layout_description(keys, names)
    if layout.IsLayoutDescription(LAYOUT):
        layout.SetLayoutDescription(LAYOUT, text)
    else:
        layout.AddLayoutDescription(LAYOUT, text)
    if layout.GetViewArrangement() != LAYOUT:
        layout.SetAttribute(KEPT, str(layout.GetViewArrangement()))
    layout.SetViewArrangement(LAYOUT)
    tags = [tag_of(key) for key in keys]
    volume = activation.GetNodeReference(shoulder.VOLUME)
    first = scene.GetSingletonNode("1", "vtkMRMLViewNode")
    if first is not None:
        shoulder.rendering_of(activation).AddViewNodeID(first.GetID())
    for node, tag in zip(maps, tags, strict=True):
        own = scene.GetSingletonNode(tag, "vtkMRMLViewNode")
        display = shoulder.rendering_of(node)
        display.AddViewNodeID(own.GetID())
        display.SetVisibility(True)
        own.SetBoxVisible(False)
        own.SetAxisLabelsVisible(False)
    by_name = {n.GetLayoutName(): n for n in nodes_of_class(scene, "vtkMRMLSliceCompositeNode")}
    for node, tag in zip(maps, tags, strict=True):
        composite = by_name.get(tag)
        if composite is not None:
            composite.SetBackgroundVolumeID(volume.GetID())
            composite.SetForegroundVolumeID(node.GetID())
            composite.SetForegroundOpacity(0.55)
    look_at_middles(maps, keys)
    look_at(activation, again=True)


def look_at_middles(maps: Sequence[Any], keys: Sequence[str]) -> None:
    """Fits the slice of each class into its view, through the middle of its map; a view that is new has no size yet."""
    import slicer

    middles = {tag_of(key): shoulder.view_of(node).cut_lps for node, key in zip(maps, keys, strict=True)}
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for logic in (logics.GetItemAsObject(i) for i in range(logics.GetNumberOfItems())):
        name = logic.GetSliceNode().GetLayoutName() if logic.GetSliceNode() is not None else ""
        if name in middles:
            x, y, z = middles[name]
            logic.FitSliceToBackground()
            logic.GetSliceNode().JumpSliceByCentering(-x, -y, z)


def leave_side_by_side(activation: Any) -> None:
    """Brings the layout back that was there before, and the map that is examined into all 3D views."""
    layout = _layout_node(activation.GetScene())
    before = layout.GetAttribute(KEPT)
    if layout.GetViewArrangement() == LAYOUT:
        layout.SetViewArrangement(int(before) if before else layout.SlicerLayoutFourUpView)
    display = shoulder.rendering_of(activation)
    if display is not None:
        display.RemoveAllViewNodeIDs()


def _layout_node(scene: Any) -> Any | None:
    return scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
